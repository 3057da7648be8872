"""Writing Synthetic people in MPII's and COCO's own formats, so that the same readers take them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write
from benchmark.core.keypoints import COCO_JOINTS, MPII_JOINTS
from benchmark.data.annotation_files import SYNTHETIC
from benchmark.data.mpii import LOWERED, ORIGIN, REFERENCE
from benchmark.data.synthetic.scenes import SPLITS, SYNTHETIC_VERSION, Person, Scene, draw_scene

QUALITY = 92  # JPEG
# Joints joined by COCO's skeleton, counted from 1.
COCO_SKELETON = (
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10), (9, 11), (2, 3),
    (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip


def write_datasets(
    out: Path,
    people: int,
    seed: int,
    layout: Literal["mpii", "coco", "both"] = "both",
    *,
    validation: int | None = None,
    size: int = 256,
    progress: Callable[[int], object] = lambda persons: None,
) -> None:
    """Draw ``people`` persons into ``out/mpii`` and ``out/coco``, laid out and annotated as those datasets are.

    Args:
        validation: how many of them make up the validation split; by default a fifth. The others are the training split.
        size: of the pictures, pixels.
        progress: called with the number of persons each time some are done.

    Raises:
        InputError: a number makes no sense, or a folder to be written already holds something else.
    """
    validation = people // 5 if validation is None else validation
    if people < 1 or not 0 <= validation <= people:
        raise InputError(f"{people} people, {validation} of them for validation: at least one person is needed")
    if size < 64 or seed < 0:
        raise InputError(f"size {size}, seed {seed}: pictures are at least 64 pixels, and seeds are not negative")
    counts = {"train": people - validation, "val": validation}
    identity = {"generator": "Synthetic people", "version": SYNTHETIC_VERSION, "seed": seed, "size": size, "people": counts}
    writers: list[_Mpii | _Coco] = []
    for kind in (_Mpii, _Coco):
        if layout in (kind.name, "both"):
            _claim(out / kind.name, identity)
            writers.append(kind(out / kind.name))
    for split in SPLITS:
        for number, scene in _scenes(seed, split, counts[split], size):
            encoded = cv2.imencode(".jpg", cv2.cvtColor(scene.pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[
                1
            ]
            for writer in writers:
                writer.add(split, number, scene, encoded.tobytes())
            progress(len(scene.persons))
    for writer in writers:
        writer.finish()
        with atomic_write(writer.folder / SYNTHETIC) as temporary:
            temporary.write_text(json.dumps(identity, indent=1) + "\n")


def _claim(folder: Path, identity: dict[str, Any]) -> None:
    marker = folder / SYNTHETIC
    if folder.exists() and any(folder.iterdir()) and not marker.is_file():
        raise InputError(f"{folder}: not empty, and not written by Synthetic people; name another --out")
    if marker.is_file() and json.loads(marker.read_text()) != identity:
        raise InputError(f"{folder}: holds Synthetic people of other settings ({SYNTHETIC}); name another --out")
    with atomic_write(marker) as temporary:
        temporary.write_text(json.dumps(identity, indent=1) + "\n")


def _scenes(seed: int, split: str, people: int, size: int) -> Iterator[tuple[int, Scene]]:
    """Scenes until so many people are in them; those without anybody are left out."""
    number = 0
    while people > 0:
        scene = draw_scene(seed, split, number, size, most=min(people, 3))
        if scene.persons:
            yield number, scene
            people -= len(scene.persons)
        number += 1


def _position(person: Person) -> tuple[list[float], float]:
    """MPII's position and scale: the box of the joints, lowered by the readers' rule, has the person's centre."""
    joints, visible = person.arrays(MPII_JOINTS)
    known = joints[visible > 0]
    scale = person.height / REFERENCE
    x, y = (known.min(0) + known.max(0)) / 2 + ORIGIN
    return [float(x), float(y - LOWERED * scale)], scale


class _Mpii:
    """``images``, ``mpii_human_pose_v1_u12_1.mat``, HRNet's ``annot/train.json`` and ``valid.json``, ``gt_valid.mat``."""

    name = "mpii"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images: list[tuple[str, str, tuple[Person, ...]]] = []  # split, file name, persons
        (folder / "images").mkdir(exist_ok=True)
        (folder / "annot").mkdir(exist_ok=True)

    def add(self, split: str, number: int, scene: Scene, encoded: bytes) -> None:
        name = f"{1 + SPLITS.index(split)}{number:08d}.jpg"
        (self.folder / "images" / name).write_bytes(encoded)
        self.images.append((split, name, scene.persons))

    def finish(self) -> None:
        from scipy.io import savemat

        for split, file in (("train", "train.json"), ("val", "valid.json")):
            rows = [
                _json_row(name, person)
                for image_split, name, persons in self.images
                if image_split == split
                for person in persons
            ]
            (self.folder / "annot" / file).write_text(json.dumps(rows))
        validation = [person for split, _, persons in self.images if split == "val" for person in persons]
        if validation:
            savemat(self.folder / "annot" / "gt_valid.mat", _gt_valid(validation))
        release = _release([(name, persons) for _, name, persons in self.images])
        savemat(self.folder / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})


