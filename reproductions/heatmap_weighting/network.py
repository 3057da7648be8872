"""The network of "Lightweight Human Pose Estimation Using Heatmap-Weighting Loss" (arXiv:2205.10611).

SimpleBaseline with every part made lightweight: mmpose's MobileNetV3, three upsampling layers, each split into a depthwise
transposed and a pointwise convolution (Fig. 1), and an attention block (Fig. 2) after the third. Details that the paper leaves
out follow the authors' released code: a ReLU after the first spatial convolution, a bias in the pointwise convolutions,
squeeze ratio 4, and attention after the third layer only.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from benchmark.core.errors import InputError
from reproductions.layers import deconv_bn
from reproductions.mobilenet_v3 import OUT_CHANNELS, HardSigmoid, MobileNetV3, SqueezeExcite, hard_sigmoid

Attention = Literal["none", "se", "cbam", "ours"]
CHANNELS = 256  # of every upsampling layer
RATIO = 4  # squeeze ratio of channel attention


class SpatialAttention(nn.Module):
    """Spatial attention: each pixel scaled by a number in [0, 1], from a 1x1 and a 3x3 convolution (Eq. 6)."""

    def __init__(self, channels: int, *, hsigmoid: HardSigmoid) -> None:
        super().__init__()
        self.scale = nn.Sequential(nn.Conv2d(channels, 1, 1), nn.ReLU(), nn.Conv2d(1, 1, 3, padding=1), hard_sigmoid(hsigmoid))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scaled features ``[N, C, h, w]``."""
        return x * self.scale(x)


class ParallelAttention(nn.Module):
    """The paper's attention block: the sum of the input, its channel attention and its spatial attention (Eq. 7)."""

    def __init__(self, channels: int, *, hsigmoid: HardSigmoid) -> None:
        super().__init__()
        self.channel = SqueezeExcite(channels, ratio=RATIO, hsigmoid=hsigmoid)
        self.spatial = SpatialAttention(channels, hsigmoid=hsigmoid)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum ``[N, C, h, w]``."""
        return x + self.channel(x) + self.spatial(x)


class CBAM(nn.Module):
    """CBAM as in the authors' released code: channel attention, then spatial attention, each from means and maxima.

    The squeeze has no bias and is shared by means and maxima; the spatial kernel is 7x7. The default ratio of the released file
    is 16, but the block is built with the head's arguments, so the head's 4 is used here.
    """

    def __init__(self, channels: int, *, hsigmoid: HardSigmoid) -> None:
        super().__init__()
        self.channel = nn.Sequential(
            nn.Conv2d(channels, channels // RATIO, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(channels // RATIO, channels, 1, bias=False),
        )
        self.spatial = nn.Conv2d(2, 1, 7, padding=3)
        self.sigmoid = hard_sigmoid(hsigmoid)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the attended features ``[N, C, h, w]``."""
        means, maxima = x.mean(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
        x = x * self.sigmoid(self.channel(means) + self.channel(maxima))
        statistics = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return x * self.sigmoid(self.spatial(statistics))


def attention_block(kind: Attention, channels: int, *, hsigmoid: HardSigmoid) -> nn.Module:
    """Build one of the four attention blocks of Table VI, ``[N, channels, h, w] -> [N, channels, h, w]``.

    Raises:
        InputError: ``kind`` is not one of the four.
    """
    match kind:
        case "none":
            return nn.Identity()
        case "se":
            return SqueezeExcite(channels, ratio=RATIO, hsigmoid=hsigmoid)
        case "cbam":
            return CBAM(channels, hsigmoid=hsigmoid)
        case "ours":
            return ParallelAttention(channels, hsigmoid=hsigmoid)
    raise InputError(f"attention must be none, se, cbam or ours, not {kind!r}")


def light_deconv(in_channels: int) -> nn.Sequential:
    """Build an upsampling layer ``[N, in_channels, h, w] -> [N, 256, 2h, 2w]``: depthwise transposed 4x4, then 1x1 (Fig. 1)."""
    return nn.Sequential(
        deconv_bn(in_channels, in_channels, groups=in_channels),
        nn.Conv2d(in_channels, CHANNELS, 1),
        nn.BatchNorm2d(CHANNELS),
        nn.ReLU(),
    )


class LightweightPoseNet(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]``, for H and W divisible by 32.

    Args:
        num_joints: Number of joints.
        attention: Attention block after the third upsampling layer.
        hsigmoid: The hard sigmoid, which differs between versions of mmcv; the release does not pin one (see ``hard_sigmoid``).

    Raises:
        InputError: ``attention`` or ``hsigmoid`` is unknown.
    """

    def __init__(self, *, num_joints: int, attention: Attention = "ours", hsigmoid: HardSigmoid = "sixth") -> None:
        super().__init__()
        self.backbone = MobileNetV3(hsigmoid=hsigmoid)
        final = nn.Conv2d(CHANNELS, num_joints, 1)
        nn.init.normal_(final.weight, std=0.001)
        nn.init.zeros_(final.bias)
        self.head = nn.Sequential(
            light_deconv(OUT_CHANNELS),
            light_deconv(CHANNELS),
            light_deconv(CHANNELS),
            attention_block(attention, CHANNELS, hsigmoid=hsigmoid),
            final,
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return heatmaps ``[N, num_joints, H/4, W/4]``."""
        return self.head(self.backbone(images))
