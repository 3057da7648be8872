"""Compute COCO's ten keypoint metrics from matched detections, for a dataset and for bootstrap replicates of it.

A replicate of the bootstrap over images is a dataset that contains image i ``counts[i]`` times, with the copies next to each
other. Detections are matched within an image, so matching is done once, and only precision and recall are recomputed: a
detection that is drawn three times is one step of height three in their curves. The original dataset is the replicate in
which every count is 1, so the metric and its interval come from the same code. Both equal pycocotools' values on the copied
annotations to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from tqdm import tqdm

from benchmark.core.statistics import percentile_interval

ApMetric = Literal["AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL"]
AP_METRICS: tuple[str, ...] = get_args(ApMetric)
UNDEFINED = -1.0  # pycocotools' value of a metric without any person to find
AREAS = np.array([(0, 1e5**2), (32**2, 96**2), (96**2, 1e5**2)])  # all, medium, large; square pixels, both ends included
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
TINY = np.spacing(1)  # pycocotools adds it to denominators


@dataclass(frozen=True, kw_only=True)
class Matches:
    """D detections, sorted by falling score, then by image, then as in the file, with A = 3 areas and T = 10 thresholds.

    Attributes:
        image: [D] int, index of the image, from 0 to I - 1.
        score: [D].
        in_area: [A, D] bool, whether the detection's own area lies in the range.
        matched: [A, T, D] bool, whether a person was found for the detection.
        ignored: [A, T, D] bool, whether that person is ignored.
        people: [I, A], number of people in each image that are not ignored.
    """

    image: np.ndarray
    score: np.ndarray
    in_area: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    people: np.ndarray


class _Curve(NamedTuple):
    """The M matched detections of one area and threshold.

    Attributes:
        position: [M] indices among the steps.
        hit: [M] 1 where the matched person counts, 0 where it is ignored.
        correction: [M] difference to the number of detections counted by ``in_area``: +1 for a hit outside the area range, -1
            for a detection inside it that is matched to an ignored person.
    """

    position: np.ndarray
    hit: np.ndarray
    correction: np.ndarray


class _Curves(NamedTuple):
    """The curves of all areas and thresholds, and their S common steps.

    Attributes:
        image: [S] image of each step.
        single: steps that represent one copy of their detection; every other step represents all copies.
        copy: number of the copy that each step in ``single`` represents.
        in_area: [A, S] 0 or 1.
        people: [I, A].
        curves: curves [A][T].
    """

    image: np.ndarray
    single: np.ndarray
    copy: np.ndarray
    in_area: np.ndarray
    people: np.ndarray
    curves: list[list[_Curve]]


def compute_average_precision(matches: Matches) -> dict[str, float]:
    """Compute the ten metrics as fractions from 0 to 1; -1 where there is no person to find, as in pycocotools."""
    curves = _build_curves(matches, max_count=1)
    values = _compute_metrics(curves, np.ones(len(matches.people)))
    return dict(zip(AP_METRICS, values.tolist(), strict=True))


def resample_average_precision(matches: Matches, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the ten metrics of R resampled datasets.

    Args:
        counts: [R, I], how often each replicate contains each image: :func:`benchmark.core.statistics.draw_counts`.

    Returns:
        [R] values of each metric; NaN for a replicate without any person to find.
    """
    curves = _build_curves(matches, max_count=int(counts.max(initial=1)))
    progress = tqdm(counts, desc="bootstrap", unit="replicate", delay=2, leave=False, disable=None)
    values = np.array([_compute_metrics(curves, row) for row in progress])
    values[values == UNDEFINED] = np.nan
    return dict(zip(AP_METRICS, values.T, strict=True))


def ap_interval(replicates: np.ndarray) -> tuple[float, float] | None:
    """Return the 95 % interval of a metric's [R] replicates; None if it is undefined in all of them."""
    return None if np.isnan(replicates).all() else percentile_interval(replicates)


