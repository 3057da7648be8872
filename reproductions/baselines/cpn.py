"""CPN (Chen et al., CVPR 2018): a feature pyramid finds the easy keypoints, a second network on top of it the hard ones.

Source: the authors' TensorFlow code, github.com/chenyilun95/tf-cpn (``models/COCO.res50.256x192.CPN/network.py`` and
``lib/nets``). As there:

* features and heatmaps are resized by TensorFlow 1's bilinear rule, see :func:`resize`;
* every batch norm, the backbone's included, has epsilon 1e-9 and a decay of 0.99, which is a momentum of 0.01 in PyTorch. These
  are the values that the code states; TensorFlow's fused batch norm, where it is used, raises a smaller epsilon to 1.001e-5;
* the convolutions of GlobalNet and the final one of RefineNet start from Xavier's uniform distribution, the others from a
  truncated normal one of variance 2 / fan-in, and biases start at zero.

Deviations: the backbone is torchvision's ResNet-50 and starts from torchvision's ImageNet weights, where the authors start from
those of TensorFlow-Slim. Weight decay and losses belong to the recipe.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from reproductions.baselines.simple_baseline import resnet_trunk
from reproductions.layers import conv_bn

STAGES = (256, 512, 1024, 2048)
CHANNELS = 256
BATCH_NORM_EPS = 1e-9
BATCH_NORM_MOMENTUM = 0.01


class CPNHeatmaps(NamedTuple):
    """GlobalNet's four predictions from coarse to fine, then RefineNet's; all ``[N, K, H/4, W/4]``."""

    global_heatmaps: tuple[Tensor, ...]
    heatmaps: Tensor


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Resize ``x [N, C, h, w]`` bilinearly to the size of ``like``, by the rule of TensorFlow 1: ``[N, C, H, W]``.

    Output pixel ``i`` reads the input at position ``i * h / H``, so the first pixels coincide and the last output pixels repeat
    the border (``tf.image.resize_bilinear`` without ``align_corners`` and without half-pixel centres). PyTorch has no such
    mode; its ``align_corners`` rule gives the same where input and output are one pixel longer.
    """
    if x.shape[-2:] == like.shape[-2:]:
        return x
    height, width = like.shape[-2:]
    x = torch.cat([x, x[..., -1:, :]], dim=-2)
    x = torch.cat([x, x[..., -1:]], dim=-1)
    resized = functional.interpolate(x, size=(height + 1, width + 1), mode="bilinear", align_corners=True)
    return resized[..., :height, :width]


class Bottleneck(nn.Module):
    """Residual block ``[N, C, h, w] -> [N, 256, h, w]``: 1x1 to 128 channels, 3x3, 1x1; projected where the width changes."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        half = CHANNELS // 2
        self.body = nn.Sequential(conv_bn(in_channels, half, 1), conv_bn(half, half), conv_bn(half, CHANNELS, 1, act=None))
        same_width = in_channels == CHANNELS
        self.shortcut = nn.Identity() if same_width else conv_bn(in_channels, CHANNELS, 1, act=None)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, 256, h, w]``."""
        return functional.relu(self.body(x) + self.shortcut(x))


class GlobalNet(nn.Module):
    """Feature pyramid over the backbone's four stages.

    ``forward(stages, fine to coarse) -> (pyramid, heatmaps)``, both coarse to fine, the heatmaps resized to the finest stage.
    """

    def __init__(self, num_joints: int) -> None:
        super().__init__()
        coarse_first = STAGES[::-1]
        self.laterals = nn.ModuleList(conv_bn(channels, CHANNELS, 1) for channels in coarse_first)
        self.merges = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 1) for _ in coarse_first[1:])
        self.predictions = nn.ModuleList(
            nn.Sequential(conv_bn(CHANNELS, CHANNELS, 1), conv_bn(CHANNELS, num_joints, act=None)) for _ in coarse_first
        )

    def forward(self, stages: list[Tensor]) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        """Return the pyramid ``[N, 256, h, w]`` and the heatmaps ``[N, K, H/4, W/4]`` of all levels, coarse to fine."""
        pyramid = [self.laterals[0](stages[-1])]
        for lateral, merge, stage in zip(list(self.laterals)[1:], self.merges, stages[-2::-1], strict=True):
            pyramid.append(lateral(stage) + merge(resize(pyramid[-1], stage)))
        heatmaps = (predict(level) for predict, level in zip(self.predictions, pyramid, strict=True))
        return pyramid, tuple(resize(level, stages[0]) for level in heatmaps)


class RefineNet(nn.Module):
    """Heatmaps from all levels of the pyramid at its finest size; the coarser a level, the more bottlenecks it passes first."""

    def __init__(self, num_joints: int) -> None:
        super().__init__()
        num_levels = len(STAGES)
        self.levels = nn.ModuleList(
            nn.Sequential(*(Bottleneck(CHANNELS) for _ in range(count))) for count in reversed(range(num_levels))
        )
        self.final = nn.Sequential(Bottleneck(num_levels * CHANNELS), conv_bn(CHANNELS, num_joints, act=None))

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """Return heatmaps ``[N, K, H/4, W/4]``."""
        levels = [resize(level(x), pyramid[-1]) for level, x in zip(self.levels, pyramid, strict=True)]
        return self.final(torch.cat(levels[::-1], dim=1))


class CPN(nn.Module):
    """``images [N, 3, H, W] -> CPNHeatmaps``.

    Args:
        depth: Of the residual backbone: 50, 101 or 152.

    Raises:
        InputError: The depth is not one of these.
    """

    def __init__(self, *, num_joints: int, depth: int = 50) -> None:
        super().__init__()
        self.backbone = resnet_trunk(depth)
        self.global_net = GlobalNet(num_joints)
        self.refine_net = RefineNet(num_joints)
        self._initialise()

    def _initialise(self) -> None:
        """Set the batch-norm constants and the initial weights of the authors' code."""
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps, module.momentum = BATCH_NORM_EPS, BATCH_NORM_MOMENTUM
            elif isinstance(module, nn.Conv2d):
                # Cutting a normal distribution at two sigma takes a factor of about 1.3 from its variance.
                std = math.sqrt(1.3 * 2 / module.weight[0].numel())
                nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        for part in (self.global_net, self.refine_net.final[-1]):
            for module in part.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.xavier_uniform_(module.weight)
                    if module.bias is not None:
                        nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> CPNHeatmaps:
        """Return the heatmaps of both networks."""
        x, stages = images, []
        for name, layer in self.backbone.named_children():
            x = layer(x)
            if name.startswith("layer"):
                stages.append(x)
        pyramid, heatmaps = self.global_net(stages)
        return CPNHeatmaps(heatmaps, self.refine_net(pyramid))
