"""Stacked Hourglass (Newell, Yang and Deng, ECCV 2016): hourglasses in a row, each refining the heatmaps before it.

Source: the authors' released code, github.com/princeton-vl/pose-hg-train, src/models/hg.lua. It exists in two layouts: the
first one goes from each hourglass straight to the 1x1 convolutions, the later one puts a residual module between them. The
PyTorch port that most later papers start from (github.com/bearpaw/pytorch-pose) follows the later one with a wider stem.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional


class StackedHeatmaps(NamedTuple):
    """Heatmaps ``[N, K, H/4, W/4]`` of every stack but the last, for intermediate supervision, then of the last."""

    intermediate: tuple[Tensor, ...]
    heatmaps: Tensor


class Residual(nn.Module):
    """Pre-activated bottleneck of half the width, ``[N, C_in, h, w] -> [N, C_out, h, w]``; its convolutions have biases.

    Args:
        project: put batch norm, ReLU and a 1x1 convolution on the shortcut even where the widths agree, as PyraNet does.
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
        return self.body(x) + self.shortcut(x)


def preactivated(in_channels: int, out_channels: int, kernel: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Batch norm, ReLU, size-keeping convolution."""
    return (
        nn.BatchNorm2d(in_channels),
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2),
    )


def upsample_to(x: Tensor, like: Tensor) -> Tensor:
    """``x`` at the size of ``like``, by nearest neighbour: a plain doubling wherever halving left no remainder."""
    return functional.interpolate(x, size=like.shape[-2:], mode="nearest")


class Hourglass(nn.Module):
    """``[N, C, h, w] -> [N, C, h, w]``: residual modules down to ``h / 2**depth`` and back up, with one on each shortcut."""

    def __init__(self, channels: int, *, depth: int = 4) -> None:
        super().__init__()
        self.shortcut = Residual(channels, channels)
        self.down = Residual(channels, channels)
        self.inner = Hourglass(channels, depth=depth - 1) if depth > 1 else Residual(channels, channels)
        self.up = Residual(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        low = self.up(self.inner(self.down(functional.max_pool2d(x, 2))))
        return self.shortcut(x) + upsample_to(low, x)


class Prediction(nn.Module):
    """From an hourglass's features to heatmaps, and back into the features that the next hourglass gets.

    ``forward(features [N, C, h, w], inputs [N, C, h, w]) -> (heatmaps [N, K, h, w], next inputs [N, C, h, w])``

    Args:
        before: what comes between the hourglass and the 1x1 convolutions.
        last: make no way back; ``inputs`` are then returned as they came.
    """

    def __init__(self, channels: int, num_maps: int, *, before: nn.Module | None = None, last: bool) -> None:
        super().__init__()
        narrow = (nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU())
        self.features = nn.Sequential(*([] if before is None else [before]), *narrow)
        self.heatmaps = nn.Conv2d(channels, num_maps, 1)
        self.remap_features = None if last else nn.Conv2d(channels, channels, 1)
        self.remap_heatmaps = None if last else nn.Conv2d(num_maps, channels, 1)

    def forward(self, features: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(features)
        heatmaps = self.heatmaps(features)
        if self.remap_features is None or self.remap_heatmaps is None:
            return heatmaps, inputs
        return heatmaps, inputs + self.remap_features(features) + self.remap_heatmaps(heatmaps)


def stem(first: nn.Module, *rest: nn.Module) -> nn.Sequential:
    """``[N, 3, H, W]`` to 1/4: a 7x7 convolution to 64 channels, ``first`` at 1/2, pooling, ``rest``."""
    conv = nn.Conv2d(3, 64, 7, stride=2, padding=3)
    return nn.Sequential(conv, nn.BatchNorm2d(64), nn.ReLU(), first, nn.MaxPool2d(2), *rest)


def run_stacks(x: Tensor, hourglasses: nn.ModuleList, predictions: nn.ModuleList) -> StackedHeatmaps:
    """The stem's features through all hourglasses and their predictions."""
    outputs = []
    for hourglass, prediction in zip(hourglasses, predictions, strict=True):
        heatmaps, x = prediction(hourglass(x), x)
        outputs.append(heatmaps)
    return StackedHeatmaps(tuple(outputs[:-1]), outputs[-1])


class StackedHourglass(nn.Module):
    """``images [N, 3, H, W] -> StackedHeatmaps``, final heatmaps ``[N, num_joints, H/4, W/4]``; H, W at least 64.

    Args:
        num_stacks: hourglasses in a row; the paper's has 8.
        features: channels inside the hourglasses.
        residual_after: a residual module between each hourglass and its 1x1 convolutions (the authors' later layout).
        stem_channels: width of the stem between pooling and the last residual module; 128 in the authors' code, 256 in
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

    def forward(self, images: Tensor) -> StackedHeatmaps:
        return run_stacks(self.stem(images), self.hourglasses, self.predictions)
