"""The networks are the released ones: they are counted, and compared with an independent EfficientNet."""

from __future__ import annotations

import subprocess
import sys
from math import prod

import pytest
import torch
import torch.nn.functional as F

from benchmark.core.input_size import parse_size
from benchmark.cost.counters import count_macs
from benchmark.cost.ops import Op
from benchmark.cost.trace import count_parameters, trace_network
from benchmark.models.registry import build_model, find_entry
from reproductions.efficientpose.backbone import SCALING, Backbone, SameConv2d
from reproductions.efficientpose.network import EfficientPose, bilinear_upscaling
from reproductions.efficientpose.variants import VARIANTS

# Tables 3 and 6 to 9: millions of parameters and billions of operations as printed.
PRINTED = {
    "RT": ("0.46", "0.87"),
    "I": ("0.72", "1.67"),
    "II": ("1.73", "7.70"),
    "III": ("3.23", "23.35"),
    "IV": ("6.56", "72.89"),
    "I+low_level=off": ("0.68", "1.58"),
    "I+skeleton=off": ("0.54", "1.37"),
    "I+passes=1": ("0.52", "1.33"),
    "I+passes=3": ("0.92", "2.02"),
    "I+upscaling=off": ("0.71", None),  # printed 1.52, counted 1.51
    "II+low_level=off": ("1.69", "7.50"),
    "II+skeleton=off": ("1.27", "6.03"),
    "II+passes=1": ("1.24", "5.92"),
    "II+passes=3": ("2.22", "9.49"),
    "II+upscaling=off": ("1.73", "7.37"),
    "openpose": ("25.94", "160.36"),
}


def build(model: str) -> torch.nn.Module:
    with torch.device("meta"):
        return build_model(f"efficientpose/{model}", joints=16)


def registered_flops(op: Op) -> int:
    """Count as TensorFlow's registered functions do; Sigmoid, Relu, FusedBatchNorm, ConcatV2 and Pad have none."""
    match op.name:
        case "convolution":
            return 2 * count_macs(op) + op.bias * prod(op.output)
        case "silu" | "mul" | "add":  # silu is Sigmoid and Mul
            return prod(op.output)
        case "_prelu_kernel":  # Keras: Relu(x) + -alpha * Relu(-x)
            return 3 * prod(op.output)
        case "mean":
            return prod(op.inputs[0])
        case "avg_pool2d" | "max_pool2d_with_indices":
            return 4 * prod(op.output)  # both pool 2x2
    return 0


@pytest.mark.parametrize("model", PRINTED)
def test_parameters_and_flops_round_to_the_printed_figures(model: str) -> None:
    params, flops = PRINTED[model]
    entry = find_entry(f"efficientpose/{model}")
    pruned = model if model == "openpose" or "upscaling" in model else f"{model}+outputs=final"
    trace = trace_network(build(pruned), *parse_size(entry.inputs[0]))
    assert f"{trace.params['stored'] / 1e6:.2f}" == params
    if flops:
        assert f"{sum(map(registered_flops, trace.ops)) / 1e9:.2f}" == flops


@pytest.mark.parametrize(("variant", "stored", "learned"), [("RT", 465_608, 453_336), ("I", 726_116, 708_596)])
def test_parameters_are_those_of_the_released_files(variant: str, stored: int, learned: int) -> None:
    network = build(variant)
    assert count_parameters(network)["stored"] == stored
    assert sum(p.numel() for p in network.parameters()) == learned  # the frozen 3 x 4,112 of the up-scaling among them


@pytest.mark.parametrize("variant", SCALING)
def test_backbone_is_efficientnet(variant: str) -> None:
    timm = pytest.importorskip("timm", reason="timm, the independent EfficientNet, is not installed")
    reference = timm.create_model(f"tf_efficientnet_{variant.lower()}").eval()
    ours = Backbone(variant, num_blocks=3).eval()
    states = zip(ours.state_dict().items(), reference.state_dict().items(), strict=False)
    ours.load_state_dict({name: value for (name, _), (_, value) in states})  # both list their layers in order
    image = torch.randn(1, 3, 75, 64)  # an odd side, where the padding differs from PyTorch's on both ends
    with torch.no_grad():
        expected = reference.blocks[:3](reference.bn1(reference.conv_stem(image)))
        torch.testing.assert_close(ours(image), expected, atol=1e-5, rtol=1e-5)


def test_same_padding_puts_the_odd_pixel_below_and_right() -> None:
    conv = SameConv2d(1, 1, 3, 2, bias=False)
    image = torch.randn(1, 1, 8, 8)
    expected = F.conv2d(F.pad(image, (0, 1, 0, 1)), conv.weight, stride=2)
    torch.testing.assert_close(conv(image), expected)


def test_upscaling_interpolates_bilinearly_and_never_learns() -> None:
    network = EfficientPose(high="B0", low=None)
    assert not any(p.requires_grad for p in network.upscaling.parameters())
    maps = torch.randn(1, 16, 5, 6)
    expected = F.interpolate(maps, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(bilinear_upscaling(16)(maps)[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


@pytest.mark.parametrize("model", [*VARIANTS, "I+low_level=off", "I+skeleton=off", "I+passes=3", "I+upscaling=off", "openpose"])
def test_maps_have_an_eighth_of_the_size_and_the_final_ones_all_of_it(model: str) -> None:
    maps = build(model)(torch.empty(2, 3, 64, 96, device="meta"))
    assert [tuple(m.shape) for m in maps.skeletons] == [(2, 28, 8, 12)] * {"I+skeleton=off": 0, "openpose": 4}.get(model, 1)
    assert [tuple(m.shape) for m in maps.heatmaps] == [(2, 16, 8, 12)] * (3 if model == "I+passes=3" else 2)
    assert tuple(maps[-1].shape) == ((2, 16, 8, 12) if model in ("I+upscaling=off", "openpose") else (2, 16, 64, 96))


def test_heads_follow_the_keypoints_and_segments() -> None:
    maps = EfficientPose(num_joints=17, segments=5, high="B0", low=None).eval()(torch.zeros(1, 3, 32, 32))
    assert [m.shape[1] for m in (*maps.skeletons, *maps.heatmaps, maps.final)] == [10, 17, 17, 17]


def test_pruned_heads_do_not_change_the_final_heatmaps() -> None:
    network, pruned = (EfficientPose(high="B0", low="B0", outputs=outputs).eval() for outputs in ("all", "final"))
    state = network.state_dict()
    pruned.load_state_dict({name: state[name] for name in pruned.state_dict()})
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(pruned(image).final, network(image).final, atol=0, rtol=0)


def test_every_pass_learns_from_its_maps() -> None:
    network = EfficientPose(high="B0", low="B0").train()
    maps = network(torch.randn(2, 3, 64, 64))
    sum(m.square().mean() for m in (*maps.skeletons, *maps.heatmaps)).backward()
    assert [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None] == []


def test_listing_the_entries_needs_no_torch() -> None:
    code = "import sys, reproductions.efficientpose; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
