"""MobileNetV3 as mmpose lays it out ("big"), which is not the Large network of the MobileNetV3 paper.

It differs in four ways: the 160-channel stage starts with a stride-1 block and only then halves the size; the first block
expands 16 to 16 channels; the squeeze widths are a quarter of the middle width without rounding to a multiple of 8; and the
projection of each block is followed by the block's activation, where the paper keeps it linear. Source: mmpose 0.x, and the
released code of the heatmap-weighting paper, which appends the 1x1 convolution from 160 to 960 channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from benchmark.core.errors import InputError
from reproductions.layers import conv_bn

HardSigmoid = Literal["sixth", "half"]
OUT_CHANNELS = 960

# kernel, middle channels, output channels, squeeze-and-excitation, activation, stride
BLOCKS = (
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hswish", 2),
    (3, 200, 80, False, "hswish", 1),
    (3, 184, 80, False, "hswish", 1),
    (3, 184, 80, False, "hswish", 1),
    (3, 480, 112, True, "hswish", 1),
    (3, 672, 112, True, "hswish", 1),
    (5, 672, 160, True, "hswish", 1),
    (5, 672, 160, True, "hswish", 2),
    (5, 960, 160, True, "hswish", 1),
)
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "hswish": nn.Hardswish}


class HalfHardSigmoid(nn.Module):
    """``clamp((x + 1) / 2, 0, 1)``, the hard sigmoid of mmcv before 1.4.4."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return ((x + 1) / 2).clamp(0, 1)


def hard_sigmoid(slope: HardSigmoid) -> nn.Module:
    """``sixth``: ``clamp((x + 3) / 6, 0, 1)``, torch's and mmcv's since 1.4.4; ``half``: mmcv's earlier one.

    Raises:
        InputError: another slope.
    """
    match slope:
        case "sixth":
            return nn.Hardsigmoid()
        case "half":
            return HalfHardSigmoid()
    raise InputError(f"hsigmoid takes sixth or half, not {slope!r}")


class SqueezeExcite(nn.Module):
    """Scales each channel by a number in [0, 1] computed from the means of all channels."""

    def __init__(self, channels: int, *, ratio: int = 4, hsigmoid: HardSigmoid = "sixth") -> None:
        super().__init__()
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // ratio, 1),
            nn.ReLU(),
            nn.Conv2d(channels // ratio, channels, 1),
            hard_sigmoid(hsigmoid),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale(x)


class InvertedResidual(nn.Module):
    """mmpose's block: 1x1 expansion, k x k (grouped or depthwise), squeeze-and-excitation, 1x1 projection, each activated.

    Args:
        groups: of the k x k convolution; None for depthwise.
        expand: False leaves the 1x1 expansion out; ``middle`` must then equal ``in_channels``.
    """

    def __init__(
        self,
        in_channels: int,
        middle: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int,
        act: str,
        squeeze: bool,
        groups: int | None = None,
        expand: bool = True,
        hsigmoid: HardSigmoid = "sixth",
    ) -> None:
        super().__init__()
        activation = ACTIVATIONS[act]
        self.residual = stride == 1 and in_channels == out_channels
        self.body = nn.Sequential(
            conv_bn(in_channels, middle, 1, act=activation) if expand else nn.Identity(),
            conv_bn(middle, middle, kernel, stride=stride, groups=groups or middle, act=activation),
            SqueezeExcite(middle, hsigmoid=hsigmoid) if squeeze else nn.Identity(),
            conv_bn(middle, out_channels, 1, act=activation),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x) if self.residual else self.body(x)


class MobileNetV3(nn.Sequential):
    """``images [N, 3, H, W] -> features [N, 960, H/32, W/32]``; convolutions start from Kaiming's normal (fan out)."""

    def __init__(self, *, hsigmoid: HardSigmoid = "sixth") -> None:
        layers: list[nn.Module] = [conv_bn(3, 16, 3, stride=2, act=nn.Hardswish)]
        channels = 16
        for kernel, middle, out, squeeze, act, stride in BLOCKS:
            layers.append(
                InvertedResidual(
                    channels, middle, out, kernel=kernel, stride=stride, act=act, squeeze=squeeze, hsigmoid=hsigmoid
                )
            )
            channels = out
        super().__init__(*layers, conv_bn(channels, OUT_CHANNELS, 1, act=nn.Hardswish))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
