"""Intervals, tests and power over people and seeds, from the components of the variance.

A metric of one training is ``mean + people + seed + people x seed``: which people are in the test set, which seed the training
had, and their interaction. The components follow from the bootstrap replicates of every run, which draw the same people, and
from the spread of the runs, as in a two-way random-effects analysis of variance with one value per cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.05  # of every test; its complement is the coverage of every interval
# With two or three runs the spread of the seeds is often too small by chance, and with it the weight of their few degrees of
# freedom. Their share is therefore taken at its upper limit with this one-sided error. Without it, 95 % intervals of a mean
# over 2 or 3 seeds cover 86 or 91 % where the seeds dominate: tests/core/test_inference.py.
SEED_SHARE_ERROR = 0.25

# scipy.special is imported where it is needed, because its import takes half a second.


@dataclass(frozen=True)
class Estimate:
    """An estimate whose error, over its estimated standard error, has Student's distribution.

    Attributes:
        value: The estimate.
        variance: Its estimated variance.
        freedom: Degrees of freedom of the variance.
    """

    value: float
    variance: float
    freedom: float

    @property
    def error(self) -> float:
        """The standard error, which is kept above zero."""
        return max(self.variance**0.5, 1e-12)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the two-sided interval that covers the truth with a probability of ``1 - level``."""
        half = _critical(level, self.freedom) * self.error
        return self.value - half, self.value + half

    def p_value(self, null: float = 0.0) -> float:
        """Return the two-sided p-value of the hypothesis that the truth is ``null``."""
        return 2 * self._tail(abs(self.value - null))

    def equivalence_p(self, target: float, margin: float) -> float:
        """Return the p-value of the hypothesis that the truth is ``margin`` or more away from ``target``.

        It is the larger one of two one-sided tests (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987).
        """
        return self._tail(margin - abs(self.value - target))

    def equivalence_bound(self, level: float = LEVEL) -> float:
        """Return the smallest margin around zero within which two one-sided tests at ``level`` place the truth."""
        return abs(self.value) + _critical(2 * level, self.freedom) * self.error

    def power(self, effect: float, level: float = LEVEL) -> float:
        """Return the probability that a two-sided test against zero finds a true ``effect`` and its sign."""
        from scipy.special import nctdtr

        return float(1 - nctdtr(self.freedom, abs(effect) / self.error, _critical(level, self.freedom)))

    def detectable(self, power: float, level: float = LEVEL) -> float:
        """Return the smallest true effect that such a test finds with a probability of ``power``."""
        from scipy.special import nctdtrinc

        return float(nctdtrinc(self.freedom, 1 - power, _critical(level, self.freedom))) * self.error

    def _tail(self, distance: float) -> float:
        from scipy.special import stdtr

        return float(stdtr(self.freedom, -distance / self.error))


def _critical(level: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - level / 2))


@dataclass(frozen=True)
class RunGroup:
    """The runs of one training, which differ in their seeds.

    Attributes:
        values: [k] metric of each run.
        replicates: [k, R] its bootstrap replicates, which draw the same people for every run of every group.
    """

    values: np.ndarray
    replicates: np.ndarray


def estimate_mean(runs: RunGroup, people: int, planned_seeds: int | None = None) -> Estimate:
    """Estimate the mean over seeds and people; over people alone for a single run.

    Args:
        runs: At least two runs, if the estimate is over seeds.
        people: Number of test people.
        planned_seeds: Estimate what this number of seeds would give, instead of the number of runs.
    """
    return _estimate_sum(((1, runs),), people, planned_seeds)


def estimate_paired_difference(first: RunGroup, second: RunGroup, people: int, planned_seeds: int | None = None) -> Estimate:
    """Estimate the difference of means, first minus second, where runs at the same place share a seed.

    Seeds then vary the difference within a pair, so what both runs of a pair have in common does not widen the interval.
    """
    pairs = RunGroup(first.values - second.values, first.replicates - second.replicates)
    return estimate_mean(pairs, people, planned_seeds)


def estimate_difference(first: RunGroup, second: RunGroup, people: int, planned_seeds: int | None = None) -> Estimate:
    """Estimate the difference of two means, first minus second, on the same people; over people alone for single runs.

    Seeds of different trainings are taken to be independent, also where they have the same number.

    Args:
        first: At least two runs, if the estimate is over seeds.
        second: The same.
        people: Number of test people.
        planned_seeds: Estimate what this number of seeds would give, instead of the number of runs.
    """
    return _estimate_sum(((1, first), (-1, second)), people, planned_seeds)


def estimate_from_interval(value: float, interval: tuple[float, float], people: int, replicates: int) -> Estimate:
    """Estimate a value over people alone, from its 95 % bootstrap interval."""
    variance = ((interval[1] - interval[0]) / (2 * _critical(LEVEL, np.inf))) ** 2
    return Estimate(value, variance, _bootstrap_freedom(people, replicates))


def _estimate_sum(groups: Sequence[tuple[int, RunGroup]], people: int, planned_seeds: int | None = None) -> Estimate:
    """Estimate the signed sum of the groups' means.

    Degrees of freedom: Satterthwaite (Biometrics Bulletin 2, 1946), with the share of the seeds at an upper limit
    (:data:`SEED_SHARE_ERROR`).
    """
    from scipy.special import chdtri

    covariance = np.atleast_2d(np.cov(np.concatenate([group.replicates for _, group in groups])))
    weights = np.concatenate([np.full(len(group.values), sign / len(group.values)) for sign, group in groups])
    # The variance of the sum over people contains their interaction with the seeds once ...
    people_variance = float(weights @ covariance @ weights)
    people_freedom = _bootstrap_freedom(people, np.shape(groups[0][1].replicates)[1])
    variance, limits, squares = people_variance, people_variance, people_variance**2 / people_freedom
    start = 0
    for _, group in groups:
        k = len(group.values)
        block, start = covariance[start : start + k, start : start + k], start + k
        if k < 2:
            continue
        # ... and the spread of the runs on the same people contains it again.
        seeds = planned_seeds or k
        spread = float(np.var(group.values, ddof=1)) / seeds
        interaction = float(np.trace(block) - k * block.mean()) / (k - 1) / seeds
        variance += max(spread - interaction, 0.0)
        limit = spread * (seeds - 1) / float(chdtri(seeds - 1, 1 - SEED_SHARE_ERROR))
        limits, squares = limits + limit, squares + limit**2 / (seeds - 1)
    value = sum(sign * float(np.mean(group.values)) for sign, group in groups)
    return Estimate(value, variance, limits**2 / squares if squares else people_freedom)


def _bootstrap_freedom(people: int, replicates: int) -> float:
    """Return the degrees of freedom of a variance over people that is itself estimated from replicates."""
    return 1 / (1 / (people - 1) + 1 / (replicates - 1))


def adjust_p_values(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values by Holm's procedure (Scand. J. Stat. 6, 1979), which holds however the tests depend on each other."""
    order = np.argsort(p_values)
    adjusted = np.maximum.accumulate([p_values[index] * (len(p_values) - rank) for rank, index in enumerate(order)])
    result = np.empty(len(p_values))
    result[order] = np.minimum(adjusted, 1.0)
    return result.tolist()
