"""Soft-gated hourglass (Bulat et al., "Toward fast and accurate human pose estimation", FG 2020).

This is a reconstruction: no code was released. The block is the first author's multi-scale block
(github.com/1adrianb/face-alignment) with a learned factor for each channel of its shortcut. The paper combines hourglass and
U-Net: features of the way down are concatenated with those of the way up. Three choices are assumptions of this project: a 3x3
convolution in two groups narrows the concatenated features, nothing else lies on that connection, and the widths of the stem.
They give 8.6M parameters; another paper prints 9M.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reproductions.baselines.hourglass import Prediction, Stacks, stem, upsample_to

MERGE_GROUPS = 2


def preactivated(in_channels: int, out_channels: int, kernel: int, *, groups: int = 1) -> nn.Sequential:
    """Return batch norm, ReLU and a convolution without bias that keeps the size: ``[N, C_in, h, w] -> [N, C_out, h, w]``."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(), conv)


class GatedBlock(nn.Module):
    """Three successive 3x3 convolutions, their outputs concatenated to C/2 + C/4 + C/4 channels, plus ``gate * shortcut``.

    ``[N, C_in, h, w] -> [N, C_out, h, w]``; the gate holds one factor per channel and starts at one.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half, quarter = out_channels // 2, out_channels // 4
        self.convs = nn.ModuleList(
            (preactivated(in_channels, half, 3), preactivated(half, quarter, 3), preactivated(quarter, quarter, 3))
        )
        self.shortcut = nn.Identity() if in_channels == out_channels else preactivated(in_channels, out_channels, 1)
        self.gate = nn.Parameter(torch.ones(out_channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, C_out, h, w]``."""
        parts, y = [], x
        for conv in self.convs:
            y = conv(y)
            parts.append(y)
        return torch.cat(parts, dim=1) + self.gate * self.shortcut(x)


class GatedHourglass(nn.Module):
    """Blocks down to ``h / 2**depth`` and up, both sides concatenated at each scale: ``[N, C, h, w] -> [N, C, h, w]``."""

    def __init__(self, channels: int, *, depth: int = 4) -> None:
        super().__init__()
        self.down = GatedBlock(channels, channels)
        self.inner = GatedHourglass(channels, depth=depth - 1) if depth > 1 else GatedBlock(channels, channels)
        self.up = GatedBlock(channels, channels)
        self.merge = preactivated(2 * channels, channels, 3, groups=MERGE_GROUPS)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, C, h, w]``."""
        low = self.up(self.inner(self.down(functional.max_pool2d(x, 2))))
        return self.merge(torch.cat([x, upsample_to(low, x)], dim=1))


class SoftGated(Stacks):
    """``images [N, 3, H, W] -> StackedHeatmaps``, final heatmaps ``[N, num_joints, H/4, W/4]``; H, W at least 64.

    Args:
        num_stacks: Number of hourglasses.
        features: Channels inside the hourglasses, a multiple of 4.
    """

    def __init__(self, *, num_joints: int, num_stacks: int = 4, features: int = 144) -> None:
        super().__init__()
        self.stem = stem(GatedBlock(64, 128), GatedBlock(128, 128), GatedBlock(128, features))
        self.hourglasses = nn.ModuleList(GatedHourglass(features) for _ in range(num_stacks))
        self.predictions = nn.ModuleList(
            Prediction(features, num_joints, before=GatedBlock(features, features), last=index == num_stacks - 1)
            for index in range(num_stacks)
        )
