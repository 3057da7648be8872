"""MPII Human Pose (Andriluka et al., CVPR 2014): its MATLAB annotations, and the three files that public codes made of them.

All four count pixels from (1, 1); positions become 0-based here. The person's box is a square of 200 x scale about the
annotated position moved 15 x scale down: the rule of the stacked hourglass code, which HRNet and SimpleBaseline took over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.keypoints import HEAD_FACTOR, MPII_JOINTS, compute_head_sizes
from benchmark.data.annotation_files import (
    as_numbers,
    dataset_label,
    first_existing,
    naming_record,
    read_json,
    read_mat,
    stack_rows,
)
from benchmark.data.people import People

ORIGIN = 1.0  # MATLAB's first pixel
REFERENCE = 200.0  # a person of scale 1 is about this high, pixels
LOWERED = 15.0  # x scale, pixels
H5_PADDING = 1.25  # valid.h5 holds scales that are already padded, and centres already lowered
K = len(MPII_JOINTS)
PERSONS_AN_IMAGE = 100  # ids are 100 x position in annolist + position in annorect, both from 0

MAT = ("mpii_human_pose_v1_u12_1.mat", "*/mpii_human_pose_v1_u12_1.mat")
H5 = ("valid.h5", "annot/valid.h5")
HEADS = ("gt_valid.mat", "annot/gt_valid.mat")
# Which file a split is read from: the first that exists.
SPLITS: dict[str, tuple[str, ...]] = {
    "train": ("annot/train.json", *MAT),
    "val": ("annot/valid.json", *H5, *MAT),
    "trainval": ("annot/trainval.json", *MAT),
    "test": ("annot/test.json", *MAT),
    "sample": ("annotations_*_images.json",),
}
PERSON_COUNTS = {"train": 22_246, "val": 2_958}  # in HRNet's files, whose split is that of Tompson et al., CVPR 2015


@dataclass
class _Rows:
    """Persons as the files have them, before they become columns: pixels from (1, 1), annotated positions and scales."""

    names: list[str] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    joints: list[np.ndarray] = field(default_factory=list)
    visible: list[np.ndarray] = field(default_factory=list)
    positions: list[np.ndarray] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)
    heads: list[float] = field(default_factory=list)  # nan where there is none

    def identities(self) -> list[tuple[str, int, int]]:
        """What a person is recognised by across files: the image and the annotated position."""
        return [(name, round(x), round(y)) for name, (x, y) in zip(self.names, self.positions, strict=True)]


def load_mpii(folder: Path, split: str = "val", annotations: Path | None = None) -> People:
    """The persons of a split.

    Splits: train, val, trainval, test, and sample (a file ``annotations_*_images.json``). HRNet's ``annot/*.json`` are read
    first, then ``valid.h5``, then the official MATLAB file; that one does not know train from val, so that ``valid.h5`` or
    ``annot/valid.json`` must stand beside it. From it come the persons that MPII lists as standing apart (``single_person``),
    and its ids: see :func:`annolist_position`. From JSON, ids are row numbers. Test persons have no joints.

    Head sizes come from the MATLAB file, ``valid.h5`` or ``gt_valid.mat`` (rows in the order of ``valid.json``); None without.

    Args:
        annotations: a file to read instead of the split's own.

    Raises:
        InputError: no such split, no annotations, or a malformed record; file and record are named.
    """
    if split not in SPLITS:
        raise InputError(f"MPII has no split {split!r}; known: {', '.join(SPLITS)}")
    path = annotations or first_existing(folder, SPLITS[split])
    if path is None:
        raise InputError(f"{folder}: no MPII annotations of {split}: none of {', '.join(SPLITS[split])}")
    if path.suffix == ".json":
        rows = _read_json(path)
        _add_head_sizes(rows, folder, split)
    elif path.suffix == ".h5":
        rows = _read_h5(path)
    else:
        rows = _read_split_of_mat(path, folder, split)
    return _people(rows, folder, split)


def annolist_position(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where persons with these ids stand in the MATLAB file, from 0: in ``annolist``, and in its ``annorect``."""
    return ids // PERSONS_AN_IMAGE, ids % PERSONS_AN_IMAGE


