"""EfficientPose RT and I to IV (Groos, Ramampiaro and Ihlen, arXiv 2004.12186; section 3, Figure 2, Table 2).

The graph is that of the authors' released Keras models, which answer what the paper leaves open: the skeleton pass predicts two
fields for each of 14 segments, a pass receives the features of the previous one and not its outputs, a Mobile DenseNet does not
concatenate its own input, and the low-level features are taken before a residual addition.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproductions.efficientpose.backbone import Backbone, SqueezeExcite, same_conv_bn

EXPANSION = 6
SQUEEZE = 24  # the squeeze is this fraction of the expanded width: a quarter of the output


class Maps(NamedTuple):
    """Predictions for K keypoints and P segments; height and width ``h = H / 8``, ``w = W / 8``.

    Attributes:
        skeletons: Part affinity fields ``[N, 2P, h, w]``, one tensor for each skeleton pass.
        heatmaps: Heatmaps ``[N, K, h, w]``, one tensor for each detection pass. The loss compares these, not ``final``.
        final: The last heatmaps at the input's resolution ``[N, K, H, W]``; without up-scaling as they are.
    """

    skeletons: tuple[Tensor, ...]
    heatmaps: tuple[Tensor, ...]
    final: Tensor


class ESwish(nn.Module):
    """E-swish, ``1.25 x sigmoid(x)`` (section 3.1)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``1.25 x sigmoid(x)``, in the shape of ``x``."""
        return 1.25 * F.silu(x)


class EMBConv(nn.Module):
    """The detection layer (Figure 3 e), ``[N, in_channels, h, w] -> [N, channels, h, w]``.

    An MBConv with E-swish, 5x5 kernels and no residual, whose expansion is six times its *output*. The light networks have no
    squeeze and excitation, and ReLU6 instead of E-swish.
    """

    def __init__(self, in_channels: int, channels: int, *, lite: bool = False) -> None:
        super().__init__()
        hidden, act = EXPANSION * channels, nn.ReLU6 if lite else ESwish
        self.expand = same_conv_bn(in_channels, hidden, 1, act=act)
        self.depthwise = same_conv_bn(hidden, hidden, 5, groups=hidden, act=act)
        self.se = nn.Identity() if lite else SqueezeExcite(hidden, hidden // SQUEEZE, act=ESwish)
        self.project = same_conv_bn(hidden, channels, 1, act=None)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, channels, h, w]``."""
        return self.project(self.se(self.depthwise(self.expand(x))))


class MobileDenseNet(nn.Module):
    """``MD(C)`` of Table 2: three detection layers, their outputs concatenated; ``[N, in_channels, h, w] -> [N, 3C, h, w]``."""

    def __init__(self, in_channels: int, channels: int, *, lite: bool = False) -> None:
        super().__init__()
        widths = (in_channels, channels, 2 * channels)
        self.layers = nn.ModuleList(EMBConv(width, channels, lite=lite) for width in widths)

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, 3C, h, w]``."""
        first, second, third = self.layers
        x = first(x)
        dense = torch.cat((second(x), x), 1)
        return torch.cat((third(dense), dense), 1)


class DetectionPass(nn.Module):
    """Mobile DenseNets, from the second on with a residual connection, and a 1x1 convolution that predicts the maps.

    ``[N, in_channels, h, w] -> features [N, 3 channels, h, w], maps [N, num_maps, h, w]``; no maps if ``num_maps`` is 0.
    """

    def __init__(self, in_channels: int, channels: int, depth: int, num_maps: int, *, lite: bool = False) -> None:
        super().__init__()
        widths = [in_channels] + [3 * channels] * (depth - 1)
        self.densenets = nn.ModuleList(MobileDenseNet(width, channels, lite=lite) for width in widths)
        self.head = nn.Conv2d(3 * channels, num_maps, 1) if num_maps else None
        self.apply(_init)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return features ``[N, 3 channels, h, w]`` and a tuple of the maps, empty if there are none."""
        first, *others = self.densenets
        x = first(x)
        for densenet in others:
            x = densenet(x) + x
        return x, (self.head(x),) if self.head else ()


