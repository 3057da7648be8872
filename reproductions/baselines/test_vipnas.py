"""Check S-ViPNAS-MobileNetV3 as released, and the origin of the printed counts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchmark.core.errors import InputError
from benchmark.cost.counters import count_cost
from reproductions.baselines.vipnas import STAGES, ViPNAS


def test_released_network_has_5_9_million_parameters_not_the_printed_2_8() -> None:
    network = ViPNAS(num_joints=17)
    assert sum(p.numel() for p in network.parameters()) == 5_895_725


def test_printed_gflops_count_transposed_convolutions_at_output_positions() -> None:
    with torch.device("meta"):
        network = ViPNAS(num_joints=17)
    flops = count_cost(network, 256, 192)["flops"]
    assert f"{flops['hrnet'] / 2**30:.2f}" == "0.69"  # printed
    assert f"{flops['mmcv'] / 1e9:.2f}" == "0.76"  # listed by mmpose
    assert flops["macs"] / 1e9 == pytest.approx(0.734, abs=5e-4)


def test_searched_groups_divide_the_middle_width_and_few_are_depthwise() -> None:
    middles = [width * expansion for width, expansion, *_ in STAGES]
    groups = [stage[4] for stage in STAGES]
    assert all(middle % group == 0 for middle, group in zip(middles, groups, strict=True))
    assert [group == middle for middle, group in zip(middles, groups, strict=True)] == [False, True] + [False] * 4
    built = [m.groups for m in ViPNAS(num_joints=17).backbone.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert built == [stage[4] for stage in STAGES for _ in range(stage[2])]


@pytest.mark.parametrize("size", [(64, 64), (64, 96)])
def test_trains_and_infers(size: tuple[int, int]) -> None:
    network = ViPNAS(num_joints=4)
    heatmaps = network(torch.rand(2, 3, *size))
    assert heatmaps.shape == (2, 4, size[0] // 4, size[1] // 4)
    heatmaps.sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert network.eval()(torch.rand(1, 3, *size)).isfinite().all()


def test_unknown_hard_sigmoid_is_named() -> None:
    with pytest.raises(InputError, match="'third'"):
        ViPNAS(num_joints=17, hsigmoid="third")