def _people(rows: _Rows, folder: Path, split: str) -> People:
    scales, positions = np.array(rows.scales, np.float64), stack_rows(rows.positions, (2,))
    visible = np.array(rows.visible, np.uint8).reshape(-1, K)
    heads = np.array(rows.heads, np.float64)
    return People(
        dataset=dataset_label("mpii", folder),
        split=split,
        images=tuple(folder / "images" / name for name in rows.names),
        image_ids=np.array([_image_id(name) for name in rows.names], np.int64),
        ids=np.array(rows.ids, np.int64),
        joints=np.where(visible[..., None] > 0, stack_rows(rows.joints, (K, 2)) - ORIGIN, 0.0),
        visible=visible,
        centers=positions - ORIGIN + np.stack([np.zeros_like(scales), LOWERED * scales], axis=-1),
        sizes=np.repeat(REFERENCE * scales[:, None], 2, axis=1),
        head_sizes=heads if len(heads) and np.isfinite(heads).all() else None,
    )


def _image_id(name: str) -> int:
    stem = Path(name).stem
    if not stem.isdecimal():
        raise InputError(f"MPII image {name!r}: the name is not a number")
    return int(stem)


def _read_json(path: Path) -> _Rows:
    """HRNet's files: a list of {image, center, scale, joints, joints_vis}; occluded joints count as annotated there."""
    rows = _Rows()
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: expected a list of persons")
    for number, person in enumerate(content):
        with naming_record(path, f"person {number}"):
            rows.names.append(Path(person["image"]).name)
            rows.ids.append(number)
            rows.positions.append(as_numbers(person["center"], (2,), "center"))
            rows.scales.append(_scale(person["scale"]))
            annotated = "joints" in person
            rows.joints.append(as_numbers(person["joints"], (K, 2), "joints") if annotated else np.zeros((K, 2)))
            rows.visible.append(2 * (as_numbers(person["joints_vis"], (K,), "joints_vis") > 0) if annotated else np.zeros(K))
            rows.heads.append(float(person.get("head_size", np.nan)))
    return rows


def _scale(value: Any) -> float:
    scale = float(as_numbers(value, (), "scale"))
    if scale <= 0:
        raise ValueError(f"scale is {scale:g}, not positive")
    return scale


def _add_head_sizes(rows: _Rows, folder: Path, split: str) -> None:
    """Head sizes of HRNet's validation persons stand in gt_valid.mat, row by row; others are looked up in valid.h5."""
    if np.isfinite(rows.heads).all():
        return
    boxes = first_existing(folder, HEADS)
    if split == "val" and boxes:
        corners = np.asarray(read_mat(boxes, "headboxes_src"), np.float64)
        if corners.shape != (2, 2, len(rows.names)):
            raise InputError(f"{boxes}: headboxes_src has shape {list(corners.shape)}, expected [2, 2, {len(rows.names)}]")
        rows.heads = list(compute_head_sizes(np.moveaxis(corners, -1, 0)))
    elif h5 := first_existing(folder, H5):
        known = _read_h5(h5)
        heads = dict(zip(known.identities(), known.heads, strict=True))
        rows.heads = [heads.get(key, np.nan) for key in rows.identities()]


def _read_h5(path: Path) -> _Rows:
    """The hourglass code's valid.h5. Its ``visible`` is 0 for occluded joints too: annotated are those with a position."""
    import h5py

    wanted = {"part": (K, 2), "visible": (K,), "center": (2,), "scale": (), "normalize": (), "index": (), "person": ()}
    with naming_record(path, "file"):
        try:
            with h5py.File(path) as file:
                persons = len(file["imgname"])
                names = [name.decode() for name in file["imgname"][()]]
                columns = {key: as_numbers(file[key][()], (persons, *shape), key) for key, shape in wanted.items()}
        except OSError as error:
            raise InputError(f"{path}: {error}") from None
    annotated = (columns["part"] != 0).any(axis=-1)
    scales = columns["scale"] / H5_PADDING
    lowered = np.stack([np.zeros(persons), LOWERED * scales], axis=-1)
    return _Rows(
        names=names,
        ids=[
            int(image) * PERSONS_AN_IMAGE + int(person)
            for image, person in zip(columns["index"], columns["person"], strict=True)
        ],
        joints=list(columns["part"]),
        visible=list(np.where(columns["visible"] > 0, 2, annotated)),
        positions=list(columns["center"] - lowered),
        scales=list(scales),
        heads=list(columns["normalize"]),
    )


