"""Hourglass-52, which mmpose calls Hourglass: one hourglass of basic blocks, as in CornerNet (Law and Deng, ECCV 2018).

Source: github.com/open-mmlab/mmpose, ``backbones/hourglass.py``. It is not the network of
:mod:`reproductions.baselines.hourglass`, whose blocks are bottlenecks of one width and which stacks up to eight hourglasses.
"""

from __future__ import annotations

from torch import Tensor, nn

from reproductions.baselines.hourglass import upsample_to
from reproductions.baselines.hrnet import Residual
from reproductions.layers import conv_bn

WIDTHS = (256, 256, 384, 384, 384, 512)  # of the features at 1/4, 1/8, ...
BLOCKS = (2, 2, 2, 2, 2, 4)


def basic_block(in_channels: int, out_channels: int, *, stride: int = 1) -> Residual:
    """Return a residual block of two 3x3 convolutions: ``[N, C_in, h, w] -> [N, C_out, h / stride, w / stride]``."""
    same_shape = stride == 1 and in_channels == out_channels
    return Residual(
        conv_bn(in_channels, out_channels, stride=stride, act=None),
        conv_bn(out_channels, out_channels, act=None),
        shortcut=None if same_shape else conv_bn(in_channels, out_channels, 1, stride=stride, act=None),
    )


def basic_blocks(count: int, in_channels: int, out_channels: int, *, stride: int = 1, change: int = 0) -> nn.Sequential:
    """Return ``count`` blocks, of which the one with index ``change`` takes on the new width and the stride."""
    blocks = []
    for index in range(count):
        if index == change:
            blocks.append(basic_block(in_channels, out_channels, stride=stride))
        else:
            width = in_channels if index < change else out_channels
            blocks.append(basic_block(width, width))
    return nn.Sequential(*blocks)


class Hourglass(nn.Module):
    """Blocks down by strides, back up and on each shortcut: ``[N, C, h, w] -> [N, C, h, w]``; ``level`` indexes the widths."""

    def __init__(self, level: int = 0) -> None:
        super().__init__()
        (width, inner), (count, inner_count) = WIDTHS[level : level + 2], BLOCKS[level : level + 2]
        is_innermost = level == len(WIDTHS) - 2
        self.shortcut = basic_blocks(count, width, width)
        self.down = basic_blocks(count, width, inner, stride=2)
        self.inner = basic_blocks(inner_count, inner, inner) if is_innermost else Hourglass(level + 1)
        self.up = basic_blocks(count, inner, width, change=count - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, C, h, w]``."""
        return self.shortcut(x) + upsample_to(self.up(self.inner(self.down(x))), x)


class Hourglass52(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]``.

    The weights of all convolutions start from a normal distribution of standard deviation 0.001, as in mmpose.
    """

    def __init__(self, *, num_joints: int) -> None:
        super().__init__()
        width = WIDTHS[0]
        self.stem = nn.Sequential(conv_bn(3, 128, 7, stride=2), basic_block(128, width, stride=2))
        self.hourglass = Hourglass()
        self.head = nn.Sequential(conv_bn(width, width), nn.Conv2d(width, num_joints, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)

    def forward(self, images: Tensor) -> Tensor:
        """Return heatmaps ``[N, num_joints, H/4, W/4]``."""
        return self.head(self.hourglass(self.stem(images)))
