"""FasterPose's network, as far as its abstract and title let one guess (a reconstruction: Dai et al., arXiv:2107.03215).

The title calls it a faster SimpleBaseline and the abstract says that heatmaps come from low-resolution features. So this is
SimpleBaseline with some or all of its three transposed convolutions taken away. The reference list holds the sub-pixel
network (Shi et al., CVPR 2016), hence pixel shuffle as the default way from there to heatmaps of stride 4. With all three
left it is SimpleBaseline itself.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from benchmark.core.errors import InputError
from reproductions.baselines.simple_baseline import resnet_trunk
from reproductions.layers import deconv_bn

Upsampling = Literal["pixel_shuffle", "nearest", "none"]


class FasterPose(nn.Module):
    """``images [N, 3, H, W] -> logits [N, num_joints, H/4, W/4]``, whose sigmoid is the heatmap the loss compares.

    A heatmap's highest pixel and the order of its pixels are those of its logits. A decoder that needs more than that (a centre
    of mass, a logarithm, HRNet's, to which a map without a positive value is empty) takes the sigmoid first, as the package's
    protocols do.

    Args:
        depth: of the residual network: 50, 101 or 152.
        deconvs: how many of SimpleBaseline's three transposed convolutions are left; the features then have stride
            32, 16, 8 or 4.
        upsampling: how those features become heatmaps of stride 4. ``pixel_shuffle`` predicts all pixels of a cell as
            channels of one 1x1 convolution and rearranges them; ``nearest`` repeats one prediction; ``none`` leaves the
            heatmaps at the features' stride.

    Raises:
        InputError: one of the three has no such value.
    """

    def __init__(self, *, num_joints: int, depth: int = 50, deconvs: int = 0, upsampling: Upsampling = "pixel_shuffle") -> None:
        super().__init__()
        if deconvs not in range(4):
            raise InputError(f"deconvs is 0, 1, 2 or 3, not {deconvs!r}")
        if upsampling not in get_args(Upsampling):
            raise InputError(f"upsampling is {', '.join(get_args(Upsampling))}, not {upsampling!r}")
        self.backbone = resnet_trunk(depth)
        widths = (2048, *(256,) * deconvs)
        factor = 8 >> deconvs  # from the features' stride to 4
        final = nn.Conv2d(widths[-1], num_joints * (factor**2 if upsampling == "pixel_shuffle" else 1), 1)
        nn.init.normal_(final.weight, std=0.001)  # as SimpleBaseline's
        nn.init.zeros_(final.bias)
        layers = [*(deconv_bn(width, 256) for width in widths[:-1]), final]
        if upsampling == "pixel_shuffle" and factor > 1:
            layers.append(nn.PixelShuffle(factor))
        elif upsampling == "nearest" and factor > 1:
            layers.append(nn.Upsample(scale_factor=factor, mode="nearest"))
        self.head = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))
