"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation and with ReLU6, for phones and accelerators.

Source: TensorFlow's public definition (tensorflow/tpu, models/official/efficientnet/lite). Blocks and padding are B0's.
"""

from __future__ import annotations

from torch import Tensor, nn

from reproductions.efficientpose.backbone import same_conv_bn

STEM, HEAD = 32, 1280
# expansion, channels, layers, kernel, stride of the first layer
STAGES = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)


class LiteBlock(nn.Module):
    """Expansion, depthwise and linear projection: ``[N, C_in, h, w] -> [N, C_out, ceil(h / stride), ceil(w / stride)]``."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        expand = [same_conv_bn(in_channels, hidden, 1, act=nn.ReLU6)] if expansion > 1 else []
        depthwise = same_conv_bn(hidden, hidden, kernel, stride=stride, groups=hidden, act=nn.ReLU6)
        self.body = nn.Sequential(*expand, depthwise, same_conv_bn(hidden, out_channels, 1, act=None))
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, C_out, h', w']``."""
        return x + self.body(x) if self.residual else self.body(x)


class EfficientNetLite0(nn.Sequential):
    """``images [N, 3, H, W] -> features [N, 1280, ceil(H/32), ceil(W/32)]``, without pooling and classifier."""

    def __init__(self) -> None:
        layers: list[nn.Module] = [same_conv_bn(3, STEM, 3, stride=2, act=nn.ReLU6)]
        channels = STEM
        for expansion, width, depth, kernel, first_stride in STAGES:
            for index in range(depth):
                stride = first_stride if index == 0 else 1
                layers.append(LiteBlock(channels, width, kernel, stride=stride, expansion=expansion))
                channels = width
        super().__init__(*layers, same_conv_bn(channels, HEAD, 1, act=nn.ReLU6))
