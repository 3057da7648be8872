"""LPN (Zhang, Tang and Wu, 2019): SimpleBaseline with depthwise bottlenecks, global context and grouped up-sampling.

Source: the authors' released code, github.com/zhang943/lpn-pytorch. The backbone ends at stride 16, so two up-sampling
layers suffice.

Deviation: the last bias of each global context starts from PyTorch's default, in the released code at zero.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from benchmark.core.errors import InputError
from reproductions.layers import conv_bn, deconv_bn

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
WIDTHS = (64, 128, 256, 512)
STRIDES = (1, 2, 2, 1)
CHANNELS = 256


class GlobalContext(nn.Module):
    """Add one vector to every pixel, computed from an attention-weighted mean of all pixels (Cao et al., GCNet).

    The hidden width is ``max(channels / 16, 16)``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 16, 16)
        self.attention = nn.Conv2d(channels, 1, 1)
        self.transform = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.LayerNorm([hidden, 1, 1]), nn.ReLU(), nn.Conv2d(hidden, channels, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features ``[N, C, h, w]``."""
        weights = self.attention(x).flatten(2).softmax(dim=2)  # [N, 1, h*w]
        context = x.flatten(2) @ weights.transpose(1, 2)  # [N, C, 1]
        return x + self.transform(context.unsqueeze(3))


class LightBottleneck(nn.Module):
    """Residual block of 1x1, depthwise 3x3 and 1x1 convolutions of one width and global context.

    ``[N, C_in, h, w] -> [N, C, ceil(h / stride), ceil(w / stride)]``
    """

    def __init__(self, in_channels: int, channels: int, *, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_bn(in_channels, channels, 1),
            conv_bn(channels, channels, stride=stride, groups=channels),
            conv_bn(channels, channels, 1, act=None),
            GlobalContext(channels),
        )
        same_shape = stride == 1 and in_channels == channels
        self.shortcut = nn.Identity() if same_shape else conv_bn(in_channels, channels, 1, stride=stride, act=None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features ``[N, C, h', w']``."""
        return functional.relu(self.body(x) + self.shortcut(x))


class LPN(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]`` for H and W that 16 divides.

    The weights of all convolutions start from a normal distribution of standard deviation 0.001.

    Args:
        depth: 50, 101 or 152: the residual network whose numbers of blocks it has.

    Raises:
        InputError: The depth is not one of these.
    """

    def __init__(self, *, num_joints: int, depth: int) -> None:
        if depth not in DEPTHS:
            raise InputError(f"no LPN of depth {depth}; known: {', '.join(map(str, DEPTHS))}")
        super().__init__()
        layers: list[nn.Module] = [conv_bn(3, 64, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1)]
        channels = 64
        for blocks, width, stride in zip(DEPTHS[depth], WIDTHS, STRIDES, strict=True):
            for index in range(blocks):
                layers.append(LightBottleneck(channels, width, stride=stride if index == 0 else 1))
                channels = width
        self.backbone = nn.Sequential(*layers)
        up_layers: list[nn.Module] = []
        for width in (channels, CHANNELS):
            up_layers += [deconv_bn(width, CHANNELS, groups=math.gcd(width, CHANNELS)), conv_bn(CHANNELS, CHANNELS, 1)]
        self.head = nn.Sequential(*up_layers, nn.Conv2d(CHANNELS, num_joints, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return heatmaps ``[N, num_joints, H/4, W/4]``."""
        return self.head(self.backbone(images))
