"""OpenPose as EfficientPose compares with it (Cao et al., TPAMI 2019; section 2 and Figure 1 of EfficientPose).

The text gives VGG-19, passes of five dense blocks of three 3x3 convolutions with PReLU, four passes for affinity fields and
two for heatmaps. The widths are those of OpenPose's public network for 25 keypoints, with the maps of MPII: 2 x 14 and 16.
One thing is inferred: each pass sees the image features and the outputs of the previous pass, and no earlier ones. With these
connections the network has the printed 25.94 M parameters and 160.36 GFLOPs; with the public network's last pass, which also
sees the affinity fields, it would have 25.97 M and 160.50 G.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reproductions.efficientpose.network import Maps

VGG19 = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512, 512)  # its first ten convolutions
FEATURES = 128
BLOCKS = 5


def vgg_features() -> nn.Sequential:
    """Build VGG-19 to its tenth convolution and two that reduce its width, ``[N, 3, H, W] -> [N, 128, H / 8, W / 8]``.

    Numbered as torchvision's ``vgg19().features``, whose weights fit; the last three activations are PReLU.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width in VGG19:
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    layers[-1] = nn.PReLU(channels)
    for width in (256, FEATURES):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.PReLU(width)]
        channels = width
    return nn.Sequential(*layers)


class DenseBlock(nn.Module):
    """Three consecutive 3x3 convolutions, their outputs concatenated; ``[N, in_channels, h, w] -> [N, 3 width, h, w]``."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.PReLU(width)) for channels in (in_channels, width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, 3 width, h, w]``."""
        outputs = []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return torch.cat(outputs, 1)


def detection_pass(in_channels: int, width: int, hidden: int, num_maps: int) -> nn.Sequential:
    """Build five dense blocks and two 1x1 convolutions, ``[N, in_channels, h, w] -> [N, num_maps, h, w]``."""
    widths = [in_channels] + [3 * width] * (BLOCKS - 1)
    return nn.Sequential(
        *(DenseBlock(channels, width) for channels in widths),
        nn.Conv2d(3 * width, hidden, 1),
        nn.PReLU(hidden),
        nn.Conv2d(hidden, num_maps, 1),
    )


class OpenPose(nn.Module):
    """OpenPose: four passes refine affinity fields, two heatmaps, all at an eighth of the input's resolution.

    Args:
        num_joints: Keypoints K.
        segments: P, pairs of keypoints with an affinity field.
    """

    def __init__(self, *, num_joints: int = 16, segments: int = 14) -> None:
        super().__init__()
        self.backbone = vgg_features()
        self.passes = nn.ModuleList()
        self.skeleton_passes = 4
        previous = 0  # channels that the previous pass predicts
        for num_maps, count in ((2 * segments, self.skeleton_passes), (num_joints, 2)):
            for number in range(count):
                width, hidden = (96, 256) if number == 0 else (128, 512)  # the first pass of each kind is narrower
                self.passes.append(detection_pass(FEATURES + previous, width, hidden, num_maps))
                previous = num_maps

    def forward(self, images: Tensor) -> Maps:
        """Return the predictions for images ``[N, 3, H, W]``; ``final`` holds the last heatmaps ``[N, K, H / 8, W / 8]``."""
        features = self.backbone(images)
        outputs: list[Tensor] = []
        for detect in self.passes:
            outputs.append(detect(torch.cat((features, outputs[-1]), 1) if outputs else features))
        skeletons, heatmaps = outputs[: self.skeleton_passes], outputs[self.skeleton_passes :]
        return Maps(tuple(skeletons), tuple(heatmaps), heatmaps[-1])
