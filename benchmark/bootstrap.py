"""Intervals by the percentile bootstrap over persons: 1,000 replicates, one fixed generator.

A replicate draws as many persons as there are, with replacement; what is drawn is kept as a count per person, so every
sum over the drawn persons is one matrix product. All columns given together share their draws: that makes differences
between two prediction files paired.
"""

from __future__ import annotations

import numpy as np

REPLICATES = 1000
SEED = 2014  # any fixed number will do; results do not depend on it beyond the noise of 1,000 replicates
LEVEL = 95.0  # percent
BLOCK = 4_000_000  # counts held at once (32 MB), so that memory stays bounded for any number of persons


def draw_counts(persons: int, replicates: int = REPLICATES, seed: int = SEED) -> np.ndarray:
    """How often each person is drawn: [replicates, persons] counts, each row sums to ``persons``."""
    return _counts(np.random.PCG64(seed), persons, replicates)


def resampled_sums(values: np.ndarray, replicates: int = REPLICATES, seed: int = SEED) -> np.ndarray:
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


def interval(replicates: np.ndarray) -> tuple[float, float]:
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