def bilinear_upscaling(channels: int) -> nn.ConvTranspose2d:
    """Build a dense transposed convolution with a fixed bilinear kernel, which doubles the size by interpolation.

    The zeros between channels are stored and multiplied, as in the release; this costs as many times more than a grouped
    convolution as there are channels.
    """
    layer = nn.ConvTranspose2d(channels, channels, 4, 2, 1)
    assert layer.bias is not None
    taps = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        layer.weight.zero_()
        for channel in range(channels):
            layer.weight[channel, channel] = taps[:, None] * taps
        layer.bias.zero_()
    return layer.requires_grad_(False)


class EfficientPose(nn.Module):
    """Two EfficientNets at two resolutions, one pass for the skeleton, passes for the keypoints, bilinear up-scaling.

    Args:
        num_joints: Keypoints K (the paper's Q).
        high: EfficientNet for the image, blocks 1 to 3 (Table 2).
        low: EfficientNet for the image at half its size, blocks 1 and 2; None for none (RT, Table 6).
        depth: Mobile DenseNets in each pass (the paper's D).
        segments: P, pairs of keypoints with an affinity field.
        skeleton: Predict the affinity fields first (Table 7).
        passes: Number of detection passes (Table 8).
        upscaling: Bring the last heatmaps to the input's resolution (Table 9).
        outputs: ``"final"`` leaves out the 1x1 convolutions of all passes except the last, which inference does not need. The
            released PyTorch networks (models/pytorch, commit 78e4bd1) are without them, and so are the printed costs.
        lite: The authors' later networks for phones: EfficientNet-Lite, ReLU6 everywhere, no squeeze and excitation.
    """

    def __init__(
        self,
        *,
        num_joints: int = 16,
        high: str = "B2",
        low: str | None = "B0",
        depth: int = 1,
        segments: int = 14,
        skeleton: bool = True,
        passes: int = 2,
        upscaling: bool = True,
        outputs: Literal["all", "final"] = "all",
        lite: bool = False,
    ) -> None:
        super().__init__()
        backbones = {"high": Backbone(high, num_blocks=3, lite=lite)}
        if low is not None:
            backbones["low"] = Backbone(low, num_blocks=2, before_residual=True, lite=lite)
        channels = backbones["high"].channels
        features = sum(backbone.channels for backbone in backbones.values())
        self.backbones = nn.ModuleDict(backbones)
        maps = [2 * segments] * skeleton + [num_joints] * passes
        if outputs == "final":
            maps[:-1] = [0] * (len(maps) - 1)
        # Without a skeleton pass the first detection pass receives the features twice: as its input and appended to it.
        first = features if skeleton else 2 * features
        widths = [first] + [3 * channels + features] * (len(maps) - 1)
        self.passes = nn.ModuleList(
            DetectionPass(width, channels, depth, num_maps, lite=lite) for width, num_maps in zip(widths, maps, strict=True)
        )
        self.upscaling = nn.Sequential(*(bilinear_upscaling(num_joints) for _ in range(3 if upscaling else 0)))
        self.skeleton = skeleton

    def forward(self, images: Tensor) -> Maps:
        """Return the predictions for images ``[N, 3, H, W]``, RGB normalised by ImageNet's mean and deviation."""
        features = self.backbones["high"](images)
        if "low" in self.backbones:
            features = torch.cat((features, self.backbones["low"](F.avg_pool2d(images, 2))), 1)
        x = features
        skeletons: tuple[Tensor, ...] = ()
        heatmaps: tuple[Tensor, ...] = ()
        for number, detect in enumerate(self.passes):
            if self.skeleton and number == 0:
                x, skeletons = detect(x)
            else:
                x, maps = detect(torch.cat((x, features), 1))
                heatmaps += maps
        return Maps(skeletons, heatmaps, self.upscaling(heatmaps[-1]))


def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
