"""Margins follow from the noise of the test sets by one rule, and the noise is what real annotations and predictions give."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri

from benchmark.config.conventions import PCKH_PRESETS
from benchmark.config.identities import load_current
from benchmark.config.judgement import MARGINS
from benchmark.core.records import select
from benchmark.core.statistics import draw_counts
from benchmark.metrics.array_files import default_origin
from benchmark.metrics.average_precision import AP_METRICS, compute_average_precision, resample_average_precision
from benchmark.metrics.coco_files import read_coco_annotations
from benchmark.metrics.mpii_files import read_mpii_annotations, read_mpii_predictions
from benchmark.metrics.oks import OKS_SIGMAS, CocoDetections, match_detections
from benchmark.metrics.pckh import MEAN_COLUMN, bootstrap_pckh
from benchmark.papers.tables import load_papers

VALIDATION_PEOPLE = 6352  # with annotated joints, in COCO's val2017


def test_a_margin_is_what_an_exact_reproduction_needs_to_be_recognised_four_times_in_five() -> None:
    """Two one-sided tests at 5 % both reject with 80 % if the margin is z(0.95) + z(0.90) = 2.93 standard errors."""
    factor = float(ndtri(0.95) + ndtri(0.90))
    assert factor == pytest.approx(2.926, abs=0.001)
    for metric, margin in MARGINS.items():
        assert margin.points == pytest.approx(math.ceil(10 * factor * margin.noise) / 10), metric


def test_every_accuracy_that_can_be_measured_has_a_margin() -> None:
    printed = {
        (cell.column.metric, cell.column.threshold, cell.column.part)
        for paper in load_papers().values()
        for table in paper.tables.values()
        for cell in table.cells()
        if cell.column.kind == "accuracy" and cell.column.threshold != 0.1
    }
    assert printed <= set(MARGINS)


def test_the_noise_of_pckh_is_that_of_published_predictions(pose_data: Path) -> None:
    annotations = read_mpii_annotations(pose_data / "mpii/gt_valid.mat")
    paths = sorted((pose_data / "mpii/predictions").iterdir())
    files = {path.name: (read_mpii_predictions(path, 2958), default_origin(path)) for path in paths}
    estimates = bootstrap_pckh(files, annotations.joints, annotations.head_size, annotations.annotated, PCKH_PRESETS)
    for threshold in (0.5, 0.1):
        errors = [e.replicates[MEAN_COLUMN].std(ddof=1) for (_, _, used), e in estimates.items() if used == threshold]
        assert MARGINS["pckh", threshold, "mean"].noise == pytest.approx(np.mean(errors), abs=0.01)


def test_the_noise_of_a_body_part_is_that_of_the_published_predictions_on_record() -> None:
    records = select(load_current(), kind="predictions", dataset="mpii", metric="pckh@0.5 (hrnet)", over="")
    intervals = [record.samples["parts_ci95"] for record in records]
    assert len(intervals) == 4
    for metric, threshold, part in MARGINS:
        if part != "mean":
            errors = [np.ptp(interval[part.capitalize()]) / (2 * ndtri(0.975)) for interval in intervals]
            assert MARGINS[metric, threshold, part].noise == pytest.approx(np.mean(errors), abs=0.01)


def test_the_noise_of_average_precision_is_that_of_drawn_poses(pose_data: Path) -> None:
    """Poses are drawn around annotated people until the AP is about 70; the noise shrinks with the root of the people."""
    people = read_coco_annotations(pose_data / "coco/person_keypoints_val2017_538_images.json")
    kept = np.flatnonzero((people.annotated > 0) & ~people.crowd)
    found = kept[np.random.default_rng(0).random(len(kept)) > 0.07]
    errors = []
    for seed in range(3):
        generator = np.random.default_rng(seed)
        quality = 0.6 * np.exp(generator.normal(0, 0.8, size=len(found)))
        spread = OKS_SIGMAS[None, :, None] * (people.areas[found] ** 0.5 * quality)[:, None, None]
        drawn = people.keypoints[found, :, :2] + spread * generator.normal(size=(len(found), 17, 2))
        scores = 1 / quality + generator.normal(0, 0.5, len(found))
        detections = CocoDetections(
            image_ids=people.image_ids[found], keypoints=drawn, scores=scores, areas=people.areas[found]
        )
        matches = match_detections(people, detections)
        assert 0.66 < compute_average_precision(matches)["AP"] < 0.74
        replicates = resample_average_precision(matches, draw_counts(len(people.images), 200))
        errors.append([100 * np.nanstd(replicates[name]) * (len(kept) / VALIDATION_PEOPLE) ** 0.5 for name in AP_METRICS])
    for name, error in zip(AP_METRICS, np.mean(errors, axis=0), strict=True):
        if margin := MARGINS.get((name.lower(), None, "mean")):
            assert margin.noise == pytest.approx(error, rel=0.12), name
