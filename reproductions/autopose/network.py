"""AutoPose's network, built from an architecture (a reconstruction: Gong et al., arXiv:2008.07018, published no code).

stem -> three stages of two multi-scale modules -> head. Four branches run side by side at 1/4 to 1/32 of the image; a stage
runs those that its scale vector names, and the others hand their features on unchanged.

Choices, where the public text leaves a gap, with whose practice they follow:

* *Stem.* Two 3x3 convolutions of stride 2 and 64 channels (HRNet), one bottleneck with a fourth of its output's channels
  inside (ResNet), then 3x3 convolutions of stride 2, one a scale.
* *Convolution operations* are ReLU, convolution, batch norm (DARTS, GDAS, Auto-DeepLab); pooling has no batch norm.
* *Compression* after a cell's concatenation is a 1x1 convolution, in the same order.
* *Resampling* before an aggregation cell is HRNet's fusion: upwards 1x1 convolution, batch norm, nearest neighbour;
  downwards 3x3 convolutions of stride 2, the last of which changes the channels and has no ReLU.
* *Head.* Sec. 3 speaks of a sum of the branches, Sec. 4.2 of a concatenation and a convolution of stride 1. The branches
  differ in channels, so it is the concatenation; the convolution is 1x1, as in HRNet.
* *Initialisation* is PyTorch's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.core.errors import InputError
from reproductions.autopose.architectures import (
    CELLS,
    EXAMPLE,
    MODULES,
    SCALES,
    Architecture,
    Branches,
    Node,
    read,
    with_branches,
)
from reproductions.layers import conv_bn

Aggregation = Literal["cells", "concat"]
STEM = 64  # channels of its convolutions


def build(
    architecture: Architecture | Path | str = EXAMPLE,
    *,
    num_joints: int,
    branches: Branches = "searched",
    aggregation: Aggregation = "cells",
) -> AutoPose:
    """The network of an architecture, or of an architecture file.

    Args:
        branches: ``single`` and ``all`` replace the scale vectors, ``aggregation="concat"`` the aggregation cells, as in
            the ablation of Table 4.

    Raises:
        InputError: the file is not of the format, or a switch has no such value.
    """
    found = architecture if isinstance(architecture, Architecture) else read(architecture)
    return AutoPose(architecture=with_branches(found, branches), num_joints=num_joints, aggregation=aggregation)


class AutoPose(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]`` (sizes rounded up).

    The head starts from N(0, 0.001) with zero bias, as that of HRNet does, with which the paper compares and whose recipe it
    follows; the text says nothing of it.
    """

    def __init__(
        self,
        *,
        architecture: Architecture,
        num_joints: int,
        aggregation: Aggregation = "cells",
        modules_per_stage: int = MODULES,
        stem_channels: int = STEM,
    ) -> None:
        super().__init__()
        if aggregation not in get_args(Aggregation):
            raise InputError(f"aggregation is {' or '.join(get_args(Aggregation))}, not {aggregation!r}")
        self.stem = Stem(channels=architecture.channels, width=stem_channels)
        self.stages = nn.Sequential(
            *(
                MultiScaleModule(
                    scale_vector=scale_vector,
                    channels=architecture.channels,
                    individual=architecture.individual,
                    aggregation=architecture.aggregation if aggregation == "cells" else None,
                )
                for scale_vector in architecture.stages
                for _ in range(modules_per_stage)
            )
        )
        self.head = nn.Conv2d(sum(architecture.channels), num_joints, 1)
        nn.init.normal_(self.head.weight, std=0.001)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        features = self.stages(self.stem(images))
        size = features[SCALES[0]].shape[-2:]
        return self.head(torch.cat([resized(features[scale], size) for scale in SCALES], 1))


class Stem(nn.Module):
    """``images [N, 3, H, W]`` -> the features of all scales, ``{"1/4": [N, channels[0], H/4, W/4], ...}`` (Sec. 4.2)."""

    def __init__(self, *, channels: Sequence[int], width: int) -> None:
        super().__init__()
        inner = channels[0] // 4
        self.convs = nn.Sequential(conv_bn(3, width, stride=2), conv_bn(width, width, stride=2))
        self.bottleneck = nn.Sequential(
            conv_bn(width, inner, 1), conv_bn(inner, inner), conv_bn(inner, channels[0], 1, act=None)
        )
        self.shortcut = conv_bn(width, channels[0], 1, act=None)
        pairs = pairwise(channels)
        self.down = nn.ModuleList(conv_bn(finer, coarser, stride=2) for finer, coarser in pairs)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x = self.convs(images)
        levels = [F.relu(self.bottleneck(x) + self.shortcut(x))]
        for conv in self.down:
            levels.append(conv(levels[-1]))
        return dict(zip(SCALES, levels, strict=True))


