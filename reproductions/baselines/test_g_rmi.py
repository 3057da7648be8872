"""Check G-RMI's network: a dilated ResNet-101 of 42.6M parameters with three outputs per keypoint."""

from __future__ import annotations

import torch

from benchmark.cost.trace import count_parameters
from reproductions.baselines.g_rmi import GRMI


def test_the_parameters_that_are_printed_of_it() -> None:
    with torch.device("meta"):
        trainable = count_parameters(GRMI(num_joints=17))["trainable"]
    assert f"{trainable / 1e6:.1f}" == "42.6"


def test_heatmaps_and_offsets_at_an_eighth() -> None:
    with torch.device("meta"):
        output = GRMI(num_joints=17).eval()(torch.empty(1, 3, 353, 257))
    assert output.heatmaps.shape == (1, 17, 45, 33)
    assert output.offsets.shape == (1, 34, 45, 33)
