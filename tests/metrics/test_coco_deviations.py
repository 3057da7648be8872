"""Files that deviate from COCO's format as pycocotools allows have the same metrics here, and one warning for each kind."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pycocotools import mask

from benchmark.core.errors import InputError
from benchmark.metrics.average_precision import compute_average_precision
from benchmark.metrics.coco_files import parse_coco_detections, parse_coco_people
from benchmark.metrics.oks import match_detections
from tests.metrics.coco_cases import Annotations, Detections, pycocotools_metrics, random_case

Change = Callable[[Annotations, Detections], Any]
SEEDS = range(30)


def each(list_name: str, key: str, convert: Callable[[Any], Any], every: int = 1) -> Change:
    """Convert a field in every n-th image, annotation, category or detection."""

    def change(annotations: Annotations, detections: Detections) -> None:
        entries = detections if list_name == "detections" else annotations[list_name]
        for entry in entries[::every]:
            entry[key] = convert(entry[key])

    return change


def both(*changes: Change) -> Change:
    def change(annotations: Annotations, detections: Detections) -> None:
        for single in changes:
            single(annotations, detections)

    return change


def image_ids(convert: Callable[[Any], Any]) -> Change:
    return both(
        each("images", "id", convert), each("annotations", "image_id", convert), each("detections", "image_id", convert)
    )


def category_ids(convert: Callable[[Any], Any]) -> Change:
    return both(
        each("categories", "id", convert),
        each("annotations", "category_id", convert),
        each("detections", "category_id", convert),
    )


def add_annotations(**changes: Any) -> Change:
    return lambda annotations, detections: annotations["annotations"].extend(
        [entry | {"id": 1000 + entry["id"]} | changes for entry in copy.deepcopy(annotations["annotations"])]
    )


def add_detections(**changes: Any) -> Change:
    return lambda annotations, detections: detections.extend([entry | changes for entry in copy.deepcopy(detections)])


def number_detections(first: int, step: int) -> Change:
    def change(annotations: Annotations, detections: Detections) -> None:
        for index, entry in enumerate(detections):
            entry["id"] = first + index * step

    return change


def true_after_the_first(annotations: Annotations, detections: Detections) -> None:
    for entry in detections[1:]:  # pycocotools cannot negate an array of nothing but true and false
        entry["score"] = entry["score"] > 0.9 or entry["score"]


def masks_for_boxes(annotations: Annotations, detections: Detections) -> None:
    for index, entry in enumerate(detections):
        entry.pop("bbox", None)
        pixels = np.zeros((120, 120), np.uint8, order="F")
        pixels[: 20 + index % 100] = 1
        entry["segmentation"] = mask.encode(pixels)


def boxes_after_the_first(annotations: Annotations, detections: Detections) -> None:
    for entry in detections:
        entry["bbox"] = [0, 0, 50, 50]
    del detections[0]["bbox"]


# By name: what is changed, and what the warning says.
DEVIATIONS: dict[str, tuple[Change, str]] = {
    "iscrowd true or false": (each("annotations", "iscrowd", bool), "iscrowd is true or false"),
    "iscrowd true or false in some": (each("annotations", "iscrowd", bool, 3), "iscrowd is true or false"),
    "iscrowd 0.0": (each("annotations", "iscrowd", float), "iscrowd is a number with a decimal point"),
    "iscrowd 0.5": (each("annotations", "iscrowd", lambda _: 0.5, 2), "iscrowd is neither 0 nor 1"),
    "iscrowd 2": (each("annotations", "iscrowd", lambda _: 2, 2), "iscrowd is neither 0 nor 1"),
    "iscrowd as text": (each("annotations", "iscrowd", str, 2), "iscrowd is text"),
    "num_keypoints 17.0": (each("annotations", "num_keypoints", float), "num_keypoints is a number with a decimal point"),
    "num_keypoints 0.5": (each("annotations", "num_keypoints", lambda _: 0.5), "num_keypoints is a number with a decimal"),
    "num_keypoints as text": (each("annotations", "num_keypoints", str), "num_keypoints is text"),
    "num_keypoints true or false": (each("annotations", "num_keypoints", bool, 2), "num_keypoints is true or false"),
    "num_keypoints null": (each("annotations", "num_keypoints", lambda _: None, 2), "num_keypoints is null"),
    "num_keypoints beyond 64 bits or negative, and 1.0": (
        each("annotations", "num_keypoints", lambda value: [0, 2**70, -1, 1.0][value % 4]),
        "num_keypoints is a number with a decimal point",
    ),
    "annotation ids as text": (each("annotations", "id", str), "id is text"),
    "annotation ids partly text": (each("annotations", "id", str, 2), "id is text"),
    "annotation ids 1.0": (each("annotations", "id", float), "id is a number with a decimal point"),
    "annotation ids from 0": (each("annotations", "id", lambda value: value - 1), "id is 0"),
    "annotation ids from 0 as text": (each("annotations", "id", lambda value: str(value - 1)), "id is 0"),
    "repeated annotation ids": (each("annotations", "id", lambda value: value // 2 + 1), "a later annotation has the same id"),
    "one annotation id for all": (each("annotations", "id", lambda _: 7), "a later annotation has the same id"),
    "annotation ids null in some": (each("annotations", "id", lambda _: None, 4), "id is null"),
    "annotation ids null": (each("annotations", "id", lambda _: None), "a later annotation has the same id"),
    "an image twice": (lambda a, d: a["images"].append(a["images"][0]), "an image with this id was listed before"),
    "all images twice": (lambda a, d: a["images"].extend(a["images"][::-1]), "an image with this id was listed before"),
    "image ids 1.0 in images": (each("images", "id", float), "id is a number with a decimal point"),
    "image ids 1.0 in annotations": (each("annotations", "image_id", float), "image_id is a number with a decimal point"),
    "image ids 1.0 in detections": (each("detections", "image_id", float, 2), "image_id is a number with a decimal point"),
    "image ids as text": (image_ids(str), "image_id is text"),  # in the order of text: "10" before "9"
    "image ids as names": (image_ids(lambda value: f"val2017/{97 * value % 50}.jpg"), "image_id is text"),
    "image ids with decimals": (image_ids(lambda value: value + 0.5), "image_id is a number with a decimal point"),
    "image ids true or false": (image_ids(lambda value: bool(value) if value < 2 else value), "image_id is true or false"),
    "negative areas": (each("annotations", "area", lambda value: -value - 1, 2), "area is negative"),
    "categories as text": (category_ids(str), "category_id is text"),
    "categories 1.0": (category_ids(float), "category_id is a number with a decimal point"),
    "annotations of a category that is not listed": (add_annotations(category_id=44), "the category is not listed"),
    "bare annotations of another category": (
        lambda a, d: a["annotations"].append({"id": 999, "image_id": a["images"][0]["id"], "category_id": 0}),
        "the category is not listed",
    ),
    "annotations of a category in words": (add_annotations(category_id="dog"), "category_id is text"),
    "repeated detections": (add_detections(), "repeats an earlier detection"),
    "a detection three times": (lambda a, d: d.extend([d[0]] * 2), "repeats an earlier detection"),
    "people of zeros alone": (
        lambda a, d: d.extend([d[0] | {"keypoints": [0] * 51, "score": 0}] * 2),
        "repeats an earlier detection",
    ),
    "detections with id 0": (number_detections(0, 0), "id is 0 or that of an earlier detection"),
    "detections counted from 0": (number_detections(0, 1), "id is 0 or that of an earlier detection"),
    "detections of other categories": (add_detections(category_id=3, score=0.95), "category_id is not 1 (person)"),
    "detections of a category null": (add_detections(category_id=None, score=0.95), "category_id is null"),
    "detections of categories in words": (add_detections(category_id="dog", score=0.95), "category_id is text"),
    "bare detections of other categories": (
        both(
            lambda a, d: [entry.update(bbox=[0, 0, 40, 40]) for entry in d],
            lambda a, d: d.append({"image_id": a["images"][0]["id"], "category_id": 2, "score": 1.0, "bbox": [0, 0, 1, 1]}),
        ),
        "category_id is not 1 (person)",
    ),
    "boxes after the first detection": (boxes_after_the_first, "has a box, and the first detection has none"),
    "boxes of negative width": (
        lambda a, d: [entry.update(bbox=[0, 0, -40, 40]) for entry in d],
        "the box has a negative width or height",
    ),
}
# What pycocotools scores and is in order; there is nothing to warn of.
UNUSUAL: dict[str, Change] = {
    "no other field of an image than its id": lambda a, d: None,
    "a category 0 that everyone has": category_ids(lambda _: 0),
    "image ids beyond 64 bits": image_ids(lambda value: 2**70 - 97 * value),
    "image ids beyond 63 bits": image_ids(lambda value: 2**63 + value),
    "negative image ids": image_ids(lambda value: -value),
    "a second category without people": lambda a, d: a["categories"].append({"id": 2, "name": "cat"}),
    "boxes of zero width": lambda a, d: [entry.update(bbox=[5, 5, 0, 40]) for entry in d],
    "masks for boxes": masks_for_boxes,
    "whole scores": each("detections", "score", lambda value: int(1e8 * value)),
    "ids of detections from 1": number_detections(1, 1),
    "no visible keypoint, yet counted": each("annotations", "keypoints", lambda values: [0] * len(values)),
}


def scored(annotations: Annotations, detections: Detections) -> dict[str, float]:
    people = parse_coco_people(annotations, "gt.json")
    return compute_average_precision(match_detections(people, parse_coco_detections(detections, people, "dt.json")))


def changed_case(seed: int, change: Change) -> tuple[Annotations, Detections]:
    files = copy.deepcopy(random_case(seed))
    change(*files)
    return files


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # in pycocotools, for negative areas
@pytest.mark.parametrize("name", DEVIATIONS)
def test_a_deviation_has_pycocotools_metrics_and_one_line(name: str, capsys: pytest.CaptureFixture[str]):
    change, warning = DEVIATIONS[name]
    warned = 0
    for seed in SEEDS:
        files = changed_case(seed, change)
        assert scored(*files) == pycocotools_metrics(*files), f"random_case({seed})"
        lines = [line for line in capsys.readouterr().err.splitlines() if warning in line]
        assert all(line.startswith(("warning: gt.json: ", "warning: dt.json: ")) for line in lines)
        warned += bool(lines)
        assert len(lines) == len({line.split(":")[1] + line.split(":")[2].split()[0] for line in lines}), lines
    assert warned >= 3


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_merely_unusual_is_scored_without_a_word(name: str, capsys: pytest.CaptureFixture[str]):
    for seed in SEEDS:
        files = changed_case(seed, UNUSUAL[name])
        assert scored(*files) == pycocotools_metrics(*files), f"random_case({seed})"
    assert capsys.readouterr().err == ""


def test_a_warning_counts_and_names_the_first(capsys: pytest.CaptureFixture[str]):
    annotations, detections = copy.deepcopy(random_case(2))
    people = len(annotations["annotations"])
    assert people > 3
    for index in (1, 3):
        annotations["annotations"][index]["iscrowd"] = False
    scored(annotations, detections)
    assert capsys.readouterr().err == (
        f"warning: gt.json: annotation 1: iscrowd is true or false, false (2 of {people} annotations): accepted, as in "
        "pycocotools\n"
    )


def test_entries_keep_their_numbers_where_others_are_left_out():
    annotations, detections = copy.deepcopy(random_case(2))
    detections.insert(0, detections[0] | {"category_id": 9})
    detections[2]["keypoints"] = [float("nan")] * 51
    with pytest.raises(InputError, match=r"dt\.json: detection 2 .*: keypoints\[0, 0\] is nan"):
        scored(annotations, detections)
    detections[2]["keypoints"] = [1.0]
    with pytest.raises(InputError, match=r"dt\.json: detection 2: keypoints has 1 numbers"):
        scored(annotations, detections)


# What pycocotools takes for 1 and 0, silently; among numbers numpy would, too.
BOOLEANS: dict[str, tuple[Change, str]] = {
    "areas": (each("annotations", "area", lambda value: value > 2000), "area must be a number, not "),
    "areas in some": (each("annotations", "area", lambda value: True, 3), "area must be a number, not true"),
    "scores after the first": (true_after_the_first, "score must be a number, not "),
    "a visibility": (each("annotations", "keypoints", lambda v: [*v[:-1], True]), "keypoints must be a list of 51 numbers"),
    "a corner": (each("annotations", "bbox", lambda v: [False, *v[1:]], 2), "bbox must be a list of 4 numbers"),
    "all keypoints": (each("detections", "keypoints", lambda v: [True] * 51, 2), "keypoints must be a list of 51 numbers"),
}


@pytest.mark.parametrize("name", BOOLEANS)
def test_true_and_false_are_no_measured_numbers(name: str):
    change, message = BOOLEANS[name]
    with pytest.raises(InputError, match=re.escape(message)):
        scored(*changed_case(2, change))


# What pycocotools cannot score either.
REFUSED: dict[str, tuple[Change, str]] = {
    "a score as text": (each("detections", "score", str), 'detection 0: score must be a number, not "'),
    "a score null": (each("detections", "score", lambda _: None), "detection 0: score must be a number, not null"),
    "areas as text": (each("annotations", "area", str), 'annotation 0: area must be a number, not "'),
    "iscrowd null": (each("annotations", "iscrowd", lambda _: None), "annotation 0: iscrowd must be a number or text"),
    "ids of another type than numbers and text": (
        each("annotations", "id", lambda v: [v]),
        "id must be a number or text, not [",
    ),
    "iscrowd in words": (each("annotations", "iscrowd", lambda _: "no"), 'annotation 0: iscrowd must be 0 or 1, not "no"'),
    "no iscrowd": (lambda a, d: [entry.pop("iscrowd") for entry in a["annotations"]], "annotation 0: iscrowd is missing"),
    "no bbox": (lambda a, d: [entry.pop("bbox") for entry in a["annotations"]], "annotation 0: bbox is missing"),
    "no id": (lambda a, d: [entry.pop("id") for entry in a["annotations"]], "annotation 0: id is missing"),
    "image ids of detections as text": (
        each("detections", "image_id", str),
        "not among the annotated images, whose ids are num",
    ),
    "image ids of images as text": (each("images", "id", str), "not among the annotated images, whose ids are text"),
    "numbers and text as image ids": (each("detections", "image_id", str, 2), "give numbers or text"),
    "keypoints as text": (each("detections", "keypoints", lambda v: list(map(str, v))), "keypoints must be a list of 51 numb"),
    "polygons for boxes": (
        lambda a, d: [entry.update(bbox=[], segmentation=[[1, 2, 3, 4, 5, 6]]) for entry in d],
        "segmentation is no run-length-encoded mask",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pycocotools_cannot_score_is_refused(name: str):
    change, message = REFUSED[name]
    files = changed_case(2, change)
    with pytest.raises(Exception):  # noqa: B017, PT011 (of many types)
        pycocotools_metrics(*files)
    with pytest.raises(InputError) as refusal:
        scored(*files)
    assert message in str(refusal.value)


def test_image_ids_that_pycocotools_would_round_are_refused():
    files = changed_case(2, image_ids(lambda value: 2**63 + value if value % 2 else value))
    with pytest.raises(
        InputError, match=r"gt\.json: the (image_)?id of each (image|annotation) must be a whole number within 64"
    ):
        scored(*files)


def test_an_empty_list_of_categories_is_named():
    files = changed_case(2, lambda annotations, detections: annotations["categories"].clear())
    with pytest.raises(InputError, match=r"gt\.json: no annotation is of a listed category: 1, none are listed"):
        scored(*files)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([0], "all 3 have category_id 0, so the file counts categories from 0; write 1 instead"),
        ([0.0], "all 3 have category_id 0, so"),
        ([2], "all have category_id 2; give a file of detected people, or set category_id to 1"),
        ([0, 3], "all have category_id 0, 3; give a file of detected people"),
        (["person"], 'all have category_id "person"; give a file of detected people'),
    ],
)
def test_a_file_without_detected_people_says_what_it_holds(ids: list[Any], message: str):
    annotations, detections = copy.deepcopy(random_case(2))
    detections = [detections[index] | {"category_id": ids[index % len(ids)]} for index in range(3)]
    with pytest.raises(InputError, match=r"dt\.json: no detection is of category 1 \(person\)") as refusal:
        scored(annotations, detections)
    assert message in str(refusal.value)
