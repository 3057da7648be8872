"""SimpleBaseline on mobile backbones, as trained in mmpose and quoted in the heatmap-weighting paper."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torchvision.models
from torch import nn

from benchmark.core.errors import InputError
from reproductions.baselines.simple_baseline import SimpleBaseline
from reproductions.mobilenet_v3 import OUT_CHANNELS, HardSigmoid, MobileNetV3

Backbone = Literal["mobilenet_v2", "mobilenet_v3", "shufflenet_v2"]


def shufflenet_v2_trunk() -> nn.Sequential:
    """Return torchvision's ShuffleNetV2 1.0x without its classifier: ``[N, 3, H, W] -> [N, 1024, H/32, W/32]``."""
    children = torchvision.models.shufflenet_v2_x1_0(weights=None).named_children()
    return nn.Sequential(OrderedDict((name, module) for name, module in children if name != "fc"))


def simple_baseline_mobile(*, num_joints: int, backbone: Backbone, hsigmoid: HardSigmoid = "sixth") -> SimpleBaseline:
    """Return ``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]`` for H and W that 32 divides.

    MobileNetV2 and ShuffleNetV2 keep their last 1x1 convolutions (1280 and 1024 channels) and torchvision's parameter names;
    MobileNetV3 has mmpose's layout with the appended 960 channels.

    Args:
        hsigmoid: Hard sigmoid of MobileNetV3's squeeze-and-excitation; the other two have none.

    Raises:
        InputError: The backbone is unknown.
    """
    match backbone:
        case "mobilenet_v2":
            trunk: nn.Module = torchvision.models.mobilenet_v2(weights=None).features
            channels = 1280
        case "mobilenet_v3":
            trunk, channels = MobileNetV3(hsigmoid=hsigmoid), OUT_CHANNELS
        case "shufflenet_v2":
            trunk, channels = shufflenet_v2_trunk(), 1024
        case _:
            raise InputError(f"no mobile backbone {backbone!r}; known: mobilenet_v2, mobilenet_v3, shufflenet_v2")
    return SimpleBaseline(backbone=trunk, in_channels=channels, num_joints=num_joints)
