"""FPD (Zhang, Zhu and Ye, "Fast Human Pose Estimation", CVPR 2019): a thin hourglass taught by a full one.

Distillation changes the loss, not the network. The student is a Stacked Hourglass of 4 stacks with 128 channels, built in the
layout of the later Torch release: only in this layout does the paper's teacher (8 stacks, 256 channels) have the 55 GFLOPs that
the paper prints (two operations per multiply-accumulate).
"""

from __future__ import annotations

from reproductions.baselines.hourglass import StackedHourglass


def fpd(*, num_joints: int, num_stacks: int = 4, features: int = 128) -> StackedHourglass:
    """Return the student: ``images [N, 3, H, W] -> StackedHeatmaps``, final heatmaps ``[N, num_joints, H/4, W/4]``."""
    return StackedHourglass(num_joints=num_joints, num_stacks=num_stacks, features=features, residual_after=True)
