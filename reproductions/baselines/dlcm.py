"""DLCM (Tang, Yu and Wu, ECCV 2018): hourglasses that infer joints, bones and limbs upwards, then bones and joints downwards.

The authors' release is a Torch archive; what is built here is read from a public successor that keeps its options and its
top-down code (github.com/idotc/DLMSCM, first version of src/models/dlmscm.lua), so it is a reconstruction. The parameter count
agrees with the one DLCM prints, which the hourglass's own 7x7 stem or a residual module after each hourglass would not.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from reproductions.baselines.hourglass import Hourglass, Prediction, Residual


class PartHeatmaps(NamedTuple):
    """Heatmaps ``[N, maps, H/4, W/4]`` in the order of inference; bones and limbs also hold one map for each joint."""

    joints: Tensor
    bones: Tensor
    limbs: Tensor
    refined_bones: Tensor
    heatmaps: Tensor


class DLCM(nn.Module):
    """``images [N, 3, H, W] -> PartHeatmaps``, final heatmaps ``[N, num_joints, H/4, W/4]``.

    Args:
        num_bones: parts of two joints; 12 for MPII's 16 joints.
        num_limbs: parts of two bones; 6 for MPII.
        features: channels inside the hourglasses.
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
            Prediction(features, maps, last=index == len(levels) - 1) for index, maps in enumerate(levels)
        )
        # Going down, a level's own bottom-up heatmaps take the place of as many feature channels.
        self.make_room = nn.ModuleList(Residual(features, features - maps) for maps in (bones, joints))

    def forward(self, images: Tensor) -> PartHeatmaps:
        x = self.stem(images)
        outputs: list[Tensor] = []
        for index, (hourglass, prediction) in enumerate(zip(self.hourglasses, self.predictions, strict=True)):
            if index > 2:
                x = torch.cat([outputs[4 - index], self.make_room[index - 3](x)], dim=1)
            heatmaps, x = prediction(hourglass(x), x)
            outputs.append(heatmaps)
        return PartHeatmaps(*outputs)


def conv(in_channels: int, out_channels: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    """3x3 convolution with bias, batch norm, ReLU."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.ReLU()
