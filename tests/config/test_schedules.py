"""Learning rates at the steps where each schedule's definition gives a number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark.config.recipes import GENERAL_RECIPES, Optimizer, Schedule
from benchmark.config.schedules import learning_rate, rate_factor
from benchmark.core.errors import InputError
from reproductions.efficientpose.recipes import cycle_final_lr_ratio
from reproductions.efficientpose.sigma_schedule import TARGET_EPOCHS, TARGET_WIDTHS, target_widths

EPOCH = 100  # steps


def at(schedule: Schedule, step: int, epochs: int = 200) -> float:
    return rate_factor(schedule, step, EPOCH, epochs * EPOCH)


def test_a_constant_rate_stays() -> None:
    assert {at(Schedule(kind="constant"), step) for step in (0, 7, 19_999)} == {1.0}


def test_a_step_falls_with_the_first_step_of_its_epoch() -> None:
    schedule = Schedule(milestones=(150, 170))
    found = [at(schedule, step) for step in (0, 14_999, 15_000, 16_999, 17_000, 19_999)]
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_milestones_in_steps_do_not_depend_on_the_epochs_length() -> None:
    schedule = Schedule(milestones=(250,), unit="steps", factor=0.5)
    assert [rate_factor(schedule, step, per_epoch, 1000) for per_epoch in (10, 100) for step in (249, 250)] == [1, 0.5] * 2


def test_warming_up_is_a_straight_line_to_the_rate_itself() -> None:
    schedule = Schedule(milestones=(170, 200), warmup=500, warmup_factor=0.001)
    assert [at(schedule, step) for step in (0, 250, 500)] == pytest.approx([0.001, 0.5005, 1.0])
    slopes = {round(at(schedule, step + 1) - at(schedule, step), 9) for step in range(499)}
    assert slopes == {round(0.999 / 500, 9)}


def test_a_cosine_is_one_half_at_half_time_and_ends_at_nothing() -> None:
    assert [at(Schedule(kind="cosine"), step) for step in (0, 10_000, 20_000)] == pytest.approx([1, 0.5, 0])
    warmed = Schedule(kind="cosine", warmup=100, warmup_factor=0.01)
    assert [at(warmed, step) for step in (0, 100, 100 + 9_950, 20_000)] == pytest.approx([0.01, 1, 0.5, 0])


def test_the_first_cycle_of_a_triangle_runs_from_lowest_to_one_and_back() -> None:
    """With bounds that do not move, so that every cycle is the first."""
    still = Schedule(kind="triangular", cycle=3, min_lr_ratio=1 / 3000, final_lr_ratio=1.0)
    steady = replace(still, min_lr_ratio=1.0)
    assert {at(steady, step) for step in range(0, 20_000, 37)} == {1.0}
    lasting = 10**9  # epochs, against which three are nothing
    found = [at(still, step, lasting) for step in (0, 75, 150, 225, 300)]
    assert found == pytest.approx([1 / 3000, (1 + 1 / 3000) / 2, 1, (1 + 1 / 3000) / 2, 1 / 3000], rel=1e-4)
    rising = [at(still, step, lasting) for step in range(151)]
    assert rising == sorted(rising)


def test_a_triangles_bounds_approach_where_the_rate_settles() -> None:
    schedule = Schedule(kind="triangular", cycle=3, min_lr_ratio=1 / 3000, final_lr_ratio=0.2)
    epochs = 300
    cycles = [[at(schedule, 300 * cycle + step, epochs) for step in range(300)] for cycle in range(epochs // 3)]
    low, high = [min(cycle) for cycle in cycles], [max(cycle) for cycle in cycles]
    assert low == sorted(low)
    assert high == sorted(high, reverse=True)
    assert low[0] == pytest.approx(1 / 3000)
    assert high[0] == pytest.approx(1, abs=0.01)
    assert at(schedule, 300 * epochs // 3, epochs) == pytest.approx(0.2)
    # Equal ratios: half of the logarithmic way after half of the time.
    assert cycles[50][0] == pytest.approx((0.2 / 3000) ** 0.5)


def test_equation_5_for_efficientpose_ii() -> None:
    """10^((log a + log b) / 2) is the geometric mean: sqrt(1 / 3000) = 0.018257, and 2^(5.0 - 1.797) = 9.209."""
    settles = cycle_final_lr_ratio(1 / 3000, 5.0, 1.797)
    assert settles == pytest.approx(0.16813, abs=5e-6)
    largest = 0.5
    smallest = largest / 3000
    assert settles * largest == pytest.approx((largest * smallest) ** 0.5 * 2 ** (5.0 - 1.797))


def test_a_recipes_rate_is_scaled() -> None:
    recipe = replace(
        GENERAL_RECIPES["lsp"],
        optimizer=Optimizer(lr=2e-3),
        schedule=Schedule(milestones=(10,), warmup=100, warmup_factor=0.01),
    )
    assert [learning_rate(recipe, step, EPOCH) for step in (0, 100, 1000)] == pytest.approx([2e-5, 2e-3, 2e-4])


def test_a_recipe_without_a_rate_says_how_to_get_one() -> None:
    recipe = replace(GENERAL_RECIPES["lsp"], optimizer=Optimizer(lr=None))
    with pytest.raises(InputError, match="recipe lsp has no learning rate of its own; find one with --find-lr, or give --lr"):
        learning_rate(recipe, 0, EPOCH)


def test_an_unknown_schedule_is_named() -> None:
    unknown: Any = "stepp"
    with pytest.raises(InputError, match="unknown schedule 'stepp'"):
        at(Schedule(kind=unknown), 0)


def test_efficientposes_schedule_narrows_and_grows_with_the_map() -> None:
    assert target_widths(46, 0.0) == (5.0, 2.5)
    assert target_widths(46, 0.14) == (2.875, 1.4)
    assert target_widths(46, 0.139) == (3.6, 1.8)
    assert target_widths(46, 1.0) == (1.797, 1.15)
    assert target_widths(64, 0.0) == (7.0, 3.5)
    for size, (sigmas, half_widths) in TARGET_WIDTHS.items():
        for column in (sigmas, half_widths):
            assert len(column) == len(TARGET_EPOCHS)
            assert list(column) == sorted(column, reverse=True)
        reference = TARGET_WIDTHS[32]
        np.testing.assert_allclose(sigmas, np.array(reference[0]) * size / 32, rtol=0.02)
        np.testing.assert_allclose(half_widths, np.array(reference[1]) * size / 32, rtol=0.03)
