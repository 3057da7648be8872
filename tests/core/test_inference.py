"""Intervals over people and seeds have their nominal coverage; tests, power and Holm's procedure give what tables give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import chdtri, stdtrit

from benchmark.core.inference import (
    Estimate,
    RunGroup,
    adjust_p_values,
    estimate_difference,
    estimate_from_interval,
    estimate_mean,
)
from benchmark.core.statistics import resample_sums

# Values of three people (rows) by two seeds. By hand: people 2, 4, 9; seeds 4, 6; mean 5. Sums of squares: people 52, seeds 6,
# residual 4; mean squares: 52 / 2 = 26, 6 / 1 = 6, 4 / 2 = 2.
TABLE = np.array([[1.0, 3.0], [4.0, 4.0], [7.0, 11.0]])
PEOPLE_PART, SEED_PART, RESIDUAL_PART = 26 / 6, 6 / 6, 2 / 6  # mean squares over the number of values


def exact(values: np.ndarray) -> RunGroup:
    """Return runs with values ``[N, k]`` by person, whose replicates have the covariance over people exactly."""
    return RunGroup(values.mean(0), values.T / len(values) ** 0.5)


# --- components --------------------------------------------------------------------------------------------------------------


def test_the_variance_of_a_balanced_table_is_that_of_the_analysis_of_variance() -> None:
    estimate = estimate_mean(exact(TABLE), people=3)
    assert estimate.value == 5
    assert estimate.variance == pytest.approx(PEOPLE_PART + SEED_PART - RESIDUAL_PART)  # (26 + 6 - 2) / 6 = 5


def test_the_degrees_of_freedom_are_satterthwaites_with_the_seeds_at_their_upper_limit() -> None:
    estimate = estimate_mean(exact(TABLE), people=3)
    limit = SEED_PART / chdtri(1, 0.75)  # 0.1015 is the lower quartile of chi-square with one degree of freedom
    assert limit == pytest.approx(9.849, abs=0.001)
    people_freedom = 1 / (1 / 2 + 1 / 2)  # three people, three replicates
    by_hand = (PEOPLE_PART + limit) ** 2 / (PEOPLE_PART**2 / people_freedom + limit**2 / 1)
    assert by_hand == pytest.approx(1.737, abs=0.001)
    assert estimate.freedom == pytest.approx(by_hand)


def test_a_spread_of_seeds_below_the_residual_counts_as_none() -> None:
    table = TABLE - TABLE.mean(0)
    estimate = estimate_mean(exact(table), people=3)
    assert estimate.variance == pytest.approx(PEOPLE_PART)


def test_people_that_are_hard_for_both_cancel_in_a_difference() -> None:
    first, second = TABLE, TABLE - 1
    estimate = estimate_difference(exact(first), exact(second), people=3)
    assert estimate.value == 1
    # No person prefers either network on average; two spreads of 1 remain, each less its residual of a third.
    assert estimate.variance == pytest.approx(2 * (SEED_PART - RESIDUAL_PART))


def test_a_single_run_is_estimated_over_people_alone() -> None:
    estimate = estimate_mean(exact(TABLE[:, :1]), people=3)
    assert estimate.variance == pytest.approx(np.var([1, 4, 7], ddof=1) / 3)
    assert estimate.freedom == pytest.approx(1)


def test_more_planned_seeds_reduce_the_seeds_part_alone() -> None:
    groups = [exact(TABLE + shift) for shift in (0.0, 1.0)]
    plain, planned = (estimate_difference(*groups, people=3, planned_seeds=seeds) for seeds in (None, 8))
    assert planned.variance == pytest.approx(plain.variance * 2 / 8), "of this table, people cancel"
    assert planned.freedom > plain.freedom


def test_an_interval_gives_back_its_estimate() -> None:
    estimate = estimate_from_interval(80.0, (79.0, 81.0), people=100_000, replicates=100_000)
    assert estimate.interval() == pytest.approx((79.0, 81.0), abs=1e-3)


# --- coverage ----------------------------------------------------------------------------------------------------------------

PEOPLE = 80
TRIALS = {2: 1500, 3: 1500, 5: 1000, 10: 500}  # by number of seeds, so that each takes as long


def simulate(seeds: int, seed_share: float, interaction: float, groups: int) -> list[list[RunGroup]]:
    """Draw trials of 1 or 2 groups of runs whose means have a true value of 0 and a variance of 1.

    Args:
        seeds: Runs of each group.
        seed_share: Share of the seeds in the variance of the result; the rest is that of people.
        interaction: Share of the people's part that differs from run to run.
        groups: Two groups stand for a difference, to which every person contributes.
    """
    generator = np.random.default_rng([seeds, round(100 * seed_share), round(100 * interaction), groups])
    trials = TRIALS[seeds]
    scale = {
        "people": (1 - seed_share) * (1 - interaction) * PEOPLE / groups**2,
        "runs": (1 - seed_share) * interaction * PEOPLE * seeds / groups,
        "seeds": seed_share * seeds / groups,
    }
    preference = generator.normal(size=(PEOPLE, trials, 1, 1)) * np.array([1, -1])[:groups, None]
    values = (
        scale["people"] ** 0.5 * preference
        + scale["runs"] ** 0.5 * generator.normal(size=(PEOPLE, trials, groups, seeds))
        + scale["seeds"] ** 0.5 * generator.normal(size=(1, trials, groups, seeds))
    )
    replicates = resample_sums(values.reshape(PEOPLE, -1)).reshape(-1, trials, groups, seeds) / PEOPLE
    means = values.mean(0)
    return [[RunGroup(means[t, g], replicates[:, t, g].T) for g in range(groups)] for t in range(trials)]


def old_half_width(runs: RunGroup) -> float:
    """Return the half-width that was given before: Student's t of the seeds, also for the variance over people."""
    seeds = len(runs.values)
    variance = np.var(runs.replicates.mean(0), ddof=1) + np.var(runs.values, ddof=1) / seeds
    return float(stdtrit(seeds - 1, 0.975) * variance**0.5)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("seed_share", [0.0, 0.5, 0.9])
