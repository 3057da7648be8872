"""OKS AP equals pycocotools to the last bit, on real and generated files and on every resampled dataset."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.core.errors import InputError
from benchmark.core.statistics import draw_counts
from benchmark.metrics.average_precision import AP_METRICS, ap_interval, compute_average_precision, resample_average_precision
from benchmark.metrics.coco_files import parse_coco_detections, parse_coco_people
from benchmark.metrics.oks import CocoDetections, CocoPeople, compute_oks, match_detections
from tests.metrics.coco_cases import (
    CATEGORY,
    EDGES,
    evaluate_with_pycocotools,
    person,
    perturb,
    pycocotools_metrics,
    random_case,
    repeat,
)

CASES = 2000


def arrays(annotations: dict[str, Any], detections: list[dict[str, Any]]) -> tuple[CocoPeople, CocoDetections]:
    people = parse_coco_people(annotations)
    return people, parse_coco_detections(detections, people)


def evaluate(annotations: dict[str, Any], detections: list[dict[str, Any]]) -> dict[str, float]:
    return compute_average_precision(match_detections(*arrays(annotations, detections)))


def real(root: Path, name: str) -> Any:
    path = root / "coco" / name
    if not path.is_file():
        pytest.skip(f"{path} does not exist")
    return json.loads(path.read_text())


def test_the_public_fixture(pose_data: Path):
    """Reproduce the published metrics of ground truth and detections from faster-coco-eval."""
    annotations = real(pose_data, "oks_fixture/gt_dataset.json")
    detections = real(pose_data, "oks_fixture/dt_dataset.json")
    published = [0.504884, 0.722772, 0.633663, 0.466337, 0.750495, 0.518182, 0.727273, 0.636364, 0.466667, 0.75]
    metrics = evaluate(annotations, detections)
    assert [round(metrics[name], 6) for name in AP_METRICS] == published
    assert metrics == pycocotools_metrics(annotations, detections)


@pytest.mark.parametrize("seed", range(4))
def test_perturbed_real_annotations(pose_data: Path, seed: int):
    annotations = real(pose_data, "person_keypoints_val2017_538_images.json")
    detections = perturb(annotations, seed, boxes=seed % 2 == 0)
    metrics = evaluate(annotations, detections)
    assert metrics == pycocotools_metrics(annotations, detections)
    assert 0.1 < metrics["AP"] < 0.5


@pytest.mark.parametrize("first", [0, *(pytest.param(first, marks=pytest.mark.slow) for first in range(500, CASES, 500))])
def test_generated_cases(first: int):
    cases = ((seed, *random_case(seed)) for seed in range(first, first + 500))
    wrong = [seed for seed, *files in cases if evaluate(*files) != pycocotools_metrics(*files)]
    assert not wrong, f"random_case(seed) differs for these seeds: {wrong}"


def test_generated_cases_hold_what_makes_scoring_hard():
    occurrences: Counter[str] = Counter()
    for seed in range(200):
        annotations, detections = random_case(seed)
        people = annotations["annotations"]
        images = Counter(detection["image_id"] for detection in detections)
        scores = Counter((detection["image_id"], detection["score"]) for detection in detections)
        metrics = evaluate(annotations, detections)
        occurrences["crowd"] += any(entry["iscrowd"] for entry in people)
        occurrences["no keypoints"] += any(entry["num_keypoints"] == 0 for entry in people)
        occurrences["keypoints hidden, yet counted"] += any(
            entry["num_keypoints"] > 0 and not any(entry["keypoints"][2::3]) for entry in people
        )
        occurrences["more than 20 detections"] += max(images.values()) > 20
        occurrences["tie within an image"] += max(scores.values()) > 1
        occurrences["tie between images"] += len({score for _, score in scores}) < len(scores)
        occurrences["area on a boundary"] += any(entry["area"] in EDGES for entry in people)
        occurrences["image without people"] += len({entry["image_id"] for entry in people}) < len(annotations["images"])
        occurrences["image without detections"] += len(images) < len(annotations["images"])
        occurrences["detections without boxes"] += "bbox" not in detections[0]
        occurrences["undefined metric"] += -1 in metrics.values()
        occurrences["partly right"] += 0 < metrics["AP"] < 1
    assert len(occurrences) == 12
    assert min(occurrences.values()) >= 10, occurrences


def test_every_similarity_has_the_same_last_bit():
    compared = 0
    for seed in range(100):
        annotations, entries = random_case(seed)
        people, detections = arrays(annotations, entries)
        for (image, _), expected in evaluate_with_pycocotools(annotations, entries).ious.items():
            rows = np.flatnonzero(detections.image_ids == image)
            rows = rows[np.argsort(-detections.scores[rows], kind="stable")][:20]
            in_image = np.flatnonzero(people.image_ids == image)
            similarity = compute_oks(people, detections, np.tile(in_image, len(rows)), np.repeat(rows, len(in_image)))
            assert similarity.tolist() == np.ravel(expected).tolist(), f"random_case({seed}), image {image}"
            compared += len(similarity)
    assert compared > 5000


# A person of any area, in one or more images, and detections that are exact or far away.
TRUTH = np.concatenate([np.random.default_rng(0).uniform(100, 200, (17, 2)), np.full((17, 1), 2.0)], axis=1)
BOX = np.array([100.0, 100.0, 100.0, 100.0])


def dataset(*people: dict[str, Any], images: int = 1) -> dict[str, Any]:
    entries = [person(1, 1, TRUTH, BOX, 6000.0) | changes | {"id": index + 1} for index, changes in enumerate(people)]
    return {"images": [{"id": i + 1} for i in range(images)], "annotations": entries, "categories": [CATEGORY]}


def moved(shift: float) -> list[float]:
    return (TRUTH + np.array([shift, 0, 0])).ravel().tolist()


def detection(score: float, shift: float = 0.0, image: int = 1, area: float = 6000.0) -> dict[str, Any]:
    return {"image_id": image, "category_id": 1, "score": score, "keypoints": moved(shift), "bbox": [0.0, 0.0, area, 1.0]}


def test_a_perfect_detection_scores_one():
    metrics = evaluate(dataset({}), [detection(0.5)])
    assert metrics["AP"] == pytest.approx(1, abs=1e-12)
    assert (metrics["AR"], metrics["ARM"]) == (1, 1)
    assert (metrics["APL"], metrics["ARL"]) == (-1, -1)  # no person is large


def test_the_21st_detection_of_an_image_counts_nowhere():
    far = [detection(0.9, shift=1000.0 + index) for index in range(20)]
    assert evaluate(dataset({}), [*far[:19], detection(0.1)])["AR"] == 1
    assert evaluate(dataset({}), [*far, detection(0.1)])["AR"] == 0


def test_equal_scores_keep_the_order_of_the_file():
    right, wrong = detection(0.5), detection(0.5, shift=1000.0)
    assert evaluate(dataset({}), [right, wrong])["AP"] == pytest.approx(1, abs=1e-12)
    assert evaluate(dataset({}), [wrong, right])["AP"] == pytest.approx(0.5)


def test_equal_scores_of_two_images_stand_in_the_order_of_image_ids():
    annotations = dataset({}, images=2)
    for images in ([1, 2], [2, 1]):
        annotations["images"] = [{"id": image} for image in images]
        assert evaluate(annotations, [detection(0.5, 1000.0, image=2), detection(0.5)])["AP"] == pytest.approx(1, abs=1e-12)


def test_a_crowd_takes_any_number_of_detections_and_a_person_without_keypoints_one():
    twice = [detection(0.9), detection(0.8, shift=0.01), detection(0.5, image=2)]
    other = {"image_id": 2}
    assert evaluate(dataset({"iscrowd": 1}, other, images=2), twice)["AP"] == pytest.approx(1, abs=1e-12)
    assert evaluate(dataset({"num_keypoints": 0}, other, images=2), twice)["AP"] == pytest.approx(0.5)


def test_a_person_that_counts_is_preferred_to_a_crowd_that_is_closer():
    crowd = {"iscrowd": 1, "keypoints": moved(1.0)}
    assert evaluate(dataset(crowd, {}), [detection(0.5, shift=1.0)])["AR50"] == 1


@pytest.mark.parametrize(
    ("area", "medium", "large"),
    [(32.0**2, 1, -1), (np.nextafter(32.0**2, 0), -1, -1), (96.0**2, 1, 1), (np.nextafter(96.0**2, 1e9), -1, 1)],
)
def test_both_ends_belong_to_a_range_of_areas(area: float, medium: float, large: float):
    metrics = evaluate(dataset({"area": float(area)}), [detection(0.5)])
    assert (metrics["ARM"], metrics["ARL"]) == (medium, large)


def test_a_similarity_of_exactly_the_threshold_is_enough():
    """Detect 12 of 16 keypoints exactly and 4 infinitely far away: a similarity of 0.75 for any sigmas."""
    half = np.where(np.arange(17)[:, None] < 16, TRUTH, 0)
    points = half + np.where(np.arange(17)[:, None] < 4, 1e6, 0)
    metrics = evaluate(dataset({"keypoints": half.ravel().tolist()}), [detection(0.5) | {"keypoints": points.ravel().tolist()}])
    assert (metrics["AR75"], metrics["AR"]) == (1, 0.6)  # 0.5 to 0.75, but not 0.8 to 0.95


def test_without_visible_keypoints_the_box_doubled_on_every_side_is_what_counts():
    hidden = {"keypoints": (TRUTH * [1, 1, 0]).ravel().tolist(), "num_keypoints": 17}
    assert evaluate(dataset(hidden), [detection(0.5, shift=99.0)])["AR"] == 1  # all within 0 to 300
    assert evaluate(dataset(hidden), [detection(0.5, shift=400.0)])["AR"] == 0


def test_no_detections_at_all_score_zero():
    people, detections = arrays(dataset({}), [detection(0.5)])
    nothing = CocoDetections(**{name: values[:0] for name, values in vars(detections).items()})
    metrics = compute_average_precision(match_detections(people, nothing))
    assert [metrics[name] for name in AP_METRICS] == [0, 0, 0, 0, -1, 0, 0, 0, 0, -1]


def test_pycocotools_takes_nan_for_perfect_and_we_refuse_it():
    annotations, detections = dataset({}), [detection(0.5) | {"keypoints": [float("nan")] * 51}]
    assert pycocotools_metrics(annotations, detections)["AP"] == pytest.approx(1, abs=1e-12)
    with pytest.raises(InputError, match=r"detection 0 \(image 1\): keypoints\[0, 0\] is nan"):
        evaluate(annotations, detections)


def test_a_finite_keypoint_at_any_distance_is_a_miss():
    assert evaluate(dataset({}), [detection(0.5, shift=1e200)])["AR"] == 0


PEOPLE, DETECTIONS = arrays(*random_case(3))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p, d: (spoiled(p, "areas", 0, np.nan), d), "annotations: annotation 0 .*: areas is nan"),
        (lambda p, d: (spoiled(p, "boxes", (0, 2), np.inf), d), r"annotations: annotation 0 .*: boxes\[2\] is inf"),
        (
            lambda p, d: (spoiled(p, "keypoints", (1, 16, 2), np.nan), d),
            r"annotations: annotation 1 .*: keypoints\[16, 2\] is nan",
        ),
        (
            lambda p, d: (spoiled(p, "image_ids", 1, 999), d),
            "annotations: annotation 1: image 999 is not among the annotated images",
        ),
        (lambda p, d: (replace(p, images=np.append(p.images, p.images[0])), d), "annotations: image .* is listed 2 times"),
        (lambda p, d: (replace(p, areas=p.areas[1:]), d), "annotations: areas has shape"),
        (lambda p, d: (p, spoiled(d, "scores", 2, np.inf)), "detections: detection 2 .*: scores is inf"),
        (lambda p, d: (p, spoiled(d, "areas", 2, np.nan)), "detections: detection 2 .*: areas is nan"),
        (
            lambda p, d: (p, spoiled(d, "image_ids", 2, 999)),
            "detections: detection 2: image 999 is not among the annotated images",
        ),
        (
            lambda p, d: (p, replace(d, keypoints=d.keypoints[:, :16])),
            r"detections: keypoints has shape .*, expected .*17, 2\]",
        ),
    ],
)
def test_impossible_arrays_are_refused_by_name(spoil: Callable[..., Any], message: str):
    with pytest.raises(InputError, match=message):
        match_detections(*spoil(PEOPLE, DETECTIONS))


def spoiled(rows: Any, name: str, index: Any, value: float) -> Any:
    column = getattr(rows, name).copy()
    column[index] = value
    return replace(rows, **{name: column})


@pytest.mark.parametrize("first", range(0, 120, 40))
def test_a_replicate_is_the_dataset_with_its_images_repeated(first: int):
    compared = 0
    for seed in range(first, first + 40):
        annotations, entries = random_case(seed)
        people, detections = arrays(annotations, entries)
        images = len(people.images)
        counts = np.random.default_rng(seed).multinomial(images, np.full(images, 1 / images), size=3)
        replicates = resample_average_precision(match_detections(people, detections), counts)
        for index, row in enumerate(counts):
            resampled = repeat(annotations, entries, row)
            if not (resampled[0]["annotations"] and resampled[1]):
                continue  # pycocotools cannot read it
            values = {name: -1.0 if np.isnan(values[index]) else values[index] for name, values in replicates.items()}
            assert values == pycocotools_metrics(*resampled), f"random_case({seed}), counts {row.tolist()}"
            compared += 1
    assert compared > 80


def test_copies_of_tied_detections_alternate():
    """Order two copies of an image with (right, wrong) at one score as right, wrong, right, wrong."""
    annotations, detections = dataset({}), [detection(0.5), detection(0.5, shift=1000.0)]
    replicate = resample_average_precision(match_detections(*arrays(annotations, detections)), np.array([[2]]))
    assert replicate["AP"][0] == pycocotools_metrics(*repeat(annotations, detections, np.array([2])))["AP"]
    assert 0.66 < replicate["AP"][0] < 0.84  # precision 1 up to half the recall, then 2/3


def test_counts_of_one_are_the_dataset_itself_whatever_the_other_replicates_draw():
    for seed in range(30):
        people, detections = arrays(*random_case(seed))
        matches = match_detections(people, detections)
        counts = np.stack([np.ones(len(people.images)), np.full(len(people.images), 4.0)])
        replicates = resample_average_precision(matches, counts)
        metrics = compute_average_precision(matches)
        assert metrics == {name: -1.0 if np.isnan(values[0]) else values[0] for name, values in replicates.items()}


def test_a_replicate_in_which_nobody_counts_is_undefined_and_left_out():
    people, detections = arrays(dataset({}, images=2), [detection(0.5)])
    replicates = resample_average_precision(match_detections(people, detections), np.array([[1, 1], [2, 0], [0, 2]]))
    assert np.isnan(replicates["AR"]).tolist() == [False, False, True]
    assert ap_interval(replicates["AR"]) == (1, 1)
    assert ap_interval(replicates["ARL"]) is None


def test_intervals_hold_the_figures_and_narrow_with_the_images(pose_data: Path):
    annotations = real(pose_data, "person_keypoints_val2017_538_images.json")
    people, detections = arrays(annotations, perturb(annotations, 0))
    matches = match_detections(people, detections)
    replicates = resample_average_precision(matches, draw_counts(len(people.images), replicates=200))
    for name, value in compute_average_precision(matches).items():
        low, high = ap_interval(replicates[name])
        assert low < value < high
        assert high - low < 0.15
