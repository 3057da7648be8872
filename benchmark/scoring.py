"""Predicted joints to figures, by dataset: PCK on LSP, PCKh on MPII, OKS AP on COCO, each with paired replicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark import average_precision, bootstrap, coco_files, crops, oks, pck, pckh, rescoring, submission
from benchmark.average_precision import FIGURES
from benchmark.data import coco
from benchmark.data.files import first
from benchmark.data.people import People
from benchmark.errors import InputError
from benchmark.inference import Predictions
from benchmark.protocols import PICTURE, Protocol

VERSION = 1


class Figure(NamedTuple):
    """One metric of one protocol: percent, or COCO's fractions."""

    value: float
    replicates: np.ndarray  # [R], paired with those of every other protocol of the same call
    parts: Mapping[str, float]

    def interval(self) -> tuple[float, float]:
        """The 95 % interval over persons, on COCO over images."""
        return bootstrap.interval(self.replicates)


Figures = dict[str, dict[str, Figure]]  # by protocol and metric


def score(
    people: People,
    predictions: Mapping[str, Predictions],
    protocols: Mapping[str, Protocol],
    folder: Path,
    input_hw: tuple[int, int],
) -> Figures:
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


def metrics(dataset: str) -> list[str]:
    """The names of the figures that :func:`score` gives for a dataset."""
    kind = dataset.removeprefix("synthetic-")
    if kind == "mpii":
        return [f"pckh@{t} ({preset})" for preset in pckh.PRESETS for t in pckh.THRESHOLDS]
    return list(FIGURES) if kind == "coco" else [pck.metric(t, preset) for preset in pck.PRESETS for t in pck.THRESHOLDS]


def _lsp(people: People, predictions: Mapping[str, Predictions]) -> Figures:
    files = {name: found.joints for name, found in predictions.items()}
    estimates = pck.bootstrapped(files, people.joints, people.visible)
    return {
        name: {pck.metric(t, p): _figure(estimates[name, p, t]) for p in pck.PRESETS for t in pck.THRESHOLDS} for name in files
    }


def _mpii(people: People, predictions: Mapping[str, Predictions]) -> Figures:
    if people.head_sizes is None:
        raise InputError(f"{people.dataset} {people.split}: no head sizes, so PCKh is undefined; add gt_valid.mat or valid.h5")
    if not people.visible.any():
        raise InputError(f"{people.dataset} {people.split}: no annotated joints to score against; use --submission")
    files: dict[str, Any] = {name: (found.joints, 0) for name, found in predictions.items()}
    truth = people.joints + 1.0  # PCKh's presets say what to do with annotations that count from (1, 1)
    estimates = pckh.bootstrapped(files, truth, people.head_sizes, people.visible > 0, pckh.PRESETS)
    return {
        name: {f"pckh@{t} ({p})": _figure(estimates[name, p, t]) for p in pckh.PRESETS for t in pckh.THRESHOLDS}
        for name in files
    }


def _figure(estimate: pckh.Estimate) -> Figure:
    parts = {part: value for part, value in estimate.value.items() if part != pckh.MEAN and np.isfinite(value)}
    return Figure(estimate.value[pckh.MEAN], estimate.replicates[pckh.MEAN], parts)


def _coco(
    people: People,
    predictions: Mapping[str, Predictions],
    protocols: Mapping[str, Protocol],
    folder: Path,
    input_hw: tuple[int, int],
) -> Figures:
    path = first(folder, coco.annotation_names(people.split.partition("[")[0]))
    if path is None:
        raise InputError(f"{people.dataset} {people.split}: no annotations to score against; use --submission")
    persons = within(coco_files.read_annotations(path), np.unique(people.image_ids))
    counts = bootstrap.draw_counts(len(persons.images))
    figures = {}
    for name, found in predictions.items():
        detections = coco_files.detections(coco_detections(people, found, protocols[name], input_hw), persons, name)
        matches = oks.match(persons, detections)
        values, replicates = average_precision.figures(matches), average_precision.replicated(matches, counts)
        figures[name] = {key: Figure(values[key], replicates[key], {}) for key in FIGURES}
    return figures


def within(persons: oks.Persons, images: np.ndarray) -> oks.Persons:
    """The annotated persons of some images only."""
    rows = np.isin(persons.image_ids, images)
    columns = {name: value[rows] for name, value in vars(persons).items() if isinstance(value, np.ndarray) and name != "images"}
    return replace(persons, images=persons.images[np.isin(persons.images, images)], **columns)


def coco_detections(people: People, found: Predictions, protocol: Protocol, input_hw: tuple[int, int]) -> list[dict[str, Any]]:
    """What is handed to COCO: persons scored anew, without those that a better one of their image is too much like.

    How alike two are depends on their sizes: those of the padded boxes, of the input's aspect.
    """
    boxes = np.ones(len(people)) if people.scores is None else people.scores
    scores = rescoring.rescore(boxes, found.scores, protocol.counted_above)
    padding = protocol.padding or (1.0 if protocol.crop == PICTURE else crops.find_rule(protocol.crop).padding)
    areas = (crops.fit_aspect(people.sizes, input_hw) * padding).prod(1)
    kept = rescoring.suppress(people.image_ids, found.joints, areas, scores, protocol.alike)
    return submission.coco_entries(people.select(kept), found.joints[kept], found.scores[kept], scores[kept])
