"""Mask R-CNN's keypoint branch (He et al., ICCV 2017) on a crop of one person, from torchvision's keypointrcnn_resnet50_fpn.

The whole detector finds people and their keypoints in an image and returns a list instead of heatmaps. Here the detector is
built with all its parameters, and its keypoint branch runs on a single box, the crop itself. This makes it comparable as a
network but not as a method, because detection and its errors are left out.
"""

from __future__ import annotations

import math

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.detection import keypointrcnn_resnet50_fpn

POOLED = 14  # side of the pooled features of a box, pixels
CANONICAL = 224  # side of a box that is pooled from pyramid level 4, stride 16; pixels


class MaskRCNN(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, 56, 56]``, stretched over a crop of any shape.

    ``images`` are already normalised; the detector's own normalisation and resizing do not run.
    """

    def __init__(self, *, num_joints: int) -> None:
        super().__init__()
        self.detector = keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=2, num_keypoints=num_joints)

    def forward(self, images: Tensor) -> Tensor:
        """Return heatmaps ``[N, num_joints, 56, 56]``."""
        count, _, height, width = images.shape
        level = math.floor(4 + math.log2(math.sqrt(height * width) / CANONICAL) + 1e-6)
        level = min(max(level, 2), 5)
        features = self.detector.backbone(images)[str(level - 2)]
        corners = torch.tensor([0.0, 0.0, width, height], dtype=images.dtype, device=images.device).expand(count, 4)
        indices = torch.arange(count, dtype=images.dtype, device=images.device)
        boxes = torch.cat([indices[:, None], corners], dim=1)
        pooled = torchvision.ops.roi_align(
            features, boxes, (POOLED, POOLED), spatial_scale=2.0**-level, sampling_ratio=2, aligned=False
        )
        heads = self.detector.roi_heads
        return heads.keypoint_predictor(heads.keypoint_head(pooled))
