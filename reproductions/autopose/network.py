"""AutoPose's network, built from an architecture (a reconstruction: Gong et al., arXiv:2008.07018, published no code).

stem -> three stages of two multi-scale modules -> head. Four branches run in parallel at 1/4 to 1/32 of the image size. A stage
runs the branches that its scale vector selects; the others pass their features on unchanged.

Assumptions, where the public text is incomplete, and the network that each follows:

* *Stem.* Two 3x3 convolutions of stride 2 and 64 channels (HRNet), one bottleneck whose inner width is a quarter of its output
  (ResNet), then one 3x3 convolution of stride 2 for each further scale.
* *Convolution operations* are ReLU, convolution, batch norm (DARTS, GDAS, Auto-DeepLab); pooling has no batch norm.
* *Compression* after a cell's concatenation is ReLU, 1x1 convolution, batch norm.
* *Resampling* before an aggregation cell is HRNet's fusion. To a finer scale: 1x1 convolution, batch norm, nearest neighbour.
  To a coarser scale: 3x3 convolutions of stride 2, the last of which changes the channels and has no ReLU.
* *Head.* Sec. 3 states a sum of the branches, Sec. 4.2 a concatenation and a convolution of stride 1. The branches differ in
  channels, so the head concatenates; the convolution is 1x1, as in HRNet.
* *Initialization* is PyTorch's, except for the head.
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
    read_architecture,
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
    """Build the network of an architecture, or of an architecture file.

    Args:
        architecture: An architecture, or the path of its file.
        num_joints: Number of joints.
        branches: ``single`` and ``all`` replace the scale vectors, as in the ablation of Table 4.
        aggregation: ``concat`` replaces the aggregation cells, as in the ablation of Table 4.

    Raises:
        InputError: The file does not follow the format, or a switch has no such value.
    """
    if not isinstance(architecture, Architecture):
        architecture = read_architecture(architecture)
    return AutoPose(architecture=with_branches(architecture, branches), num_joints=num_joints, aggregation=aggregation)


class AutoPose(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]`` (sizes rounded up).

    The head's weights start from a normal distribution with standard deviation 0.001 and its bias from zero. The text does not
    state this; it is HRNet's initialization, and the paper compares with HRNet and follows its recipe.
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
            raise InputError(f"aggregation must be {' or '.join(get_args(Aggregation))}, not {aggregation!r}")
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
        """Return heatmaps ``[N, num_joints, H/4, W/4]``."""
        features = self.stages(self.stem(images))
        size = features[SCALES[0]].shape[-2:]
        return self.head(torch.cat([resize(features[scale], size) for scale in SCALES], 1))


class Stem(nn.Module):
    """``images [N, 3, H, W]`` -> features of all scales ``{"1/4": [N, channels[0], H/4, W/4], ...}`` (Sec. 4.2)."""

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
        """Return the features by scale, finest first."""
        x = self.convs(images)
        levels = [F.relu(self.bottleneck(x) + self.shortcut(x))]
        for conv in self.down:
            levels.append(conv(levels[-1]))
        return dict(zip(SCALES, levels, strict=True))


class MultiScaleModule(nn.Module):
    """Two individual cells and an aggregation cell on each active branch; other branches are skipped (Eq. 1, Fig. 2).

    Features of all scales in, features of the same shapes out.

    Attributes:
        active: Scales of the branches that run: all that were built, unless a search switches some off.
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
        """Return features of all scales; those of inactive branches are the inputs themselves."""
        outputs = {}
        for scale in self.active:
            outputs[scale] = features[scale]
            for cell in self.individual[scale]:
                outputs[scale] = cell({"input": outputs[scale]})
        return features | {scale: self.aggregation[scale](outputs) for scale in self.active}


class AggregationCell(nn.Module):
    """A cell on the features of all active scales, resampled to the cell's own scale (Eq. 3).

    Args:
        nodes: Nodes of the searched cell; None or no nodes for a plain concatenation and the 1x1 convolution (Table 4).
        scale: The scale of the cell's branch.
        active: Channels of each active scale, including the cell's own.
    """

    def __init__(self, *, nodes: Sequence[Node] | None, scale: str, active: Mapping[str, int]) -> None:
        super().__init__()
        self.scale = scale
        self.resample = nn.ModuleDict({source: build_resampling(source, scale, active) for source in active})
        self.cell = Cell(nodes=nodes, inputs=list(active), channels=active[scale])

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return the features of the cell's scale, from those of all active scales."""
        size = features[self.scale].shape[-2:]
        return self.cell({source: resize(self.resample[source](x), size) for source, x in features.items()})


class Cell(nn.Module):
    """A cell ``{name: [N, channels, h, w]} -> [N, channels, h, w]``; each node sums operations on inputs and earlier nodes.

    The output is the concatenation of all nodes, compressed to ``channels``; without nodes, that of the inputs. Edges from
    inputs that are not in ``inputs`` are not built, and edges from inputs that are absent from a forward pass are skipped.
    """

    def __init__(self, *, nodes: Sequence[Node] | None, inputs: Sequence[str], channels: int) -> None:
        super().__init__()
        nodes = nodes or ()
        self.inputs = tuple(inputs)
        sources = {*inputs, *(f"node{number}" for number in range(1, len(nodes) + 1))}
        self.nodes = nn.ModuleList(
            nn.ModuleDict({name: build_operation(op, channels) for name, op in edges.items() if name in sources})
            for edges in nodes
        )
        self.compress = relu_conv_bn((len(nodes) or len(inputs)) * channels, channels, 1)

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the compressed concatenation ``[N, channels, h, w]``."""
        features = dict(inputs)
        for number, edges in enumerate(self.nodes, 1):
            features[f"node{number}"] = reduce(add, [op(features[name]) for name, op in edges.items() if name in features])
        outputs = list(features.values())[len(inputs) :]
        if not len(self.nodes):
            zeros = torch.zeros_like(next(iter(inputs.values())))  # an absent input adds as much as one that is not built
            outputs = [inputs.get(name, zeros) for name in self.inputs]
        return self.compress(torch.cat(outputs, 1))


def build_operation(name: str, channels: int) -> nn.Module:
    """Build one of the OPERATIONS of a cell, which keeps channels and size.

    Raises:
        InputError: There is no operation ``name``.
    """
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
    """Build a convolution operation, or a cell's compression."""
    return nn.Sequential(nn.ReLU(), conv_bn(in_channels, out_channels, kernel, act=None))


def build_resampling(source: str, target: str, channels: Mapping[str, int]) -> nn.Module:
    """Build the convolutions from one scale to another; they reduce the size, but leave enlarging to :func:`resize`."""
    steps = SCALES.index(target) - SCALES.index(source)
    if steps == 0:
        return nn.Identity()
    if steps < 0:
        return conv_bn(channels[source], channels[target], 1, act=None)
    strided = [conv_bn(channels[source], channels[source], stride=2) for _ in range(steps - 1)]
    return nn.Sequential(*strided, conv_bn(channels[source], channels[target], stride=2, act=None))


def resize(features: Tensor, size: Sequence[int]) -> Tensor:
    """Return the features at that height and width, ``[N, C, *size]``, by nearest neighbour."""
    return features if features.shape[-2:] == size else F.interpolate(features, tuple(size), mode="nearest")


def build_from_file(path: Path | str, *, num_joints: int) -> nn.Module:
    """Build the network of an architecture file.

    Raises:
        InputError: See :func:`read`.
    """
    return build(path, num_joints=num_joints)
