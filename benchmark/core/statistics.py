"""Intervals by the percentile bootstrap over persons: 1,000 replicates, one fixed generator.

A replicate draws as many persons as there are, with replacement; what is drawn is kept as a count per person, so every
sum over the drawn persons is one matrix product. All columns given together share their draws: that makes differences
between two prediction files paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations

import numpy as np

REPLICATES = 1000
SEED = 2014  # any fixed number will do; results do not depend on it beyond the noise of 1,000 replicates
LEVEL = 95.0  # percent
BLOCK = 4_000_000  # counts held at once (32 MB), so that memory stays bounded for any number of persons


def draw_counts(persons: int, replicates: int = REPLICATES, seed: int = SEED) -> np.ndarray:
    """How often each person is drawn: [replicates, persons] counts, each row sums to ``persons``."""
    return _counts(np.random.PCG64(seed), persons, replicates)


def resample_sums(values: np.ndarray, replicates: int = REPLICATES, seed: int = SEED) -> np.ndarray:
    """Sums of the columns over the persons that each replicate draws.

    Args:
        values: [N, M], one row a person.

    Returns:
        [replicates, M]; columns of one call are paired, they are summed over the same draws.
    """
    persons = len(values)
    generator = np.random.PCG64(seed)
    rows = max(1, BLOCK // persons)
    blocks = [min(rows, replicates - start) for start in range(0, replicates, rows)]
    values = np.asarray(values, dtype=np.float64)
    return np.concatenate([_counts(generator, persons, block) @ values for block in blocks])


def percentile_interval(replicates: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of [R] replicated values; undefined (NaN) replicates are left out."""
    low, high = np.nanpercentile(replicates, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


def _counts(generator: np.random.PCG64, persons: int, replicates: int) -> np.ndarray:
    # NumPy promises the raw stream of a bit generator for ever, but not what Generator.integers makes of it; intervals that
    # are committed must not change with the version. The upper 32 bits times N, shifted down, are uniform to N / 2^32.
    raw = generator.random_raw(replicates * persons)
    drawn = ((raw >> np.uint64(32)) * np.uint64(persons)) >> np.uint64(32)
    row = np.repeat(np.arange(replicates) * persons, persons)
    counts = np.bincount(row + drawn.astype(np.int64), minlength=replicates * persons)
    return counts.reshape(replicates, persons).astype(np.float64)


def round_digits(value: float, places: int = 4) -> float:
    """A number with so many significant digits."""
    return float(f"{value:.{places}g}")


# --- orders -----------------------------------------------------------------------------------------------------------------


def kendall_tau(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Kendall's rank correlation of two rankings of the same things: +1 for the same order, -1 for the reverse; ties count on
    neither side. None without a pair that both rank."""
    products = [(a - b) * (c - d) for (a, c), (b, d) in combinations(zip(one, other, strict=True), 2)]
    ranked = [product > 0 for product in products if product]
    return (2 * sum(ranked) - len(ranked)) / len(ranked) if ranked else None


@cache
def draw_rounds(rounds: int) -> np.ndarray:
    """[replicates, rounds] the rounds that each replicate of the bootstrap consists of."""
    counts = draw_counts(rounds).astype(int)
    places = np.tile(np.arange(rounds), len(counts))
    return np.repeat(places, counts.ravel()).reshape(len(counts), rounds)


def median_with_interval(values: np.ndarray) -> tuple[float, tuple[float, float]]:
    """The median of one value a round ``[R]``, and its 95 % interval over rounds."""
    return float(np.median(values)), percentile_interval(np.median(values[draw_rounds(len(values))], axis=1))
