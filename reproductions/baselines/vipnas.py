"""S-ViPNAS on MobileNetV3 (Xu et al., CVPR 2021): a searched backbone and three depthwise transposed convolutions.

Source: the architecture that the authors released, github.com/luminxu/ViPNAS and mmpose. It has twice the parameters that their
paper prints (5.9 M against 2.8 M), so the paper describes another network, which was never specified.
"""

from __future__ import annotations

import torch
from torch import nn

from reproductions.layers import conv_bn, deconv_bn
from reproductions.mobilenet_v3 import HardSigmoid, InvertedResidual

STEM = 16
# width, expansion, depth, kernel, groups of the k x k convolution, squeeze-and-excitation, stride of the first, activation
STAGES = (
    (16, 1, 1, 3, 8, True, 1, "relu"),
    (24, 5, 4, 7, 120, True, 2, "relu"),
    (40, 4, 4, 7, 20, False, 2, "relu"),
    (80, 5, 4, 5, 100, True, 2, "hswish"),
    (112, 5, 4, 7, 280, True, 1, "hswish"),
    (160, 6, 4, 5, 240, True, 2, "hswish"),
)


class ViPNAS(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]`` for H and W that 32 divides.

    The weights of all convolutions start from a normal distribution of standard deviation 0.001, biases at zero. Most stages
    have fewer groups than a depthwise convolution.

    Args:
        hsigmoid: Hard sigmoid of squeeze-and-excitation; the released weights were trained with mmcv's earlier one, ``half``.

    Raises:
        InputError: The hard sigmoid is unknown.
    """

    def __init__(self, *, num_joints: int, hsigmoid: HardSigmoid = "half") -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(3, STEM, stride=2, act=nn.Hardswish)]
        channels = STEM
        for width, expansion, depth, kernel, groups, squeeze, stride, act in STAGES:
            for index in range(depth):
                block = InvertedResidual(
                    channels,
                    width * expansion,
                    width,
                    kernel=kernel,
                    stride=stride if index == 0 else 1,
                    act=act,
                    squeeze=squeeze,
                    groups=groups,
                    expand=expansion > 1,
                    hsigmoid=hsigmoid,
                )
                layers.append(block)
                channels = width
        self.backbone = nn.Sequential(*layers)
        deconvs = (deconv_bn(channels, channels, groups=channels) for _ in range(3))
        self.head = nn.Sequential(*deconvs, nn.Conv2d(channels, num_joints, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return heatmaps ``[N, num_joints, H/4, W/4]``."""
        return self.head(self.backbone(images))
