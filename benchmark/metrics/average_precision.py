"""COCO's ten keypoint figures from detections that are matched already, for a dataset and for resampled ones.

A replicate of the bootstrap over images is the dataset in which image i stands ``counts[i]`` times, its copies next to each
other. Matching happens within an image, so it is done once; only precision and recall are recomputed, and a detection that is
drawn three times is one step of height three in their curves. The dataset itself is the replicate in which every count is 1,
so one code path yields the figure and its interval, equal to the last bit to pycocotools on the copied annotations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from benchmark.core.statistics import percentile_interval

AP_METRICS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
UNDEFINED = -1.0  # what pycocotools returns where no person counts
AREAS = np.array([(0, 1e5**2), (32**2, 96**2), (96**2, 1e5**2)])  # all, medium, large; pixels squared, both ends belong to it
THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
TINY = np.spacing(1)  # pycocotools adds it where it divides


@dataclass(frozen=True, kw_only=True)
class Matches:
    """D detections, best first: by falling score, then by image, then in the file's order; A = 3 areas, T = 10 thresholds.

    ``image`` [D] int: which of the I images, counted from 0. ``score`` [D]. ``in_area`` [A, D] bool: whether the detection's
    own area lies in the range. ``matched`` [A, T, D] bool: whether a person was found for it. ``ignored`` [A, T, D] bool:
    whether that person does not count. ``persons`` [I, A]: how many persons of each image do count.
    """

    image: np.ndarray
    score: np.ndarray
    in_area: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray
    persons: np.ndarray


class Curve(NamedTuple):
    """The matched detections of one area and threshold: all that precision at a recall depends on, beside how many came first.

    ``position`` [M] among the steps; ``hit`` [M] 1 where the person counts; ``correction`` [M]: what it adds to the number of
    detections counted by their own area (+1 for a hit outside the range, -1 for one inside it that an ignored person took).
    """

    position: np.ndarray
    hit: np.ndarray
    correction: np.ndarray


class Curves(NamedTuple):
    """The curves [A][T] and their common steps, S of them: images [S] and in_area [A, S], 0 or 1.

    A step stands for all copies of its detection, but for those at ``single``, which are the copy number ``copy`` alone.
    """

    image: np.ndarray
    single: np.ndarray
    copy: np.ndarray
    in_area: np.ndarray
    persons: np.ndarray
    curves: list[list[Curve]]


def compute_average_precision(matches: Matches) -> dict[str, float]:
    """The ten figures, fractions from 0 to 1; -1 where no person counts, as in pycocotools."""
    curves = _curves(matches, most=1)
    values = _figures(curves, np.ones(len(matches.persons)))
    return dict(zip(AP_METRICS, values.tolist(), strict=True))


def resample_average_precision(matches: Matches, counts: np.ndarray) -> dict[str, np.ndarray]:
    """The ten figures of resampled datasets.

    Args:
        counts: [R, I], how often each image stands in each replicate: :func:`benchmark.core.statistics.draw_counts`.

    Returns:
        [R] values a figure; NaN in a replicate in which no person counts.
    """
    curves = _curves(matches, most=int(counts.max(initial=1)))
    progress = tqdm(counts, desc="bootstrap", unit="replicate", delay=2, leave=False, disable=None)
    values = np.array([_figures(curves, row) for row in progress])
    values[values == UNDEFINED] = np.nan
    return dict(zip(AP_METRICS, values.T, strict=True))


def ap_interval(replicates: np.ndarray) -> tuple[float, float] | None:
    """The 95 % interval of [R] replicates of a figure; none where it is undefined in all of them."""
    return None if np.isnan(replicates).all() else percentile_interval(replicates)


def _curves(matches: Matches, most: int) -> Curves:
    """Everything that does not depend on the counts, of which none is larger than ``most``."""
    source, copy = _steps(matches, most)
    curves = []
    for in_area, matched, ignored in zip(matches.in_area, matches.matched, matches.ignored, strict=True):
        row = []
        for found, wasted in zip(matched, ignored, strict=True):
            position = np.flatnonzero((found & (in_area | ~wasted))[source])  # any other is counted nowhere
            hit = (~wasted)[source[position]].astype(float)
            row.append(Curve(position, hit, hit - in_area[source[position]]))
        curves.append(row)
    single = np.flatnonzero(copy >= 0)
    in_area = matches.in_area[:, source].astype(float)
    return Curves(matches.image[source], single, copy[single], in_area, matches.persons.astype(float), curves)


def _steps(matches: Matches, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The detection [S] that each step of the curves stands for, and the copy [S] of its image, -1 for all copies at once.

    Copies of a detection follow one another, so they are one step, but where detections of one image tie: then the second
    copy's come after all of the first copy's, and each copy has steps of its own. Unless none of them is matched: the order
    of false positives among themselves changes nothing.
    """
    detections = len(matches.score)
    fresh = np.ones(detections, dtype=bool)
    fresh[1:] = (matches.score[1:] != matches.score[:-1]) | (matches.image[1:] != matches.image[:-1])
    start = np.flatnonzero(fresh)
    length = np.diff(start, append=detections)
    any_match = np.zeros(len(start), dtype=bool)
    any_match[(np.cumsum(fresh) - 1)[matches.matched.any((0, 1))]] = True
    tied = (length > 1) & any_match
    steps = length * np.where(tied, most, 1)
    within = np.arange(steps.sum()) - np.repeat(np.cumsum(steps) - steps, steps)
    length_there = np.repeat(length, steps)
    copy = np.where(np.repeat(tied, steps), within // length_there, -1)
    return np.repeat(start, steps) + within % length_there, copy


def _figures(curves: Curves, counts: np.ndarray) -> np.ndarray:
    """[10] figures of the dataset in which image i stands ``counts[i]`` times ([I])."""
    weight = counts[curves.image]
    weight[curves.single] = weight[curves.single] > curves.copy
    persons = counts @ curves.persons
    values = np.full(len(AP_METRICS), UNDEFINED)
    for area, (in_area, row) in enumerate(zip(curves.in_area, curves.curves, strict=True)):
        if not persons[area]:
            continue
        seen = np.cumsum(weight * in_area)
        pairs = [_precision_and_recall(curve, weight, seen, persons[area]) for curve in row]
        precision, recall = (np.array(values) for values in zip(*pairs, strict=True))
        if area == 0:
            values[[0, 1, 2]] = [precision.ravel().mean(), precision[0].mean(), precision[5].mean()]
            values[[5, 6, 7]] = [recall.mean(), recall[0], recall[5]]
        else:
            values[[2 + area, 7 + area]] = [precision.ravel().mean(), recall.mean()]
    return values


def _precision_and_recall(curve: Curve, weight: np.ndarray, seen: np.ndarray, persons: float) -> tuple[np.ndarray, float]:
    """Interpolated precision [101] at each recall, and the recall reached. Sums are whole numbers, so their order is free.

    Precision only falls between hits, so its maximum over all later detections is one over all later matched ones.
    """
    precision = np.zeros(len(RECALLS))
    if not len(curve.position):
        return precision, 0.0
    drawn = weight[curve.position]
    hits = np.cumsum(drawn * curve.hit)
    counted = seen[curve.position] + np.cumsum(drawn * curve.correction)
    highest = np.maximum.accumulate((hits / (counted + TINY))[::-1])[::-1]
    recall = hits / persons
    first = np.searchsorted(recall, RECALLS)
    reached = first < len(recall)
    precision[reached] = highest[first[reached]]
    return precision, recall[-1]
