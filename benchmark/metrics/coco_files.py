"""Read COCO keypoint annotations and detections into arrays; an entry that cannot be scored is an error that names it.

The formats are those of person_keypoints_val2017.json and of the result files that COCO's evaluation server accepts
(https://cocodataset.org, "Data format" and "Results format").
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import InputError
from benchmark.data.annotation_files import read_json
from benchmark.metrics.oks import KEYPOINTS, CocoDetections, CocoPeople, check_detections, check_people

PERSON = 1  # COCO's id of the only category that has keypoints
Entry = dict[str, Any]


def read_coco_annotations(path: Path) -> CocoPeople:
    """Read the annotated people of all images of a file.

    Raises:
        InputError: the file is missing or broken, or contains no people; or an entry lacks a field, has a field of the wrong
            length or type, another category, a value that is not finite, an unknown image, or the id of another entry.
    """
    return parse_coco_people(read_json(path), str(path))


def read_coco_detections(path: Path, people: CocoPeople) -> CocoDetections:
    """Read the people detected in the images of ``people``.

    A detection's area is that of its box or, in a file without boxes, that of the bounding box of its keypoints.

    Raises:
        InputError: the file is missing or broken, or contains no detections; or an entry lacks a field, has a field of the
            wrong length or type, a value that is not finite, an unknown image, another category, or is a duplicate.
    """
    return parse_coco_detections(read_json(path), people, str(path))


def parse_coco_people(data: Any, source: str = "annotations") -> CocoPeople:
    """Convert the parsed content of an annotation file: see :func:`read_coco_annotations`."""
    lists = ("images", "annotations", "categories")
    if not isinstance(data, dict) or any(not isinstance(data.get(key), list) for key in lists):
        raise InputError(f"{source}: not COCO annotations: expected an object with the lists {', '.join(lists)}")
    entries = data["annotations"]
    if not entries:
        raise InputError(f"{source}: contains no people")
    if PERSON not in _column(data["categories"], "id", (), source, "category", whole=True):
        raise InputError(f"{source}: no category has the id {PERSON} (person)")
    _check_category(entries, source, "annotation")
    ids = _column(entries, "id", (), source, "annotation", whole=True)
    _check_unique(ids[:, None], source, "annotation", "id")
    if (ids <= 0).any():  # pycocotools stores a match as the person's id, so 0 would mean no match
        raise InputError(f"{source}: annotation {np.flatnonzero(ids <= 0)[0]}: id is {ids[ids <= 0][0]}, must be positive")
    crowd = _column(entries, "iscrowd", (), source, "annotation", whole=True)
    if (bad := np.flatnonzero((crowd != 0) & (crowd != 1))).size:
        raise InputError(f"{source}: annotation {bad[0]}: iscrowd is {crowd[bad[0]]}, must be 0 or 1")
    people = CocoPeople(
        images=_column(data["images"], "id", (), source, "image", whole=True),
        image_ids=_column(entries, "image_id", (), source, "annotation", whole=True),
        keypoints=_column(entries, "keypoints", (KEYPOINTS * 3,), source, "annotation").reshape(-1, KEYPOINTS, 3),
        boxes=_column(entries, "bbox", (4,), source, "annotation"),
        areas=_column(entries, "area", (), source, "annotation"),
        crowd=crowd == 1,
        annotated=_column(entries, "num_keypoints", (), source, "annotation", whole=True),
    )
    check_people(people, source)
    return people


def parse_coco_detections(entries: Any, people: CocoPeople, source: str = "detections") -> CocoDetections:
    """Convert the parsed content of a results file: see :func:`read_coco_detections`."""
    if not isinstance(entries, list):
        raise InputError(f"{source}: not COCO detections: expected a list")
    if not entries:
        raise InputError(f"{source}: contains no detections")
    _check_category(entries, source, "detection")
    image_ids = _column(entries, "image_id", (), source, "detection", whole=True)
    keypoints = _column(entries, "keypoints", (KEYPOINTS * 3,), source, "detection").reshape(-1, KEYPOINTS, 3)[..., :2]
    detections = CocoDetections(
        image_ids=image_ids,
        keypoints=keypoints,
        scores=_column(entries, "score", (), source, "detection"),
        areas=_detection_areas(entries, keypoints, source),
    )
    check_detections(detections, people.images, source)
    if all("id" in entry for entry in entries):
        ids = _column(entries, "id", (), source, "detection", whole=True)
        _check_unique(np.stack([image_ids, ids], 1), source, "detection", "image and id")
    flat = np.concatenate([image_ids[:, None], detections.scores[:, None], keypoints.reshape(len(entries), -1)], axis=1)
    _check_unique(flat, source, "detection", "image, score and keypoints")
    return detections


def _detection_areas(entries: list[Entry], keypoints: np.ndarray, source: str) -> np.ndarray:
    """Return the areas [D] in square pixels, as pycocotools' ``loadRes`` sets them."""
    if any(entry.get("bbox") for entry in entries):
        boxes = _column(entries, "bbox", (4,), source, "detection")
        return boxes[:, 2] * boxes[:, 3]
    if "segmentation" in entries[0]:
        raise InputError(f"{source}: detections have a segmentation but no bbox; add a bbox, which defines their areas")
    extent = keypoints.max(1) - keypoints.min(1)
    return extent[:, 0] * extent[:, 1]


