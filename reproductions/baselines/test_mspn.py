"""MSPN with one stage is the network that mmpose counts: 25.11M parameters and 5.11 GFLOPs."""

from __future__ import annotations

import torch

from benchmark.cost.counters import count_cost
from reproductions.baselines.mspn import MSPN


def test_parameters_and_gflops_of_mmpose() -> None:
    with torch.device("meta"):
        counted = count_cost(MSPN(num_joints=17), 256, 192)
    assert f"{counted['params']['trainable'] / 1e6:.2f}" == "25.11"
    assert f"{counted['flops']['mmcv'] / 1e9:.2f}" == "5.11"


def test_four_scales_predict_at_the_finest_size() -> None:
    with torch.device("meta"):
        output = MSPN(num_joints=17).eval()(torch.empty(1, 3, 128, 96))
    assert [maps.shape for maps in output.coarse] == [(1, 17, 32, 24)] * 3
    assert output.heatmaps.shape == (1, 17, 32, 24)


def test_the_finest_heatmaps_depend_on_every_scale() -> None:
    torch.manual_seed(0)
    network = MSPN(num_joints=3)
    network(torch.rand(2, 3, 64, 64)).heatmaps.sum().backward()
    unused = {name.split(".")[1] for name, p in network.named_parameters() if p.grad is None}
    assert {name.split(".")[0] for name, p in network.named_parameters() if p.grad is None} == {"heads"}
    assert unused == {"0", "1", "2"}
