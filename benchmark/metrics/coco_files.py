"""Reading COCO keypoint annotations and detections into arrays, refusing by name what cannot be scored.

The formats are those of person_keypoints_val2017.json and of the result files that COCO's server takes
(https://cocodataset.org, "Data format" and "Results format").
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import InputError
from benchmark.data.annotation_files import read_json
from benchmark.metrics.oks import KEYPOINTS, CocoDetections, CocoPersons, check_detections, check_persons

PERSON = 1  # COCO's id of the only category that has keypoints
Entry = dict[str, Any]


def read_coco_annotations(path: Path) -> CocoPersons:
    """Annotated persons of all images of a file.

    Raises:
        InputError: the file is missing or broken, has no persons; an entry lacks a field, has one of another length
            or kind, another category, a value that is not finite, an unknown image, or the id of another entry.
    """
    return parse_coco_persons(read_json(path), str(path))


def read_coco_detections(path: Path, persons: CocoPersons) -> CocoDetections:
    """Detected persons in the images of ``persons``; an area is that of the box, or of the keypoints' extent without boxes.

    Raises:
        InputError: the file is missing or broken, has no detections; an entry lacks a field, has one of another length or
            kind, a value that is not finite, an unknown image, another category, or is there twice.
    """
    return parse_coco_detections(read_json(path), persons, str(path))


def parse_coco_persons(data: Any, source: str = "annotations") -> CocoPersons:
    """What :func:`read_annotations` makes of the parsed file."""
    if not isinstance(data, dict) or any(
        not isinstance(data.get(key), list) for key in ("images", "annotations", "categories")
    ):
        raise InputError(f"{source}: not COCO annotations: not an object with lists of images, annotations and categories")
    entries = data["annotations"]
    if not entries:
        raise InputError(f"{source}: no persons in it")
    if PERSON not in _column(data["categories"], "id", (), source, "category", whole=True):
        raise InputError(f"{source}: no category {PERSON} (person) in it")
    _expect_persons(entries, source, "annotation")
    ids = _column(entries, "id", (), source, "annotation", whole=True)
    _refuse_repeated(ids[:, None], source, "annotation", "id")
    if (ids <= 0).any():  # pycocotools notes a match as the person's id, so that 0 would pass for no match
        raise InputError(f"{source}: annotation {np.flatnonzero(ids <= 0)[0]}: id {ids[ids <= 0][0]}, must be positive")
    crowd = _column(entries, "iscrowd", (), source, "annotation", whole=True)
    if (bad := np.flatnonzero((crowd != 0) & (crowd != 1))).size:
        raise InputError(f"{source}: annotation {bad[0]}: iscrowd is {crowd[bad[0]]}, must be 0 or 1")
    annotated = CocoPersons(
        images=_column(data["images"], "id", (), source, "image", whole=True),
        image_ids=_column(entries, "image_id", (), source, "annotation", whole=True),
        keypoints=_column(entries, "keypoints", (KEYPOINTS * 3,), source, "annotation").reshape(-1, KEYPOINTS, 3),
        boxes=_column(entries, "bbox", (4,), source, "annotation"),
        areas=_column(entries, "area", (), source, "annotation"),
        crowd=crowd == 1,
        annotated=_column(entries, "num_keypoints", (), source, "annotation", whole=True),
    )
    check_persons(annotated, source)
    return annotated


def parse_coco_detections(entries: Any, persons: CocoPersons, source: str = "detections") -> CocoDetections:
    """What :func:`read_detections` makes of the parsed file."""
    if not isinstance(entries, list):
        raise InputError(f"{source}: not COCO detections: not a list")
    if not entries:
        raise InputError(f"{source}: no detections in it")
    _expect_persons(entries, source, "detection")
    image_ids = _column(entries, "image_id", (), source, "detection", whole=True)
    keypoints = _column(entries, "keypoints", (KEYPOINTS * 3,), source, "detection").reshape(-1, KEYPOINTS, 3)[..., :2]
    detected = CocoDetections(
        image_ids=image_ids,
        keypoints=keypoints,
        scores=_column(entries, "score", (), source, "detection"),
        areas=_areas(entries, keypoints, source),
    )
    check_detections(detected, persons.images, source)
    if all("id" in entry for entry in entries):
        ids = _column(entries, "id", (), source, "detection", whole=True)
        _refuse_repeated(np.stack([image_ids, ids], 1), source, "detection", "image and id")
    flat = np.concatenate([image_ids[:, None], detected.scores[:, None], keypoints.reshape(len(entries), -1)], axis=1)
    _refuse_repeated(flat, source, "detection", "image, score and keypoints")
    return detected


def _areas(entries: list[Entry], keypoints: np.ndarray, source: str) -> np.ndarray:
    """[D] pixels squared, as pycocotools' ``loadRes`` sets them."""
    boxed = [bool(entry.get("bbox")) for entry in entries]
    if any(boxed):
        boxes = _column(entries, "bbox", (4,), source, "detection")
        return boxes[:, 2] * boxes[:, 3]
    if "segmentation" in entries[0]:
        raise InputError(f"{source}: detections have a segmentation but no bbox, from which their areas are taken")
    extent = keypoints.max(1) - keypoints.min(1)
    return extent[:, 0] * extent[:, 1]


