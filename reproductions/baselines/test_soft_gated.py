"""Check the soft-gated hourglass: gated shortcuts, two sides concatenated, about nine million parameters."""

from __future__ import annotations

import torch

from benchmark.cost.trace import count_parameters
from reproductions.baselines.soft_gated import GatedBlock, SoftGated


def test_about_nine_million_parameters() -> None:
    with torch.device("meta"):
        trainable = count_parameters(SoftGated(num_joints=16))["trainable"]
    assert trainable == 8_639_288
    assert round(trainable / 1e6) == 9


def test_the_gate_scales_each_channel_of_the_shortcut() -> None:
    torch.manual_seed(0)
    block = GatedBlock(8, 8).eval()
    x = torch.rand(1, 8, 4, 4)
    before = block(x)
    with torch.no_grad():
        block.gate[3] = 0.0
    change = before - block(x)
    torch.testing.assert_close(change[:, 3], x[:, 3])
    assert not change[:, [0, 1, 2, 4, 5, 6, 7]].any()


def test_small_images_in_training() -> None:
    output = SoftGated(num_joints=3, num_stacks=2, features=16)(torch.rand(2, 3, 64, 80))
    assert output.heatmaps.shape == output.intermediate[0].shape == (2, 3, 16, 20)
