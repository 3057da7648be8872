"""Convolution and transposed convolution with batch norm: the two layers that most networks here consist of."""

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
    """Return a convolution without bias, batch norm and activation: ``[N, C_in, h, w] -> [N, C_out, h', w']``.

    The padding keeps the size at stride 1.

    Args:
        act: Constructs the activation, such as ``nn.ReLU``; None leaves the output linear.
    """
    padding = dilation * (kernel - 1) // 2
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(out_channels, eps=eps, momentum=momentum),
    ]
    return nn.Sequential(*layers, *([act()] if act else []))


def deconv_bn(in_channels: int, out_channels: int, *, groups: int = 1) -> nn.Sequential:
    """Return SimpleBaseline's up-sampling layer: ``[N, C_in, h, w] -> [N, C_out, 2h, 2w]``.

    It consists of a transposed convolution (kernel 4, stride 2, padding 1, no bias), batch norm and ReLU. The weights start
    from a normal distribution of standard deviation 0.001.
    """
    deconv = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, groups=groups, bias=False)
    nn.init.normal_(deconv.weight, std=0.001)
    return nn.Sequential(deconv, nn.BatchNorm2d(out_channels), nn.ReLU())
