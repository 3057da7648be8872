"""The network of "Lightweight Human Pose Estimation Using Heatmap-Weighting Loss" (arXiv 2205.10611).

SimpleBaseline with every part made light: mmpose's MobileNetV3, three up-sampling layers each split into a depthwise
transposed and a pointwise convolution (Fig. 1), and an attention block (Fig. 2) after the third. Where the paper is silent the
authors' released code decides: a ReLU after the first spatial convolution, a bias in the pointwise convolutions, squeeze
ratio 4, and attention after the third layer only.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from benchmark.core.errors import InputError
from reproductions.layers import deconv_bn
from reproductions.mobilenet_v3 import OUT_CHANNELS, HardSigmoid, MobileNetV3, SqueezeExcite, hard_sigmoid

Attention = Literal["none", "se", "cbam", "ours"]
CHANNELS = 256
RATIO = 4


class SpatialAttention(nn.Module):
    """Scales each pixel by a number in [0, 1]: all channels to one map, then 3x3 (Eq. 6)."""

    def __init__(self, channels: int, *, hsigmoid: HardSigmoid) -> None:
        super().__init__()
        self.scale = nn.Sequential(nn.Conv2d(channels, 1, 1), nn.ReLU(), nn.Conv2d(1, 1, 3, padding=1), hard_sigmoid(hsigmoid))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale(x)


class ParallelAttention(nn.Module):
    """The paper's block: the input, its channel attention and its spatial attention, added (Eq. 7)."""

    def __init__(self, channels: int, *, hsigmoid: HardSigmoid) -> None:
        super().__init__()
        self.channel = SqueezeExcite(channels, ratio=RATIO, hsigmoid=hsigmoid)
        self.spatial = SpatialAttention(channels, hsigmoid=hsigmoid)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.channel(x) + self.spatial(x)


class CBAM(nn.Module):
    """Channel, then spatial attention, each from means and maxima; the variant in the authors' released code.

    The squeeze has no bias and serves means and maxima alike; the spatial kernel is 7x7. The released file says 16 for the
    squeeze ratio, but its signature takes the head's own arguments, so the head's 4 is used here.
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
        means, maxima = x.mean(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
        x = x * self.sigmoid(self.channel(means) + self.channel(maxima))
        maps = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return x * self.sigmoid(self.spatial(maps))


def attention_block(kind: Attention, channels: int, *, hsigmoid: HardSigmoid) -> nn.Module:
    """``[N, channels, h, w] -> [N, channels, h, w]``; the four rows of Table VI.

    Raises:
        InputError: a kind the table does not compare.
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
    raise InputError(f"attention takes none, se, cbam or ours, not {kind!r}")


def light_deconv(in_channels: int) -> nn.Sequential:
    """Doubles the size and mixes to 256 channels: depthwise transposed 4x4, then 1x1, each with batch norm and ReLU."""
    return nn.Sequential(
        deconv_bn(in_channels, in_channels, groups=in_channels),
        nn.Conv2d(in_channels, CHANNELS, 1),
        nn.BatchNorm2d(CHANNELS),
        nn.ReLU(),
    )


class LightweightPoseNet(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]`` for H and W that 32 divides.

    Args:
        attention: the block after the third up-sampling layer.
        hsigmoid: which hard sigmoid mmcv had when the authors trained; the release does not pin it (see ``hard_sigmoid``).

    Raises:
        InputError: unknown ``attention`` or ``hsigmoid``.
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
        return self.head(self.backbone(images))
