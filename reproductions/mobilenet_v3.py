"""MobileNetV3 as mmpose defines it ("big"), which is not the Large network of the MobileNetV3 paper.

It differs in three ways: the 160-channel stage halves the size in its second block instead of its first; the first block
expands 16 to 16 channels; and the squeeze widths are a quarter of the middle width, not rounded to a multiple of 8. Until its
version 0.21 (December 2021) mmpose also put the block's activation behind each projection, which is linear in the paper; the
networks here were released with the later version.

Source: mmpose 0.x, and the released code of the heatmap-weighting paper, which appends the 1x1 convolution from 160 to 960
channels.
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
    """Hard sigmoid of mmcv before 1.4.4: ``clamp((x + 1) / 2, 0, 1)``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return values in [0, 1] of the input's shape."""
        return ((x + 1) / 2).clamp(0, 1)


def hard_sigmoid(slope: HardSigmoid) -> nn.Module:
    """Return the hard sigmoid of a slope.

    Args:
        slope: ``sixth`` is ``clamp((x + 3) / 6, 0, 1)``, PyTorch's and, since 1.4.4, mmcv's; ``half`` is mmcv's earlier one.

    Raises:
        InputError: The slope is neither ``sixth`` nor ``half``.
    """
    match slope:
        case "sixth":
            return nn.Hardsigmoid()
        case "half":
            return HalfHardSigmoid()
    raise InputError(f"unknown hsigmoid {slope!r}; known: sixth, half")


class SqueezeExcite(nn.Module):
    """Scale each channel by a number in [0, 1] computed from the means of all channels: ``[N, C, h, w] -> [N, C, h, w]``."""

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
        """Return features ``[N, C, h, w]``."""
        return x * self.scale(x)


class InvertedResidual(nn.Module):
    """Inverted residual block of mmpose: ``[N, C_in, h, w] -> [N, C_out, ceil(h / stride), ceil(w / stride)]``.

    It consists of a 1x1 expansion, a k x k convolution (grouped or depthwise), squeeze-and-excitation and a 1x1 projection.
    All but the projection are followed by the activation.

    Args:
        middle: Channels between expansion and projection.
        groups: Groups of the k x k convolution; None makes it depthwise.
        expand: False leaves out the 1x1 expansion; ``middle`` must then equal ``in_channels``.
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
            conv_bn(middle, out_channels, 1, act=None),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return features ``[N, C_out, h', w']``."""
        return x + self.body(x) if self.residual else self.body(x)


class MobileNetV3(nn.Sequential):
    """``images [N, 3, H, W] -> features [N, 960, H/32, W/32]``; weights start from Kaiming's normal distribution (fan-out)."""

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
