"""Read COCO keypoint annotations and detections into arrays, as pycocotools understands them.

The formats are those of person_keypoints_val2017.json and of the result files that COCO's evaluation server accepts
(https://cocodataset.org, "Data format" and "Results format"). What deviates from them, but is scored by pycocotools, is scored
in the same way, with one warning for each kind. What cannot be scored is an error that names the entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import InputError
from benchmark.data.annotation_files import read_json
from benchmark.metrics.array_files import describe_json
from benchmark.metrics.entry_table import AS_PYCOCOTOOLS, EntryTable, shorten_json
from benchmark.metrics.oks import KEYPOINTS, PERSON, CocoDetections, CocoPeople, Id, check_detections, check_people


def read_coco_annotations(path: Path) -> CocoPeople:
    """Read the annotated people of all images of a file.

    Raises:
        InputError: the file is missing or broken, or contains no people or people of several categories; or an entry lacks a
            field, has a field of the wrong length or type, a value that is not finite, or an unknown image.
    """
    return parse_coco_people(read_json(path), str(path))


def read_coco_detections(path: Path, people: CocoPeople) -> CocoDetections:
    """Read the people detected in the images of ``people``.

    A detection's area is that of its box or, if the file's first detection has no box, that of its mask or of the bounding box
    of its keypoints.

    Raises:
        InputError: the file is missing or broken, or contains no detections of people; or an entry lacks a field, has a field
            of the wrong length or type, a value that is not finite, or an unknown image.
    """
    return parse_coco_detections(read_json(path), people, str(path))


def parse_coco_people(data: Any, source: str = "annotations") -> CocoPeople:
    """Convert the parsed content of an annotation file: see :func:`read_coco_annotations`."""
    lists = ("images", "annotations", "categories")
    if not isinstance(data, dict) or any(not isinstance(data.get(key), list) for key in lists):
        expected = f"expected an object with the lists {', '.join(lists)}"
        raise InputError(f"{source}: not COCO annotations: {describe_json(data) or expected}")
    if not data["annotations"]:
        raise InputError(f"{source}: contains no people")
    table = EntryTable.of(data["annotations"], source, "annotation")
    table, category = _select_annotated_category(table, EntryTable.of(data["categories"], source, "category"))
    image_ids = table.ids("image_id")
    ids = table.values("id", (int, float, str, type(None)))
    table.warn_of_types("id", ids, str, float, bool, type(None))
    zero_id = np.array([_is_zero(value) for value in ids])
    table.warn(np.flatnonzero(zero_id), "id is 0", f"whoever is matched to it counts as false, {AS_PYCOCOTOOLS}")
    crowd, ignored = _read_crowd(table)
    people = CocoPeople(
        images=_read_images(EntryTable.of(data["images"], source, "image")),
        image_ids=image_ids,
        keypoints=table.numbers("keypoints", KEYPOINTS * 3).reshape(-1, KEYPOINTS, 3),
        boxes=table.numbers("bbox", 4),
        areas=table.numbers("area"),
        crowd=crowd,
        annotated=np.where(ignored, 0, _read_keypoint_counts(table)),
        zero_id=zero_id,
        category=category,
    )
    check_people(people, source, table.numbers_in_file)
    table.warn(np.flatnonzero(people.areas < 0), "area is negative", f"the person is ignored, {AS_PYCOCOTOOLS}")
    return _replace_repeated(people, ids, table)


def parse_coco_detections(entries: Any, people: CocoPeople, source: str = "detections") -> CocoDetections:
    """Convert the parsed content of a results file: see :func:`read_coco_detections`."""
    of_another_kind = describe_json(entries) and isinstance(entries, list) and "image_id" not in entries[0]
    if not isinstance(entries, list) or of_another_kind:
        raise InputError(f"{source}: not COCO detections: {describe_json(entries) or 'expected a list'}")
    if not entries:
        raise InputError(f"{source}: contains no detections")
    table = _select_detected_category(EntryTable.of(entries, source, "detection"), people.category)
    image_ids = table.ids("image_id")
    keypoints = table.numbers("keypoints", KEYPOINTS * 3).reshape(-1, KEYPOINTS, 3)[..., :2]
    detections = CocoDetections(
        image_ids=image_ids,
        keypoints=keypoints,
        scores=table.numbers("score"),
        areas=_detection_areas(table, entries[0], keypoints),
    )
    check_detections(detections, people.images, source, table.numbers_in_file)
    negative = np.flatnonzero(detections.areas < 0)
    table.warn(negative, "the box has a negative width or height", f"its area is outside all ranges, {AS_PYCOCOTOOLS}")
    _warn_of_repeated(detections, table)
    return detections


def _is_zero(value: Id | None) -> bool:
    """Return whether pycocotools stores an id as 0, text as the number that it stands for."""
    try:
        return float(value) == 0  # type: ignore[arg-type] # of null: a TypeError
    except (ValueError, OverflowError, TypeError):
        return False


def _select_annotated_category(table: EntryTable, listed: EntryTable) -> tuple[EntryTable, Id]:
    """Return the annotations of the listed category, and its id; annotations of categories that are not listed are left out."""
    categories, known = _read_categories(table, "category_id"), set(_read_categories(listed, "id"))
    annotated = known.intersection(categories)
    if not annotated:
        found, expected = (", ".join(map(shorten_json, values)) for values in (dict.fromkeys(categories), known))
        expected = f"listed are {expected}" if known else "none are listed"
        raise InputError(f"{table.source}: no annotation is of a listed category: {found}, {expected}")
    if len(annotated) > 1:
        ids = ", ".join(sorted(map(shorten_json, annotated)))
        raise InputError(f"{table.source}: annotations of {len(annotated)} categories ({ids}); keep those of people only")
    (category,) = annotated
    return _select_category(table, categories, category, "the category is not listed"), category


def _select_detected_category(table: EntryTable, category: Id) -> EntryTable:
    """Return the detections of the annotated category."""
    categories = _read_categories(table, "category_id")
    if category not in categories:
        others = list(dict.fromkeys(categories))
        found = f"all have category_id {', '.join(map(shorten_json, others[:5]))}"
        advice = f"give a file of detected people, or set category_id to {shorten_json(category)}"
        if others == [0] and category == PERSON:
            found = f"all {len(categories)} have category_id 0, so the file counts categories from 0"
            advice = f"write {PERSON} instead"
        raise InputError(f"{table.source}: no detection is of category {category} (person): {found}; {advice}")
    return _select_category(table, categories, category, f"category_id is not {shorten_json(category)} (person)")


def _read_categories(table: EntryTable, key: str) -> list[Id]:
    categories = table.values(key, (int, float, str, type(None)))
    table.warn_of_types(key, categories, str, float, bool, type(None))
    return categories


def _select_category(table: EntryTable, categories: list[Id], category: Id, deviation: str) -> EntryTable:
    """Return the entries of a category, after a warning of those that are left out."""
    rows = np.array([value == category for value in categories])
    if rows.all():
        return table
    table.warn(np.flatnonzero(~rows), deviation, f"left out, {AS_PYCOCOTOOLS}")
    return table.select(np.flatnonzero(rows))


def _read_images(table: EntryTable) -> np.ndarray:
    """Return the ids [I] of images, each once."""
    ids = table.ids("id")
    _, first = np.unique(ids, return_index=True)
    table.warn(np.setdiff1d(np.arange(len(ids)), first), "an image with this id was listed before", "counted once")
    return ids[np.sort(first)]


def _read_crowd(table: EntryTable) -> tuple[np.ndarray, np.ndarray]:
    """Return which people are crowds, and which are ignored, [N] bool each."""
    values = table.values("iscrowd", (int, float, str))
    table.warn_of_types("iscrowd", values, str, float, bool)
    whole = []
    for index, value in enumerate(values):
        try:
            whole.append(int(value))
        except ValueError:
            raise table.error(index, f"iscrowd must be 0 or 1, not {shorten_json(value)}") from None
    crowd, ignored = np.array(whole, dtype=object) != 0, np.array([bool(value) for value in values])
    odd = [index for index, value in enumerate(values) if not isinstance(value, str) and value not in (0, 1)]
    table.warn(odd, "iscrowd is neither 0 nor 1", f"the person is ignored, {AS_PYCOCOTOOLS}")
    # Text is true unless it is empty, so "0" is no crowd, and yet ignored.
    zero = [index for index, value in enumerate(values) if isinstance(value, str) and not whole[index]]
    table.warn(zero, 'iscrowd is "0"', f"the person is ignored, {AS_PYCOCOTOOLS}")
    return crowd.astype(bool), ignored


def _read_keypoint_counts(table: EntryTable) -> np.ndarray:
    """Return the number of keypoints [N] that the file gives each person: 0 exactly where pycocotools finds it equal to 0."""
    values = table.values("num_keypoints", (int, float, str, type(None)), "a number")
    table.warn_of_types("num_keypoints", values, str, float, bool, type(None))
    return np.array([min(abs(value), KEYPOINTS) if isinstance(value, int) else value != 0 for value in values], np.int64)


def _replace_repeated(people: CocoPeople, ids: list[Id], table: EntryTable) -> CocoPeople:
    """Replace each person by the last one with the same id, as pycocotools does; ``ids`` [N]."""
    last = {value: index for index, value in enumerate(ids)}
    if len(last) == len(ids):
        return people
    row = np.array([last[value] for value in ids])
    repeated = np.flatnonzero(row != np.arange(len(row)))
    table.warn(repeated, "a later annotation has the same id", f"scored as the later one, {AS_PYCOCOTOOLS}")
    row = row[np.argsort(people.image_ids, kind="stable")]  # pycocotools reads people image by image
    columns = {name: value[row] for name, value in vars(people).items() if name not in ("images", "category")}
    return CocoPeople(**columns, images=people.images, category=people.category)


def _detection_areas(table: EntryTable, first: dict[str, Any], keypoints: np.ndarray) -> np.ndarray:
    """Return the areas [D] in square pixels, as pycocotools' ``loadRes`` sets them; the file's first detection decides how."""
    if first.get("bbox", []) != []:
        boxes = table.numbers("bbox", 4)
        return boxes[:, 2] * boxes[:, 3]
    boxed = [index for index, entry in enumerate(table.entries) if entry.get("bbox")]
    table.warn(boxed, "has a box, and the first detection has none", f"not used, {AS_PYCOCOTOOLS}")
    if "segmentation" in first:
        return _mask_areas(table)
    extent = keypoints.max(1) - keypoints.min(1)
    return extent[:, 0] * extent[:, 1]


def _mask_areas(table: EntryTable) -> np.ndarray:
    from pycocotools import mask

    areas = []
    for index, value in enumerate(table.values("segmentation")):
        try:
            areas.append(float(mask.area(value)))
        except (TypeError, KeyError, ValueError, AttributeError):
            raise table.error(index, "segmentation is no run-length-encoded mask; add a bbox, which defines the area") from None
    return np.array(areas)


def _warn_of_repeated(detections: CocoDetections, table: EntryTable) -> None:
    """Warn of detections that equal an earlier one, and of ids that would not tell detections apart."""
    image, score = np.unique(detections.image_ids, return_inverse=True)[1], detections.scores
    # Sorting by image and score finds all candidates; only those are compared as a whole.
    order = np.lexsort((score, image))
    same = (image[order[1:]] == image[order[:-1]]) & (score[order[1:]] == score[order[:-1]])
    candidates = np.sort(order[np.concatenate([same, [False]]) | np.concatenate([[False], same])])
    keys = zip(image[candidates].tolist(), score[candidates].tolist(), detections.keypoints[candidates], strict=True)
    repeated = _find_repeated((image, score, keypoints.tobytes()) for image, score, keypoints in keys)
    table.warn(candidates[repeated], "repeats an earlier detection", f"counted again, {AS_PYCOCOTOOLS}")
    if any("id" in entry for entry in table.entries):
        ids = [json.dumps(entry.get("id")) for entry in table.entries]
        repeated = _find_repeated(zip(image.tolist(), ids, strict=True))
        zero = {index for index, value in enumerate(ids) if value in ("0", "0.0")}
        table.warn(
            sorted(zero | set(repeated)), "id is 0 or that of an earlier detection", f"ids are not used, {AS_PYCOCOTOOLS}"
        )


def _find_repeated(keys: Iterable[Any]) -> list[int]:
    """Return the indices of keys that equal an earlier one."""
    seen: set[Any] = set()
    repeated = []
    for index, key in enumerate(keys):
        if key in seen:
            repeated.append(index)
        seen.add(key)
    return repeated
