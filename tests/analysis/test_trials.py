"""Trials on people held out of training: the learning rate and the length of a family's trainings."""

from __future__ import annotations

import pytest

from benchmark.analysis.trials import Trials


def trials(accuracies: dict[float, float], longer: float | None = None) -> Trials:
    return Trials("efficientpose_nas/A", {}, accuracies, longer)


@pytest.mark.parametrize(
    ("accuracies", "best", "untried"),
    [
        ({}, None, [0.3, 1.0, 3.0]),
        ({1.0: 35.0}, None, [0.3, 3.0]),
        ({0.3: 30.0, 1.0: 35.0, 3.0: 31.0}, 1.0, []),
        ({0.3: 30.0, 1.0: 35.0, 3.0: 36.0}, None, [10.0]),
        ({0.3: 36.0, 1.0: 35.0, 3.0: 31.0}, None, [0.1]),
        ({0.3: 30.0, 1.0: 35.0, 3.0: 36.0, 10.0: 33.0}, 3.0, []),
        ({0.3: 30.0, 1.0: 35.0, 3.0: 36.0, 10.0: 37.0}, None, []),
    ],
)
def test_the_best_rate_lies_inside_those_tried(
    accuracies: dict[float, float], best: float | None, untried: list[float]
) -> None:
    assert trials(accuracies).best_rate() == best
    assert trials(accuracies).untried_rates() == untried


def test_a_training_is_long_enough_if_a_third_more_gains_less_than_a_point() -> None:
    rates = {0.3: 30.0, 1.0: 35.0, 3.0: 31.0}
    assert trials(rates, longer=35.9).obstacles() == []
    assert trials(rates, longer=36.0).obstacles() == ["a third more epochs gain `efficientpose_nas/A` 1.0 points"]
    assert trials(rates).obstacles() == ["the training length of `efficientpose_nas/A` was not checked"]


def test_an_optimum_at_the_edge_is_named() -> None:
    assert trials({0.3: 30.0, 1.0: 35.0, 3.0: 36.0}, longer=36.0).obstacles() == [
        "the best learning rate of `efficientpose_nas/A` is not inside those tried (x0.3, x1, x3)"
    ]
    assert trials({}).obstacles() == ["the best learning rate of `efficientpose_nas/A` is not inside those tried (none)"]
