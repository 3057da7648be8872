"""COCO keypoints (Lin et al., ECCV 2014): annotated persons, or the boxes of a person detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.keypoints import COCO_JOINTS
from benchmark.data.annotation_files import as_numbers, dataset_label, first_existing, naming_record, read_json, stack_rows
from benchmark.data.people import People

K = len(COCO_JOINTS)
PERSON = 1  # COCO's category
# The split's name in the annotation files, and in the image folders.
SPLITS = {"train": ("train2017", "train2017"), "val": ("val2017", "val2017"), "test-dev": ("test-dev2017", "test2017")}
COCO_PERSON_COUNTS = {"train": 149_813, "val": 6_352}  # with keypoints, as HRNet's code counts them


def load_coco(
    folder: Path,
    split: str = "val",
    detections: Path | None = None,
    annotations: Path | None = None,
    min_score: float = 0.0,
) -> People:
    """The persons of a split (train, val, test-dev, or sample: a file ``person_keypoints_<n>_images.json``).

    From annotations: everyone with at least one annotated keypoint who is not a crowd; the box is COCO's, cut at the borders of
    the photograph (as HRNet and SimpleBaseline select them). From detections, a list of {image_id, category_id, bbox, score}
    as HRNet publishes: every person scored ``min_score`` or more; they have no joints, and the ids are row numbers.

    Args:
        annotations: a file to read instead of the split's own.

    Raises:
        InputError: no such split, no annotations, or a malformed record; file and record are named.
    """
    path = annotations or _annotations(folder, split)
    if path is None and detections is None:
        raise InputError(f"{folder}: no COCO annotations of {split}: none of {', '.join(annotation_names(split))}")
    photographs = _photographs(path) if path else None
    pictures = _image_folder(folder, split)
    if detections is None and split == "test-dev":
        raise InputError("COCO test-dev has no annotated persons: a file of detections is needed")
    if detections is not None:
        return _detected(detections, folder, split, pictures, photographs, min_score)
    assert path is not None
    assert photographs is not None
    return _annotated(path, folder, split, pictures, photographs)


def annotation_names(split: str) -> tuple[str, ...]:
    if split == "sample":
        return ("person_keypoints_[0-9]*_images.json",)
    if split not in SPLITS:
        raise InputError(f"COCO has no split {split!r}; known: {', '.join(SPLITS)}, sample")
    name = f"{'image_info' if split == 'test-dev' else 'person_keypoints'}_{SPLITS[split][0]}.json"
    return (f"annotations/{name}", name)


def _annotations(folder: Path, split: str) -> Path | None:
    return first_existing(folder, annotation_names(split))


def _image_folder(folder: Path, split: str) -> Path:
    """``images/val2017`` as HRNet's instructions have it, ``val2017`` as the archive unpacks, or ``images``."""
    if split == "sample":
        return folder / "images"
    name = SPLITS[split][1]
    found = [path for path in (folder / "images" / name, folder / name, folder / "images") if path.is_dir()]
    return found[0] if found else folder / "images" / name


