"""FPD (Zhang, Zhu and Ye, "Fast Human Pose Estimation", CVPR 2019): a thin hourglass taught by a full one.

Distillation changes the loss, not the network: the student is a Stacked Hourglass of 4 stacks with 128 channels, here in the
layout of the later Torch release, the one under which the paper's teacher (8 stacks, 256 channels) counts to the 55 GFLOPs
that it prints (two operations a multiply-accumulate).
"""

from __future__ import annotations

from reproductions.baselines.hourglass import StackedHourglass


def fpd(*, num_joints: int, num_stacks: int = 4, features: int = 128) -> StackedHourglass:
    """The student: ``images [N, 3, H, W] -> StackedHeatmaps``, final heatmaps ``[N, num_joints, H/4, W/4]``."""
    return StackedHourglass(num_joints=num_joints, num_stacks=num_stacks, features=features, residual_after=True)
