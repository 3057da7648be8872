"""Check that Convolutional Pose Machines at the authors' input size have the quoted costs."""

from __future__ import annotations

from typing import Any

import torch

from benchmark.cost.counters import count_cost
from benchmark.cost.trace import count_parameters
from reproductions.baselines.cpm import CPM, center_map


def test_the_released_network_has_31_million_parameters_and_175_gmacs_at_368() -> None:
    with torch.device("meta"):
        cost = count_cost(CPM(num_joints=14), 368, 368)
    assert round(cost["params"]["trainable"] / 1e6) == 31
    assert round(cost["flops"]["macs"] / 1e9) == 175
    assert round(2 * cost["flops"]["macs"] / 1e9) == 351


def test_parameters_with_mpii_joints() -> None:
    with torch.device("meta"):
        assert count_parameters(CPM(num_joints=16))["trainable"] == 31_377_062


def test_the_center_map_peaks_in_the_middle_and_is_symmetric() -> None:
    center = center_map(torch.zeros(2, 3, 80, 48))
    assert center.shape == (2, 1, 10, 6)
    torch.testing.assert_close(center, center.flip(2, 3))
    peak = center.max()
    torch.testing.assert_close(center[0, 0, 4:6, 2:4], peak.expand(2, 2))
    assert (center[:, :, [0, -1]] < peak / 2).all()


def test_six_stages_whose_background_map_stays_inside() -> None:
    with torch.device("meta"):
        network: Any = CPM(num_joints=16)
        output = network(torch.empty(1, 3, 128, 128))
    assert len(output.intermediate) == 5
    assert {heatmaps.shape for heatmaps in output.intermediate} | {output.heatmaps.shape} == {(1, 16, 16, 16)}
    assert network.first[-1][-1].out_channels == 17


def test_a_stage_reads_the_one_before() -> None:
    torch.manual_seed(0)
    network = CPM(num_joints=2, num_stages=3)
    output = network(torch.rand(1, 3, 32, 32))
    for earlier in output.intermediate:
        assert earlier.requires_grad
    output.heatmaps.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