def _json_row(name: str, person: Person) -> dict[str, Any]:
    joints, visible = person.arrays(MPII_JOINTS)
    position, scale = _position(person)
    points = np.where(visible[:, None] > 0, np.round(joints + ORIGIN, 4), -1.0)
    return {
        "joints_vis": (visible > 0).astype(int).tolist(),
        "joints": points.tolist(),
        "image": name,
        "scale": round(scale, 6),
        "center": [round(value, 4) for value in position],
    }


def _gt_valid(persons: list[Person]) -> dict[str, Any]:
    joints, visible = (np.stack(column) for column in zip(*(person.arrays(MPII_JOINTS) for person in persons), strict=True))
    heads = np.array([person.head_box for person in persons]).reshape(-1, 2, 2)
    return {
        "dataset_joints": np.array(MPII_JOINTS, object)[None],
        "jnt_missing": (visible == 0).astype(np.uint8).T,
        "pos_gt_src": np.where(visible[..., None] > 0, joints + ORIGIN, 0.0).transpose(1, 2, 0),
        "headboxes_src": (heads + ORIGIN).transpose(1, 2, 0),
    }


def _structs(rows: list[dict[str, Any]]) -> np.ndarray:
    """A MATLAB struct array ``[1, n]``."""
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in rows[0]])
    for place, row in enumerate(rows):
        array[0, place] = tuple(row.values())
    return array


def _release(images: list[tuple[str, tuple[Person, ...]]]) -> dict[str, Any]:
    """The variable RELEASE of the official file: every image is one for training, every person stands apart."""
    singles = np.empty((len(images), 1), object)
    for place, (_, persons) in enumerate(images):
        singles[place, 0] = np.arange(1, len(persons) + 1, dtype=np.float64)[:, None]
    return {
        "annolist": _structs(
            [{"image": {"name": name}, "annorect": _structs([_annorect(one) for one in persons])} for name, persons in images]
        ),
        "img_train": np.ones((1, len(images))),
        "version": "12",
        "single_person": singles,
    }


def _annorect(person: Person) -> dict[str, Any]:
    joints, visible = person.arrays(MPII_JOINTS)
    (x, y), scale = _position(person)
    points = []
    for joint in np.flatnonzero(visible):
        unstated = MPII_JOINTS[joint] in ("upper_neck", "head_top")  # the head box gives those two, without visibility
        seen: Any = np.zeros((0, 0)) if unstated else float(visible[joint] == 2)
        points.append({"x": joints[joint, 0] + ORIGIN, "y": joints[joint, 1] + ORIGIN, "id": float(joint), "is_visible": seen})
    corners = dict(zip(("x1", "y1", "x2", "y2"), (edge + ORIGIN for edge in person.head_box), strict=True))
    return corners | {"annopoints": {"point": _structs(points)}, "scale": scale, "objpos": {"x": x, "y": y}}


class _Coco:
    """``images/{train,val}2017`` and ``annotations/person_keypoints_{train,val}2017.json``."""

    name = "coco"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
        self.annotations: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
        (folder / "annotations").mkdir(exist_ok=True)
        for split in SPLITS:
            (folder / "images" / f"{split}2017").mkdir(parents=True, exist_ok=True)

    def add(self, split: str, number: int, scene: Scene, encoded: bytes) -> None:
        image = (1 + SPLITS.index(split)) * 100_000_000 + number
        name = f"{image:012d}.jpg"
        (self.folder / "images" / f"{split}2017" / name).write_bytes(encoded)
        height, width = scene.pixels.shape[:2]
        self.images[split].append({"id": image, "file_name": name, "height": height, "width": width, "license": 1})
        for place, person in enumerate(scene.persons):
            self.annotations[split].append(_coco_annotation(10 * image + place, image, person))

    def finish(self) -> None:
        category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": COCO_JOINTS, "skeleton": COCO_SKELETON}
        for split in SPLITS:
            content = {
                "info": {"description": f"Synthetic people {SYNTHETIC_VERSION}", "version": str(SYNTHETIC_VERSION)},
                "licenses": [{"id": 1, "name": "drawn by this project's generator", "url": ""}],
                "images": self.images[split],
                "annotations": self.annotations[split],
                "categories": [category],
            }
            (self.folder / "annotations" / f"person_keypoints_{split}2017.json").write_text(json.dumps(content))


def _coco_annotation(number: int, image: int, person: Person) -> dict[str, Any]:
    joints, visible = person.arrays(COCO_JOINTS)
    points = np.where(visible[:, None] > 0, np.round(joints, 2), 0.0)
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "area": float(person.area),
        "bbox": [float(edge) for edge in person.box],
        "num_keypoints": int((visible > 0).sum()),
        "keypoints": np.column_stack([points, visible]).ravel().tolist(),
        "segmentation": [outline.ravel().astype(float).tolist() for outline in person.outlines],
    }