def _read_split_of_mat(path: Path, folder: Path, split: str) -> _Rows:
    if split in ("test", "trainval"):
        return _read_mat_rows(path, train=split == "trainval")
    listing = first_existing(folder, ("annot/valid.json", *H5))
    if listing is None:
        raise InputError(f"{path}: does not tell {split} apart; valid.h5 or annot/valid.json must stand beside it")
    validation = set((_read_json(listing) if listing.suffix == ".json" else _read_h5(listing)).identities())
    rows = _read_mat_rows(path, train=True, apart=split == "train")
    kept = [place for place, key in enumerate(rows.identities()) if (key in validation) == (split == "val")]
    return _Rows(**{name: [column[place] for place in kept] for name, column in vars(rows).items()})


def _read_mat_rows(path: Path, *, train: bool, apart: bool = True) -> _Rows:
    """Persons of the training or of the test images; with ``apart`` only those in the lists of ``single_person``."""
    release = read_mat(path, "RELEASE", struct_as_record=False, squeeze_me=True)
    rows = _Rows()
    with naming_record(path, "RELEASE"):
        images, is_train = _items(release.annolist), np.atleast_1d(release.img_train)
        singles = np.atleast_1d(release.single_person) if len(images) > 1 else [release.single_person]
        if not len(images) == len(is_train) == len(singles):
            raise ValueError(
                f"annolist, img_train and single_person hold {len(images)}, {len(is_train)}, {len(singles)} images"
            )
    for place in np.flatnonzero(is_train == train):
        image = images[place]
        with naming_record(path, f"annolist({place + 1})"):
            chosen = {int(number) - 1 for number in np.atleast_1d(singles[place]).ravel()}
            for number, person in _persons(image):
                if apart and number not in chosen:
                    continue
                with naming_record(path, f"annolist({place + 1}).annorect({number + 1})"):
                    joints, visible = _points(person)
                    if train and not visible.any():
                        continue
                    rows.names.append(str(image.image.name))
                    rows.ids.append(int(place) * PERSONS_AN_IMAGE + number)
                    rows.positions.append(as_numbers([person.objpos.x, person.objpos.y], (2,), "objpos"))
                    rows.scales.append(_scale(person.scale))
                    rows.joints.append(joints)
                    rows.visible.append(visible)
                    rows.heads.append(_head_size(person))
    return rows


def _persons(image: Any) -> Iterator[tuple[int, Any]]:
    """Those of an image that have a position and a scale."""
    for number, person in enumerate(_items(getattr(image, "annorect", None))):
        if _given(person, "objpos") and _given(person, "scale"):
            yield number, person


def _points(person: Any) -> tuple[np.ndarray, np.ndarray]:
    """Joints ``[16, 2]`` and visibility ``[16]``. Head top and upper neck have no ``is_visible``: they count as visible."""
    joints, visible = np.zeros((K, 2)), np.zeros(K, np.uint8)
    if _given(person, "annopoints"):
        for point in _items(person.annopoints.point):
            if not 0 <= int(point.id) < K:
                raise ValueError(f"joint id {point.id} is not among 0 to {K - 1}")
            joints[int(point.id)] = as_numbers([point.x, point.y], (2,), f"joint {point.id}")
            visible[int(point.id)] = 1 + (not _given(point, "is_visible") or int(point.is_visible) > 0)
    return joints, visible


def _head_size(person: Any) -> float:
    if not all(_given(person, side) for side in ("x1", "y1", "x2", "y2")):
        return np.nan
    return HEAD_FACTOR * float(np.hypot(person.x2 - person.x1, person.y2 - person.y1))


def _given(struct: Any, name: str) -> bool:
    return np.size(getattr(struct, name, ())) > 0  # MATLAB writes an absent field of one struct in an array as []


def _items(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value.ravel()) if isinstance(value, np.ndarray) else [value]
