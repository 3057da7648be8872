"""MPII Human Pose (Andriluka et al., CVPR 2014): its MATLAB annotations, and the three files that public codes made from them.

All four count pixels from (1, 1); positions become 0-based here. The person's box is a square of 200 x scale whose centre is
15 x scale below the annotated position: the rule of the stacked hourglass code, which HRNet and SimpleBaseline use too.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.file_content import file_format, read_content
from benchmark.core.hdf5_files import get_item, read_array
from benchmark.core.keypoints import MPII_JOINTS, compute_head_sizes
from benchmark.data.annotation_files import (
    as_numbers,
    dataset_label,
    first_existing,
    image_path,
    naming_record,
    read_json,
    read_mat,
    stack_rows,
)
from benchmark.data.people import People

ORIGIN = 1.0  # MATLAB's first pixel
REFERENCE_HEIGHT = 200.0  # of a person of scale 1, pixels
CENTER_SHIFT = 15.0  # downwards, x scale, pixels
H5_PADDING = 1.25  # in valid.h5 scales are already padded, and centres already shifted
K = len(MPII_JOINTS)
IDS_PER_IMAGE = 100  # ids are 100 x index in annolist + index in annorect, both from 0

MAT = ("mpii_human_pose_v1_u12_1.mat", "*/mpii_human_pose_v1_u12_1.mat")
H5 = ("valid.h5", "annot/valid.h5")
HEADS = ("gt_valid.mat", "annot/gt_valid.mat")
# Files from which each split can be read: the first that exists is used.
SPLITS: dict[str, tuple[str, ...]] = {
    "train": ("annot/train.json", *MAT),
    "val": ("annot/valid.json", *H5, *MAT),
    "trainval": ("annot/trainval.json", *MAT),
    "test": ("annot/test.json", *MAT),
    "sample": ("annotations_*_images.json",),
}
PERSON_COUNTS = {"train": 22_246, "val": 2_958}  # in HRNet's files, with the split of Tompson et al., CVPR 2015


@dataclass
class _Rows:
    """People as in the files: pixels from (1, 1), annotated positions and scales.

    Attributes:
        names: of the images.
        ids: see :func:`split_mpii_ids`; row numbers in JSON files.
        joints: float ``[16, 2]`` each.
        visible: uint8 ``[16]`` each, as in :class:`People`.
        positions: float ``[2]`` each.
        scales: height in pixels, divided by 200.
        heads: head sizes in pixels, NaN if unknown.
    """

    names: list[str] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    joints: list[np.ndarray] = field(default_factory=list)
    visible: list[np.ndarray] = field(default_factory=list)
    positions: list[np.ndarray] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)
    heads: list[float] = field(default_factory=list)

    def person_keys(self) -> list[tuple[str, int, int]]:
        """Return keys that identify people across files: the image and the annotated position."""
        return [(Path(name).name, round(x), round(y)) for name, (x, y) in zip(self.names, self.positions, strict=True)]


def load_mpii(folder: Path, split: str = "val", annotations: Path | None = None) -> People:
    """Load the people of a split: train, val, trainval, test, or sample (a file ``annotations_*_images.json``).

    The first of these that exists is read: HRNet's ``annot/*.json``, ``valid.h5``, the official MATLAB file. The MATLAB file
    does not distinguish train from val, so it needs ``valid.h5`` or ``annot/valid.json`` beside it. From it, only the people
    are loaded that MPII lists as sufficiently separated (``single_person``), with ids as in :func:`split_mpii_ids`. In JSON
    files, ids are row numbers. People of the test split have no joints.

    Head sizes come from the MATLAB file, ``valid.h5`` or ``gt_valid.mat`` (rows in the order of ``valid.json``), and are None
    if none of them exists.

    Args:
        annotations: a file to read instead of the split's own.

    Raises:
        InputError: the split is unknown, annotations are missing, or an entry is malformed; the file and the entry are named.
    """
    if split not in SPLITS:
        raise InputError(f"MPII has no split {split!r}; known: {', '.join(SPLITS)}")
    path = annotations or first_existing(folder, SPLITS[split])
    if path is None:
        raise InputError(f"{folder}: no MPII annotations of {split}: none of {', '.join(SPLITS[split])}")
    if file_format(path) == ".json":
        rows = _read_json_rows(path)
        _add_head_sizes(rows, folder, split)
    elif file_format(path) == ".h5":
        rows = _read_h5_rows(path)
    else:
        rows = _read_mat_split(path, folder, split)
    return _people(rows, folder, split)


def split_mpii_ids(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices, from 0, of people with these ids in the MATLAB file's ``annolist`` and in its ``annorect``."""
    return ids // IDS_PER_IMAGE, ids % IDS_PER_IMAGE


