"""SimpleBaseline (Xiao, Wu and Wei, ECCV 2018): any backbone, three transposed convolutions, one 1x1 convolution."""

from __future__ import annotations

from collections import OrderedDict

import torchvision.models
from torch import Tensor, nn

from benchmark.core.errors import InputError
from reproductions.layers import deconv_bn

RESNETS = {50: torchvision.models.resnet50, 101: torchvision.models.resnet101, 152: torchvision.models.resnet152}


class SimpleBaseline(nn.Module):
    """``[N, 3, H, W] -> [N, num_joints, H / 4, W / 4]`` over a backbone of stride 32.

    Args:
        backbone: images to features ``[N, in_channels, h, w]``.
        widths: channels after each transposed convolution; each one doubles the size.
    """

    def __init__(
        self, *, backbone: nn.Module, in_channels: int, num_joints: int, widths: tuple[int, ...] = (256, 256, 256)
    ) -> None:
        super().__init__()
        self.backbone = backbone
        final = nn.Conv2d(widths[-1], num_joints, 1)
        nn.init.normal_(final.weight, std=0.001)
        nn.init.constant_(final.get_parameter("bias"), 0)
        inputs = (in_channels, *widths[:-1])
        self.head = nn.Sequential(*(deconv_bn(n, width) for n, width in zip(inputs, widths, strict=True)), final)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))


def resnet_trunk(depth: int) -> nn.Sequential:
    """torchvision's residual network without pooling and classifier: ``[N, 3, H, W] -> [N, 2048, H / 32, W / 32]``.

    Submodules keep torchvision's names, so that its ImageNet weights load with ``strict=False``.

    Raises:
        InputError: a depth other than 50, 101 and 152.
    """
    if depth not in RESNETS:
        raise InputError(f"no residual network of depth {depth}; known: {', '.join(map(str, RESNETS))}")
    children = RESNETS[depth]().named_children()
    return nn.Sequential(OrderedDict((name, module) for name, module in children if name not in ("avgpool", "fc")))


def simple_baseline(*, num_joints: int, depth: int = 50) -> SimpleBaseline:
    """SimpleBaseline on a residual network of ``depth`` 50, 101 or 152 layers.

    Raises:
        InputError: another depth.
    """
    return SimpleBaseline(backbone=resnet_trunk(depth), in_channels=2048, num_joints=num_joints)
