"""SimpleBaseline (Xiao, Wu and Wei, ECCV 2018): a backbone, three transposed convolutions, one 1x1 convolution."""

from __future__ import annotations

from collections import OrderedDict

import torchvision.models
from torch import Tensor, nn

from benchmark.core.errors import InputError
from reproductions.layers import deconv_bn

RESNETS = {50: torchvision.models.resnet50, 101: torchvision.models.resnet101, 152: torchvision.models.resnet152}


class SimpleBaseline(nn.Module):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]`` with a backbone of stride 32.

    Args:
        backbone: Maps images to features ``[N, in_channels, H/32, W/32]``.
        in_channels: Channels that the backbone returns.
        widths: Channels after each transposed convolution, which doubles the size.
    """

    def __init__(
        self, *, backbone: nn.Module, in_channels: int, num_joints: int, widths: tuple[int, ...] = (256, 256, 256)
    ) -> None:
        super().__init__()
        self.backbone = backbone
        final = nn.Conv2d(widths[-1], num_joints, 1)
        nn.init.normal_(final.weight, std=0.001)
        nn.init.constant_(final.get_parameter("bias"), 0)
        in_widths = (in_channels, *widths[:-1])
        deconvs = (deconv_bn(in_width, width) for in_width, width in zip(in_widths, widths, strict=True))
        self.head = nn.Sequential(*deconvs, final)

    def forward(self, images: Tensor) -> Tensor:
        """Return heatmaps ``[N, num_joints, H/4, W/4]``."""
        return self.head(self.backbone(images))


def resnet_trunk(depth: int) -> nn.Sequential:
    """Return torchvision's residual network without pooling and classifier: ``[N, 3, H, W] -> [N, 2048, H/32, W/32]``.

    Submodules keep torchvision's names, so that its ImageNet weights load with ``strict=False``.

    Raises:
        InputError: The depth is not 50, 101 or 152.
    """
    if depth not in RESNETS:
        raise InputError(f"no residual network of depth {depth}; known: {', '.join(map(str, RESNETS))}")
    children = RESNETS[depth]().named_children()
    return nn.Sequential(OrderedDict((name, module) for name, module in children if name not in ("avgpool", "fc")))


def simple_baseline(*, num_joints: int, depth: int = 50) -> SimpleBaseline:
    """Return SimpleBaseline on a residual network of 50, 101 or 152 layers.

    Raises:
        InputError: The depth is not one of these.
    """
    return SimpleBaseline(backbone=resnet_trunk(depth), in_channels=2048, num_joints=num_joints)
