"""Lite-HRNet (Yu et al., CVPR 2021): HRNet's branches with cross-resolution weighting instead of 1x1 convolutions.

Source: the authors' released code, github.com/HRNet/Lite-HRNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.core.errors import InputError
from reproductions.baselines.hrnet import resampling
from reproductions.layers import conv_bn

STEM = 32
WIDTHS = (40, 80, 160, 320)
MODULES = {18: (2, 4, 2), 30: (3, 8, 3)}
BLOCKS = 2
CROSS_RATIO = 8
SPATIAL_RATIO = 4


def separable(in_channels: int, out_channels: int, *, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Return a depthwise 3x3 convolution without activation, then a 1x1 one: ``[N, C_in, h, w] -> [N, C_out, h', w']``."""
    return nn.Sequential(
        conv_bn(in_channels, in_channels, stride=stride, groups=in_channels, act=None),
        conv_bn(in_channels, out_channels, 1, act=nn.ReLU if relu else None),
    )


def shuffle(first: Tensor, second: Tensor) -> Tensor:
    """Interleave the channels of two tensors ``[N, C, h, w]``: ``[N, 2C, h, w]``."""
    return torch.stack([first, second], dim=2).flatten(1, 2)


class Stem(nn.Module):
    """``[N, 3, H, W] -> [N, 32, H/4, W/4]``: a convolution, then a shuffle unit whose two branches halve the size."""

    def __init__(self) -> None:
        super().__init__()
        half = STEM // 2
        self.conv = conv_bn(3, STEM, stride=2)
        self.first = separable(half, half, stride=2)
        self.second = nn.Sequential(conv_bn(half, STEM, 1), separable(STEM, half, stride=2))

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``[N, 32, H/4, W/4]``."""
        first, second = self.conv(images).chunk(2, dim=1)
        return shuffle(self.first(first), self.second(second))


class CrossResolutionWeighting(nn.Module):
    """Scale every pixel and channel of each branch by a number computed from all branches at the coarsest one's size."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = list(widths)
        total = sum(widths)
        self.weigh = nn.Sequential(
            conv_bn(total, total // CROSS_RATIO, 1), conv_bn(total // CROSS_RATIO, total, 1, act=nn.Sigmoid)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return the weighted features of all branches."""
        coarsest = features[-1].shape[-2:]
        pooled = [functional.adaptive_avg_pool2d(x, coarsest) for x in features[:-1]]
        weights = self.weigh(torch.cat([*pooled, features[-1]], dim=1)).split(self.widths, dim=1)
        return [x * functional.interpolate(weight, size=x.shape[-2:]) for x, weight in zip(features, weights, strict=True)]


class SpatialWeighting(nn.Module):
    """Scale each channel by a number computed from the means of all channels, without batch norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // SPATIAL_RATIO
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted features ``[N, C, h, w]``."""
        return x * self.weigh(x)


class ConditionalChannelWeighting(nn.Module):
    """The paper's block: half of each branch's channels are weighted and convolved depthwise, the others pass unchanged."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        halves = [width // 2 for width in widths]
        self.cross_resolution = CrossResolutionWeighting(halves)
        self.branches = nn.ModuleList(
            nn.Sequential(conv_bn(half, half, groups=half, act=None), SpatialWeighting(half)) for half in halves
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return the features of all branches, in the same shapes."""
        split = [x.chunk(2, dim=1) for x in features]
        weighted = self.cross_resolution([second for _, second in split])
        return [
            shuffle(first, branch(second)) for (first, _), branch, second in zip(split, self.branches, weighted, strict=True)
        ]


class Exchange(nn.Module):
    """Two weighting blocks over all branches; then each scale is the activated sum of all branches.

    The released code sums in place, starting from the finest branch. This has two effects that its results depend on: the
    finest branch counts twice in every sum, and the coarser scales receive the finest scale's sum instead of its features. It
    also computes the finest branch's down-sampling twice, with the same result, which counters of executed work see; here it
    runs once.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ConditionalChannelWeighting(widths) for _ in range(BLOCKS)))
        self.fuse = resampling(widths, outputs=len(widths), halve=partial(separable, stride=2))
        self.relu = nn.ReLU()

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return the fused features of all branches, in the same shapes."""
        features = self.blocks(features)
        fused = []
        for target, resamples in enumerate(self.fuse):
            size = features[target].shape[-2:]
            parts = [x if source == target else resamples[source](x, size) for source, x in enumerate(features)]
            total = 2 * parts[0] + sum(parts[1:])
            if target == 0:
                features = [total, *features[1:]]
            fused.append(self.relu(total))
        return fused


class Stage(nn.Module):
    """Add a branch at half the coarsest scale, then run the exchange modules."""

    def __init__(self, in_widths: Sequence[int], widths: Sequence[int], *, modules: int) -> None:
        super().__init__()
        existing = zip(in_widths, widths, strict=False)
        self.transition = nn.ModuleList(nn.Identity() if a == b else separable(a, b) for a, b in existing)
        self.transition.append(separable(in_widths[-1], widths[-1], stride=2))
        self.exchanges = nn.Sequential(*(Exchange(widths) for _ in range(modules)))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return the features of all branches, finest first."""
        sources = [*features, features[-1]]
        return self.exchanges([layer(x) for layer, x in zip(self.transition, sources, strict=True)])


class IterativeHead(nn.Module):
    """Features at the finest scale from all branches; from coarse to fine: add the coarser result, convolve, narrow, resize."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        coarse_first = [*reversed(widths)]
        out_widths = [*coarse_first[1:], coarse_first[-1]]
        self.projects = nn.ModuleList(separable(a, b) for a, b in zip(coarse_first, out_widths, strict=True))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return features ``[N, 40, H/4, W/4]``."""
        coarse_first = features[::-1]
        x = self.projects[0](coarse_first[0])
        for finer, project in zip(coarse_first[1:], list(self.projects)[1:], strict=True):
            x = functional.interpolate(x, size=finer.shape[-2:], mode="bilinear", align_corners=True)
            x = project(finer + x)
        return x


class LiteHRNet(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]``.

    The weights of all convolutions start from a normal distribution of standard deviation 0.001, biases at zero.

    Args:
        depth: 18 or 30; it sets the number of exchange modules in each stage.

    Raises:
        InputError: The depth is not one of these.
    """

    def __init__(self, *, num_joints: int, depth: Literal[18, 30]) -> None:
        if depth not in MODULES:
            raise InputError(f"no Lite-HRNet of depth {depth}; known: {', '.join(map(str, MODULES))}")
        super().__init__()
        two, three, four = MODULES[depth]
        self.stem = Stem()
        self.stages = nn.Sequential(
            Stage([STEM], WIDTHS[:2], modules=two),
            Stage(WIDTHS[:2], WIDTHS[:3], modules=three),
            Stage(WIDTHS[:3], WIDTHS, modules=four),
        )
        self.head = IterativeHead(WIDTHS)
        self.final = nn.Conv2d(WIDTHS[0], num_joints, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return heatmaps ``[N, num_joints, H/4, W/4]``."""
        return self.final(self.head(self.stages([self.stem(images)])))
