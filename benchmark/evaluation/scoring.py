"""Predicted joints to figures, by dataset: PCK on LSP, PCKh on MPII, OKS AP on COCO, each with paired replicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark.config.conventions import PCK_PRESETS, PCK_THRESHOLDS, pck_metric_name
from benchmark.config.pipeline import find_crop_rule
from benchmark.config.protocols import WHOLE_IMAGE, Protocol
from benchmark.core.errors import InputError
from benchmark.core.statistics import draw_counts, percentile_interval
from benchmark.data.annotation_files import first_existing
from benchmark.data.coco import annotation_names
from benchmark.data.people import People
from benchmark.evaluation.inference import Predictions
from benchmark.evaluation.submission import coco_entries
from benchmark.metrics.average_precision import AP_METRICS, compute_average_precision, resample_average_precision
from benchmark.metrics.coco_files import parse_coco_detections, read_coco_annotations
from benchmark.metrics.oks import CocoPersons, match_detections
from benchmark.metrics.oks_nms import rescore_persons, suppress_duplicates
from benchmark.metrics.pck import bootstrap_pck
from benchmark.metrics.pckh import MEAN_COLUMN, PCKH_PRESETS, PCKH_THRESHOLDS, PckhEstimate, bootstrap_pckh
from benchmark.pipeline.crops import fit_aspect


class MetricResult(NamedTuple):
    """One metric of one protocol: percent, or COCO's fractions."""

    value: float
    replicates: np.ndarray  # [R], paired with those of every other protocol of the same call
    parts: Mapping[str, float]

    def interval(self) -> tuple[float, float]:
        """The 95 % interval over persons, on COCO over images."""
        return percentile_interval(self.replicates)


MetricResults = dict[str, dict[str, MetricResult]]  # by protocol and metric


def score_predictions(
    people: People,
    predictions: Mapping[str, Predictions],
    protocols: Mapping[str, Protocol],
    folder: Path,
    input_hw: tuple[int, int],
) -> MetricResults:
    """The figures of each protocol's predictions, whose joints are in the dataset's order.

    Args:
        folder: the dataset's, where COCO's annotations of the whole split are.

    Raises:
        InputError: what the metric needs is not annotated.
    """
    kind = people.dataset.removeprefix("synthetic-")
    if kind in ("lsp", "lspet"):
        return _lsp(people, predictions)
    if kind == "mpii":
        return _mpii(people, predictions)
    return _coco(people, predictions, protocols, folder, input_hw)


def metric_names(dataset: str) -> list[str]:
    """The names of the figures that :func:`score` gives for a dataset."""
    kind = dataset.removeprefix("synthetic-")
    if kind == "mpii":
        return [f"pckh@{t} ({preset})" for preset in PCKH_PRESETS for t in PCKH_THRESHOLDS]
    return (
        list(AP_METRICS) if kind == "coco" else [pck_metric_name(t, preset) for preset in PCK_PRESETS for t in PCK_THRESHOLDS]
    )


def _lsp(people: People, predictions: Mapping[str, Predictions]) -> MetricResults:
    files = {name: found.joints for name, found in predictions.items()}
    estimates = bootstrap_pck(files, people.joints, people.visible)
    return {
        name: {pck_metric_name(t, p): _figure(estimates[name, p, t]) for p in PCK_PRESETS for t in PCK_THRESHOLDS}
        for name in files
    }


def _mpii(people: People, predictions: Mapping[str, Predictions]) -> MetricResults:
    if people.head_sizes is None:
        raise InputError(f"{people.dataset} {people.split}: no head sizes, so PCKh is undefined; add gt_valid.mat or valid.h5")
    if not people.visible.any():
        raise InputError(f"{people.dataset} {people.split}: no annotated joints to score against; use --submission")
    files: dict[str, Any] = {name: (found.joints, 0) for name, found in predictions.items()}
    truth = people.joints + 1.0  # PCKh's presets say what to do with annotations that count from (1, 1)
    estimates = bootstrap_pckh(files, truth, people.head_sizes, people.visible > 0, PCKH_PRESETS)
    return {
        name: {f"pckh@{t} ({p})": _figure(estimates[name, p, t]) for p in PCKH_PRESETS for t in PCKH_THRESHOLDS}
        for name in files
    }


def _figure(estimate: PckhEstimate) -> MetricResult:
    parts = {part: value for part, value in estimate.value.items() if part != MEAN_COLUMN and np.isfinite(value)}
    return MetricResult(estimate.value[MEAN_COLUMN], estimate.replicates[MEAN_COLUMN], parts)


def _coco(
    people: People,
    predictions: Mapping[str, Predictions],
    protocols: Mapping[str, Protocol],
    folder: Path,
    input_hw: tuple[int, int],
) -> MetricResults:
    path = first_existing(folder, annotation_names(people.split.partition("[")[0]))
    if path is None:
        raise InputError(f"{people.dataset} {people.split}: no annotations to score against; use --submission")
    persons = people_on_images(read_coco_annotations(path), np.unique(people.image_ids))
    counts = draw_counts(len(persons.images))
    figures = {}
    for name, found in predictions.items():
        detections = parse_coco_detections(to_coco_detections(people, found, protocols[name], input_hw), persons, name)
        matches = match_detections(persons, detections)
        values, replicates = compute_average_precision(matches), resample_average_precision(matches, counts)
        figures[name] = {key: MetricResult(values[key], replicates[key], {}) for key in AP_METRICS}
    return figures


def people_on_images(persons: CocoPersons, images: np.ndarray) -> CocoPersons:
    """The annotated persons of some images only."""
    rows = np.isin(persons.image_ids, images)
    columns = {name: value[rows] for name, value in vars(persons).items() if isinstance(value, np.ndarray) and name != "images"}
    return replace(persons, images=persons.images[np.isin(persons.images, images)], **columns)


def to_coco_detections(
    people: People, found: Predictions, protocol: Protocol, input_hw: tuple[int, int]
) -> list[dict[str, Any]]:
    """What is handed to COCO: persons scored anew, without those that a better one of their image is too much like.

    How alike two are depends on their sizes: those of the padded boxes, of the input's aspect.
    """
    boxes = np.ones(len(people)) if people.scores is None else people.scores
    scores = rescore_persons(boxes, found.scores, protocol.keypoint_score_threshold)
    padding = protocol.padding or (1.0 if protocol.crop == WHOLE_IMAGE else find_crop_rule(protocol.crop).padding)
    areas = (fit_aspect(people.sizes, input_hw) * padding).prod(1)
    kept = suppress_duplicates(people.image_ids, found.joints, areas, scores, protocol.oks_nms_threshold)
    return coco_entries(people.select(kept), found.joints[kept], found.scores[kept], scores[kept])
