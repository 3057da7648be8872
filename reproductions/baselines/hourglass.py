"""Stacked Hourglass (Newell, Yang and Deng, ECCV 2016): a sequence of hourglasses, each refining the heatmaps of the last.

Source: the authors' released code, github.com/princeton-vl/pose-hg-train, src/models/hg.lua. It exists in two layouts. In the
first one the 1x1 convolutions follow each hourglass directly; in the later one a residual module comes between them. The
PyTorch port that most later papers start from (github.com/bearpaw/pytorch-pose) has the later layout with a wider stem.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional


class StackedHeatmaps(NamedTuple):
    """Heatmaps ``[N, K, H/4, W/4]`` of all stacks but the last, for intermediate supervision, then of the last one."""

    intermediate: tuple[Tensor, ...]
    heatmaps: Tensor


class Residual(nn.Module):
    """Pre-activated bottleneck of half the width, with biases: ``[N, C_in, h, w] -> [N, C_out, h, w]``.

    Args:
        project: Put batch norm, ReLU and a 1x1 convolution on the shortcut even where the widths agree, as in PyraNet.
    """

    def __init__(self, in_channels: int, out_channels: int, *, project: bool = False) -> None:
        super().__init__()
        half = out_channels // 2
        self.body = nn.Sequential(
            *preactivated(in_channels, half, 1), *preactivated(half, half, 3), *preactivated(half, out_channels, 1)
        )
        if project:
            self.shortcut: nn.Module = nn.Sequential(*preactivated(in_channels, out_channels, 1))
        elif in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1)
        else:
            self.shortcut = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, C_out, h, w]``."""
        return self.body(x) + self.shortcut(x)


def preactivated(in_channels: int, out_channels: int, kernel: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Return batch norm, ReLU and a convolution that keeps the size: ``[N, C_in, h, w] -> [N, C_out, h, w]``."""
    return (
        nn.BatchNorm2d(in_channels),
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2),
    )


def upsample_to(x: Tensor, like: Tensor) -> Tensor:
    """Resize ``x`` to the size of ``like`` by nearest neighbour, which doubles it where halving left no remainder."""
    return functional.interpolate(x, size=like.shape[-2:], mode="nearest")


class Hourglass(nn.Module):
    """Residual modules down to ``h / 2**depth``, back up and on each shortcut: ``[N, C, h, w] -> [N, C, h, w]``."""

    def __init__(self, channels: int, *, depth: int = 4) -> None:
        super().__init__()
        self.shortcut = Residual(channels, channels)
        self.down = Residual(channels, channels)
        self.inner = Hourglass(channels, depth=depth - 1) if depth > 1 else Residual(channels, channels)
        self.up = Residual(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, C, h, w]``."""
        low = self.up(self.inner(self.down(functional.max_pool2d(x, 2))))
        return self.shortcut(x) + upsample_to(low, x)


class Prediction(nn.Module):
    """Heatmaps from the features of an hourglass, and the input of the next hourglass from both.

    ``forward(features [N, C, h, w], inputs [N, C, h, w]) -> (heatmaps [N, K, h, w], next inputs [N, C, h, w])``

    Args:
        channels: Channels of the features.
        num_maps: Number of heatmaps.
        before: Module between the hourglass and the 1x1 convolutions.
        last: No hourglass follows; ``inputs`` are then returned unchanged.
    """

    def __init__(self, channels: int, num_maps: int, *, before: nn.Module | None = None, last: bool) -> None:
        super().__init__()
        narrow = (nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU())
        self.features = nn.Sequential(*([] if before is None else [before]), *narrow)
        self.heatmaps = nn.Conv2d(channels, num_maps, 1)
        self.remap_features = None if last else nn.Conv2d(channels, channels, 1)
        self.remap_heatmaps = None if last else nn.Conv2d(num_maps, channels, 1)

    def forward(self, features: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return heatmaps ``[N, K, h, w]`` and the input ``[N, C, h, w]`` of the next hourglass."""
        features = self.features(features)
        heatmaps = self.heatmaps(features)
        if self.remap_features is None or self.remap_heatmaps is None:
            return heatmaps, inputs
        return heatmaps, inputs + self.remap_features(features) + self.remap_heatmaps(heatmaps)


def stem(first: nn.Module, *rest: nn.Module) -> nn.Sequential:
    """Return a 7x7 convolution to 64 channels, ``first`` at 1/2, pooling and ``rest``: ``[N, 3, H, W] -> [N, C, H/4, W/4]``."""
    conv = nn.Conv2d(3, 64, 7, stride=2, padding=3)
    return nn.Sequential(conv, nn.BatchNorm2d(64), nn.ReLU(), first, nn.MaxPool2d(2), *rest)


class Stacks(nn.Module):
    """A stem, hourglasses and their predictions, which subclasses build: ``images [N, 3, H, W] -> StackedHeatmaps``."""

    stem: nn.Module
    hourglasses: nn.ModuleList
    predictions: nn.ModuleList

    def forward(self, images: Tensor) -> StackedHeatmaps:
        """Return the heatmaps of all stacks."""
        x, outputs = self.stem(images), []
        for hourglass, prediction in zip(self.hourglasses, self.predictions, strict=True):
            heatmaps, x = prediction(hourglass(x), x)
            outputs.append(heatmaps)
        return StackedHeatmaps(tuple(outputs[:-1]), outputs[-1])


class StackedHourglass(Stacks):
    """``images [N, 3, H, W] -> StackedHeatmaps``, final heatmaps ``[N, num_joints, H/4, W/4]``; H, W at least 64.

    Args:
        num_stacks: Number of hourglasses; 8 in the paper.
        features: Channels inside the hourglasses.
        residual_after: Put a residual module between each hourglass and its 1x1 convolutions (the authors' later layout).
        stem_channels: Width of the stem between pooling and the last residual module; 128 in the authors' code, 256 in
            the PyTorch port.
    """

    def __init__(
        self,
        *,
        num_joints: int,
        num_stacks: int = 8,
        features: int = 256,
        residual_after: bool = False,
        stem_channels: int = 128,
    ) -> None:
        super().__init__()
        self.stem = stem(Residual(64, 128), Residual(128, stem_channels), Residual(stem_channels, features))
        self.hourglasses = nn.ModuleList(Hourglass(features) for _ in range(num_stacks))
        self.predictions = nn.ModuleList(
            Prediction(
                features,
                num_joints,
                before=Residual(features, features) if residual_after else None,
                last=index == num_stacks - 1,
            )
            for index in range(num_stacks)
        )
