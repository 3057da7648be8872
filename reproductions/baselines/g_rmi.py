"""G-RMI's pose network (Papandreou et al., CVPR 2017): a dilated ResNet-101 with heatmaps and offsets at 1/8.

Source: the paper's text; no code was released. Its crops are 353x257 pixels. The paper resizes the heatmaps to the crop before
decoding; here they are returned as predicted.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import torchvision.models
from torch import Tensor, nn


class HeatmapsAndOffsets(NamedTuple):
    """``offsets [N, 2K, h, w]``, x and y in pixels from a pixel to each keypoint, and ``heatmaps [N, K, h, w]``."""

    offsets: Tensor
    heatmaps: Tensor


class GRMI(nn.Module):
    """``images [N, 3, H, W] -> HeatmapsAndOffsets`` of ``ceil(H/8) x ceil(W/8)``."""

    def __init__(self, *, num_joints: int) -> None:
        super().__init__()
        network = torchvision.models.resnet101(weights=None, replace_stride_with_dilation=[False, True, True])
        trunk = ((name, child) for name, child in network.named_children() if name not in ("avgpool", "fc"))
        self.backbone = nn.Sequential(OrderedDict(trunk))
        self.head = nn.Conv2d(2048, 3 * num_joints, 1)
        self.num_joints = num_joints

    def forward(self, images: Tensor) -> HeatmapsAndOffsets:
        """Return offsets and heatmaps at 1/8."""
        output = self.head(self.backbone(images))
        return HeatmapsAndOffsets(output[:, self.num_joints :], output[:, : self.num_joints])
