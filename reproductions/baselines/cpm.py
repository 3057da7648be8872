"""CPM (Wei et al., "Convolutional Pose Machines", CVPR 2016): six stages of large kernels at 1/8, each refining the last.

Source: the authors' released code, github.com/shihenw/convolutional-pose-machines-release (training/genProto.py). In addition
to the image, a stage sees a Gaussian at the person's position, which is the centre of a crop around one person.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 128
CONTEXT = 32
CENTER_SIGMA = 21.0  # pixels of the input, as in the released testing code


class StageHeatmaps(NamedTuple):
    """Heatmaps ``[N, K, H/8, W/8]`` of all stages but the last, then of the last one."""

    intermediate: tuple[Tensor, ...]
    heatmaps: Tensor


def convs(in_channels: int, *layers: tuple[int, int]) -> nn.Sequential:
    """Return convolutions with ReLU between them and none at the end: ``[N, C_in, h, w] -> [N, C_out, h, w]``.

    Args:
        in_channels: Channels that the first convolution reads.
        layers: ``(out_channels, kernel)`` of each convolution.
    """
    modules: list[nn.Module] = []
    for out_channels, kernel in layers:
        modules += [nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2), nn.ReLU()]
        in_channels = out_channels
    return nn.Sequential(*modules[:-1])


def features() -> nn.Sequential:
    """Return three 9x9 convolutions, each followed by ReLU and pooling: ``[N, 3, H, W] -> [N, 128, H/8, W/8]``."""
    layers: list[nn.Module] = []
    for channels in (3, CHANNELS, CHANNELS):
        layers += [nn.Conv2d(channels, CHANNELS, 9, padding=4), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)]
    return nn.Sequential(*layers)


def center_map(images: Tensor) -> Tensor:
    """Draw a Gaussian at each image's centre, averaged over 8x8 pixels: ``[N, 3, H, W] -> [N, 1, ceil(H/8), ceil(W/8)]``."""
    axes = [
        torch.exp(-((torch.arange(side, device=images.device, dtype=images.dtype) - (side - 1) / 2) ** 2) / 2 / CENTER_SIGMA**2)
        for side in images.shape[-2:]
    ]
    gaussian = functional.avg_pool2d((axes[0][:, None] * axes[1])[None, None], 8, ceil_mode=True)
    return gaussian.expand(len(images), -1, -1, -1)


class CPM(nn.Module):
    """``images [N, 3, H, W] -> StageHeatmaps``, final heatmaps ``[N, num_joints, ceil(H/8), ceil(W/8)]``.

    The stages exchange one heatmap more than there are joints, for the background, which is not returned. The published cost
    belongs to the authors' crops of 368x368 pixels and 14 joints.

    Args:
        num_stages: The first stage sees only the image; the others share one set of image features.
    """

    def __init__(self, *, num_joints: int, num_stages: int = 6) -> None:
        super().__init__()
        num_maps = num_joints + 1
        self.num_joints = num_joints
        self.first = nn.Sequential(features(), convs(CHANNELS, (CONTEXT, 5), (512, 9), (512, 1), (num_maps, 1)))
        self.features = features()
        self.contexts = nn.ModuleList(
            nn.Sequential(nn.Conv2d(CHANNELS, CONTEXT, 5, padding=2), nn.ReLU()) for _ in range(num_stages - 1)
        )
        widths = ((CHANNELS, 11), (CHANNELS, 11), (CHANNELS, 11), (CHANNELS, 1), (num_maps, 1))
        self.stages = nn.ModuleList(convs(CONTEXT + num_maps + 1, *widths) for _ in range(num_stages - 1))

    def forward(self, images: Tensor) -> StageHeatmaps:
        """Return the heatmaps of all stages."""
        outputs = [self.first(images)]
        shared = self.features(images)
        center = center_map(images)
        for context, stage in zip(self.contexts, self.stages, strict=True):
            outputs.append(stage(torch.cat([context(shared), outputs[-1], center], dim=1)))
        outputs = [output[:, : self.num_joints] for output in outputs]
        return StageHeatmaps(tuple(outputs[:-1]), outputs[-1])
