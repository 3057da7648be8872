"""PyraNet (Yang et al., ICCV 2017): Stacked Hourglass with pyramid residual modules at the finer scales.

Source: the authors' released code, github.com/bearpaw/PyraNet (hg-prm.lua and PRM.lua, cardinality 4, base width 9).

Deviation: the released code uses fractional max-pooling, whose regions are drawn at random on every pass, even in testing. Here
the regions are the even ones of adaptive max-pooling with the same output size, so that the network is deterministic.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.core.errors import InputError
from reproductions.baselines.hourglass import Prediction, Residual, Stacks, preactivated, stem, upsample_to

CARDINALITY = 4
BASE_WIDTH = 9
Rounding = Literal["floor", "ceil"]


class Pyramid(nn.Module):
    """Sum of 3x3 convolutions over four sub-sampled copies, each resized back: ``[N, C, h, w] -> [N, C, h, w]``.

    The i-th copy has ``size * 2**(-i/4)`` pixels a side, rounded; the factors go from 0.84 to one half.
    """

    def __init__(self, channels: int, *, rounding: Rounding) -> None:
        super().__init__()
        self.round = {"floor": math.floor, "ceil": math.ceil}[rounding]
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(CARDINALITY))

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, C, h, w]``."""
        size = [int(side) for side in x.shape[-2:]]  # plain integers, as an exporter would trace symbolic ones
        levels = []
        for index, conv in enumerate(self.convs, start=1):
            small = [max(1, self.round(side * 2 ** (-index / CARDINALITY))) for side in size]
            low = conv(even_max_pool(x, small))
            levels.append(functional.interpolate(low, size=size, mode="bilinear", align_corners=True))
        return sum(levels[1:], levels[0])


def even_max_pool(x: Tensor, size: list[int]) -> Tensor:
    """Return ``adaptive_max_pool2d`` to ``size``: ``[N, C, h, w] -> [N, C, *size]``.

    ONNX has no such operator unless all windows are equal. In an export the maximum is therefore taken over the first elements
    of all windows, their second elements and so on, where a short window repeats its last element.
    """
    if not torch.onnx.is_in_onnx_export():
        return functional.adaptive_max_pool2d(x, size)
    for axis, count in zip((2, 3), size, strict=True):
        side = int(x.shape[axis])
        windows = [range(index * side // count, -(-(index + 1) * side // count)) for index in range(count)]
        longest = max(map(len, windows))
        elements = [torch.tensor([window[min(step, len(window) - 1)] for window in windows]) for step in range(longest)]
        x = torch.stack([x.index_select(axis, element.to(x.device)) for element in elements]).amax(0)
    return x


class PyramidResidual(nn.Module):
    """Pre-activated bottleneck with a pyramid branch parallel to its 3x3 convolution: ``[N, C_in, h, w] -> [N, C_out, h, w]``.

    Args:
        rounding: Rounding of the pyramid's sizes.
        preact: False for the first module after the stem, whose input is already activated.
        project: Convolve the shortcut even where the widths agree (in the modules before an up-sampling).
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, rounding: Rounding, preact: bool = True, project: bool = False
    ) -> None:
        super().__init__()
        half, thin = out_channels // 2, out_channels // BASE_WIDTH

        def first(width: int) -> tuple[nn.Module, ...]:
            return preactivated(in_channels, width, 1) if preact else (nn.Conv2d(in_channels, width, 1),)

        self.plain = nn.Sequential(*first(half), *preactivated(half, half, 3))
        self.pyramid = nn.Sequential(
            *first(thin), nn.BatchNorm2d(thin), nn.ReLU(), Pyramid(thin, rounding=rounding), *preactivated(thin, half, 1)
        )
        self.merge = nn.Sequential(*preactivated(half, out_channels, 1))
        identity = in_channels == out_channels and not project
        self.shortcut = nn.Identity() if identity else nn.Sequential(*preactivated(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, C_out, h, w]``."""
        return self.merge(self.plain(x) + self.pyramid(x)) + self.shortcut(x)


class PyramidHourglass(nn.Module):
    """Hourglass ``[N, C, h, w] -> [N, C, h, w]`` with pyramid modules on three finer shortcuts and in two finer levels."""

    def __init__(self, channels: int, *, rounding: Rounding, depth: int = 4) -> None:
        super().__init__()
        pyramid = partial(PyramidResidual, rounding=rounding)
        shortcut_block, level_block = (pyramid if depth >= least_depth else Residual for least_depth in (2, 3))
        self.shortcut = shortcut_block(channels, channels)
        self.down = level_block(channels, channels)
        if depth > 1:
            self.inner: nn.Module = PyramidHourglass(channels, rounding=rounding, depth=depth - 1)
        else:
            self.inner = level_block(channels, channels)
        self.up = level_block(channels, channels, project=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, C, h, w]``."""
        low = self.up(self.inner(self.down(functional.max_pool2d(x, 2))))
        return self.shortcut(x) + upsample_to(low, x)


class PyraNet(Stacks):
    """``images [N, 3, H, W] -> StackedHeatmaps``, final heatmaps ``[N, num_joints, H/4, W/4]``; H, W at least 64.

    Args:
        num_stacks: Number of hourglasses; 8 in the paper's results.
        features: Channels inside the hourglasses.
        rounding: Rounding of the pyramid's sizes. Torch's fractional pooling rounds down; the costs that later papers print are
            met by rounding up.

    Raises:
        InputError: The rounding is unknown.
    """

    def __init__(self, *, num_joints: int, num_stacks: int = 8, features: int = 256, rounding: Rounding = "floor") -> None:
        if rounding not in ("floor", "ceil"):
            raise InputError(f"no rounding {rounding!r}; known: floor, ceil")
        super().__init__()
        block = partial(PyramidResidual, rounding=rounding)
        self.stem = stem(block(64, 128, preact=False), block(128, 128), block(128, features))
        self.hourglasses = nn.ModuleList(PyramidHourglass(features, rounding=rounding) for _ in range(num_stacks))
        self.predictions = nn.ModuleList(
            Prediction(
                features,
                num_joints,
                before=nn.Sequential(nn.BatchNorm2d(features), nn.ReLU()),
                last=index == num_stacks - 1,
            )
            for index in range(num_stacks)
        )
