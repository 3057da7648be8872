"""Percentile-bootstrap intervals from 1,000 replicates of one fixed generator, and rank correlation.

A replicate draws as many people as there are, with replacement. It is stored as the number of times that each person is drawn,
so that every sum over the drawn people is one matrix product. All columns of one call share their draws, which makes
differences between two prediction files paired. What runs with several seeds add to it: :mod:`benchmark.core.inference`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

REPLICATES = 1000
SEED = 2014  # arbitrary but fixed; results depend on it only within the noise of 1,000 replicates
LEVEL = 95.0  # percent
BLOCK = 4_000_000  # counts in memory at a time (32 MB), so that memory is bounded for any sample size
UNDEFINED = 2**15  # below zero, the 16-bit number that no distance has
MAX_PLACES = 9
CACHED = 50_000  # counts drawn at a time, so that intermediate results stay in the processor's cache

# --- bootstrap ---------------------------------------------------------------------------------------------------------------


def draw_counts(sample_size: int, replicates: int = REPLICATES, seed: int = SEED) -> np.ndarray:
    """Draw bootstrap samples: ``[replicates, sample_size]`` counts of each item; each row sums to ``sample_size``."""
    return _counts(np.random.PCG64(seed), sample_size, replicates)


def resample_sums(values: np.ndarray, replicates: int = REPLICATES, seed: int = SEED) -> np.ndarray:
    """Compute the column sums ``[replicates, M]`` over the people that each replicate draws.

    The columns of one call are paired: they are summed over the same draws.

    Args:
        values: ``[N, M]``, one row per person.
        replicates: Number of bootstrap samples.
        seed: Seed of the draws.
    """
    sample_size = len(values)
    generator = np.random.PCG64(seed)
    rows = max(1, BLOCK // sample_size)
    blocks = [min(rows, replicates - start) for start in range(0, replicates, rows)]
    values = np.asarray(values, dtype=np.float64)
    return np.concatenate([_counts(generator, sample_size, block) @ values for block in blocks])


def percentile_interval(replicates: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval of replicated values ``[R]``; undefined (NaN) replicates are ignored."""
    low, high = np.nanpercentile(replicates, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


def pack_replicates(replicates: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """Pack replicates ``[R]`` for a record: their distances from their median in 16 bits, at as many decimal places as fit.

    They are rounded by at most a 64,000th of the range, and not at all if they have no more places. Undefined ones stay so.
    """
    values = np.asarray(replicates, dtype=np.float64)
    defined = values[np.isfinite(values)]
    center = float(np.median(defined)) if defined.size else 0.0
    reach = float(np.abs(defined - center).max(initial=0.0))
    places = min(MAX_PLACES, math.floor(math.log10((UNDEFINED - 1) / reach))) if reach else MAX_PLACES
    unit = 10.0**places
    distances = np.where(np.isfinite(values), np.rint(values * unit) - round(center * unit), -UNDEFINED)
    return {
        "places": places,
        "center": round(center * unit),
        "int16": base64.b64encode(distances.astype("<i2").tobytes()).decode(),
    }


def unpack_replicates(packed: Mapping[str, Any]) -> np.ndarray:
    """Return the replicates ``[R]`` that :func:`pack_replicates` packed."""
    distances = np.frombuffer(base64.b64decode(packed["int16"]), dtype="<i2")
    values = (packed["center"] + distances.astype(np.float64)) / 10.0 ** packed["places"]
    return np.where(distances == -UNDEFINED, np.nan, values)


def _counts(generator: np.random.PCG64, sample_size: int, replicates: int) -> np.ndarray:
    # NumPy guarantees that the raw stream of a bit generator stays the same in all versions, but not what Generator.integers
    # derives from it, and committed intervals must not change. The upper 32 bits times N, shifted down, are uniform to within
    # N / 2^32.
    counts = np.empty((replicates, sample_size))
    rows = max(1, CACHED // sample_size)
    for start in range(0, replicates, rows):
        block = counts[start : start + rows]
        drawn = ((generator.random_raw(block.size) >> np.uint64(32)) * np.uint64(sample_size)) >> np.uint64(32)
        row = np.repeat(np.arange(len(block)) * sample_size, sample_size)
        block[:] = np.bincount(row + drawn.astype(np.int64), minlength=block.size).reshape(block.shape)
    return counts


@cache
def _draw_indices(sample_size: int) -> np.ndarray:
    counts = draw_counts(sample_size).astype(int)
    indices = np.tile(np.arange(sample_size), len(counts))
    return np.repeat(indices, counts.ravel()).reshape(len(counts), sample_size)


def median_with_interval(values: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Return the median of ``[R]`` values, one per run or round, and its 95 % interval by a bootstrap of these."""
    return float(np.median(values)), percentile_interval(np.median(values[_draw_indices(len(values))], axis=1))


# --- ranks and rounding ------------------------------------------------------------------------------------------------------


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Compute Kendall's tau-b of two rankings of the same items: +1 for the same order, -1 for the reverse.

    Returns:
        None where it is undefined: fewer than two items, or a ranking whose items all tie.
    """
    if min(len(set(first)), len(set(second))) < 2:
        return None
    # By hand, because importing scipy.stats takes a tenth of the time in which a report is written.
    orders = [np.sign(np.subtract.outer(ranking, ranking)) for ranking in (first, second)]
    return float((orders[0] * orders[1]).sum() / np.sqrt((orders[0] ** 2).sum() * (orders[1] ** 2).sum()))


def round_digits(value: float, digits: int = 4) -> float:
    """Round to a number of significant digits."""
    return float(f"{value:.{digits}g}")
