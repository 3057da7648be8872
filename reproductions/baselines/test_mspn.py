"""Check MSPN with one stage: 25.11M parameters and 5.11 GFLOPs, as mmpose counts, and the initial weights of its code."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from benchmark.cost.counters import count_cost
from reproductions.baselines.mspn import MSPN


def test_parameters_and_gflops_of_mmpose() -> None:
    with torch.device("meta"):
        cost = count_cost(MSPN(num_joints=17), 256, 192)
    assert f"{cost['params']['trainable'] / 1e6:.2f}" == "25.11"
    assert f"{cost['flops']['mmcv'] / 1e9:.2f}" == "5.11"


def test_four_scales_predict_at_the_finest_size() -> None:
    with torch.device("meta"):
        output = MSPN(num_joints=17).eval()(torch.empty(1, 3, 128, 96))
    assert [heatmaps.shape for heatmaps in output.coarse] == [(1, 17, 32, 24)] * 3
    assert output.heatmaps.shape == (1, 17, 32, 24)


def test_the_finest_heatmaps_depend_on_every_scale() -> None:
    torch.manual_seed(0)
    network = MSPN(num_joints=3)
    network(torch.rand(2, 3, 64, 64)).heatmaps.sum().backward()
    unused = {name.split(".")[1] for name, p in network.named_parameters() if p.grad is None}
    assert {name.split(".")[0] for name, p in network.named_parameters() if p.grad is None} == {"heads"}
    assert unused == {"0", "1", "2"}


def test_initial_weights_have_the_distributions_of_the_released_code() -> None:
    torch.manual_seed(0)
    network = MSPN(num_joints=17)
    in_stages = 0
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.eps, module.momentum) == (1e-5, 0.1), name
            assert (module.weight == 1).all(), name
            assert not module.bias.any(), name
        if not isinstance(module, nn.Conv2d):
            continue
        weight = module.weight.detach()
        fan_out, fan_in = len(weight) * weight[0, 0].numel(), weight[0].numel()
        if name.startswith("backbone.layer"):
            in_stages += 1
            std = math.sqrt(2 / fan_out)
        else:  # PyTorch's default is uniform within 1 / sqrt(fan_in)
            std = 1 / math.sqrt(3 * fan_in)
            assert weight.abs().max() <= 1 / math.sqrt(fan_in), name
        assert weight.std().item() == pytest.approx(std, rel=0.03), name
    assert in_stages == 52
