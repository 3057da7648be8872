"""The structure of the built networks wherever the paper prints it, in the paper's notation.

Layers, widths, kernels, strides and sizes are counted on networks that are built and run on the meta device. The names and
factors of EfficientNets and the number of variants come from the data that networks are built from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.core.input_size import parse_size
from benchmark.models.registry import find_entry
from reproductions.efficientpose.backbone import SCALING, Backbone
from reproductions.efficientpose.network import EfficientPose, Maps, MobileDenseNet
from reproductions.efficientpose.openpose import DenseBlock, OpenPose
from reproductions.efficientpose.variants import VARIANTS
from reproductions.wording import WORDS, agreed

P, Q = 11, 7  # segments and keypoints, chosen so that no width of the networks equals them
SYMBOLS = {P: "P", 2 * P: "2P", Q: "Q"}
LAYERS = {nn.BatchNorm2d: "BN", nn.SiLU: "Swish"}


def describe_structure(table: str) -> dict[str, str]:
    """Return ``{"row/column": string}`` for a table that prints structure; empty for other tables."""
    return TABLES[table]() if table in TABLES else {}


def backbones() -> dict[str, str]:
    """Describe Table 1 for the EfficientNets that a variant uses.

    The asterisk marks the skip connection alone: dropout, which the paper names with it, has no effect in the released graphs
    and is not built. The last line is the factor by which EfficientNet's code multiplies the layers.
    """
    described: dict[str, str] = {}
    for name in sorted({name for _, high, low, _ in VARIANTS.values() for name in (high, low) if name}):
        with torch.device("meta"):
            backbone = Backbone(name, num_blocks=3)
        cells = {"block1_conv": " ".join(_layer(layer) for layer in backbone.stem)}
        for block, members in groupby(backbone.layers.items(), key=lambda item: item[0][0]):
            first, *rest = (_mbconv(layer) for _, layer in members)
            cells |= {f"block{block}_first": first} | ({f"block{block}_rest": _repeated(rest)} if rest else {})
        cells |= {"channels": str(backbone.channels), "depth_factor": f"{SCALING[name][1]:.1f} in EfficientNet's code"}
        described |= {f"{name.lower()}/{column}": cell for column, cell in cells.items()}
    return described


def variants() -> dict[str, str]:
    """Describe Table 2; the passes are those of training, each with the convolution that predicts its maps."""
    described: dict[str, str] = {}
    for name in VARIANTS:
        entry = find_entry(f"efficientpose/{name}")
        network, calls = _run(name)
        cells = {}
        for level, backbone in network.backbones.items():
            blocks = [int(layer[0]) for layer in backbone.layers]
            cells[f"{level}_input"] = _size(calls[f"backbones.{level}"].inputs)
            cells[f"{level}_backbone"] = f"{entry.kwargs[level]} (Block {min(blocks)}-{max(blocks)})"
        cells["detection_block"] = agreed(
            _repeated(
                f"MD({agreed(layer.project[0].out_channels for layer in densenet.layers)})" for densenet in each.densenets
            )
            for each in network.passes
        )
        cells["pass_1"], *others = (_layer(each.head) for each in network.passes)
        cells["pass_2_3"] = agreed(others)
        cells["upscaling"] = _repeated(_layer(layer) for layer in network.upscaling)
        described |= {f"efficientpose_{name.lower()}/{column}": cell for column, cell in cells.items()}
    return described


def coefficients() -> dict[str, str]:
    """Compute the mean growth of each dimension per step from the smallest network to the largest (Equations 1 and 2)."""
    (small, first, *_), (large, last, *_) = VARIANTS["RT"], VARIANTS["IV"]
    width, depth = (b / a for a, b in zip(SCALING[first], SCALING[last], strict=True))
    steps = int(last[1:]) - int(first[1:])
    depth, width, resolution = (ratio ** (1 / steps) for ratio in (depth, width, large / small))
    return {
        "depth/coefficient": f"{depth:.1f}",
        "width/coefficient": f"{width:.1f}",
        "resolution/coefficient": f"{resolution:.2f}",
        "flops/coefficient": f"{depth * width**2 * resolution**2:.0f}",
    }


def text() -> dict[str, str]:
    """Describe the numbers of Sections 2 and 3, counted on OpenPose and on EfficientPose I."""
    described = openpose() | mobile_densenets() | upscaling() | {"variants": WORDS[len(VARIANTS)]}
    return {f"{row}/structure": value for row, value in described.items()}


def openpose() -> dict[str, str]:
    """Describe OpenPose as Section 2 does."""
    network, calls = _run("openpose")
    blocks = [[block for block in each if isinstance(block, DenseBlock)] for each in network.passes]
    layers: list[Any] = [block.layers for each in blocks for block in each]
    convs = [layer[0] for block in layers for layer in block]
    maps: Maps = calls[""].outputs
    return {
        "openpose_input": _size(calls[""].inputs),
        "openpose_output": _size(maps.final),
        "openpose_blocks": agreed(WORDS[len(each)] for each in blocks),
        "openpose_convs": agreed(WORDS[len(block)] for block in layers),
        "openpose_kernel": agreed(_kernel(conv) for conv in convs),
        "openpose_channels": str(max(conv.in_channels for conv in convs)),
        "openpose_skeleton_passes": str(len(maps.skeletons)),
        "openpose_keypoint_passes": str(len(maps.heatmaps)),
    }


def mobile_densenets() -> dict[str, str]:
    """Describe the passes as Section 3.1 and Figure 2 do; C is the width of the high-level backbone."""
    network, calls = _run("I")
    maps: Maps = calls[""].outputs
    densenets: dict[str, Any] = {name: module for name, module in network.named_modules() if isinstance(module, MobileDenseNet)}
    layers = [layer for densenet in densenets.values() for layer in densenet.layers]
    unit_input = torch.ones((), device="cpu")
    width = network.backbones["high"].channels
    return {
        "skeleton_passes": str(len(maps.skeletons)),
        "keypoint_passes": str(len(maps.heatmaps)),
        "prediction_kernel": agreed(_kernel(each.head) for each in network.passes),
        "mobile_kernel": agreed(_kernel(layer.depthwise[0]) for layer in layers),
        "mobile_expansion": agreed(f"{layer.expand[0].out_channels / layer.project[0].out_channels:g}" for layer in layers),
        "mobile_stride": agreed(layer.depthwise[0].stride[0] for layer in layers),
        "mobile_swish": agreed(f"{(layer.expand[2](unit_input) / F.silu(unit_input)).item():g}" for layer in layers),
        "mobile_convs": agreed(WORDS[len(densenet.layers)] for densenet in densenets.values()),
        "mobile_output": agreed(f"{calls[name].outputs.shape[1] / width:g}C" for name in densenets),
    }


def upscaling() -> dict[str, str]:
    """Describe the up-scaling as Section 3.1 does."""
    network, calls = _run("I")
    layers = network.upscaling
    steps = [calls[f"upscaling.{name}"] for name, _ in layers.named_children()]
    return {
        "upscaling_convs": WORDS[len(layers)],
        "upscaling_kernel": agreed(_kernel(layer) for layer in layers),
        "upscaling_stride": agreed(layer.stride[0] for layer in layers),
        "upscaling_step": agreed(f"{_enlargement(step):g}" for step in steps),
        "upscaling_factor": f"{_enlargement(calls['upscaling']):g}×",
    }


TABLES: dict[str, Callable[[], dict[str, str]]] = {
    "table1": backbones,
    "table2": variants,
    "text_scaling": coefficients,
    "text_structure": text,
}


class Call(NamedTuple):
    """Input and output of a module."""

    inputs: Tensor
    outputs: Any


def _run(variant: str) -> tuple[Any, dict[str, Call]]:
    """Run a variant as trained on one image of the printed size, on the meta device; return it and its calls by module."""
    entry = find_entry(f"efficientpose/{variant}")
    calls: dict[str, Call] = {}
    with torch.device("meta"):
        build = EfficientPose if variant in VARIANTS else OpenPose
        network = build(num_joints=Q, segments=P, **entry.kwargs)
        for name, module in network.named_modules():
            module.register_forward_hook(lambda _, inputs, outputs, name=name: calls.update({name: Call(inputs[0], outputs)}))
        network(torch.empty(1, 3, *parse_size(entry.inputs[0])))
    return network, calls


def _layer(layer: nn.Module) -> str:
    """Describe a layer by kernel, channels and stride, as in ``Conv(3×3,32,2)``; others by their name."""
    if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        return LAYERS.get(type(layer), type(layer).__name__)
    name = "Conv" if isinstance(layer, nn.Conv2d) else "Conv^T"
    return f"{name}({_kernel(layer)},{SYMBOLS.get(layer.out_channels, layer.out_channels)},{layer.stride[0]})"


def _mbconv(layer: Any) -> str:
    """Describe expansion, skip connection (``*``), kernel, channels and stride, as in ``MBConv6* (3×3,24,1)``."""
    depthwise = layer.depthwise[0]
    expansion = layer.expand[0].out_channels // layer.expand[0].in_channels if layer.expand else 1
    star = "*" if layer.residual else ""
    return f"MBConv{expansion}{star} ({_kernel(depthwise)},{layer.project[0].out_channels},{depthwise.stride[0]})"


def _repeated(layers: Iterable[str]) -> str:
    """Join equal neighbours, as in ``[MD(56)]×2``."""
    runs = [(layer, len(list(run))) for layer, run in groupby(layers)]
    return " ".join(layer if times == 1 else f"[{layer}]×{times}" for layer, times in runs)


def _kernel(conv: Any) -> str:
    return "×".join(map(str, conv.kernel_size))


def _size(images: Tensor) -> str:
    return "×".join(map(str, images.shape[2:]))


def _enlargement(call: Call) -> float:
    return call.outputs.shape[-1] / call.inputs.shape[-1]