def _build_curves(matches: Matches, max_count: int) -> _Curves:
    """Compute everything that is the same for all counts up to ``max_count``."""
    source, copy = _split_into_steps(matches, max_count)
    curves = []
    for in_area, matched, ignored in zip(matches.in_area, matches.matched, matches.ignored, strict=True):
        row = []
        for is_matched, is_ignored in zip(matched, ignored, strict=True):
            # A detection outside the area range counts only if it hits; every other match outside counts nowhere.
            position = np.flatnonzero((is_matched & (in_area | ~is_ignored))[source])
            hit = (~is_ignored)[source[position]].astype(float)
            row.append(_Curve(position, hit, hit - in_area[source[position]]))
        curves.append(row)
    single = np.flatnonzero(copy >= 0)
    in_area = matches.in_area[:, source].astype(float)
    return _Curves(matches.image[source], single, copy[single], in_area, matches.people.astype(float), curves)


def _split_into_steps(matches: Matches, max_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the detection [S] of each step of the curves, and which copy [S] of it the step represents, -1 for all copies.

    Copies of a detection follow each other, so they are one step. The exception are tied detections of one image: all
    detections of the second copy come after those of the first copy, so each copy has its own steps. Ties without any match
    need no exception, because the order of false positives among themselves changes nothing.
    """
    detections = len(matches.score)
    # A group is a run of detections with the same score and image.
    starts_group = np.ones(detections, dtype=bool)
    starts_group[1:] = (matches.score[1:] != matches.score[:-1]) | (matches.image[1:] != matches.image[:-1])
    start = np.flatnonzero(starts_group)
    length = np.diff(start, append=detections)
    any_match = np.zeros(len(start), dtype=bool)
    any_match[(np.cumsum(starts_group) - 1)[matches.matched.any((0, 1))]] = True
    tied = (length > 1) & any_match
    # A tied group is repeated as a whole, once per copy.
    steps = length * np.where(tied, max_count, 1)
    within_group = np.arange(steps.sum()) - np.repeat(np.cumsum(steps) - steps, steps)
    group_length = np.repeat(length, steps)
    copy = np.where(np.repeat(tied, steps), within_group // group_length, -1)
    return np.repeat(start, steps) + within_group % group_length, copy


def _compute_metrics(curves: _Curves, counts: np.ndarray) -> np.ndarray:
    """Compute the metrics [10] of the dataset that contains image i ``counts[i]`` times ([I])."""
    weight = counts[curves.image]
    weight[curves.single] = weight[curves.single] > curves.copy
    people = counts @ curves.people
    values = np.full(len(AP_METRICS), UNDEFINED)
    for area, (in_area, row) in enumerate(zip(curves.in_area, curves.curves, strict=True)):
        if not people[area]:
            continue
        counted = np.cumsum(weight * in_area)
        pairs = [_precision_and_recall(curve, weight, counted, people[area]) for curve in row]
        precision, recall = (np.array(values) for values in zip(*pairs, strict=True))
        if area == 0:
            values[[0, 1, 2]] = [precision.ravel().mean(), precision[0].mean(), precision[5].mean()]
            values[[5, 6, 7]] = [recall.mean(), recall[0], recall[5]]
        else:
            values[[2 + area, 7 + area]] = [precision.ravel().mean(), recall.mean()]
    return values


def _precision_and_recall(curve: _Curve, weight: np.ndarray, counted: np.ndarray, people: float) -> tuple[np.ndarray, float]:
    """Compute the interpolated precision [101] at each recall, and the highest recall.

    Precision rises only at hits, so its maximum over all later detections is the maximum over the later matched ones. All
    sums are of whole numbers, so their order does not change the result.
    """
    precision = np.zeros(len(RECALLS))
    if not len(curve.position):
        return precision, 0.0
    match_weight = weight[curve.position]
    hits = np.cumsum(match_weight * curve.hit)
    detections = counted[curve.position] + np.cumsum(match_weight * curve.correction)
    highest = np.maximum.accumulate((hits / (detections + TINY))[::-1])[::-1]
    recall = hits / people
    first = np.searchsorted(recall, RECALLS)
    reached = first < len(recall)
    precision[reached] = highest[first[reached]]
    return precision, recall[-1]
