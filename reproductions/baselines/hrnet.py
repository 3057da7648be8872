"""HRNet (Sun, Xiao, Liu and Wang, CVPR 2019): branches at 1/4, 1/8, 1/16, 1/32 that keep exchanging features.

Source: the authors' released code, github.com/leoxiaobin/deep-high-resolution-net.pytorch. "Small HRNet-W16" has no released
configuration: it is rebuilt as the v1 layout of the authors' "HRNet-W18-Small" with widths 16 to 128.
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

    Sharing it changes no value. The released code does so, and a counter that keeps a module's last call only, as the one
    behind the printed figures of the small networks, sees one ReLU a block.
    """

    def __init__(self, *convs: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convs)
        self.shortcut = shortcut or nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.convs[0](x)
        for conv in self.convs[1:]:
            y = conv(self.relu(y))
        return self.relu(y + self.shortcut(x))


def basic_block(channels: int) -> Residual:
    """Two 3x3 convolutions."""
    return Residual(*(conv_bn(channels, channels, act=None) for _ in range(2)))


def bottleneck(in_channels: int, width: int) -> Residual:
    """1x1 to ``width``, 3x3, 1x1 to four times that."""
    out = width * EXPANSION
    return Residual(
        conv_bn(in_channels, width, 1, act=None),
        conv_bn(width, width, act=None),
        conv_bn(width, out, 1, act=None),
        shortcut=None if in_channels == out else conv_bn(in_channels, out, 1, act=None),
    )


def halve(in_channels: int, out_channels: int, *, relu: bool) -> nn.Sequential:
    """3x3 convolution of stride 2."""
    return conv_bn(in_channels, out_channels, stride=2, act=nn.ReLU if relu else None)


class Resample(nn.Module):
    """One branch's features at another branch's scale, before they are added up: ``(features, size) -> features``.

    Upwards: 1x1 convolution, then nearest neighbour. Downwards: one ``halve(in, out, relu=...)`` a halving, all but the last
    with the source's width and ReLU. Features of ``size`` need not be a power of two times as large: nearest neighbour fits.
    """

    def __init__(self, in_channels: int, out_channels: int, *, halvings: int, halve: Callable[..., nn.Module] = halve) -> None:
        super().__init__()
        if halvings > 0:
            steps = [halve(in_channels, in_channels, relu=True) for _ in range(halvings - 1)]
            self.convs = nn.Sequential(*steps, halve(in_channels, out_channels, relu=False))
        else:
            self.convs = conv_bn(in_channels, out_channels, 1, act=None)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        x = self.convs(x)
        return x if x.shape[-2:] == size else functional.interpolate(x, size=size, mode="nearest")


def resampling(widths: Sequence[int], *, outputs: int, halve: Callable[..., nn.Module] = halve) -> nn.ModuleList:
    """For each of the ``outputs`` finest branches, what brings every branch to its scale; nothing for itself."""
    return nn.ModuleList(
        nn.ModuleList(
            nn.Identity() if source == target else Resample(width, widths[target], halvings=target - source, halve=halve)
            for source, width in enumerate(widths)
        )
        for target in range(outputs)
    )


class Exchange(nn.Module):
    """Residual blocks on every branch, then each output scale is the activated sum of all branches.

    Args:
        outputs: how many scales to produce, from the finest on; the last module of the network gives one.
    """

    def __init__(self, widths: Sequence[int], *, blocks: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(basic_block(width) for _ in range(blocks))) for width in widths)
        self.fuse = resampling(widths, outputs=outputs)
        self.relu = nn.ReLU()

    def forward(self, features: list[Tensor]) -> list[Tensor]:
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
    """Opens one more branch, at half the coarsest scale, then runs the exchange modules.

    The first stage also narrows the stem's features to the finest branch's width; later ones keep their branches.
    """

    def __init__(self, in_widths: Sequence[int], widths: Sequence[int], *, modules: int, blocks: int, outputs: int) -> None:
        super().__init__()
        kept = zip(in_widths, widths, strict=False)
        self.transition = nn.ModuleList(nn.Identity() if a == b else conv_bn(a, b) for a, b in kept)
        self.transition.append(conv_bn(in_widths[-1], widths[-1], stride=2))
        scales = [len(widths)] * (modules - 1) + [outputs]
        self.exchanges = nn.Sequential(*(Exchange(widths, blocks=blocks, outputs=n) for n in scales))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        sources = [*features, features[-1]]
        return self.exchanges([layer(x) for layer, x in zip(self.transition, sources, strict=True)])


class HRNet(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]``. Convolutions start from N(0, 0.001).

    Args:
        width: channels of the finest branch; each coarser one doubles them.
        bottlenecks: residual bottlenecks before the branches, of ``bottleneck_width`` (four times as many channels out).
        modules: exchange modules in the stages of two, three and four branches.
        blocks: residual blocks a branch in each module.
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
        inputs = (STEM,) + (channels,) * (bottlenecks - 1)
        self.layer1 = nn.Sequential(*(bottleneck(n, bottleneck_width) for n in inputs))
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
        (finest,) = self.stages([self.layer1(self.stem(images))])
        return self.final(finest)


def hrnet(*, num_joints: int, variant: Literal["w32", "w48", "w16_small"]) -> HRNet:
    """HRNet-W32 and -W48 as published; Small HRNet-W16 as rebuilt (see the head of this file).

    Raises:
        InputError: another variant.
    """
    match variant:
        case "w32":
            return HRNet(num_joints=num_joints, width=32)
        case "w48":
            return HRNet(num_joints=num_joints, width=48)
        case "w16_small":
            return HRNet(num_joints=num_joints, width=16, bottlenecks=1, bottleneck_width=32, modules=(1, 1, 1), blocks=2)
    raise InputError(f"no HRNet variant {variant!r}; known: w32, w48, w16_small")
