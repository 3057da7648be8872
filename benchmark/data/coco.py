"""COCO keypoints (Lin et al., ECCV 2014): annotated people, or the boxes of a person detector."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import InputError, print_warning
from benchmark.core.keypoints import COCO_JOINTS
from benchmark.data.annotation_files import (
    as_numbers,
    dataset_label,
    first_existing,
    image_path,
    naming_record,
    read_json,
    stack_rows,
)
from benchmark.data.people import People

K = len(COCO_JOINTS)
PERSON = 1  # COCO's category
# For each split: its name in the annotation files, and its image folder.
SPLITS = {"train": ("train2017", "train2017"), "val": ("val2017", "val2017"), "test-dev": ("test-dev2017", "test2017")}
COCO_PERSON_COUNTS = {"train": 149_813, "val": 6_352}  # people with keypoints, as HRNet's code counts them


def load_coco(
    folder: Path,
    split: str = "val",
    detections: Path | None = None,
    annotations: Path | None = None,
) -> People:
    """Load the people of a split: train, val, test-dev, or sample (a file ``person_keypoints_<n>_images.json``).

    From annotations, everyone is loaded who has at least one annotated keypoint and is not a crowd; the box is COCO's, clipped
    to the image, as in HRNet and SimpleBaseline. From detections, a list of {image_id, category_id, bbox, score} as HRNet
    publishes, every person whose box is not empty is loaded; they have no joints, and ids are row numbers.

    Args:
        detections: a file of detections to read instead of annotated people.
        annotations: a file to read instead of the split's own.

    Raises:
        InputError: the split is unknown, annotations are missing, or an entry is malformed; the file and the entry are named.
    """
    path = annotations or first_existing(folder, annotation_names(split))
    if path is None and detections is None:
        raise InputError(f"{folder}: no COCO annotations of {split}: none of {', '.join(annotation_names(split))}")
    images = _read_images(path) if path else None
    image_folder = _image_folder(folder, split)
    if detections is None and split == "test-dev":
        raise InputError("COCO test-dev has no annotated people: a file of detections is needed")
    if detections is not None:
        return _load_detections(detections, folder, split, image_folder, images)
    assert path is not None
    assert images is not None
    return _load_annotations(path, folder, split, image_folder, images)


def annotation_names(split: str) -> tuple[str, ...]:
    """Return the paths or patterns, inside the dataset's folder, of a split's annotation file.

    Raises:
        InputError: the split is unknown.
    """
    if split == "sample":
        return ("person_keypoints_[0-9]*_images.json",)
    if split not in SPLITS:
        raise InputError(f"COCO has no split {split!r}; known: {', '.join(SPLITS)}, sample")
    name = f"{'image_info' if split == 'test-dev' else 'person_keypoints'}_{SPLITS[split][0]}.json"
    return (f"annotations/{name}", name)


def _image_folder(folder: Path, split: str) -> Path:
    """Return the first that exists: ``images/val2017`` as HRNet instructs, ``val2017`` as in the archive, or ``images``."""
    if split == "sample":
        return folder / "images"
    name = SPLITS[split][1]
    existing = [path for path in (folder / "images" / name, folder / name, folder / "images") if path.is_dir()]
    return existing[0] if existing else folder / "images" / name


def _read_images(path: Path) -> dict[int, tuple[str, float, float]]:
    """Read file name, width and height of each image, by its id."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise InputError(f"{path}: contains no list of images")
    images = {}
    for number, image in enumerate(content["images"]):
        with naming_record(path, f"image {number}"):
            images[int(image["id"])] = (str(image["file_name"]), float(image["width"]), float(image["height"]))
    return images


