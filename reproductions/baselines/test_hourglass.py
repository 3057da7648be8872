"""Check Stacked Hourglass in the layouts of public code and printed costs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmark.cost.counters import count_cost
from benchmark.cost.trace import count_parameters
from reproductions.baselines.hourglass import Hourglass, Residual, StackedHourglass


def build(**keywords: Any) -> StackedHourglass:
    with torch.device("meta"):
        return StackedHourglass(**{"num_joints": 16} | keywords)


def residual(n_in: int, n_out: int) -> int:
    """Count a residual module's parameters by arithmetic: three convolutions with bias, three batch norms, a shortcut."""
    half = n_out // 2
    convs = n_in * half + half + 9 * half * half + half + half * n_out + n_out
    norms = 2 * (n_in + half + half)
    return convs + norms + (0 if n_in == n_out else n_in * n_out + n_out)


@pytest.mark.parametrize("stacks", [1, 2, 8])
@pytest.mark.parametrize("after", [False, True])
def test_parameters_by_arithmetic(stacks: int, after: bool) -> None:
    stem = 3 * 64 * 49 + 64 + 2 * 64 + residual(64, 128) + residual(128, 128) + residual(128, 256)
    stack = (13 + after) * residual(256, 256) + 256 * 256 + 256 + 2 * 256 + 256 * 16 + 16
    between = 256 * 256 + 256 + 16 * 256 + 256
    network = build(num_stacks=stacks, residual_after=after)
    assert count_parameters(network)["trainable"] == stem + stacks * stack + (stacks - 1) * between


@pytest.mark.parametrize(("stacks", "millions"), [(2, "6.73"), (8, "25.59")])
def test_the_pytorch_port_has_the_parameters_it_states(stacks: int, millions: str) -> None:
    network = build(num_stacks=stacks, residual_after=True, stem_channels=256)
    assert f"{count_parameters(network)['trainable'] / 1e6:.2f}" == millions


@pytest.mark.parametrize(("joints", "height", "width", "printed"), [(16, 256, 256, "19.1"), (17, 256, 192, "14.3")])
def test_the_first_layout_gives_both_printed_gflops(joints: int, height: int, width: int, printed: str) -> None:
    cost = count_cost(build(num_joints=joints), height, width)["flops"]
    assert f"{cost['hrnet'] / 2**30:.1f}" == printed


def test_the_later_layout_gives_the_55_gflops_of_fast_human_pose_estimation() -> None:
    cost = count_cost(build(residual_after=True), 256, 256)["flops"]
    assert round(2 * cost["macs"] / 1e9) == 55


def test_one_residual_module_at_each_place() -> None:
    hourglass = Hourglass(16, depth=4)
    assert sum(isinstance(module, Residual) for module in hourglass.modules()) == 13


def test_every_stack_predicts_and_is_trained_by_the_last() -> None:
    torch.manual_seed(0)
    network = StackedHourglass(num_joints=3, num_stacks=3, features=16)
    output = network(torch.rand(2, 3, 64, 64))
    assert [heatmaps.shape for heatmaps in output.intermediate] == [(2, 3, 16, 16)] * 2
    output.heatmaps.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_the_next_stack_sees_the_last_heatmaps() -> None:
    torch.manual_seed(0)
    network = StackedHourglass(num_joints=3, num_stacks=2, features=16).eval()
    images = torch.rand(1, 3, 64, 64)
    before = network(images)
    first: Any = network.predictions[0]
    with torch.no_grad():
        first.heatmaps.bias += 1
    after = network(images)
    torch.testing.assert_close(after.intermediate[0], before.intermediate[0] + 1)
    assert not torch.allclose(after.heatmaps, before.heatmaps)


def test_sizes_that_do_not_halve_evenly() -> None:
    network = StackedHourglass(num_joints=3, num_stacks=1, features=16).eval()
    assert network(torch.rand(1, 3, 72, 104)).heatmaps.shape == (1, 3, 18, 26)
