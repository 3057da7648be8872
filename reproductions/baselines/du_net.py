"""Coupled U-Nets: DU-Net (Tang et al., ECCV 2018) and CU-Net (Tang et al., BMVC 2018).

Source: the authors' released code for both papers, github.com/zhiqiangdon/CU-Net. Each block of a U-Net also reads the features
that the block at the same position added in each of the ``order`` U-Nets before it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reproductions.baselines.hourglass import StackedHeatmaps, upsample_to

CHANNELS = 128
GROWTH = 32
NECK = 4 * GROWTH
DEPTH = 4


def adapter(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return batch norm, ReLU and a 1x1 convolution without bias: ``[N, C_in, h, w] -> [N, C_out, h, w]``."""
    return nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(), nn.Conv2d(in_channels, out_channels, 1, bias=False))


class Block(nn.Module):
    """Dense layer that adds 32 channels to ``x [N, C, h, w]`` and to the new channels of ``links`` earlier blocks.

    ``forward(x, earlier) -> (ahead [N, C_out, h, w], shortcut or None, new [N, 32, h, w])``

    Args:
        links: Number of earlier U-Nets whose block at the same position is read.
        shortcut: Also return the features that cross over to the way up.
    """

    def __init__(self, in_channels: int, out_channels: int, *, links: int, shortcut: bool = False) -> None:
        super().__init__()
        read_channels = in_channels + links * GROWTH
        self.grow = nn.Sequential(
            *adapter(read_channels, NECK), nn.BatchNorm2d(NECK), nn.ReLU(), nn.Conv2d(NECK, GROWTH, 3, padding=1, bias=False)
        )
        self.ahead = adapter(read_channels + GROWTH, out_channels)
        self.shortcut = adapter(read_channels + GROWTH, out_channels) if shortcut else None

    def forward(self, x: Tensor, earlier: list[Tensor]) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return the block's output, the features that cross over (or None) and the new channels."""
        read = torch.cat([x, *earlier], dim=1)
        new = self.grow(read)
        features = torch.cat([read, new], dim=1)
        return self.ahead(features), None if self.shortcut is None else self.shortcut(features), new


class UNet(nn.Module):
    """Four blocks down, one at the bottom, four up: ``forward(x [N, 128, h, w], memory) -> [N, 128, h, w]``.

    ``memory[position]`` holds the new channels of the blocks at this position in earlier U-Nets; this U-Net appends its own.
    """

    def __init__(self, *, links: int) -> None:
        super().__init__()
        self.links = links
        self.downs = nn.ModuleList(Block(CHANNELS, CHANNELS, links=links, shortcut=True) for _ in range(DEPTH))
        self.bottom = Block(CHANNELS, CHANNELS, links=links)
        self.ups = nn.ModuleList(Block(2 * CHANNELS, CHANNELS, links=links) for _ in range(DEPTH))

    def forward(self, x: Tensor, memory: list[list[Tensor]]) -> Tensor:
        """Return features ``[N, 128, h, w]`` and append the new channels to ``memory``."""
        shortcuts: list[Tensor] = []
        for position, block in enumerate([*self.downs, self.bottom, *self.ups]):
            if position > DEPTH:
                x = torch.cat([upsample_to(x, shortcuts[-1]), shortcuts.pop()], dim=1)
            earlier = memory[position]
            x, shortcut, new = block(x, earlier[len(earlier) - self.links :])
            earlier.append(new)
            if shortcut is not None:
                shortcuts.append(shortcut)
                x = functional.max_pool2d(x, 2)
        return x


class CoupledUNets(nn.Module):
    """``images [N, 3, H, W] -> StackedHeatmaps``, final heatmaps ``[N, num_joints, H/4, W/4]``.

    Args:
        num_nets: Number of U-Nets; DU-Net with 7.9M and 15.9M parameters has 8 and 16.
        order: Number of earlier U-Nets that each one reads: 1 in DU-Net, ``num_nets - 1`` in CU-Net, which couples all.
    """

    def __init__(self, *, num_joints: int, num_nets: int = 8, order: int = 1) -> None:
        super().__init__()
        self.order = order
        self.stem = nn.Sequential(
            nn.Conv2d(3, CHANNELS, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(CHANNELS), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.nets = nn.ModuleList(UNet(links=min(index, order)) for index in range(num_nets))
        # Between two U-Nets the last output is concatenated with the inputs of earlier ones, and narrowed.
        self.joins = nn.ModuleList(adapter(CHANNELS * (1 + min(index, order)), CHANNELS) for index in range(1, num_nets))
        self.predictions = nn.ModuleList(adapter(CHANNELS, num_joints) for _ in range(num_nets))

    def forward(self, images: Tensor) -> StackedHeatmaps:
        """Return the heatmaps of all U-Nets."""
        x = self.stem(images)
        memory: list[list[Tensor]] = [[] for _ in range(2 * DEPTH + 1)]
        inputs: list[Tensor] = []
        outputs = []
        for index, (net, predict) in enumerate(zip(self.nets, self.predictions, strict=True)):
            if index:
                x = self.joins[index - 1](torch.cat([x, *inputs[len(inputs) - min(index, self.order) :]], dim=1))
            inputs.append(x)
            x = net(x, memory)
            outputs.append(predict(x))
        return StackedHeatmaps(tuple(outputs[:-1]), outputs[-1])
