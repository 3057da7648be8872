"""MSPN with one stage (Li et al., 2019): ResNet-50 down, 256 channels up again, heatmaps at all four scales.

Source: the network as mmpose publishes it (github.com/open-mmlab/mmpose, backbones/mspn.py and its head), after the authors'
megvii-detection/MSPN. With one stage there is nothing to skip to, so the cross-stage connections are absent.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from reproductions.baselines.simple_baseline import resnet_trunk
from reproductions.layers import conv_bn

STAGES = (2048, 1024, 512, 256)
CHANNELS = 256


class MSPNHeatmaps(NamedTuple):
    """Heatmaps ``[N, K, H/4, W/4]`` predicted from the coarser scales, coarsest first, then from the finest."""

    coarse: tuple[Tensor, ...]
    heatmaps: Tensor


def resize(x: Tensor, like: Tensor) -> Tensor:
    """``x`` at the size of ``like``, bilinear with corners on corners."""
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


class MSPN(nn.Module):
    """``images [N, 3, H, W] -> MSPNHeatmaps``."""

    def __init__(self, *, num_joints: int) -> None:
        super().__init__()
        self.backbone = resnet_trunk(50)
        self.skips = nn.ModuleList(conv_bn(channels, CHANNELS, 1, act=None) for channels in STAGES)
        self.ups = nn.ModuleList(conv_bn(CHANNELS, CHANNELS, 1, act=None) for _ in STAGES[1:])
        self.heads = nn.ModuleList(
            nn.Sequential(conv_bn(CHANNELS, CHANNELS, 1), conv_bn(CHANNELS, num_joints, act=None)) for _ in STAGES
        )

    def forward(self, images: Tensor) -> MSPNHeatmaps:
        x = images
        stages: list[Tensor] = []
        for name, layer in self.backbone.named_children():
            x = layer(x)
            if name.startswith("layer"):
                stages.insert(0, x)
        pyramid = [functional.relu(self.skips[0](stages[0]))]
        for stage, skip, up in zip(stages[1:], list(self.skips)[1:], self.ups, strict=True):
            pyramid.append(functional.relu(skip(stage) + up(resize(pyramid[-1], stage))))
        heatmaps = [resize(head(x), stages[-1]) for head, x in zip(self.heads, pyramid, strict=True)]
        return MSPNHeatmaps(tuple(heatmaps[:-1]), heatmaps[-1])
