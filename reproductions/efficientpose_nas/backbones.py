"""The backbones that Table 3 compares with, each cut to four down-samplings and put under EfficientPose's head.

The released code has MobileNetV2 and ResNet-50 under this head. MobileNetV2's head starts from PyTorch's own values, as that of
EfficientPose does; ResNet-50's starts as SimpleBaseline's, since the code that it was derived from draws it so.
"""

from __future__ import annotations

from typing import Any

import torchvision.models
from torch import nn

from benchmark.core.errors import InputError
from reproductions.baselines.simple_baseline import resnet_trunk
from reproductions.efficientpose_nas.network import Head, HeadInit, PoseNetwork, initialise, mbconvs
from reproductions.layers import conv_bn

# Expansion, channels, layers, stride, as in the release: MobileNetV2 up to its 160 channels, which keep stride 16.
MOBILENET_V2 = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 1]]

# ProxylessNAS (Cai, Zhu and Han, ICLR 2019) as its authors released it: channels of the first convolution, then for each
# stage the channels and the operations. The last stage, before the classifier's 1x1 convolution, is one layer.
PROXYLESS_STRIDES = (1, 2, 2, 2, 1, 2, 1)
PROXYLESS = {
    "gpu": (
        40,
        (
            (24, "k3e1"),
            (32, "k5e3 skip skip skip"),
            (56, "k7e3 skip skip k3e3"),
            (112, "k7e6 skip skip k5e3"),
            (128, "k5e6 skip k3e3 k5e3"),
            (256, "k7e6 k7e6 k7e6 k5e6"),
            (432, "k7e6"),
        ),
    ),
    "cpu": (
        40,
        (
            (24, "k3e1"),
            (32, "k3e6 k3e3 k3e3 k3e3"),
            (48, "k3e6 k3e3 k3e3 k5e3"),
            (88, "k3e6 skip skip k3e3"),
            (104, "k5e6 k3e3 k3e3 k3e3"),
            (216, "k5e6 k5e3 k5e3 k3e3"),
            (360, "k5e6"),
        ),
    ),
    "mobile": (
        32,
        (
            (16, "k3e1"),
            (32, "k5e3 k3e3 skip skip"),
            (40, "k7e3 k3e3 k5e3 k5e3"),
            (80, "k7e6 k5e3 k5e3 k5e3"),
            (96, "k5e6 k5e3 k5e3 k5e3"),
            (192, "k7e6 k7e6 k7e3 k7e3"),
            (320, "k7e6"),
        ),
    ),
}


def mobilenet_v2(*, num_joints: int, sic: bool = True, head_init: HeadInit = "pytorch") -> PoseNetwork:
    """Build torchvision's MobileNetV2 without its 320-channel stage and its 1280-channel convolution.

    In the release the head is made after the loop that initialises the rest, and no later one reaches it
    (``lib/models/pose_mobilenet.py``, lines 109 to 141).
    """
    trunk = torchvision.models.mobilenet_v2(inverted_residual_setting=MOBILENET_V2).features[:-1]
    return PoseNetwork(backbone=trunk, head=Head(in_channels=160, num_joints=num_joints, sic=sic, init=head_init))


def resnet50(*, num_joints: int, sic: bool = True, head_init: HeadInit = "simple_baseline") -> PoseNetwork:
    """Build torchvision's ResNet-50, its last stage at stride 1 and, as in the release, not dilated.

    The release calls the initialising function of this network alone; it draws the correction from N(0, 0.001) too
    (``lib/models/pose_resnet.py``, lines 222 to 261 and 280 to 281).
    """
    trunk: Any = resnet_trunk(50)
    first = trunk.layer4[0]
    first.conv2.stride = first.downsample[0].stride = (1, 1)
    head = Head(in_channels=2048, num_joints=num_joints, sic=sic, init=head_init)
    if sic and head_init == "simple_baseline":
        nn.init.normal_(head.get_parameter("sic.0.weight"), std=0.001)
    return PoseNetwork(backbone=trunk, head=head)


def proxyless_trunk(target: str, *, stages: int = 6, last_stride: int = 1) -> nn.Sequential:
    """Build the first ``stages`` of a ProxylessNAS network's seven, the sixth with stride ``last_stride``.

    Raises:
        InputError: Another target than ``gpu``, ``cpu`` and ``mobile``.
    """
    if target not in PROXYLESS:
        raise InputError(f"unknown target {target!r}; known: {', '.join(PROXYLESS)}")
    first, layers = PROXYLESS[target]
    strides = (*PROXYLESS_STRIDES[:5], last_stride, *PROXYLESS_STRIDES[6:])
    trunk, channels = [conv_bn(3, first, stride=2, act=nn.ReLU6, eps=1e-3)], first
    for (width, operations), stride in zip(layers[:stages], strides, strict=False):
        trunk.append(mbconvs(channels, width, stride, operations.split(), act=nn.ReLU6, eps=1e-3))
        channels = width
    return nn.Sequential(*trunk)


def proxyless(*, num_joints: int, target: str, sic: bool = True, head_init: HeadInit = "pytorch") -> PoseNetwork:
    """Build ProxylessNAS without its last stage, as the release cuts MobileNetV2.

    The paper does not say where the backbone ends. Without the last stage the operations at 256x256 are those of Table 3
    for all three, if counted over 1e9 with transposed convolutions at output positions, as one of the release's two counters
    does; with the last stage they are far above. Not all of its parameters follow: 1.88 M for the printed 1.8 (cpu),
    1.97 for 1.9 (mobile), but 3.80 for 4.5 (gpu). The head starts as MobileNetV2's, as nothing is public of this one.

    Raises:
        InputError: Another target than ``gpu``, ``cpu`` and ``mobile``, or an unknown start of the head.
    """
    trunk = proxyless_trunk(target)
    initialise(trunk)
    channels = PROXYLESS[target][1][5][0]
    return PoseNetwork(backbone=trunk, head=Head(in_channels=channels, num_joints=num_joints, sic=sic, init=head_init))
