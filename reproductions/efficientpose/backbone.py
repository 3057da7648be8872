"""The first blocks of EfficientNet B0 to B7 (Tan and Le, ICML 2019), with the padding that TensorFlow's weights need.

Table 1 of the EfficientPose paper lists the blocks; the batch norms' epsilon, the squeeze widths and the padding are those of
the authors' released graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import torch.nn.functional as F
from torch import Tensor, nn

from reproductions.efficientpose.variants import BLOCKS, SCALING, layer_names
from reproductions.layers import conv_bn

STEM = 32  # channels of B0's first convolution
EPS, MOMENTUM = 1e-3, 0.01  # Keras counts momentum the other way round: 0.99


class SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's "SAME": ``ceil(size / stride)`` positions, an odd pixel of padding below and right.

    PyTorch pads both sides equally, which at stride 2 shifts the kernel by a pixel against TensorFlow.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, out_channels, ceil(H / stride), ceil(W / stride)]``."""
        padding: list[int] = []
        for size, kernel, stride in zip(reversed(x.shape[2:]), reversed(self.kernel_size), reversed(self.stride), strict=True):
            total = max((ceil(size / stride) - 1) * stride + kernel - size, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(F.pad(x, padding))


def same_conv_bn(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    act: Callable[[], nn.Module] | None = nn.SiLU,
) -> nn.Sequential:
    """Build convolution, batch norm and activation as in Keras; at stride 1 both paddings are the same."""
    layers = conv_bn(in_channels, out_channels, kernel, groups=groups, act=act, eps=EPS, momentum=MOMENTUM)
    if stride > 1:
        layers[0] = SameConv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
    return layers


class SqueezeExcite(nn.Module):
    """Squeeze and excitation: scale channels by gates in (0, 1) computed from the means of all; ``[N, C, H, W]`` in and out."""

    def __init__(self, channels: int, squeezed: int, *, act: Callable[[], nn.Module] = nn.SiLU) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.act = act()
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return scaled features ``[N, C, H, W]``."""
        gate = self.excite(self.act(self.squeeze(x.mean((2, 3), keepdim=True))))
        return gate.sigmoid() * x


class MBConv(nn.Module):
    """EfficientNet's layer (Figure 3 a to d): expansion, depthwise convolution, squeeze and excitation, linear projection.

    ``[N, in_channels, H, W] -> [N, out_channels, ceil(H / stride), ceil(W / stride)]``. The squeeze is a quarter of the
    layer's input, not of the expanded width. The Lite form has no squeeze and excitation, and ReLU6 instead of SiLU.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int, expansion: int, lite: bool = False
    ) -> None:
        super().__init__()
        hidden, act = in_channels * expansion, nn.ReLU6 if lite else nn.SiLU
        self.expand = same_conv_bn(in_channels, hidden, 1, act=act) if expansion > 1 else None
        self.depthwise = same_conv_bn(hidden, hidden, kernel, stride=stride, groups=hidden, act=act)
        self.se = nn.Identity() if lite else SqueezeExcite(hidden, in_channels // 4)
        self.project = same_conv_bn(hidden, out_channels, 1, act=None)
        self.residual = stride == 1 and in_channels == out_channels

    def branch(self, x: Tensor) -> Tensor:
        """Return the layer's output before its input is added."""
        if self.expand is not None:
            x = self.expand(x)
        return self.project(self.se(self.depthwise(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, out_channels, ceil(H / stride), ceil(W / stride)]``."""
        return self.branch(x) + x if self.residual else self.branch(x)


class Backbone(nn.Module):
    """The stem and the first two or three blocks of an EfficientNet.

    ``[N, 3, H, W] -> [N, channels, H / stride, W / stride]``, rounded up.

    Args:
        variant: ``"B0"`` to ``"B7"``.
        num_blocks: 2 (stride 4) or 3 (stride 8).
        before_residual: Return the last layer's output before its input is added. The released graphs do so for the
            low-level backbone; the paper does not mention it.
        lite: EfficientNet-Lite instead, whose stem is not wider, and whose first block is not deeper, in larger networks.
    """

    def __init__(self, variant: str, *, num_blocks: int, before_residual: bool = False, lite: bool = False) -> None:
        super().__init__()
        self.variant, self.num_blocks = variant, num_blocks
        width, _ = SCALING[variant]
        channels = STEM if lite else round_channels(STEM * width)
        self.stem = same_conv_bn(3, channels, 3, stride=2, act=nn.ReLU6 if lite else nn.SiLU)
        self.layers = nn.ModuleDict()
        for name in layer_names(variant, num_blocks=num_blocks, lite=lite):
            expansion, base, _, kernel, first_stride = BLOCKS[int(name[0]) - 1]
            out_channels = round_channels(base * width)
            stride = first_stride if name[1] == "a" else 1
            self.layers[name] = MBConv(channels, out_channels, kernel, stride=stride, expansion=expansion, lite=lite)
            channels = out_channels
        self.channels = channels
        self.before_residual = before_residual
        self.apply(_init)

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``[N, channels, H / stride, W / stride]``, rounded up."""
        *layers, last = self.layers.values()
        assert isinstance(last, MBConv)
        x = self.stem(images)
        for layer in layers:
            x = layer(x)
        return last.branch(x) if self.before_residual else last(x)


def round_channels(channels: float) -> int:
    """Round to the nearest multiple of 8, but to no less than 90 % of ``channels``."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        fan_out = module.weight[:, 0].numel() // module.groups  # of one group, as TensorFlow counts a depthwise kernel
        nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