def test_the_interval_of_a_mean_covers_the_truth_about_95_times_in_100(seeds: int, seed_share: float) -> None:
    trials = [groups[0] for groups in simulate(seeds, seed_share, interaction=0.1, groups=1)]
    estimates = [estimate_mean(runs, PEOPLE) for runs in trials]
    covered = np.mean([lower <= 0 <= upper for lower, upper in (estimate.interval() for estimate in estimates)])
    # Three standard errors are 0.017, and for ten seeds 0.03. Two seeds are too few for more: the interval is somewhat long
    # where people dominate, and somewhat short where the seeds do.
    low, high = (0.92, 0.99) if seeds == 2 else (0.93, 0.975)
    assert low < covered < high


@pytest.mark.parametrize(("seeds", "factor"), [(2, 5.0), (3, 1.9), (5, 1.3), (10, 1.08)])
def test_where_people_dominate_the_old_interval_was_too_wide_by_students_factor(seeds: int, factor: float) -> None:
    """The t of one degree of freedom is 6.5 times that of many; a figure that people alone decide could not be judged."""
    trials = [groups[0] for groups in simulate(seeds, 0.0, interaction=0.1, groups=1)]
    estimates = [estimate_mean(runs, PEOPLE) for runs in trials]
    widths = [(high - low) / 2 for low, high in (estimate.interval() for estimate in estimates)]
    old = [old_half_width(runs) for runs in trials]
    assert np.median(old) > factor * np.median(widths)
    assert np.mean([abs(estimate.value) <= half for estimate, half in zip(estimates, old, strict=True)]) > 0.96


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("seed_share", [0.1, 0.5, 0.9])
def test_the_interval_of_a_difference_covers_the_truth_95_times_in_100_or_more(seeds: int, seed_share: float) -> None:
    trials = simulate(seeds, seed_share, interaction=0.2, groups=2)
    intervals = [estimate_difference(*groups, people=PEOPLE).interval() for groups in trials]
    assert np.mean([low <= 0 <= high for low, high in intervals]) > 0.93


def test_without_the_upper_limit_few_seeds_would_be_too_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = [groups[0] for groups in simulate(2, 0.9, interaction=0.1, groups=1)]

    def coverage() -> float:
        return float(np.mean([low <= 0 <= high for low, high in (estimate_mean(runs, PEOPLE).interval() for runs in trials)]))

    with_limit = coverage()
    monkeypatch.setattr("benchmark.core.inference.SEED_SHARE_ERROR", 0.68)  # the spread itself: P(chi-square of 1 < 1) = 0.68
    assert coverage() < 0.90 < with_limit


