"""Rules that are fixed before anything is measured: margins of equivalence, and what a judgement of an accuracy needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MIN_SEEDS = 3  # of a printed accuracy that is judged by networks trained here
MIN_POWER = 0.5  # to find the printed difference, of a comparison whose direction is judged

_HOURGLASSES = "the standard error of four published sets of predictions on the 2,958 people of MPII's validation split"
_DRAWN = "the standard error of poses drawn around the people of 538 images at 70 AP, scaled to the 6,352 people of val2017"


@dataclass(frozen=True, kw_only=True)
class Margin:
    """The largest difference from a printed accuracy that still counts as the same.

    It is 2.93 times the noise of the test set, rounded up to a tenth: the smallest margin at which two one-sided tests at 5 %
    recognise an exact reproduction with a probability of 80 %, if the test people are the only source of error.

    Attributes:
        points: The margin, in percentage points.
        noise: Standard error of the metric over test people, in percentage points.
        source: What the noise was measured on; ``tests/config/test_judgement.py`` measures it again.
    """

    points: float
    noise: float
    source: str


# By printed metric, threshold and body part.
MARGINS: Mapping[tuple[str, float | None, str], Margin] = {
    ("pckh", 0.5, "mean"): Margin(points=0.9, noise=0.30, source=_HOURGLASSES),
    ("pckh", 0.5, "head"): Margin(points=1.1, noise=0.36, source=_HOURGLASSES),
    ("pckh", 0.5, "shoulder"): Margin(points=1.0, noise=0.34, source=_HOURGLASSES),
    ("pckh", 0.5, "elbow"): Margin(points=1.3, noise=0.44, source=_HOURGLASSES),
    ("pckh", 0.5, "wrist"): Margin(points=1.5, noise=0.51, source=_HOURGLASSES),
    ("pckh", 0.5, "hip"): Margin(points=1.6, noise=0.54, source=_HOURGLASSES),
    ("pckh", 0.5, "knee"): Margin(points=2.0, noise=0.65, source=_HOURGLASSES),
    ("pckh", 0.5, "ankle"): Margin(points=2.2, noise=0.74, source=_HOURGLASSES),
    ("pckh", 0.1, "mean"): Margin(points=0.9, noise=0.28, source=_HOURGLASSES),
    ("ap", None, "mean"): Margin(points=1.3, noise=0.43, source=_DRAWN),
    ("ap50", None, "mean"): Margin(points=1.4, noise=0.45, source=_DRAWN),
    ("ap75", None, "mean"): Margin(points=1.6, noise=0.54, source=_DRAWN),
    ("apm", None, "mean"): Margin(points=1.8, noise=0.61, source=_DRAWN),
    ("apl", None, "mean"): Margin(points=2.0, noise=0.68, source=_DRAWN),
    ("ar", None, "mean"): Margin(points=1.2, noise=0.41, source=_DRAWN),
}