def _photographs(path: Path) -> dict[int, tuple[str, float, float]]:
    """Image id -> file name, width, height."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise InputError(f"{path}: no list of images in it")
    found = {}
    for number, image in enumerate(content["images"]):
        with naming_record(path, f"image {number}"):
            found[int(image["id"])] = (Path(image["file_name"]).name, float(image["width"]), float(image["height"]))
    return found


def _annotated(
    path: Path, folder: Path, split: str, pictures: Path, photographs: dict[int, tuple[str, float, float]]
) -> People:
    rows: list[dict[str, Any]] = []
    content = read_json(path).get("annotations")
    if not isinstance(content, list):
        raise InputError(f"{path}: no list of annotations in it")
    seen: set[int] = set()
    for number, annotation in enumerate(content):
        with naming_record(path, f"annotation {annotation.get('id', number) if isinstance(annotation, dict) else number}"):
            if annotation["id"] in seen:
                raise ValueError("the id stands there a second time")
            seen.add(annotation["id"])
            if annotation["category_id"] != PERSON or annotation.get("iscrowd", 0):
                continue
            if row := _annotated_row(annotation, photographs):
                rows.append(row)
    boxes = stack_rows([row["box"] for row in rows], (4,))
    keypoints = stack_rows([row["keypoints"] for row in rows], (K, 3))
    visible = keypoints[..., 2].astype(np.uint8)
    return People(
        dataset=dataset_label("coco", folder),
        split=split,
        images=tuple(pictures / photographs[row["image_id"]][0] for row in rows),
        image_ids=np.array([row["image_id"] for row in rows], np.int64),
        ids=np.array([row["id"] for row in rows], np.int64),
        joints=np.where(visible[..., None] > 0, keypoints[..., :2], 0.0),
        visible=visible,
        centers=boxes[:, :2] + boxes[:, 2:] / 2,
        sizes=boxes[:, 2:],
        areas=np.array([row["area"] for row in rows], np.float64),
    )


def _annotated_row(annotation: dict[str, Any], photographs: dict[int, tuple[str, float, float]]) -> dict[str, Any] | None:
    """What is kept of an annotation; None where nobody can be trained or tested on it."""
    image = int(annotation["image_id"])
    if image not in photographs:
        raise ValueError(f"image {image} is not among the images")
    keypoints = as_numbers(annotation["keypoints"], (3 * K,), "keypoints").reshape(K, 3)
    if not np.isin(keypoints[:, 2], (0, 1, 2)).all():
        raise ValueError("a visibility that is not 0, 1 or 2")
    box = _cut(as_numbers(annotation["bbox"], (4,), "bbox"), *photographs[image][1:])
    area = float(as_numbers(annotation["area"], (), "area"))
    if area <= 0 or (box[2:] <= 0).any() or not keypoints[:, 2].any():
        return None
    return {"image_id": image, "id": int(annotation["id"]), "keypoints": keypoints, "box": box, "area": area}


def _cut(box: np.ndarray, width: float, height: float) -> np.ndarray:
    """The part of a box (x, y, width, height) that lies within the photograph."""
    low = np.maximum(box[:2], 0.0)
    return np.concatenate([low, np.minimum(low + box[2:], (width, height)) - low])


def _detected(
    path: Path,
    folder: Path,
    split: str,
    pictures: Path,
    photographs: dict[int, tuple[str, float, float]] | None,
    min_score: float,
) -> People:
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: expected a list of detections")
    names, image_ids, ids, boxes, scores = [], [], [], [], []
    for number, detection in enumerate(content):
        with naming_record(path, f"detection {number}"):
            if detection["category_id"] != PERSON:
                continue
            score = float(as_numbers(detection["score"], (), "score"))
            box = as_numbers(detection["bbox"], (4,), "bbox")
            if (box[2:] <= 0).any():
                raise ValueError(f"bbox is {box[2]:g} by {box[3]:g} pixels")
            image = int(detection["image_id"])
            if photographs is not None and image not in photographs:
                raise ValueError(f"image {image} is not among the annotated images")
            if score < min_score:
                continue
            names.append(photographs[image][0] if photographs else f"{image:012d}.jpg")
            image_ids.append(image)
            ids.append(number)
            boxes.append(box)
            scores.append(score)
    columns = stack_rows(boxes, (4,))
    return People(
        dataset=dataset_label("coco", folder),
        split=split,
        images=tuple(pictures / name for name in names),
        image_ids=np.array(image_ids, np.int64),
        ids=np.array(ids, np.int64),
        joints=np.zeros((len(ids), K, 2)),
        visible=np.zeros((len(ids), K), np.uint8),
        centers=columns[:, :2] + columns[:, 2:] / 2,
        sizes=columns[:, 2:],
        scores=np.array(scores, np.float64),
    )