def _load_annotations(
    path: Path, folder: Path, split: str, image_folder: Path, images: dict[int, tuple[str, float, float]]
) -> People:
    rows: list[dict[str, Any]] = []
    content = read_json(path).get("annotations")
    if not isinstance(content, list):
        raise InputError(f"{path}: contains no list of annotations")
    last: dict[Any, int] = {}
    for number, annotation in enumerate(content):
        with naming_record(path, f"annotation {number}"):
            last[annotation["id"]] = number
    repeated = sorted(set(range(len(content))) - set(last.values()))
    _warn_left_out(path, "annotation", repeated, len(content), "a later annotation has the same id")
    text, empty = [], []
    numbers = _select_people(path, "annotation", content, sorted(last.values()))
    for number in numbers:
        annotation = content[number]
        with naming_record(path, f"annotation {annotation['id']}"):
            if annotation.get("iscrowd", 0):
                text += [number] if isinstance(annotation["iscrowd"], str) else []
                continue
            row = _annotation_row(annotation, images)
            if row["area"] <= 0 or (row["box"][2:] <= 0).any():
                empty += [number] if row["keypoints"][:, 2].any() else []
            elif row["keypoints"][:, 2].any():
                rows.append(row)
    _warn_left_out(path, "annotation", text, len(content), "iscrowd is text, and so true")
    _warn_left_out(path, "annotation", empty, len(content), "no area, or no box inside the image")
    boxes = stack_rows([row["box"] for row in rows], (4,))
    keypoints = stack_rows([row["keypoints"] for row in rows], (K, 3))
    visible = keypoints[..., 2].astype(np.uint8)
    return People(
        dataset=dataset_label("coco", folder),
        split=split,
        images=tuple(image_path(image_folder, images[row["image_id"]][0]) for row in rows),
        image_ids=np.array([row["image_id"] for row in rows], np.int64),
        ids=np.array([row["id"] for row in rows], np.int64),
        joints=np.where(visible[..., None] > 0, keypoints[..., :2], 0.0),
        visible=visible,
        centers=boxes[:, :2] + boxes[:, 2:] / 2,
        sizes=boxes[:, 2:],
        areas=np.array([row["area"] for row in rows], np.float64),
    )


def _select_people(path: Path, row: str, entries: list[Any], numbers: Iterable[int]) -> list[int]:
    """Return the numbers of the entries whose category is that of people.

    Raises:
        InputError: all are of other categories.
    """
    categories = {}
    for number in numbers:
        with naming_record(path, f"{row} {number}"):
            categories[number] = entries[number]["category_id"]
    people = [number for number, category in categories.items() if category in (PERSON, str(PERSON))]
    if categories and not people:
        found = ", ".join(list(dict.fromkeys(map(str, categories.values())))[:5])
        raise InputError(f"{path}: no {row} is of category {PERSON} (person): all have category_id {found}")
    return people


def _warn_left_out(path: Path, row: str, numbers: list[int], count: int, reason: str) -> None:
    if numbers:
        print_warning(f"{path}: {row} {numbers[0]}: {reason} ({len(numbers)} of {count} {row}s): left out")


def _annotation_row(annotation: dict[str, Any], images: dict[int, tuple[str, float, float]]) -> dict[str, Any]:
    """Return the used values of an annotation; its box is clipped to the image."""
    image = int(annotation["image_id"])
    if image not in images:
        raise ValueError(f"image {image} is not among the images")
    keypoints = as_numbers(annotation["keypoints"], (3 * K,), "keypoints").reshape(K, 3)
    if not np.isin(keypoints[:, 2], (0, 1, 2)).all():
        raise ValueError("a visibility is not 0, 1 or 2")
    box = _clip_box(as_numbers(annotation["bbox"], (4,), "bbox"), *images[image][1:])
    area = float(as_numbers(annotation["area"], (), "area"))
    return {"image_id": image, "id": int(annotation["id"]), "keypoints": keypoints, "box": box, "area": area}


def _clip_box(box: np.ndarray, width: float, height: float) -> np.ndarray:
    """Clip a box (x, y, width, height) to the image."""
    low = np.maximum(box[:2], 0.0)
    return np.concatenate([low, np.minimum(low + box[2:], (width, height)) - low])


def _load_detections(
    path: Path,
    folder: Path,
    split: str,
    image_folder: Path,
    images: dict[int, tuple[str, float, float]] | None,
) -> People:
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: expected a list of detections")
    names, image_ids, ids, boxes, scores = [], [], [], [], []
    empty: list[int] = []
    for number in _select_people(path, "detection", content, range(len(content))):
        detection = content[number]
        with naming_record(path, f"detection {number}"):
            score = float(as_numbers(detection["score"], (), "score"))
            box = as_numbers(detection["bbox"], (4,), "bbox")
            if (box[2:] <= 0).any():
                empty.append(number)
                continue
            image = int(detection["image_id"])
            if images is not None and image not in images:
                raise ValueError(f"image {image} is not among the annotated images")
            names.append(images[image][0] if images else f"{image:012d}.jpg")
            image_ids.append(image)
            ids.append(number)
            boxes.append(box)
            scores.append(score)
    _warn_left_out(path, "detection", empty, len(content), "bbox has no width or no height")
    box_rows = stack_rows(boxes, (4,))
    return People(
        dataset=dataset_label("coco", folder),
        split=split,
        images=tuple(image_path(image_folder, name) for name in names),
        image_ids=np.array(image_ids, np.int64),
        ids=np.array(ids, np.int64),
        joints=np.zeros((len(ids), K, 2)),
        visible=np.zeros((len(ids), K), np.uint8),
        centers=box_rows[:, :2] + box_rows[:, 2:] / 2,
        sizes=box_rows[:, 2:],
        scores=np.array(scores, np.float64),
    )
