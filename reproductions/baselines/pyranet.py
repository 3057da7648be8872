"""PyraNet (Yang et al., ICCV 2017): Stacked Hourglass with pyramid residual modules at the finer scales.

Source: the authors' released code, github.com/bearpaw/PyraNet (hg-prm.lua and PRM.lua, cardinality 4, base width 9).

The released code pools by fractional max-pooling, whose regions are drawn at random on every pass, in testing too. Here the
regions are the even ones of adaptive max-pooling, of the same output size, so that a network gives one answer.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from reproductions.baselines.hourglass import Residual, StackedHeatmaps, preactivated, upsample_to

CARDINALITY = 4
BASE_WIDTH = 9


class Pyramid(nn.Module):
    """Sum of 3x3 convolutions over four sub-sampled copies, each resized back: ``[N, C, h, w] -> [N, C, h, w]``.

    The i-th copy has ``floor(size * 2**(-i/4))`` pixels a side, from 0.84 down to one half.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(CARDINALITY))

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        levels = []
        for index, conv in enumerate(self.convs, start=1):
            small = [max(1, int(side * 2 ** (-index / CARDINALITY))) for side in size]
            low = conv(functional.adaptive_max_pool2d(x, small))
            levels.append(functional.interpolate(low, size=size, mode="bilinear", align_corners=True))
        return sum(levels[1:], levels[0])


class PyramidResidual(nn.Module):
    """Pre-activated bottleneck with a pyramid branch beside its 3x3 convolution: ``[N, C_in, h, w] -> [N, C_out, h, w]``.

    Args:
        preact: False for the first module after the stem, whose input is already activated.
        project: convolve the shortcut even where the widths agree (the modules before an up-sampling).
    """

    def __init__(self, in_channels: int, out_channels: int, *, preact: bool = True, project: bool = False) -> None:
        super().__init__()
        half, thin = out_channels // 2, out_channels // BASE_WIDTH

        def first(width: int) -> tuple[nn.Module, ...]:
            return preactivated(in_channels, width, 1) if preact else (nn.Conv2d(in_channels, width, 1),)

        self.plain = nn.Sequential(*first(half), *preactivated(half, half, 3))
        self.pyramid = nn.Sequential(
            *first(thin), nn.BatchNorm2d(thin), nn.ReLU(), Pyramid(thin), *preactivated(thin, half, 1)
        )
        self.merge = nn.Sequential(*preactivated(half, out_channels, 1))
        same = in_channels == out_channels and not project
        self.shortcut = nn.Identity() if same else nn.Sequential(*preactivated(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.merge(self.plain(x) + self.pyramid(x)) + self.shortcut(x)


class PyramidHourglass(nn.Module):
    """``[N, C, h, w] -> [N, C, h, w]``, with pyramid modules on the three finer shortcuts and in the two finer levels."""

    def __init__(self, channels: int, *, depth: int = 4) -> None:
        super().__init__()
        across = PyramidResidual if depth >= 2 else Residual
        along = PyramidResidual if depth >= 3 else Residual
        self.shortcut = across(channels, channels)
        self.down = along(channels, channels)
        self.inner = PyramidHourglass(channels, depth=depth - 1) if depth > 1 else along(channels, channels)
        self.up = along(channels, channels, project=True)

    def forward(self, x: Tensor) -> Tensor:
        low = self.up(self.inner(self.down(functional.max_pool2d(x, 2))))
        return self.shortcut(x) + upsample_to(low, x)


class PyraNet(nn.Module):
    """``images [N, 3, H, W] -> StackedHeatmaps``, final heatmaps ``[N, num_joints, H/4, W/4]``.

    Args:
        num_stacks: hourglasses in a row; the paper's results are of 8.
        features: channels inside the hourglasses.
    """

    def __init__(self, *, num_joints: int, num_stacks: int = 8, features: int = 256) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            PyramidResidual(64, 128, preact=False),
            nn.MaxPool2d(2),
            PyramidResidual(128, 128),
            PyramidResidual(128, features),
        )
        later = range(num_stacks - 1)
        self.hourglasses = nn.ModuleList(PyramidHourglass(features) for _ in range(num_stacks))
        self.features = nn.ModuleList(
            nn.Sequential(*preactivated(features, features, 1), nn.BatchNorm2d(features), nn.ReLU())
            for _ in range(num_stacks)
        )
        self.heatmaps = nn.ModuleList(nn.Conv2d(features, num_joints, 1) for _ in range(num_stacks))
        self.remap_features = nn.ModuleList(nn.Conv2d(features, features, 1) for _ in later)
        self.remap_heatmaps = nn.ModuleList(nn.Conv2d(num_joints, features, 1) for _ in later)

    def forward(self, images: Tensor) -> StackedHeatmaps:
        x = self.stem(images)
        outputs: list[Tensor] = []
        for index, hourglass in enumerate(self.hourglasses):
            if index:
                x = x + self.remap_features[index - 1](y) + self.remap_heatmaps[index - 1](outputs[-1])
            y = self.features[index](hourglass(x))
            outputs.append(self.heatmaps[index](y))
        return StackedHeatmaps(tuple(outputs[:-1]), outputs[-1])
