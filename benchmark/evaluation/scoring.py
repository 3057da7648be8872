"""Score predicted joints by the dataset's metric: PCK on LSP, PCKh on MPII, average precision on COCO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark.config.conventions import (
    PCK_PRESETS,
    PCK_THRESHOLDS,
    PCKH_PRESETS,
    PCKH_THRESHOLDS,
    pck_metric_name,
    pckh_metric_name,
)
from benchmark.config.pipeline import find_crop_rule
from benchmark.config.protocols import WHOLE_IMAGE, Protocol
from benchmark.core.errors import InputError
from benchmark.core.keypoints import joint_set_of
from benchmark.core.statistics import draw_counts, percentile_interval
from benchmark.data.annotation_files import first_existing
from benchmark.data.coco import annotation_names
from benchmark.data.people import People
from benchmark.evaluation.inference import Predictions
from benchmark.evaluation.submission import coco_entries
from benchmark.metrics.average_precision import AP_METRICS, compute_average_precision, resample_average_precision
from benchmark.metrics.coco_files import parse_coco_detections, read_coco_annotations
from benchmark.metrics.oks import CocoPeople, match_detections
from benchmark.metrics.oks_nms import rescore_people, suppress_duplicates
from benchmark.metrics.pck import bootstrap_pck
from benchmark.metrics.pckh import MEAN_COLUMN, PckhEstimate, bootstrap_pckh
from benchmark.pipeline.crops import fit_aspect


class MetricResult(NamedTuple):
    """One metric under one protocol, in percent, or as a fraction for COCO.

    Attributes:
        value: The metric of all people.
        replicates: Bootstrap replicates ``[R]``, paired with those of all other protocols of the same call.
        parts: Values of single joints or limbs.
    """

    value: float
    replicates: np.ndarray
    parts: Mapping[str, float]

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval, over people or, for COCO, over images."""
        return percentile_interval(self.replicates)


MetricResults = dict[str, dict[str, MetricResult]]  # by protocol and metric


def score_predictions(
    people: People,
    predictions: Mapping[str, Predictions],
    protocols: Mapping[str, Protocol],
    folder: Path,
    input_hw: tuple[int, int],
) -> MetricResults:
    """Compute the dataset's metrics of each protocol's predictions, whose joints are in the dataset's order.

    Args:
        folder: the dataset's folder, which holds COCO's annotations of the whole split.

    Raises:
        InputError: an annotation that the metric needs is missing.
    """
    match joint_set_of(people.dataset):
        case "lsp" | "lspet":
            return _score_lsp(people, predictions)
        case "mpii":
            return _score_mpii(people, predictions)
    return _score_coco(people, predictions, protocols, folder, input_hw)


def metric_names(dataset: str) -> list[str]:
    """Return the names of a dataset's metrics, in the order of their records."""
    match joint_set_of(dataset):
        case "lsp" | "lspet":
            return [pck_metric_name(threshold, preset) for preset in PCK_PRESETS for threshold in PCK_THRESHOLDS]
        case "mpii":
            return [pckh_metric_name(threshold, preset) for preset in PCKH_PRESETS for threshold in PCKH_THRESHOLDS]
    return list(AP_METRICS)


def _score_lsp(people: People, predictions: Mapping[str, Predictions]) -> MetricResults:
    joints = {name: predicted.joints for name, predicted in predictions.items()}
    estimates = bootstrap_pck(joints, people.joints, people.visible)
    return {
        name: {
            pck_metric_name(threshold, preset): _to_result(estimates[name, preset, threshold])
            for preset in PCK_PRESETS
            for threshold in PCK_THRESHOLDS
        }
        for name in predictions
    }


def _score_mpii(people: People, predictions: Mapping[str, Predictions]) -> MetricResults:
    if people.head_sizes is None:
        raise InputError(f"{people.dataset} {people.split}: no head sizes, so PCKh is undefined; add gt_valid.mat or valid.h5")
    if not people.visible.any():
        raise InputError(f"{people.dataset} {people.split}: no annotated joints to score against; use --submission")
    joints: dict[str, Any] = {name: (predicted.joints, 0) for name, predicted in predictions.items()}
    truth = people.joints + 1.0  # the PCKh presets expect annotations that count from (1, 1), as MPII's do
    estimates = bootstrap_pckh(joints, truth, people.head_sizes, people.visible > 0, PCKH_PRESETS)
    return {
        name: {
            pckh_metric_name(threshold, preset): _to_result(estimates[name, preset, threshold])
            for preset in PCKH_PRESETS
            for threshold in PCKH_THRESHOLDS
        }
        for name in predictions
    }


def _to_result(estimate: PckhEstimate) -> MetricResult:
    parts = {part: value for part, value in estimate.value.items() if part != MEAN_COLUMN and np.isfinite(value)}
    return MetricResult(estimate.value[MEAN_COLUMN], estimate.replicates[MEAN_COLUMN], parts)


def _score_coco(
    people: People,
    predictions: Mapping[str, Predictions],
    protocols: Mapping[str, Protocol],
    folder: Path,
    input_hw: tuple[int, int],
) -> MetricResults:
    path = first_existing(folder, annotation_names(people.split.partition("[")[0]))
    if path is None:
        raise InputError(f"{people.dataset} {people.split}: no annotations to score against; use --submission")
    annotated = people_on_images(read_coco_annotations(path), np.unique(people.image_ids))
    counts = draw_counts(len(annotated.images))
    results = {}
    for name, predicted in predictions.items():
        detections = parse_coco_detections(to_coco_detections(people, predicted, protocols[name], input_hw), annotated, name)
        matches = match_detections(annotated, detections)
        values, replicates = compute_average_precision(matches), resample_average_precision(matches, counts)
        results[name] = {metric: MetricResult(values[metric], replicates[metric], {}) for metric in AP_METRICS}
    return results


def people_on_images(annotated: CocoPeople, images: np.ndarray) -> CocoPeople:
    """Return the annotated people of these images only; ``images``: their ids, ``[I]``."""
    rows = np.isin(annotated.image_ids, images)
    arrays = {name: value for name, value in vars(annotated).items() if isinstance(value, np.ndarray) and name != "images"}
    columns: dict[str, Any] = {name: value[rows] for name, value in arrays.items()}
    return replace(annotated, images=annotated.images[np.isin(annotated.images, images)], **columns)


def to_coco_detections(
    people: People, predicted: Predictions, protocol: Protocol, input_hw: tuple[int, int]
) -> list[dict[str, Any]]:
    """Convert predictions to COCO's results format: people are rescored, and duplicates on the same image are removed.

    Two people are duplicates if their keypoint similarity exceeds the protocol's threshold. The similarity depends on the
    people's areas; these are the areas of the boxes after padding, in the input's aspect.
    """
    box_scores = np.ones(len(people)) if people.scores is None else people.scores
    scores = rescore_people(box_scores, predicted.scores, protocol.keypoint_score_threshold)
    padding = protocol.padding or (1.0 if protocol.crop == WHOLE_IMAGE else find_crop_rule(protocol.crop).padding)
    areas = (fit_aspect(people.sizes, input_hw) * padding).prod(1)
    rows = suppress_duplicates(people.image_ids, predicted.joints, areas, scores, protocol.oks_nms_threshold)
    return coco_entries(people.select(rows), predicted.joints[rows], predicted.scores[rows], scores[rows])
