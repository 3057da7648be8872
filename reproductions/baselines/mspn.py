"""MSPN with one stage (Li et al., 2019): ResNet-50 down, 256 channels up again, heatmaps at all four scales.

Source: the authors' code, github.com/megvii-detection/MSPN (``exps/mspn.2xstg.coco/network.py``), which
github.com/open-mmlab/mmpose ports (``backbones/mspn.py`` and its head). With one stage there is nothing to skip to, so the
cross-stage connections are absent.

Initial weights are those of the authors' code: Kaiming's normal distribution (fan-out) for the convolutions of the four
residual stages; PyTorch's defaults for the stem and for the whole way up, predictions included; batch norms start at one and
zero. mmpose instead draws all convolutions from Kaiming's normal distribution.

Deviation: the authors' convolutions have biases, which the batch norm behind each of them cancels. They are left out here, as
in mmpose, whose parameter count is met.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from reproductions.baselines.simple_baseline import resnet_trunk
from reproductions.layers import conv_bn

STAGES = (2048, 1024, 512, 256)
CHANNELS = 256


class MSPNHeatmaps(NamedTuple):
    """Heatmaps ``[N, K, H/4, W/4]`` predicted from the coarser scales, coarsest first, then from the finest."""

    coarse: tuple[Tensor, ...]
    heatmaps: Tensor


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Resize ``x [N, C, h, w]`` bilinearly to the size of ``like``, corners on corners: ``[N, C, H, W]``."""
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


class MSPN(nn.Module):
    """``images [N, 3, H, W] -> MSPNHeatmaps``."""

    def __init__(self, *, num_joints: int) -> None:
        super().__init__()
        self.backbone = resnet_trunk(50)  # its convolutions start from Kaiming's normal distribution, fan-out
        self.backbone.get_submodule("conv1").reset_parameters()  # type: ignore[operator]
        self.skips = nn.ModuleList(conv_bn(channels, CHANNELS, 1, act=None) for channels in STAGES)
        self.ups = nn.ModuleList(conv_bn(CHANNELS, CHANNELS, 1, act=None) for _ in STAGES[1:])
        self.heads = nn.ModuleList(
            nn.Sequential(conv_bn(CHANNELS, CHANNELS, 1), conv_bn(CHANNELS, num_joints, act=None)) for _ in STAGES
        )

    def forward(self, images: Tensor) -> MSPNHeatmaps:
        """Return the heatmaps of all scales."""
        x = images
        stages: list[Tensor] = []
        for name, layer in self.backbone.named_children():
            x = layer(x)
            if name.startswith("layer"):
                stages.insert(0, x)
        pyramid = [functional.relu(self.skips[0](stages[0]))]
        for stage, skip, up in zip(stages[1:], list(self.skips)[1:], self.ups, strict=True):
            pyramid.append(functional.relu(skip(stage) + up(resize(pyramid[-1], stage))))
        heatmaps = [resize(head(x), stages[-1]) for head, x in zip(self.heads, pyramid, strict=True)]
        return MSPNHeatmaps(tuple(heatmaps[:-1]), heatmaps[-1])
