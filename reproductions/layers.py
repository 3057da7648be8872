"""The two layers that nearly every network here is made of."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel: int = 3,
    *,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
    act: Callable[[], nn.Module] | None = nn.ReLU,
    eps: float = 1e-5,
    momentum: float = 0.1,
) -> nn.Sequential:
    """Convolution without bias, batch norm, activation; padded so that stride 1 keeps the size.

    Args:
        act: makes the activation, as in ``nn.ReLU``; None for a linear output.
    """
    padding = dilation * (kernel - 1) // 2
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(out_channels, eps=eps, momentum=momentum),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


def deconv_bn(in_channels: int, out_channels: int, *, groups: int = 1) -> nn.Sequential:
    """Doubles the size: transposed convolution (kernel 4, stride 2, padding 1, no bias), batch norm, ReLU.

    The up-sampling layer of SimpleBaseline and of the heads derived from it; its weights start at N(0, 0.001).
    """
    deconv = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, groups=groups, bias=False)
    nn.init.normal_(deconv.weight, std=0.001)
    return nn.Sequential(deconv, nn.BatchNorm2d(out_channels), nn.ReLU())
