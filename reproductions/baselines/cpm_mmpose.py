"""CPM as mmpose builds it: with batch norms, without the Gaussian at the person's position and without a background heatmap.

Source: github.com/open-mmlab/mmpose, ``backbones/cpm.py``. The authors' network is that of :mod:`reproductions.baselines.cpm`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reproductions.baselines.cpm import CHANNELS, CONTEXT, StageHeatmaps
from reproductions.layers import conv_bn


def features() -> nn.Sequential:
    """Return three 9x9 convolutions, each followed by pooling: ``[N, 3, H, W] -> [N, 128, H/8, W/8]``."""
    layers: list[nn.Module] = []
    for channels in (3, CHANNELS, CHANNELS):
        layers += [conv_bn(channels, CHANNELS, 9), nn.MaxPool2d(3, stride=2, padding=1)]
    return nn.Sequential(*layers)


class CPMWithBatchNorm(nn.Module):
    """``images [N, 3, H, W] -> StageHeatmaps``, final heatmaps ``[N, num_joints, ceil(H/8), ceil(W/8)]``.

    The weights of all convolutions start from a normal distribution of standard deviation 0.001, as in mmpose.

    Args:
        num_stages: The first stage sees only the image; the others share one set of image features.
    """

    def __init__(self, *, num_joints: int, num_stages: int = 6) -> None:
        super().__init__()
        self.first = nn.Sequential(
            features(),
            conv_bn(CHANNELS, CONTEXT, 5),
            conv_bn(CONTEXT, 512, 9),
            conv_bn(512, 512, 1),
            nn.Conv2d(512, num_joints, 1),
        )
        self.features = features()
        self.contexts = nn.ModuleList(conv_bn(CHANNELS, CONTEXT, 5) for _ in range(num_stages - 1))
        self.stages = nn.ModuleList(
            nn.Sequential(
                conv_bn(CONTEXT + num_joints, CHANNELS, 11),
                conv_bn(CHANNELS, CHANNELS, 11),
                conv_bn(CHANNELS, CHANNELS, 11),
                conv_bn(CHANNELS, CHANNELS, 1),
                nn.Conv2d(CHANNELS, num_joints, 1),
            )
            for _ in range(num_stages - 1)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)

    def forward(self, images: Tensor) -> StageHeatmaps:
        """Return the heatmaps of all stages."""
        outputs = [self.first(images)]
        shared = self.features(images)
        for context, stage in zip(self.contexts, self.stages, strict=True):
            outputs.append(stage(torch.cat([outputs[-1], context(shared)], dim=1)))
        return StageHeatmaps(tuple(outputs[:-1]), outputs[-1])
