"""DLCM (Tang, Yu and Wu, ECCV 2018): hourglasses that infer joints, bones and limbs upwards, then bones and joints downwards.

This is a reconstruction: the authors released a Torch archive only. The source is a public successor that keeps its options
and its top-down code (github.com/idotc/DLMSCM, first version of src/models/dlmscm.lua). The parameter count agrees with the
printed one; with the hourglass's own 7x7 stem, or with a residual module after each hourglass, it would not.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from reproductions.baselines.hourglass import Hourglass, Prediction, Residual


class PartHeatmaps(NamedTuple):
    """Heatmaps ``[N, parts, H/4, W/4]`` in the order of inference; those of bones and limbs include one for each joint."""

    joints: Tensor
    bones: Tensor
    limbs: Tensor
    refined_bones: Tensor
    heatmaps: Tensor


class DLCM(nn.Module):
    """``images [N, 3, H, W] -> PartHeatmaps``, final heatmaps ``[N, num_joints, H/4, W/4]``.

    Args:
        num_bones: Parts of two joints; 12 for MPII's 16 joints.
        num_limbs: Parts of two bones; 6 for MPII.
        features: Channels inside the hourglasses.
    """

    def __init__(self, *, num_joints: int, num_bones: int = 12, num_limbs: int = 6, features: int = 256) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *conv(3, 64),
            nn.MaxPool2d(2),
            *conv(64, 64),
            *conv(64, 64),
            Residual(64, 128),
            nn.MaxPool2d(2),
            Residual(128, 128),
            Residual(128, features),
        )
        joints, bones, limbs = num_joints, num_bones + num_joints, num_limbs + num_joints
        levels = (joints, bones, limbs, bones, joints)
        self.hourglasses = nn.ModuleList(Hourglass(features) for _ in levels)
        self.predictions = nn.ModuleList(
            Prediction(features, num_maps, last=index == len(levels) - 1) for index, num_maps in enumerate(levels)
        )
        # On the way down, a level's bottom-up heatmaps replace the same number of feature channels.
        self.make_room = nn.ModuleList(Residual(features, features - num_maps) for num_maps in (bones, joints))

    def forward(self, images: Tensor) -> PartHeatmaps:
        """Return the heatmaps of joints, bones and limbs in the order of inference."""
        x = self.stem(images)
        outputs: list[Tensor] = []
        for index, (hourglass, prediction) in enumerate(zip(self.hourglasses, self.predictions, strict=True)):
            if index > 2:
                x = torch.cat([outputs[4 - index], self.make_room[index - 3](x)], dim=1)
            heatmaps, x = prediction(hourglass(x), x)
            outputs.append(heatmaps)
        return PartHeatmaps(*outputs)


def conv(in_channels: int, out_channels: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Return a 3x3 convolution with bias, batch norm and ReLU."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.ReLU()