# --- tests and power ---------------------------------------------------------------------------------------------------------


def test_equivalence_is_the_worse_of_two_one_sided_tests() -> None:
    """Hand-worked: 88.3 is 3.5 errors of 0.2 from the upper end of 88.1 ± 0.9; Student's table for 10 has .0025 < p < .005."""
    estimate = Estimate(88.3, 0.2**2, 10)
    assert 0.0025 < estimate.equivalence_p(88.1, 0.9) < 0.005
    assert Estimate(88.3, 0.2**2, 10).equivalence_p(88.1, 0.2) == pytest.approx(0.5), "on the margin itself"
    assert Estimate(89.5, 0.2**2, 10).equivalence_p(88.1, 0.9) > 0.95, "outside"


@pytest.mark.parametrize("value", [-1.2, -0.5, 0.0, 0.3, 0.55, 0.9])
def test_equivalence_at_5_percent_is_the_90_percent_interval_within_the_margin(value: float) -> None:
    estimate = Estimate(value, 0.3**2, 6)
    low, high = estimate.interval(level=0.10)
    assert (estimate.equivalence_p(0.0, 1.0) < 0.05) == (low > -1.0 and high < 1.0)


def test_a_test_agrees_with_its_interval() -> None:
    estimate = Estimate(1.0, 0.4**2, 4)
    half = 2.7764 * 0.4  # Student's table
    assert estimate.interval() == pytest.approx((1 - half, 1 + half), abs=1e-3)
    assert estimate.p_value(1 - half) == pytest.approx(0.05, abs=1e-4)


def test_an_effect_as_large_as_the_critical_value_is_found_every_other_time() -> None:
    estimate = Estimate(0.0, 1.0, 1e6)
    assert estimate.power(1.96) == pytest.approx(0.5, abs=1e-3)
    assert estimate.power(1.96 + 0.8416) == pytest.approx(0.8, abs=1e-3)  # the normal table
    assert estimate.detectable(0.8) == pytest.approx(1.96 + 0.8416, abs=1e-3)
    assert estimate.power(100.0) == pytest.approx(1.0)
    assert Estimate(0.0, 1.0, 2.5).power(1.96) < 0.3, "few seeds find less"


def test_an_estimate_without_variance_is_not_divided_by() -> None:
    estimate = Estimate(0.0, 0.0, 10)
    assert estimate.p_value() == 1
    assert estimate.interval() == pytest.approx((0.0, 0.0), abs=1e-10)
    assert Estimate(0.5, 0.0, 10).p_value() < 1e-50


# --- Holm --------------------------------------------------------------------------------------------------------------------


def test_holms_procedure_on_a_worked_example() -> None:
    """0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1, none smaller than the one before it."""
    assert adjust_p_values([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust_p_values([0.9, 0.8]) == [1.0, 1.0]
    assert adjust_p_values([]) == []


def test_comparisons_with_one_baseline_rarely_err_together() -> None:
    """Four equal networks, of which three are compared with the fourth: in at most 5 % of trials does any look different."""
    generator = np.random.default_rng(3)
    trials, wrong = 600, 0
    counts = resample_sums(np.eye(PEOPLE)).T / PEOPLE  # [people, replicates]
    for _ in range(trials):
        values = generator.normal(size=(4, 3, PEOPLE)) + 0.1 * generator.normal(size=(4, 3, 1))
        groups = [RunGroup(runs.mean(1), runs @ counts) for runs in values]
        p_values = [estimate_difference(group, groups[0], people=PEOPLE).p_value() for group in groups[1:]]
        wrong += min(adjust_p_values(p_values)) < 0.05
    assert wrong / trials < 0.05 + 3 * (0.05 * 0.95 / trials) ** 0.5


def test_the_equivalence_bound_is_the_margin_at_which_equivalence_is_just_significant() -> None:
    estimate = Estimate(value=-1.5, variance=0.16, freedom=7.0)
    bound = estimate.equivalence_bound(0.05)
    assert bound > 1.5
    assert estimate.equivalence_p(0.0, bound) == pytest.approx(0.05)
