"""CPN-R50: the 27.0M parameters that HRNet's authors print; the 102.0M elsewhere are megabytes."""

from __future__ import annotations

from typing import Any

import torch

from benchmark.cost.trace import count_parameters
from reproductions.baselines.cpn import CPN


def test_parameters() -> None:
    with torch.device("meta"):
        trainable = count_parameters(CPN(num_joints=17))["trainable"]
    assert trainable == 27_009_770
    assert f"{trainable / 1e6:.1f}" == "27.0"
    assert 100 < 4 * trainable / 2**20 < 105  # MiB of float32


def test_coarser_levels_pass_more_bottlenecks() -> None:
    with torch.device("meta"):
        network: Any = CPN(num_joints=17)
    assert [len(level) for level in network.refine_net.levels] == [3, 2, 1, 0]


def test_both_networks_predict_at_a_quarter() -> None:
    with torch.device("meta"):
        output = CPN(num_joints=17).eval()(torch.empty(1, 3, 128, 96))
    assert [maps.shape for maps in output.global_heatmaps] == [(1, 17, 32, 24)] * 4
    assert output.heatmaps.shape == (1, 17, 32, 24)


def test_everything_is_trained_by_both_predictions() -> None:
    torch.manual_seed(0)
    network = CPN(num_joints=3)
    output = network(torch.rand(2, 3, 64, 64))
    (output.heatmaps.sum() + sum(maps.sum() for maps in output.global_heatmaps)).backward()
    assert all(p.grad is not None for p in network.parameters())
