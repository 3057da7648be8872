"""Check DU-Net and CU-Net: the printed counts are of convolution weights alone, and a U-Net reads its predecessors' blocks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from benchmark.cost.trace import count_parameters
from reproductions.baselines.du_net import CoupledUNets


@pytest.mark.parametrize(
    ("nets", "order", "trainable", "printed"),
    [(8, 1, 8_009_984, "7.9"), (16, 1, 16_125_696, "15.9"), (8, 7, 10_281_344, "10.1")],
)
def test_convolution_weights_are_what_the_papers_print(nets: int, order: int, trainable: int, printed: str) -> None:
    with torch.device("meta"):
        network = CoupledUNets(num_joints=16, num_nets=nets, order=order)
    assert count_parameters(network)["trainable"] == trainable
    weights = sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.Conv2d))
    assert f"{weights / 1e6:.1f}" == printed


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_each_net_keeps_32_new_channels_for_each_one_it_reads(order: int) -> None:
    with torch.device("meta"):
        network: Any = CoupledUNets(num_joints=16, num_nets=4, order=order)
    assert [net.bottom.grow[0].num_features for net in network.nets] == [128 + 32 * min(i, order) for i in range(4)]
    assert [join[0].num_features for join in network.joins] == [128 * (1 + min(i, order)) for i in range(1, 4)]


@pytest.mark.parametrize("order", [0, 1, 3])
def test_all_nets_predict_and_are_trained_by_the_last(order: int) -> None:
    torch.manual_seed(0)
    network = CoupledUNets(num_joints=3, num_nets=4, order=order)
    output = network(torch.rand(2, 3, 64, 64))
    assert [heatmaps.shape for heatmaps in (*output.intermediate, output.heatmaps)] == [(2, 3, 16, 16)] * 4
    output.heatmaps.sum().backward()
    gradients = [p.grad is not None for name, p in network.named_parameters() if not name.startswith("predictions")]
    assert all(gradients)
