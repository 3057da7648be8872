"""Check that PyraNet has the printed costs and its pyramids the intended sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from benchmark.core.errors import InputError
from benchmark.cost.counters import count_cost
from benchmark.cost.trace import count_parameters
from reproductions.baselines.pyranet import Pyramid, PyramidResidual, PyraNet


def test_parameters() -> None:
    with torch.device("meta"):
        trainable = count_parameters(PyraNet(num_joints=16))["trainable"]
    assert trainable == 28_131_832
    assert f"{trainable / 1e6:.1f}" == "28.1"


@pytest.mark.parametrize(
    ("joints", "height", "width", "rounding", "gflops"),
    [
        pytest.param(16, 256, 256, "floor", "21.3", marks=pytest.mark.slow),
        pytest.param(16, 256, 256, "ceil", "21.3", marks=pytest.mark.slow),
        pytest.param(17, 320, 256, "floor", "26.6", marks=pytest.mark.slow),
        (17, 320, 256, "ceil", "26.7"),  # the printed one
    ],
)
def test_gflops(joints: int, height: int, width: int, rounding: Any, gflops: str) -> None:
    with torch.device("meta"):
        cost = count_cost(PyraNet(num_joints=joints, rounding=rounding), height, width)["flops"]
    assert f"{cost['hrnet'] / 2**30:.1f}" == gflops


@pytest.mark.parametrize(("rounding", "sides"), [("floor", [53, 45, 38, 32]), ("ceil", [54, 46, 39, 32])])
def test_sizes_of_the_pyramid(rounding: Any, sides: list[int]) -> None:
    pyramid = Pyramid(2, rounding=rounding)
    seen: list[int] = []
    for conv in pyramid.convs:
        conv.register_forward_hook(lambda module, inputs, output: seen.append(output.shape[-1]))
    assert pyramid(torch.rand(1, 2, 64, 64)).shape == (1, 2, 64, 64)
    assert seen == sides


def test_pyramid_modules_at_the_finer_scales_only() -> None:
    with torch.device("meta"):
        hourglass: Any = PyraNet(num_joints=16, num_stacks=1).hourglasses[0]
    kinds = []
    while isinstance(hourglass, nn.Module) and hasattr(hourglass, "up"):
        kinds.append([isinstance(part, PyramidResidual) for part in (hourglass.shortcut, hourglass.down, hourglass.up)])
        hourglass = hourglass.inner
    assert kinds == [[True, True, True], [True, True, True], [True, False, False], [False, False, False]]


def test_one_answer_in_inference() -> None:
    network = PyraNet(num_joints=3, num_stacks=2, features=36).eval()
    images = torch.rand(1, 3, 64, 80)
    torch.testing.assert_close(network(images).heatmaps, network(images).heatmaps, rtol=0, atol=0)


def test_another_rounding_is_refused() -> None:
    with pytest.raises(InputError, match="no rounding 'even'; known: floor, ceil"):
        PyraNet(num_joints=16, rounding="even")  # type: ignore[arg-type]
