"""Writer of Synthetic people in the formats of MPII and COCO, so that the same readers read them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.files import hold_folder, write_file, writing
from benchmark.core.keypoints import COCO_JOINTS, MPII_JOINTS
from benchmark.core.versions import VERSIONS
from benchmark.data.annotation_files import SYNTHETIC
from benchmark.data.mpii import CENTER_SHIFT, ORIGIN, REFERENCE_HEIGHT
from benchmark.data.synthetic.scenes import SPLITS, Person, Scene, draw_scene

QUALITY = 92  # JPEG
# Pairs of joints in COCO's skeleton, counted from 1.
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
    progress: Callable[[int], object] = lambda people: None,
) -> None:
    """Draw people into ``out/mpii`` and ``out/coco``, with the files and annotations of those datasets.

    Args:
        people: number of people in both splits together.
        validation: number of these in the validation split; by default a fifth. The others are the training split.
        size: approximate width and height of the images, pixels.
        progress: called with the number of people each time some are finished.

    Raises:
        InputError: a number is out of range, a folder to be written already contains other files, or it cannot be written.
    """
    validation = people // 5 if validation is None else validation
    if people < 1:
        raise InputError(f"{people} people: at least 1 is needed")
    if not 0 <= validation <= people:
        raise InputError(f"{validation} people for validation: must be between 0 and {people}, the number of all people")
    if size < 64 or seed < 0:
        raise InputError(f"size {size}, seed {seed}: the size must be at least 64 pixels, and the seed must not be negative")
    counts = {"train": people - validation, "val": validation}
    identity = {
        "generator": "Synthetic people",
        "version": VERSIONS["synthetic_people"],
        "seed": seed,
        "size": size,
        "people": counts,
    }
    writers: list[_Mpii | _Coco] = []
    with hold_folder(out), writing(out):
        for kind in (_Mpii, _Coco):
            if layout in (kind.name, "both"):
                _prepare_folder(out / kind.name, identity)
                writers.append(kind(out / kind.name))
        for split in SPLITS:
            for number, scene in _scenes(seed, split, counts[split], size):
                bgr = cv2.cvtColor(scene.pixels, cv2.COLOR_RGB2BGR)
                _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                for writer in writers:
                    writer.add(split, number, scene, encoded.tobytes())
                progress(len(scene.people))
        for writer in writers:
            writer.finish()
            _write_marker(writer.folder, identity)


def _prepare_folder(folder: Path, identity: dict[str, Any]) -> None:
    """Create and mark the folder; refuse one with other files."""
    marker = folder / SYNTHETIC
    if folder.exists() and any(folder.iterdir()) and not marker.is_file():
        raise InputError(f"{folder}: not empty, and not written by Synthetic people; choose another --out")
    if marker.is_file() and json.loads(marker.read_text()) != identity:
        raise InputError(f"{folder}: contains Synthetic people of other settings (see {SYNTHETIC}); choose another --out")
    _write_marker(folder, identity)


def _write_marker(folder: Path, identity: dict[str, Any]) -> None:
    write_file(folder / SYNTHETIC, (json.dumps(identity, indent=1) + "\n").encode())


def _scenes(seed: int, split: str, people: int, size: int) -> Iterator[tuple[int, Scene]]:
    """Yield numbers and scenes until they contain this many people; scenes without people are skipped."""
    number = 0
    while people > 0:
        scene = draw_scene(seed, split, number, size, most=min(people, 3))
        if scene.people:
            yield number, scene
            people -= len(scene.people)
        number += 1


def _position(person: Person) -> tuple[list[float], float]:
    """Return MPII's position and scale; the readers' shift moves the position to the centre of the joints' box."""
    joints, visible = person.arrays(MPII_JOINTS)
    annotated = joints[visible > 0]
    scale = person.height / REFERENCE_HEIGHT
    x, y = (annotated.min(0) + annotated.max(0)) / 2 + ORIGIN
    return [float(x), float(y - CENTER_SHIFT * scale)], scale