def _people(rows: _Rows, folder: Path, split: str) -> People:
    scales, positions = np.array(rows.scales, np.float64), stack_rows(rows.positions, (2,))
    visible = np.array(rows.visible, np.uint8).reshape(-1, K)
    heads = np.array(rows.heads, np.float64)
    return People(
        dataset=dataset_label("mpii", folder),
        split=split,
        images=tuple(image_path(folder / "images", name) for name in rows.names),
        image_ids=np.array([_image_id(name) for name in rows.names], np.int64),
        ids=np.array(rows.ids, np.int64),
        joints=np.where(visible[..., None] > 0, stack_rows(rows.joints, (K, 2)) - ORIGIN, 0.0),
        visible=visible,
        centers=positions - ORIGIN + np.stack([np.zeros_like(scales), CENTER_SHIFT * scales], axis=-1),
        sizes=np.repeat(REFERENCE_HEIGHT * scales[:, None], 2, axis=1),
        head_sizes=heads if len(heads) and np.isfinite(heads).all() else None,
    )


def _image_id(name: str) -> int:
    stem = Path(name).stem
    if not stem.isdecimal():
        raise InputError(f"MPII image {name!r}: the name is not a number")
    return int(stem)


def _read_json_rows(path: Path) -> _Rows:
    """Read one of HRNet's files: a list of {image, center, scale, joints, joints_vis}, where occluded joints are annotated."""
    rows = _Rows()
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: expected a list of people")
    for index, person in enumerate(content):
        with naming_record(path, f"person {index}"):
            rows.names.append(str(person["image"]))
            rows.ids.append(index)
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
    """Add head sizes: of HRNet's validation people from gt_valid.mat, row by row, and of other people from valid.h5."""
    if np.isfinite(rows.heads).all():
        return
    boxes = first_existing(folder, HEADS)
    if split == "val" and boxes:
        corners = np.asarray(read_mat(boxes, "headboxes_src"), np.float64)
        if corners.shape != (2, 2, len(rows.names)):
            raise InputError(f"{boxes}: headboxes_src has shape {list(corners.shape)}, expected [2, 2, {len(rows.names)}]")
        rows.heads = list(compute_head_sizes(np.moveaxis(corners, -1, 0)))
    elif h5 := first_existing(folder, H5):
        h5_rows = _read_h5_rows(h5)
        heads = dict(zip(h5_rows.person_keys(), h5_rows.heads, strict=True))
        rows.heads = [heads.get(key, np.nan) for key in rows.person_keys()]


def _read_h5_rows(path: Path) -> _Rows:
    """Read the hourglass code's valid.h5.

    Its ``visible`` is 0 for occluded joints too; a joint with a position is annotated.
    """
    import h5py

    shapes = {"part": (K, 2), "visible": (K,), "center": (2,), "scale": (), "normalize": (), "index": (), "person": ()}
    content = read_content(path)
    with naming_record(path, "file"):
        try:
            with h5py.File(io.BytesIO(content)) as file:
                names = [name.decode() for name in read_array(get_item(file, "imgname"), len(content))]
                count = len(names)
                arrays = {key: read_array(get_item(file, key), len(content)) for key in shapes}
        except OSError as error:
            raise InputError(f"{path}: {error}") from None
        columns = {key: as_numbers(arrays[key], (count, *shape), key) for key, shape in shapes.items()}
    annotated = (columns["part"] != 0).any(axis=-1)
    scales = columns["scale"] / H5_PADDING
    shifts = np.stack([np.zeros(count), CENTER_SHIFT * scales], axis=-1)
    return _Rows(
        names=names,
        ids=[
            int(image) * IDS_PER_IMAGE + int(person) for image, person in zip(columns["index"], columns["person"], strict=True)
        ],
        joints=list(columns["part"]),
        visible=list(np.where(columns["visible"] > 0, 2, annotated)),
        positions=list(columns["center"] - shifts),
        scales=list(scales),
        heads=list(columns["normalize"]),
    )


