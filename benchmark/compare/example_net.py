"""Define a small pose network in plain PyTorch, as a user might bring it.

python -m benchmark.compare benchmark/compare/example_net.py:build --table efficientpose_nas/table2
"""

from __future__ import annotations

from torch import Tensor, nn


def conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Build a 3x3 convolution with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class ExampleNet(nn.Module):
    """Small network that goes down to stride 16 in four steps, and up to stride 4 in two."""

    def __init__(self, joints: int = 16) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            conv(3, 16, stride=2),
            conv(16, 32, stride=2),
            conv(32, 64, stride=2),
            conv(64, 128, stride=2),
            conv(128, 128),
        )
        self.head = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            conv(128, 64),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            conv(64, 64),
            nn.Conv2d(64, joints, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return heatmaps ``[N, joints, H / 4, W / 4]`` for images ``[N, 3, H, W]``."""
        return self.head(self.backbone(images))


def build(joints: int = 16) -> nn.Module:
    """Build the untrained network."""
    return ExampleNet(joints)
