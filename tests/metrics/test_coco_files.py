"""COCO annotations and results become arrays, and a mistake in a file is one line that names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.core.errors import InputError
from benchmark.metrics.coco_files import read_coco_annotations, read_coco_detections
from tests.metrics.coco_cases import CATEGORY, person

KEYPOINTS = np.concatenate([np.arange(34.0).reshape(17, 2), np.full((17, 1), 2.0)], axis=1)
ANNOTATIONS = {
    "images": [{"id": 7}, {"id": 5}],
    "annotations": [
        person(1, 7, KEYPOINTS, np.array([1, 2, 30, 40]), 500.5),
        person(2, 7, KEYPOINTS * 0, np.zeros(4), 0.0, crowd=True),
    ],
    "categories": [CATEGORY],
}
DETECTION = {"image_id": 5, "category_id": 1, "keypoints": KEYPOINTS.ravel().tolist(), "score": 0.5, "bbox": [1, 2, 10.5, 4]}
DETECTIONS = [DETECTION, DETECTION | {"image_id": 7}, DETECTION | {"score": 1}]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, Any], Path]:
    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_annotations_become_arrays_in_the_files_order(write):
    people = read_coco_annotations(write("gt.json", ANNOTATIONS))
    assert people.images.tolist() == [7, 5]
    assert people.image_ids.tolist() == [7, 7]
    assert people.keypoints.shape == (2, 17, 3)
    assert people.keypoints[0, 3].tolist() == [6, 7, 2]
    assert people.boxes[0].tolist() == [1, 2, 30, 40]
    assert (people.areas.tolist(), people.crowd.tolist(), people.annotated.tolist()) == ([500.5, 0], [False, True], [17, 0])


def test_detections_become_arrays_and_the_boxs_area_is_the_detections(write):
    detections = read_coco_detections(write("dt.json", DETECTIONS), read_coco_annotations(write("gt.json", ANNOTATIONS)))
    assert detections.image_ids.tolist() == [5, 7, 5]
    assert detections.keypoints.shape == (3, 17, 2)
    assert (detections.scores.tolist(), detections.areas.tolist()) == ([0.5, 0.5, 1], [42, 42, 42])


@pytest.mark.parametrize("boxes", [{}, {"bbox": []}])
def test_without_boxes_the_area_is_that_of_the_keypoints_extent(write, boxes: dict[str, Any]):
    bare = [{key: value for key, value in entry.items() if key != "bbox"} | boxes for entry in DETECTIONS]
    detections = read_coco_detections(write("dt.json", bare), read_coco_annotations(write("gt.json", ANNOTATIONS)))
    assert detections.areas.tolist() == [32 * 32] * 3


def changed(content: Any, *path: Any, to: Any = None, drop: bool = False) -> Any:
    content = json.loads(json.dumps(content))
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return content


ROW = ("annotations", 1)
REFUSED_ANNOTATIONS = {
    "not JSON": ("{", "not JSON"),
    "a list": ([], "not COCO annotations"),
    "no images": (changed(ANNOTATIONS, "images", drop=True), "not COCO annotations"),
    "nobody": (changed(ANNOTATIONS, "annotations", to=[]), "contains no people"),
    "no person category": (
        changed(ANNOTATIONS, "categories", 0, "id", to=2),
        "no annotation is of a listed category: 1, listed are 2",
    ),
    "an unknown image": (
        changed(ANNOTATIONS, *ROW, "image_id", to=8),
        "annotation 1: image 8 is not among the annotated images",
    ),
    "a second category": (
        changed(changed(ANNOTATIONS, "categories", to=[CATEGORY, {"id": 3}]), *ROW, "category_id", to=3),
        "annotations of 2 categories (1, 3); keep those of people only",
    ),
    "no area": (changed(ANNOTATIONS, *ROW, "area", drop=True), "annotation 1: area is missing"),
    "an empty area": (changed(ANNOTATIONS, *ROW, "area", to=None), "annotation 1: area must be a number, not null"),
    "no count of keypoints": (changed(ANNOTATIONS, *ROW, "num_keypoints", drop=True), "annotation 1: num_keypoints is missing"),
    "NaN": (changed(ANNOTATIONS, *ROW, "keypoints", 4, to=float("nan")), "annotation 1 (image 7): keypoints[1, 1] is nan"),
    "16 keypoints": (
        changed(ANNOTATIONS, *ROW, "keypoints", to=[0] * 48),
        "annotation 1: keypoints has 48 numbers, expected 51",
    ),
    "half a box": (changed(ANNOTATIONS, *ROW, "bbox", to=[1, 2]), "annotation 1: bbox has 2 numbers, expected 4"),
    "no object": (changed(ANNOTATIONS, *ROW, to="person"), "annotation 1: not an object"),
}
REFUSED_DETECTIONS = {
    "annotations": (ANNOTATIONS, "not COCO detections: these are COCO annotations, for --dataset coco --annotations"),
    "a number": (5, "not COCO detections: expected a list"),
    "nothing": ([], "contains no detections"),
    "an unknown image": (changed(DETECTIONS, 2, "image_id", to=6), "detection 2: image 6 is not among the annotated images"),
    "an image's name": (
        changed(DETECTIONS, 2, "image_id", to="5"),
        'detection 2: image_id is "5", while that of detection 0 is 5; give numbers or text',
    ),
    "half an image": (changed(DETECTIONS, 2, "image_id", to=5.5), "detection 2: image 5.5 is not among the annotated images"),
    "no score": (changed(DETECTIONS, 2, "score", drop=True), "detection 2: score is missing"),
    "NaN": (changed(DETECTIONS, 2, "score", to=float("nan")), "detection 2 (image 5): scores is nan"),
    "an infinite keypoint": (
        changed(DETECTIONS, 2, "keypoints", 3, to=float("inf")),
        "detection 2 (image 5): keypoints[1, 0] is inf",
    ),
    "short keypoints": (changed(DETECTIONS, 2, "keypoints", to=[0] * 34), "detection 2: keypoints has 34 numbers, expected 51"),
    "all short": ([DETECTION | {"keypoints": [1] * 34}], "detection 0: keypoints has 34 numbers, expected 51"),
    "words": (changed(DETECTIONS, 2, "keypoints", 0, to="left"), "detection 2: keypoints must be a list of 51 numbers"),
    "a missing box": (changed(DETECTIONS, 2, "bbox", drop=True), "detection 2: bbox is missing"),
    "masks": (
        [{key: value for key, value in (DETECTION | {"segmentation": []}).items() if key != "bbox"}],
        "detection 0: segmentation is no run-length-encoded mask; add a bbox, which defines the area",
    ),
    "an id beyond 64 bits": (
        changed(DETECTIONS, 2, "image_id", to=2**70),
        "the image_id of each detection must be a whole number within 64 bits",
    ),
}


@pytest.mark.parametrize("name", REFUSED_ANNOTATIONS)
def test_refused_annotations(write, name: str):
    content, message = REFUSED_ANNOTATIONS[name]
    expect_refusal(lambda: read_coco_annotations(write("gt.json", content)), "gt.json", message)


@pytest.mark.parametrize("name", REFUSED_DETECTIONS)
def test_refused_detections(write, name: str):
    content, message = REFUSED_DETECTIONS[name]
    people = read_coco_annotations(write("gt.json", ANNOTATIONS))
    expect_refusal(lambda: read_coco_detections(write("dt.json", content), people), "dt.json", message)


def test_an_absent_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"absent\.json: no such file"):
        read_coco_annotations(tmp_path / "absent.json")


def expect_refusal(read: Callable[[], Any], *parts: str) -> None:
    with pytest.raises(InputError) as refusal:
        read()
    line = str(refusal.value)
    assert all(part in line for part in parts), line
    assert "\n" not in line
