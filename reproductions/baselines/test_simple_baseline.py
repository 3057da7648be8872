"""Check that SimpleBaseline has the costs that its paper prints."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
import torchvision.models
from torch import nn

from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.cost.counters import count_cost
from benchmark.cost.trace import count_parameters
from benchmark.models.registry import build_model
from reproductions.baselines.simple_baseline import SimpleBaseline, resnet_trunk, simple_baseline


def build(depth: int, joints: int = 17) -> Any:
    with torch.device("meta"):
        return build_model(f"baselines/simple_baseline-r{depth}", joints=joints)


@pytest.mark.parametrize(("depth", "parameters"), [(50, 33_999_697), (101, 52_991_825), (152, 68_635_473)])
def test_parameters(depth: int, parameters: int) -> None:
    assert count_parameters(build(depth))["trainable"] == parameters


@pytest.mark.parametrize(
    ("depth", "size", "counted"),
    [
        (50, "256x192", "8.99"),
        (101, "256x192", "12.38"),
        (152, "256x192", "15.76"),
        (50, "256x256", "11.99"),
        (101, "256x256", "16.50"),
        (152, "256x256", "21.02"),
        (50, "384x288", "20.23"),
    ],
)
def test_gflops(depth: int, size: str, counted: str) -> None:
    network = build(depth, joints=16 if size == "256x256" else 17)
    assert f"{count_cost(network, *parse_size(size))['flops']['hrnet'] / 2**30:.2f}" == counted


@pytest.mark.parametrize("depth", [50, 101, 152])
@pytest.mark.parametrize(("height", "width"), [(256, 192), (64, 64)])
def test_heatmaps_have_a_quarter_of_the_size(depth: int, height: int, width: int) -> None:
    network = build(depth)
    images = torch.empty(2, 3, height, width, device="meta")
    assert network.eval()(images).shape == (2, 17, height // 4, width // 4)
    assert network.train()(images).shape == (2, 17, height // 4, width // 4)
    assert network.backbone(images).shape == (2, 2048, height // 32, width // 32)


def test_three_transposed_convolutions_of_256_and_one_1x1() -> None:
    *up, final = build(50).head
    deconvs = [layer[0] for layer in up]
    assert [(deconv.out_channels, deconv.kernel_size, deconv.stride, deconv.bias) for deconv in deconvs] == [
        (256, (4, 4), (2, 2), None)
    ] * 3
    assert [[type(part) for part in layer[1:]] for layer in up] == [[nn.BatchNorm2d, nn.ReLU]] * 3
    assert (final.out_channels, final.kernel_size) == (17, (1, 1))


def test_the_head_starts_near_zero() -> None:
    torch.manual_seed(0)
    head: Any = SimpleBaseline(backbone=nn.Identity(), in_channels=64, num_joints=17).head
    for module in head.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            assert module.weight.std().item() == pytest.approx(0.001, rel=0.05)
    assert (head[-1].bias == 0).all()


def test_any_backbone_and_any_number_of_transposed_convolutions() -> None:
    network = SimpleBaseline(backbone=nn.Conv2d(3, 8, 4, stride=4), in_channels=8, num_joints=5, widths=(16, 4))
    assert network(torch.rand(1, 3, 32, 24)).shape == (1, 5, 32, 24)


def test_torchvision_weights_fit_the_backbone() -> None:
    with torch.device("meta"):
        trunk, resnet = resnet_trunk(50).state_dict(), torchvision.models.resnet50().state_dict()
    assert set(resnet) - set(trunk) == {"fc.weight", "fc.bias"}
    assert all(resnet[name].shape == tensor.shape for name, tensor in trunk.items())


def test_another_depth_is_refused() -> None:
    with pytest.raises(InputError, match="no residual network of depth 18; known: 50, 101, 152"):
        simple_baseline(num_joints=17, depth=18)


def test_importing_the_package_does_not_import_torch() -> None:
    subprocess.run([sys.executable, "-c", "import sys, reproductions.baselines; sys.exit('torch' in sys.modules)"], check=True)
