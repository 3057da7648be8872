"""HRNet (Sun, Xiao, Liu and Wang, CVPR 2019): branches at 1/4, 1/8, 1/16 and 1/32 that exchange features repeatedly.

Source: the authors' released code, github.com/leoxiaobin/deep-high-resolution-net.pytorch. "Small HRNet-W16" has no released
configuration; it is rebuilt as the v1 layout of the authors' "HRNet-W18-Small" with widths 16 to 128.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.core.errors import InputError
from reproductions.layers import conv_bn

STEM = 64
EXPANSION = 4


class Residual(nn.Module):
    """``relu(convs(x) + shortcut(x))``, with the same ReLU module between the convolutions.

    Sharing the module changes no value. The released code does so, and a counter that keeps only a module's last call, such as
    the one behind the printed GFLOPs of the small networks, sees one ReLU per block.
    """

    def __init__(self, *convs: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convs)
        self.shortcut = shortcut or nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the block's output width."""
        y = self.convs[0](x)
        for conv in self.convs[1:]:
            y = conv(self.relu(y))
        return self.relu(y + self.shortcut(x))


def basic_block(channels: int) -> Residual:
    """Return a residual block of two 3x3 convolutions: ``[N, C, h, w] -> [N, C, h, w]``."""
    return Residual(*(conv_bn(channels, channels, act=None) for _ in range(2)))


def bottleneck(in_channels: int, width: int) -> Residual:
    """Return a residual block of 1x1, 3x3 and 1x1 convolutions: ``[N, C, h, w] -> [N, 4 * width, h, w]``."""
    out = width * EXPANSION
    return Residual(
        conv_bn(in_channels, width, 1, act=None),
        conv_bn(width, width, act=None),
        conv_bn(width, out, 1, act=None),
        shortcut=None if in_channels == out else conv_bn(in_channels, out, 1, act=None),
    )


def halve(in_channels: int, out_channels: int, *, relu: bool) -> nn.Sequential:
    """Return a 3x3 convolution of stride 2: ``[N, C_in, h, w] -> [N, C_out, ceil(h / 2), ceil(w / 2)]``."""
    return conv_bn(in_channels, out_channels, stride=2, act=nn.ReLU if relu else None)


class Resize(nn.Upsample):
    """Nearest-neighbour resizing to any size; a layer, as in the released code, because some counters only see layers."""

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        """Return features ``[N, C, *size]``."""
        return functional.interpolate(x, size=size, mode=self.mode)


class Resample(nn.Module):
    """Features of one branch at the scale of another, to be summed there: ``forward(features, size) -> features``.

    Up-sampling is a 1x1 convolution followed by nearest-neighbour resizing, to any size. Down-sampling is one
    ``halve(in, out, relu=...)`` per halving; all but the last keep the source's width and end in a ReLU.
    """

    def __init__(self, in_channels: int, out_channels: int, *, halvings: int, halve: Callable[..., nn.Module] = halve) -> None:
        super().__init__()
        if halvings > 0:
            steps = [halve(in_channels, in_channels, relu=True) for _ in range(halvings - 1)]
            self.convs = nn.Sequential(*steps, halve(in_channels, out_channels, relu=False))
        else:
            self.convs = conv_bn(in_channels, out_channels, 1, act=None)
        self.resize = Resize(mode="nearest")

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        """Return features ``[N, C_out, *size]``."""
        x = self.convs(x)
        return x if x.shape[-2:] == size else self.resize(x, size)


def resampling(widths: Sequence[int], *, outputs: int, halve: Callable[..., nn.Module] = halve) -> nn.ModuleList:
    """Return, for each of the ``outputs`` finest branches, one module per branch that resamples it to that scale."""
    return nn.ModuleList(
        nn.ModuleList(
            nn.Identity() if source == target else Resample(width, widths[target], halvings=target - source, halve=halve)
            for source, width in enumerate(widths)
        )
        for target in range(outputs)
    )


