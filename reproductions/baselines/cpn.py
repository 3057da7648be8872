"""CPN (Chen et al., CVPR 2018): a feature pyramid finds the easy keypoints, a second network on top of it the hard ones.

Source: the authors' released code, github.com/chenyilun95/tf-cpn, on torchvision's ResNet-50.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from reproductions.baselines.simple_baseline import resnet_trunk
from reproductions.layers import conv_bn

STAGES = (256, 512, 1024, 2048)
CHANNELS = 256


class CPNHeatmaps(NamedTuple):
    """GlobalNet's four predictions from coarse to fine, then RefineNet's; all ``[N, K, H/4, W/4]``."""

    global_heatmaps: tuple[Tensor, ...]
    heatmaps: Tensor


def resize(x: Tensor, like: Tensor) -> Tensor:
    """``x`` at the size of ``like``, bilinear."""
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 to 256 channels with half that in between; a shortcut of its own where the width changes."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        half = CHANNELS // 2
        self.body = nn.Sequential(conv_bn(in_channels, half, 1), conv_bn(half, half), conv_bn(half, CHANNELS, 1, act=None))
        same = in_channels == CHANNELS
        self.shortcut = nn.Identity() if same else conv_bn(in_channels, CHANNELS, 1, act=None)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.shortcut(x))


class GlobalNet(nn.Module):
    """The backbone's four stages, fine to coarse, to ``(pyramid, heatmaps)``, both coarse to fine; heatmaps at 1/4."""

    def __init__(self, num_joints: int) -> None:
        super().__init__()
        coarse_first = STAGES[::-1]
        self.laterals = nn.ModuleList(conv_bn(channels, CHANNELS, 1) for channels in coarse_first)
        self.merges = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 1) for _ in coarse_first[1:])
        self.predictions = nn.ModuleList(
            nn.Sequential(conv_bn(CHANNELS, CHANNELS, 1), conv_bn(CHANNELS, num_joints, act=None)) for _ in coarse_first
        )

    def forward(self, stages: list[Tensor]) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        pyramid = [self.laterals[0](stages[-1])]
        for lateral, merge, stage in zip(list(self.laterals)[1:], self.merges, stages[-2::-1], strict=True):
            pyramid.append(lateral(stage) + merge(resize(pyramid[-1], stage)))
        maps = (predict(x) for predict, x in zip(self.predictions, pyramid, strict=True))
        return pyramid, tuple(resize(x, stages[0]) for x in maps)


class RefineNet(nn.Module):
    """The pyramid to heatmaps at its finest scale: the coarser a level, the more bottlenecks before they are all joined."""

    def __init__(self, num_joints: int) -> None:
        super().__init__()
        levels = len(STAGES)
        self.levels = nn.ModuleList(
            nn.Sequential(*(Bottleneck(CHANNELS) for _ in range(count))) for count in reversed(range(levels))
        )
        self.final = nn.Sequential(Bottleneck(levels * CHANNELS), conv_bn(CHANNELS, num_joints, act=None))

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        levels = [resize(level(x), pyramid[-1]) for level, x in zip(self.levels, pyramid, strict=True)]
        return self.final(torch.cat(levels[::-1], dim=1))


class CPN(nn.Module):
    """``images [N, 3, H, W] -> CPNHeatmaps``.

    Args:
        depth: of the residual backbone, 50, 101 or 152.

    Raises:
        InputError: another depth.
    """

    def __init__(self, *, num_joints: int, depth: int = 50) -> None:
        super().__init__()
        self.backbone = resnet_trunk(depth)
        self.global_net = GlobalNet(num_joints)
        self.refine_net = RefineNet(num_joints)

    def forward(self, images: Tensor) -> CPNHeatmaps:
        x, stages = images, []
        for name, layer in self.backbone.named_children():
            x = layer(x)
            if name.startswith("layer"):
                stages.append(x)
        pyramid, heatmaps = self.global_net(stages)
        return CPNHeatmaps(heatmaps, self.refine_net(pyramid))
