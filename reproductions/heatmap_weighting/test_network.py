"""The network of the heatmap-weighting paper against its printed counts and its equations."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torchvision

from benchmark.core.errors import InputError
from benchmark.cost.counters import count_cost
from reproductions.heatmap_weighting import ENTRIES
from reproductions.heatmap_weighting.network import CBAM, LightweightPoseNet, ParallelAttention
from reproductions.mobilenet_v3 import BLOCKS, MobileNetV3, hard_sigmoid


@pytest.mark.parametrize(
    ("joints", "height", "width", "printed"),
    [(17, 256, 192, "0.58"), (17, 384, 288, "1.30"), (16, 256, 256, "0.77")],  # Tables I and III
)
def test_printed_params_and_gflops(joints: int, height: int, width: int, printed: str) -> None:
    with torch.device("meta"):
        network = LightweightPoseNet(num_joints=joints)
    counted = count_cost(network, height, width)
    assert f"{counted['params']['trainable'] / 1e6:.1f}" == "3.1"
    assert f"{counted['flops']['mmcv'] / 1e9:.2f}" == printed


@pytest.mark.parametrize(("height", "width", "macs"), [(256, 192, 0.559), (384, 288, 1.256), (256, 256, 0.745)])
def test_true_macs(height: int, width: int, macs: float) -> None:
    with torch.device("meta"):
        network = LightweightPoseNet(num_joints=17)
    assert count_cost(network, height, width)["flops"]["macs"] / 1e9 == pytest.approx(macs, abs=5e-4)


def test_parameters_by_part() -> None:
    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    with torch.device("meta"):
        networks = {kind: LightweightPoseNet(num_joints=17, attention=kind) for kind in ("none", "ours")}
    assert count(networks["ours"].backbone) == 2_634_526
    # Channel attention: 256-64-256 with biases. Spatial attention: 256-1 and a 3x3, with biases.
    attention = 256 * 64 + 64 + 64 * 256 + 256 + 256 + 1 + 9 + 1
    assert count(networks["ours"]) - count(networks["none"]) == attention
    # Three layers of a depthwise 4x4 with batch norm and a 1x1 with bias and batch norm; then 17 heatmaps.
    layers = sum(16 * n + 2 * n + 256 * n + 3 * 256 for n in (960, 256, 256))
    assert count(networks["none"].head) == layers + 17 * 257


def test_backbone_blocks_without_squeeze_equal_torchvisions_in_size() -> None:
    # Rows 2, 3 and 7 to 10 are common to mmpose's layout and MobileNetV3-Large.
    torchvision_layers = torchvision.models.mobilenet_v3_large(weights=None).features
    layers = MobileNetV3()
    for row in (2, 3, 7, 8, 9, 10):
        assert not BLOCKS[row - 1][3]
        size, torchvision_size = (sum(p.numel() for p in part[row].parameters()) for part in (layers, torchvision_layers))
        assert size == torchvision_size, row


def test_backbone_halves_the_size_in_block_14_and_not_in_block_13() -> None:
    x, sizes = torch.zeros(1, 3, 64, 64), []
    backbone = MobileNetV3().eval()
    for layer in backbone:
        x = layer(x)
        sizes.append(x.shape[-1])
    assert sizes[13:15] == [4, 2]
    assert x.shape == (1, 960, 2, 2)


def test_attention_adds_input_channel_and_spatial_parts() -> None:
    x = torch.rand(2, 256, 4, 3)
    block = ParallelAttention(256, hsigmoid="sixth").eval()
    channel, spatial = block.channel.scale(x), block.spatial.scale(x)
    assert channel.shape == (2, 256, 1, 1)
    assert spatial.shape == (2, 1, 4, 3)
    torch.testing.assert_close(block(x), x * (1 + channel + spatial))


def test_cbam_weighs_channels_before_pixels() -> None:
    x = torch.rand(2, 256, 4, 3)
    block = CBAM(256, hsigmoid="sixth").eval()
    with torch.no_grad():
        block.channel[2].weight.zero_()  # the hard sigmoid of 0 is 1/2
        block.spatial.weight.zero_()
        block.spatial.bias.fill_(3.0)  # ... and of 3 is 1
    torch.testing.assert_close(block(x), x / 2)


def test_the_two_hard_sigmoids() -> None:
    x = torch.tensor([-4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 4.0])
    torch.testing.assert_close(hard_sigmoid("sixth")(x), torch.tensor([0, 0, 1 / 3, 1 / 2, 2 / 3, 1, 1]))
    torch.testing.assert_close(hard_sigmoid("half")(x), torch.tensor([0, 0, 0, 1 / 2, 1, 1, 1]))


@pytest.mark.parametrize("hsigmoid", ["sixth", "half"])
@pytest.mark.parametrize("attention", ["none", "se", "cbam", "ours"])
def test_every_variant_trains_and_infers(attention: str, hsigmoid: str) -> None:
    network = LightweightPoseNet(num_joints=5, attention=attention, hsigmoid=hsigmoid)
    heatmaps = network(torch.rand(2, 3, 64, 96))
    assert heatmaps.shape == (2, 5, 16, 24)
    heatmaps.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert torch.isfinite(network.eval()(torch.rand(1, 3, 64, 64))).all()


def test_unknown_switches_are_named() -> None:
    with pytest.raises(InputError, match="'eca'"):
        LightweightPoseNet(num_joints=17, attention="eca")
    with pytest.raises(InputError, match="'third'"):
        LightweightPoseNet(num_joints=17, hsigmoid="third")


def test_entries_build_and_import_without_torch() -> None:
    from benchmark.models.registry import build_model

    (entry,) = ENTRIES
    names = [entry.id] + [f"{entry.id}+{s}={v}" for s, values in entry.switches.items() for v in values]
    with torch.device("meta"):
        networks = [build_model(name, joints=16) for name in names]
    for network in networks:
        assert all(network.get_submodule(part) for parts in entry.scopes.values() for part in parts)
    check = "import sys, reproductions.heatmap_weighting; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