class Exchange(nn.Module):
    """Residual blocks on every branch; then each output scale is the activated sum of all branches.

    Args:
        widths: Channels of the branches, finest first.
        blocks: Residual blocks per branch.
        outputs: Number of scales to return, from the finest on; 1 in the last module of the network.
    """

    def __init__(self, widths: Sequence[int], *, blocks: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(basic_block(width) for _ in range(blocks))) for width in widths)
        self.fuse = resampling(widths, outputs=outputs)
        self.relu = nn.ReLU()

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return the fused features of the finest scales, finest first."""
        features = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        fused = []
        for target, resamples in enumerate(self.fuse):
            total = features[target]
            for source, resample in enumerate(resamples):
                if source != target:
                    total = total + resample(features[source], features[target].shape[-2:])
            fused.append(self.relu(total))
        return fused


class Stage(nn.Module):
    """Add a branch at half the coarsest scale, then run the exchange modules.

    The first stage also narrows the stem's features to the finest branch's width; later stages keep their branches.
    """

    def __init__(self, in_widths: Sequence[int], widths: Sequence[int], *, modules: int, blocks: int, outputs: int) -> None:
        super().__init__()
        existing = zip(in_widths, widths, strict=False)
        self.transition = nn.ModuleList(nn.Identity() if a == b else conv_bn(a, b) for a, b in existing)
        self.transition.append(conv_bn(in_widths[-1], widths[-1], stride=2))
        output_counts = [len(widths)] * (modules - 1) + [outputs]
        self.exchanges = nn.Sequential(*(Exchange(widths, blocks=blocks, outputs=count) for count in output_counts))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return the features of all branches, finest first."""
        sources = [*features, features[-1]]
        return self.exchanges([layer(x) for layer, x in zip(self.transition, sources, strict=True)])


class HRNet(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]``.

    The weights of all convolutions start from a normal distribution of standard deviation 0.001.

    Args:
        width: Channels of the finest branch; each coarser branch has twice as many.
        bottlenecks: Number of residual bottlenecks before the branches.
        bottleneck_width: Channels inside these bottlenecks; they return four times as many.
        modules: Exchange modules in the stages of two, three and four branches.
        blocks: Residual blocks per branch in each module.
    """

    def __init__(
        self,
        *,
        num_joints: int,
        width: int,
        bottlenecks: int = 4,
        bottleneck_width: int = 64,
        modules: tuple[int, int, int] = (1, 4, 3),
        blocks: int = 4,
    ) -> None:
        super().__init__()
        relu = nn.ReLU()
        self.stem = nn.Sequential(conv_bn(3, STEM, stride=2, act=None), relu, conv_bn(STEM, STEM, stride=2, act=None), relu)
        channels = bottleneck_width * EXPANSION
        in_widths = (STEM,) + (channels,) * (bottlenecks - 1)
        self.layer1 = nn.Sequential(*(bottleneck(in_width, bottleneck_width) for in_width in in_widths))
        widths = [width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.Sequential(
            Stage([channels], widths[:2], modules=modules[0], blocks=blocks, outputs=2),
            Stage(widths[:2], widths[:3], modules=modules[1], blocks=blocks, outputs=3),
            Stage(widths[:3], widths, modules=modules[2], blocks=blocks, outputs=1),
        )
        self.final = nn.Conv2d(width, num_joints, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)
        nn.init.zeros_(self.final.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return heatmaps ``[N, num_joints, H/4, W/4]``."""
        (finest,) = self.stages([self.layer1(self.stem(images))])
        return self.final(finest)


def hrnet(*, num_joints: int, variant: Literal["w32", "w48", "w16_small"]) -> HRNet:
    """Return HRNet-W32 or -W48 as published, or Small HRNet-W16 as rebuilt (see the head of this file).

    Raises:
        InputError: The variant is unknown.
    """
    match variant:
        case "w32":
            return HRNet(num_joints=num_joints, width=32)
        case "w48":
            return HRNet(num_joints=num_joints, width=48)
        case "w16_small":
            return HRNet(num_joints=num_joints, width=16, bottlenecks=1, bottleneck_width=32, modules=(1, 1, 1), blocks=2)
    raise InputError(f"no HRNet variant {variant!r}; known: w32, w48, w16_small")
