"""FasterPose's network, reconstructed from the paper's abstract and title (Dai et al., arXiv:2107.03215).

The title calls it a faster SimpleBaseline, and the abstract says that heatmaps come from low-resolution features. So this is
SimpleBaseline with some or all of its three transposed convolutions removed. The paper cites the sub-pixel network (Shi et al.,
CVPR 2016), so pixel shuffle is the default step from these features to heatmaps of stride 4. With all three transposed
convolutions the network is SimpleBaseline.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from benchmark.core.errors import InputError
from reproductions.baselines.simple_baseline import resnet_trunk
from reproductions.layers import deconv_bn

Upsampling = Literal["pixel_shuffle", "nearest", "none"]


class FasterPose(nn.Module):
    """``images [N, 3, H, W] -> logits [N, num_joints, H/4, W/4]``; their sigmoid is the heatmap that the loss compares.

    Logits and heatmaps have the same highest pixel and the same order of pixels. Decoders that need the values themselves take
    the sigmoid first, as the package's protocols do: a centre of mass, a logarithm, or HRNet's decoder, which treats a heatmap
    without a positive value as empty.

    Args:
        num_joints: Number of joints.
        depth: Depth of the residual network: 50, 101 or 152.
        deconvs: Number of SimpleBaseline's three transposed convolutions that remain; 0 to 3 give features of stride 32, 16,
            8 or 4.
        upsampling: Step from these features to heatmaps of stride 4. ``pixel_shuffle`` predicts all pixels of a cell as
            channels of one 1x1 convolution and rearranges them; ``nearest`` repeats one prediction; ``none`` leaves the
            heatmaps at the features' stride.

    Raises:
        InputError: ``depth``, ``deconvs`` or ``upsampling`` has none of these values.
    """

    def __init__(self, *, num_joints: int, depth: int = 50, deconvs: int = 0, upsampling: Upsampling = "pixel_shuffle") -> None:
        super().__init__()
        if deconvs not in range(4):
            raise InputError(f"deconvs must be 0, 1, 2 or 3, not {deconvs!r}")
        if upsampling not in get_args(Upsampling):
            raise InputError(f"upsampling must be {', '.join(get_args(Upsampling))}, not {upsampling!r}")
        self.backbone = resnet_trunk(depth)
        widths = (2048, *(256,) * deconvs)
        factor = 8 >> deconvs  # from the features' stride to 4
        final = nn.Conv2d(widths[-1], num_joints * (factor**2 if upsampling == "pixel_shuffle" else 1), 1)
        nn.init.normal_(final.weight, std=0.001)  # as SimpleBaseline initializes it
        nn.init.zeros_(final.bias)
        layers = [*(deconv_bn(width, 256) for width in widths[:-1]), final]
        if upsampling == "pixel_shuffle" and factor > 1:
            layers.append(nn.PixelShuffle(factor))
        elif upsampling == "nearest" and factor > 1:
            layers.append(nn.Upsample(scale_factor=factor, mode="nearest"))
        self.head = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[N, num_joints, H/4, W/4]``, or at the features' stride where ``upsampling`` is ``none``."""
        return self.head(self.backbone(images))