def _read_mat_split(path: Path, folder: Path, split: str) -> _Rows:
    """Read a split of the MATLAB file; val is what valid.h5 or annot/valid.json lists, train is the rest."""
    if split in ("test", "trainval"):
        return _read_mat_rows(path, train=split == "trainval")
    listing = first_existing(folder, ("annot/valid.json", *H5))
    if listing is None:
        raise InputError(f"{path}: does not distinguish train from val; put valid.h5 or annot/valid.json beside it")
    validation = set((_read_json_rows(listing) if listing.suffix == ".json" else _read_h5_rows(listing)).person_keys())
    rows = _read_mat_rows(path, train=True, separated=split == "train")
    indices = [index for index, key in enumerate(rows.person_keys()) if (key in validation) == (split == "val")]
    return _Rows(**{name: [column[index] for index in indices] for name, column in vars(rows).items()})


def _read_mat_rows(path: Path, *, train: bool, separated: bool = True) -> _Rows:
    """Read the people of the training or of the test images; with ``separated``, only those listed in ``single_person``."""
    release = read_mat(path, "RELEASE", struct_as_record=False, squeeze_me=True)
    rows = _Rows()
    with naming_record(path, "RELEASE"):
        images, is_train = _items(release.annolist), np.atleast_1d(release.img_train)
        singles = np.atleast_1d(release.single_person) if len(images) > 1 else [release.single_person]
        if not len(images) == len(is_train) == len(singles):
            raise ValueError(
                f"annolist, img_train and single_person hold {len(images)}, {len(is_train)}, {len(singles)} images"
            )
    for index in np.flatnonzero(is_train == train):
        image = images[index]
        with naming_record(path, f"annolist({index + 1})"):
            listed = {int(number) - 1 for number in np.atleast_1d(singles[index]).ravel()}
            for number, person in _annotated_people(image):
                if separated and number not in listed:
                    continue
                with naming_record(path, f"annolist({index + 1}).annorect({number + 1})"):
                    joints, visible = _joints(person)
                    if train and not visible.any():
                        continue
                    rows.names.append(str(image.image.name))
                    rows.ids.append(int(index) * IDS_PER_IMAGE + number)
                    rows.positions.append(as_numbers([person.objpos.x, person.objpos.y], (2,), "objpos"))
                    rows.scales.append(_scale(person.scale))
                    rows.joints.append(joints)
                    rows.visible.append(visible)
                    rows.heads.append(_head_size(person))
    return rows


def _annotated_people(image: Any) -> Iterator[tuple[int, Any]]:
    """Yield index and struct of each person of an image that has a position and a scale."""
    for number, person in enumerate(_items(getattr(image, "annorect", None))):
        if _has_field(person, "objpos") and _has_field(person, "scale"):
            yield number, person


def _joints(person: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return joints ``[16, 2]`` and visibility ``[16]``; head top and upper neck, without ``is_visible``, count as visible."""
    joints, visible = np.zeros((K, 2)), np.zeros(K, np.uint8)
    if _has_field(person, "annopoints"):
        for point in _items(person.annopoints.point):
            if not 0 <= int(point.id) < K:
                raise ValueError(f"joint id {point.id} is not among 0 to {K - 1}")
            joints[int(point.id)] = as_numbers([point.x, point.y], (2,), f"joint {point.id}")
            visible[int(point.id)] = 1 + (not _has_field(point, "is_visible") or int(point.is_visible) > 0)
    return joints, visible


def _head_size(person: Any) -> float:
    if not all(_has_field(person, side) for side in ("x1", "y1", "x2", "y2")):
        return np.nan
    box = np.array([[[person.x1, person.y1], [person.x2, person.y2]]], float)
    return float(compute_head_sizes(box)[0])


def _has_field(struct: Any, name: str) -> bool:
    return np.size(getattr(struct, name, ())) > 0  # MATLAB writes an absent field of one struct in an array as []


def _items(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value.ravel()) if isinstance(value, np.ndarray) else [value]
