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


class _Curves(NamedTuple):
    """The A x T curves of precision and recall, as far as they are the same for all replicates.

    A curve has a point at each hit: a detection that is matched to a person who counts. Precision there is the number of hits
    so far, divided by that of detections so far: those inside the area range, corrected by +1 for each hit outside it and by -1
    for each detection inside it that is matched to an ignored person. Lists of all areas or curves stand in a row.

    Attributes:
        image: [S] image of each step.
        single: steps that represent one copy of their detection; every other step represents all copies.
        copy: number of the copy that each step in ``single`` represents.
        people: [I, A].
        hits: [H] steps.
        first_hit: [A * T + 1] index of the first hit of each curve, and H.
        inside: steps inside each area range.
        first_inside: [A] index of the first step of each area.
        inside_so_far: [H] number of steps in ``inside`` up to each hit.
        corrections: steps.
        signs: +1 or -1.
        first_correction: [A * T] index of the first correction of each curve.
        corrections_so_far: [H] number of corrections up to each hit.
    """

    image: np.ndarray
    single: np.ndarray
    copy: np.ndarray
    people: np.ndarray
    hits: np.ndarray
    first_hit: np.ndarray
    inside: np.ndarray
    first_inside: np.ndarray
    inside_so_far: np.ndarray
    corrections: np.ndarray
    signs: np.ndarray
    first_correction: np.ndarray
    corrections_so_far: np.ndarray


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
    if not len(counts):
        return dict.fromkeys(AP_METRICS, np.empty(0))
    curves = _build_curves(matches, max_count=int(counts.max()))
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
    inside = [np.flatnonzero(in_area[source]) for in_area in matches.in_area]
    first_inside = _starts(inside)[:-1]
    found = (matches.matched & ~matches.ignored)[..., source]
    corrected = (matches.matched & (matches.ignored == matches.in_area[:, None]))[..., source]
    shape = (len(AREAS) * len(THRESHOLDS), len(source))
    hits, corrections = ([np.flatnonzero(row) for row in rows.reshape(shape)] for rows in (found, corrected))
    first_correction = _starts(corrections)[:-1]

    def count_so_far(steps: list[np.ndarray], first: np.ndarray) -> np.ndarray:
        counted = zip(steps, first, hits, strict=True)
        return np.concatenate([begin + np.searchsorted(row, hit, side="right") for row, begin, hit in counted])

    single = np.flatnonzero(copy >= 0)
    return _Curves(
        image=matches.image[source],
        single=single,
        copy=copy[single],
        people=matches.people.astype(float),
        hits=np.concatenate(hits),
        first_hit=_starts(hits),
        inside=np.concatenate(inside),
        first_inside=first_inside,
        inside_so_far=count_so_far([row for row in inside for _ in THRESHOLDS], np.repeat(first_inside, len(THRESHOLDS))),
        corrections=np.concatenate(corrections),
        signs=np.concatenate(
            [np.where(row[steps], 1, -1) for row, steps in zip(found.reshape(shape), corrections, strict=True)]
        ),
        first_correction=first_correction,
        corrections_so_far=count_so_far(corrections, first_correction),
    )


def _starts(rows: list[np.ndarray]) -> np.ndarray:
    """Return where each of N rows begins if they are concatenated, and where the last one ends, [N + 1]."""
    return np.cumsum([0, *map(len, rows)])


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
    weight = counts.astype(np.int64).take(curves.image)
    weight[curves.single] = weight[curves.single] > curves.copy
    people = counts @ curves.people
    values = np.full(len(AP_METRICS), UNDEFINED)
    precision, recall = _precision_and_recall(curves, weight, people)
    for area in np.flatnonzero(people):
        if area == 0:
            values[[0, 1, 2]] = [precision[0].ravel().mean(), precision[0, 0].mean(), precision[0, 5].mean()]
            values[[5, 6, 7]] = [recall[0].mean(), recall[0, 0], recall[0, 5]]
        else:
            values[[2 + area, 7 + area]] = [precision[area].ravel().mean(), recall[area].mean()]
    return values


def _precision_and_recall(curves: _Curves, weight: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the interpolated precision [A, T, 101] at each recall, and the highest recall [A, T].

    Precision rises only at hits, so its maximum over all later detections is the maximum over the later hits. All sums are of
    whole numbers, so their order does not change the result.

    Args:
        weight: [S] int, height of each step.
        people: [A] number of people to find.
    """
    begin, end = curves.first_hit[:-1], curves.first_hit[1:]
    hits, inside = _running_sum(weight.take(curves.hits)), _running_sum(weight.take(curves.inside))
    corrections = _running_sum(weight.take(curves.corrections) * curves.signs)
    earlier_hits = hits[begin]  # of earlier curves
    earlier = np.repeat(inside[curves.first_inside], len(THRESHOLDS)) + corrections[curves.first_correction]
    detections = inside.take(curves.inside_so_far) + corrections.take(curves.corrections_so_far)
    detections -= np.repeat(earlier, end - begin)
    precision = np.zeros(len(curves.hits) + 1)  # the last belongs to no curve
    np.divide(hits[1:] - np.repeat(earlier_hits, end - begin), detections + TINY, out=precision[:-1])

    # The least number of hits for each recall is the same for all thresholds.
    needed = np.zeros((len(AREAS), len(RECALLS)), np.int64)
    for area in np.flatnonzero(people):
        needed[area] = np.searchsorted(np.arange(people[area] + 1) / people[area], RECALLS)
    targets = earlier_hits[:, None] + np.repeat(needed, len(THRESHOLDS), axis=0)
    first = np.searchsorted(hits[1:], targets).clip(begin[:, None], end[:, None])
    # From each recall to the next, then from each recall on.
    highest = np.where(first < end[:, None], np.maximum.reduceat(precision, first.ravel()).reshape(first.shape), 0)
    highest = np.maximum.accumulate(highest[:, ::-1], axis=1)[:, ::-1]
    shape = (len(AREAS), len(THRESHOLDS), len(RECALLS))
    recall = (hits[end] - earlier_hits).reshape(shape[:2]) / np.maximum(people, 1)[:, None]
    return np.ascontiguousarray(highest).reshape(shape), recall


def _running_sum(values: np.ndarray) -> np.ndarray:
    """Return the sums of the first 0 to N values, [N + 1]."""
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=sums[1:])
    return sums
