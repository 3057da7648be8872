"""Check that FPD's student is a Stacked Hourglass with half the stacks and half the channels."""

from __future__ import annotations

import torch
from torch import nn

from benchmark.cost.counters import count_cost
from reproductions.baselines.fpd import fpd
from reproductions.baselines.hourglass import StackedHourglass


def test_three_million_parameters_and_nine_gflops() -> None:
    with torch.device("meta"):
        cost = count_cost(fpd(num_joints=16), 256, 256)
    assert cost["params"]["trainable"] == 3_332_032
    assert round(cost["params"]["trainable"] / 1e6) == 3
    assert round(2 * cost["flops"]["macs"] / 1e9) == 9


def test_the_student_has_half_of_the_teacher() -> None:
    with torch.device("meta"):
        student, teacher = fpd(num_joints=16), StackedHourglass(num_joints=16, residual_after=True)
    assert 2 * len(student.hourglasses) == len(teacher.hourglasses)
    narrow, wide = (network.get_submodule("predictions.0.heatmaps") for network in (student, teacher))
    assert isinstance(narrow, nn.Conv2d)
    assert isinstance(wide, nn.Conv2d)
    assert 2 * narrow.in_channels == wide.in_channels


def test_both_predict_at_the_same_size() -> None:
    output = fpd(num_joints=5, num_stacks=2, features=16).eval()(torch.rand(1, 3, 64, 80))
    assert output.heatmaps.shape == output.intermediate[0].shape == (1, 5, 16, 20)