def _check_category(entries: list[Entry], source: str, row: str) -> None:
    categories = _column(entries, "category_id", (), source, row, whole=True)
    if (bad := np.flatnonzero(categories != PERSON)).size:
        raise InputError(f"{source}: {row} {bad[0]}: category_id is {categories[bad[0]]}, expected {PERSON} (person)")


def _check_unique(rows: np.ndarray, source: str, row: str, fields: str) -> None:
    """Raise an error that names the first two equal rows of [N, M]."""
    # Sorting by the first two columns finds all candidates; only those are compared as whole rows.
    order = np.lexsort(rows[:, :2].T)
    same = (rows[order[1:], :2] == rows[order[:-1], :2]).all(1)
    candidates = np.sort(order[np.concatenate([same, [False]]) | np.concatenate([[False], same])])
    _, first, group = np.unique(rows[candidates], axis=0, return_index=True, return_inverse=True)
    earliest = first[group.ravel()]
    if (repeated := np.flatnonzero(earliest != np.arange(len(candidates)))).size:
        original, duplicate = candidates[earliest[repeated[0]]], candidates[repeated[0]]
        raise InputError(f"{source}: {row}s {original} and {duplicate} have the same {fields}")


def _column(entries: list[Any], key: str, shape: tuple[int, ...], source: str, row: str, whole: bool = False) -> np.ndarray:
    """Return one field of all entries, [N, *shape] float64, or int64 where the values must be whole numbers."""
    dtype: type[np.generic] = np.int64 if whole else np.float64
    try:
        column = np.array([entry[key] for entry in entries])
        if _fits(column, (len(entries), *shape), whole) or not entries:
            return column.astype(dtype)
    except (KeyError, TypeError, ValueError, IndexError):
        pass

    # Something is wrong: find the first wrong entry.
    expected = ("a whole number" if whole else "a number") if not shape else f"a list of {shape[0]} numbers"
    for index, entry in enumerate(entries):
        where = f"{source}: {row} {index}"
        if not isinstance(entry, dict):
            raise InputError(f"{where}: not an object")
        if key not in entry:
            raise InputError(f"{where}: {key} is missing")
        value = entry[key]
        if isinstance(value, list) and shape and len(value) != shape[0]:
            raise InputError(f"{where}: {key} has {len(value)} numbers, expected {shape[0]}")
        members = value if isinstance(value, list) and shape else [value]
        kinds = int if whole else (int, float)
        if (shape and not isinstance(value, list)) or not all(isinstance(member, kinds) for member in members):
            raise InputError(f"{where}: {key} must be {expected}, not {json.dumps(value)[:60]}")
    raise InputError(f"{source}: the {key} of each {row} must be {expected} within 64 bits")


def _fits(column: np.ndarray, shape: tuple[int, ...], whole: bool) -> bool:
    return column.shape == shape and (column.dtype.kind == "i" or (column.dtype.kind in "uf" and not whole))