def _expect_persons(entries: list[Entry], source: str, row: str) -> None:
    found = _column(entries, "category_id", (), source, row, whole=True)
    if (other := np.flatnonzero(found != PERSON)).size:
        raise InputError(f"{source}: {row} {other[0]}: category_id is {found[other[0]]}, expected {PERSON} (person)")


def _refuse_repeated(rows: np.ndarray, source: str, row: str, what: str) -> None:
    """Refuse [N, M] rows that stand there twice, naming the first such pair."""
    # Sorting on two columns brings all candidates together; whole rows are compared among those alone.
    order = np.lexsort(rows[:, :2].T)
    same = (rows[order[1:], :2] == rows[order[:-1], :2]).all(1)
    candidates = np.sort(order[np.concatenate([same, [False]]) | np.concatenate([[False], same])])
    _, first, group = np.unique(rows[candidates], axis=0, return_index=True, return_inverse=True)
    earliest = first[group.ravel()]
    if (repeated := np.flatnonzero(earliest != np.arange(len(candidates)))).size:
        one, other = candidates[earliest[repeated[0]]], candidates[repeated[0]]
        raise InputError(f"{source}: {row}s {one} and {other} have the same {what}")


def _column(entries: list[Any], key: str, shape: tuple[int, ...], source: str, row: str, whole: bool = False) -> np.ndarray:
    """One field of all entries: [N, *shape] float64, or int64 where it must be whole numbers."""
    dtype: type[np.generic] = np.int64 if whole else np.float64
    try:
        column = np.array([entry[key] for entry in entries])
        if _fits(column, (len(entries), *shape), whole) or not entries:
            return column.astype(dtype)
    except (KeyError, TypeError, ValueError, IndexError):
        pass
    wanted = ("a whole number" if whole else "a number") if not shape else f"a list of {shape[0]} numbers"
    for index, entry in enumerate(entries):
        where = f"{source}: {row} {index}"
        if not isinstance(entry, dict):
            raise InputError(f"{where}: not an object")
        if key not in entry:
            raise InputError(f"{where}: no {key}")
        value = entry[key]
        if isinstance(value, list) and shape and len(value) != shape[0]:
            raise InputError(f"{where}: {key} has {len(value)} numbers, expected {shape[0]}")
        members = value if isinstance(value, list) and shape else [value]
        kinds = int if whole else (int, float)
        if (shape and not isinstance(value, list)) or not all(isinstance(member, kinds) for member in members):
            raise InputError(f"{where}: {key} must be {wanted}, found {json.dumps(value)[:60]}")
    raise InputError(f"{source}: the {key} of its {row} entries must be {wanted} each, within 64 bits")


def _fits(column: np.ndarray, shape: tuple[int, ...], whole: bool) -> bool:
    return column.shape == shape and (column.dtype.kind == "i" or (column.dtype.kind in "uf" and not whole))