class MultiScaleModule(nn.Module):
    """On each active branch two individual cells and an aggregation cell; the other branches are skipped (Eq. 1, Fig. 2).

    Features of all scales in, features of the same shapes out. ``active`` names the branches that run: all that it has, unless
    a search switches some of them off.
    """

    def __init__(
        self,
        *,
        scale_vector: Sequence[int],
        channels: Sequence[int],
        individual: Sequence[Node],
        aggregation: Sequence[Node] | None,
    ) -> None:
        super().__init__()
        active = {scale: width for scale, width, runs in zip(SCALES, channels, scale_vector, strict=True) if runs}
        self.active = tuple(active)
        self.individual = nn.ModuleDict(
            {
                scale: nn.ModuleList(Cell(nodes=individual, inputs=["input"], channels=width) for _ in range(CELLS))
                for scale, width in active.items()
            }
        )
        self.aggregation = nn.ModuleDict(
            {scale: AggregationCell(nodes=aggregation, scale=scale, active=active) for scale in active}
        )

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        outputs = {}
        for scale in self.active:
            outputs[scale] = features[scale]
            for cell in self.individual[scale]:
                outputs[scale] = cell({"input": outputs[scale]})
        return features | {scale: self.aggregation[scale](outputs) for scale in self.active}


class AggregationCell(nn.Module):
    """Brings the features of all active scales to the cell's own scale and runs the cell on them (Eq. 3).

    Args:
        nodes: the searched cell; None, or none of them, puts a plain concatenation and the 1x1 convolution in its place
            (Table 4).
        scale: the cell's own.
        active: the channels of each scale that takes part, the cell's own among them.
    """

    def __init__(self, *, nodes: Sequence[Node] | None, scale: str, active: Mapping[str, int]) -> None:
        super().__init__()
        self.scale = scale
        self.resample = nn.ModuleDict({other: resample(other, scale, active) for other in active})
        self.cell = Cell(nodes=nodes, inputs=list(active), channels=active[scale])

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        size = features[self.scale].shape[-2:]
        return self.cell({other: resized(self.resample[other](x), size) for other, x in features.items()})


class Cell(nn.Module):
    """Each node is a sum of operations on inputs and earlier nodes; the output is all nodes, concatenated and compressed.

    Maps ``{name: [N, channels, h, w]}`` to ``[N, channels, h, w]``. Edges from inputs other than ``inputs`` are left out, and
    so are those from inputs that are not given; without nodes it is the inputs themselves that are concatenated.
    """

    def __init__(self, *, nodes: Sequence[Node] | None, inputs: Sequence[str], channels: int) -> None:
        super().__init__()
        nodes = nodes or ()
        self.inputs = tuple(inputs)
        known = {*inputs, *(f"node{number}" for number in range(1, len(nodes) + 1))}
        self.nodes = nn.ModuleList(
            nn.ModuleDict({name: operation(op, channels) for name, op in edges.items() if name in known}) for edges in nodes
        )
        self.compress = relu_conv_bn((len(nodes) or len(inputs)) * channels, channels, 1)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        features = dict(inputs)
        for number, edges in enumerate(self.nodes, 1):
            features[f"node{number}"] = reduce(add, [op(features[name]) for name, op in edges.items() if name in features])
        outputs = list(features.values())[len(inputs) :]
        if not len(self.nodes):
            nothing = torch.zeros_like(next(iter(inputs.values())))  # as much as an input adds that is not built
            outputs = [inputs.get(name, nothing) for name in self.inputs]
        return self.compress(torch.cat(outputs, 1))


def operation(name: str, channels: int) -> nn.Module:
    """One of :data:`reproductions.autopose.architectures.OPERATIONS`; it keeps channels and size."""
    match name:
        case "skip":
            return nn.Identity()
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        case "max_pool_3x3":
            return nn.MaxPool2d(3, 1, 1)
        case "conv_1x1" | "conv_3x3" | "conv_5x5":
            return relu_conv_bn(channels, channels, int(name[-1]))
    raise InputError(f"unknown operation {name!r}")


def relu_conv_bn(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    """A convolution as an operation has it, and a cell's compression."""
    return nn.Sequential(nn.ReLU(), conv_bn(in_channels, out_channels, kernel, act=None))


def resample(source: str, target: str, channels: Mapping[str, int]) -> nn.Module:
    """From one scale's channels to another's, with the strides of the way down; the way up is left to :func:`resized`."""
    steps = SCALES.index(target) - SCALES.index(source)
    if steps == 0:
        return nn.Identity()
    if steps < 0:
        return conv_bn(channels[source], channels[target], 1, act=None)
    narrow = [conv_bn(channels[source], channels[source], stride=2) for _ in range(steps - 1)]
    return nn.Sequential(*narrow, conv_bn(channels[source], channels[target], stride=2, act=None))


def resized(features: Tensor, size: Sequence[int]) -> Tensor:
    """Features of that height and width, by the nearest neighbour."""
    return features if features.shape[-2:] == size else F.interpolate(features, tuple(size), mode="nearest")


def build_from_file(path: Path | str, *, num_joints: int) -> nn.Module:
    """The network of an architecture file.

    Raises:
        InputError: see :func:`read`.
    """
    return build(path, num_joints=num_joints)