class _Mpii:
    """Writer of ``images``, ``mpii_human_pose_v1_u12_1.mat``, and ``annot/`` with HRNet's JSON files and ``gt_valid.mat``."""

    name = "mpii"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images: list[tuple[str, str, tuple[Person, ...]]] = []  # split, file name, people
        (folder / "images").mkdir(exist_ok=True)
        (folder / "annot").mkdir(exist_ok=True)

    def add(self, split: str, number: int, scene: Scene, encoded: bytes) -> None:
        """Write the image of a scene, and keep its annotations."""
        name = f"{1 + SPLITS.index(split)}{number:08d}.jpg"
        (self.folder / "images" / name).write_bytes(encoded)
        self.images.append((split, name, scene.people))

    def finish(self) -> None:
        """Write the annotation files."""
        from scipy.io import savemat

        for split, file in (("train", "train.json"), ("val", "valid.json")):
            rows = [
                _json_row(name, person)
                for image_split, name, people in self.images
                if image_split == split
                for person in people
            ]
            (self.folder / "annot" / file).write_text(json.dumps(rows))
        validation = [person for split, _, people in self.images if split == "val" for person in people]
        if validation:
            savemat(self.folder / "annot" / "gt_valid.mat", _gt_valid(validation))
        release = _release([(name, people) for _, name, people in self.images])
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


def _gt_valid(people: list[Person]) -> dict[str, Any]:
    joints, visible = (np.stack(column) for column in zip(*(person.arrays(MPII_JOINTS) for person in people), strict=True))
    heads = np.array([person.head_box for person in people]).reshape(-1, 2, 2)
    return {
        "dataset_joints": np.array(MPII_JOINTS, object)[None],
        "jnt_missing": (visible == 0).astype(np.uint8).T,
        "pos_gt_src": np.where(visible[..., None] > 0, joints + ORIGIN, 0.0).transpose(1, 2, 0),
        "headboxes_src": (heads + ORIGIN).transpose(1, 2, 0),
    }


def _structs(rows: list[dict[str, Any]]) -> np.ndarray:
    """Return a MATLAB struct array ``[1, n]``."""
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in rows[0]])
    for index, row in enumerate(rows):
        array[0, index] = tuple(row.values())
    return array


def _release(images: list[tuple[str, tuple[Person, ...]]]) -> dict[str, Any]:
    """Return the variable RELEASE of the official file: all images are for training, all people are in ``single_person``."""
    singles = np.empty((len(images), 1), object)
    for index, (_, people) in enumerate(images):
        singles[index, 0] = np.arange(1, len(people) + 1, dtype=np.float64)[:, None]
    return {
        "annolist": _structs(
            [
                {"image": {"name": name}, "annorect": _structs([_annorect(person) for person in people])}
                for name, people in images
            ]
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
        on_head = MPII_JOINTS[joint] in ("upper_neck", "head_top")  # MPII states no visibility for these two
        is_visible: Any = np.zeros((0, 0)) if on_head else float(visible[joint] == 2)
        points.append(
            {"x": joints[joint, 0] + ORIGIN, "y": joints[joint, 1] + ORIGIN, "id": float(joint), "is_visible": is_visible}
        )
    corners = dict(zip(("x1", "y1", "x2", "y2"), (edge + ORIGIN for edge in person.head_box), strict=True))
    return corners | {"annopoints": {"point": _structs(points)}, "scale": scale, "objpos": {"x": x, "y": y}}


class _Coco:
    """Writer of ``images/{train,val}2017`` and ``annotations/person_keypoints_{train,val}2017.json``."""

    name = "coco"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
        self.annotations: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
        (folder / "annotations").mkdir(exist_ok=True)
        for split in SPLITS:
            (folder / "images" / f"{split}2017").mkdir(parents=True, exist_ok=True)

    def add(self, split: str, number: int, scene: Scene, encoded: bytes) -> None:
        """Write the image of a scene, and keep its annotations."""
        image = (1 + SPLITS.index(split)) * 100_000_000 + number
        name = f"{image:012d}.jpg"
        (self.folder / "images" / f"{split}2017" / name).write_bytes(encoded)
        height, width = scene.pixels.shape[:2]
        self.images[split].append({"id": image, "file_name": name, "height": height, "width": width, "license": 1})
        for index, person in enumerate(scene.people):
            self.annotations[split].append(_coco_annotation(10 * image + index, image, person))

    def finish(self) -> None:
        """Write the annotation files."""
        category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": COCO_JOINTS, "skeleton": COCO_SKELETON}
        for split in SPLITS:
            content = {
                "info": {
                    "description": f"Synthetic people {VERSIONS['synthetic_people']}",
                    "version": str(VERSIONS["synthetic_people"]),
                },
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
