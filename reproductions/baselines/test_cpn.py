"""Check CPN-R50: 27.0M parameters, as HRNet's authors print (102.0M elsewhere are megabytes), and the constants of its code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.cost.trace import count_parameters
from reproductions.baselines.cpn import CPN, resize


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
    assert [heatmaps.shape for heatmaps in output.global_heatmaps] == [(1, 17, 32, 24)] * 4
    assert output.heatmaps.shape == (1, 17, 32, 24)


def test_everything_is_trained_by_both_predictions() -> None:
    torch.manual_seed(0)
    network = CPN(num_joints=3)
    output = network(torch.rand(2, 3, 64, 64))
    (output.heatmaps.sum() + sum(heatmaps.sum() for heatmaps in output.global_heatmaps)).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_every_batch_norm_has_the_constants_of_the_released_code() -> None:
    with torch.device("meta"):
        network = CPN(num_joints=17)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 53 + 12 + 23  # backbone, GlobalNet, RefineNet
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-9, 0.01)}


def test_initial_weights_have_the_distributions_of_the_released_code() -> None:
    torch.manual_seed(0)
    network = CPN(num_joints=17)
    xavier = 0
    for name, module in network.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        weight = module.weight.detach()
        fan_out, fan_in = len(weight) * weight[0, 0].numel(), weight[0].numel()
        if name.startswith(("global_net.", "refine_net.final.1.")):
            xavier += 1
            limit = math.sqrt(6 / (fan_in + fan_out))
            std = limit / math.sqrt(3)
        else:
            limit = 2 * math.sqrt(2.6 / fan_in)
            std = math.sqrt(2 / fan_in)
        assert weight.std().item() == pytest.approx(std, rel=0.03), name
        assert 0.95 * limit < weight.abs().max() <= limit * (1 + 1e-6), name
        assert module.bias is None or not module.bias.any(), name
    assert xavier == 4 + 3 + 2 * 4 + 1


def _resize_axis(values: np.ndarray, size: int) -> np.ndarray:
    """Resize the first axis by TensorFlow 1's rule, one output pixel after the other."""
    rows = []
    for index in range(size):
        position = index * len(values) / size
        lower = int(position)
        upper = min(lower + 1, len(values) - 1)
        rows.append(values[lower] + (values[upper] - values[lower]) * (position - lower))
    return np.stack(rows)


@pytest.mark.parametrize(("size", "target"), [((2, 2), (4, 4)), ((3, 5), (12, 20)), ((5, 3), (9, 6)), ((4, 3), (4, 3))])
def test_resizing_reads_the_positions_that_tensorflow_1_reads(size: tuple[int, int], target: tuple[int, int]) -> None:
    torch.manual_seed(0)
    image = torch.rand(2, 3, *size, dtype=torch.float64)
    resized = resize(image, torch.empty(1, 1, *target))
    rows = _resize_axis(image.permute(2, 3, 0, 1).numpy(), target[0])
    expected = _resize_axis(rows.swapaxes(0, 1), target[1])
    torch.testing.assert_close(resized, torch.from_numpy(expected).permute(2, 3, 1, 0))


def test_resizing_keeps_the_first_corner_and_repeats_the_last() -> None:
    resized = resize(torch.tensor([[[[0.0, 1.0]]]]), torch.empty(1, 1, 1, 4))
    assert resized.flatten().tolist() == [0.0, 0.5, 1.0, 1.0]
