"""EfficientPose A, B and C: four down-samplings by inverted residuals, two slim transposed convolutions, one correction.

The structure follows Table 1 and section 3 of the paper, and the released code where these leave something open. Line numbers
are those of github.com/hustvl/EfficientPose at commit 2be99fe.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor, nn

from benchmark.core.errors import InputError
from reproductions.efficientpose_nas.architectures import (
    ARCHITECTURES,
    SKIP,
    Architecture,
    as_printed,
    parse_operation,
    read_architecture,
)
from reproductions.layers import conv_bn, deconv_bn


class MBConv(nn.Module):
    """Inverted residual: 1x1 expansion, depthwise kxk, linear 1x1; added to its input where both have the same shape.

    ``[N, in_channels, H, W] -> [N, out_channels, H / stride, W / stride]``. The release uses ReLU where MobileNetV2 has ReLU6.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        kernel: int,
        expansion: int,
        stride: int = 1,
        act: Callable[[], nn.Module] = nn.ReLU,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.residual = stride == 1 and in_channels == out_channels
        self.layers = nn.Sequential(
            *([conv_bn(in_channels, hidden, 1, act=act, eps=eps)] if expansion > 1 else []),
            conv_bn(hidden, hidden, kernel, stride=stride, groups=hidden, act=act, eps=eps),
            conv_bn(hidden, out_channels, 1, act=None, eps=eps),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, out_channels, H / stride, W / stride]``."""
        return x + self.layers(x) if self.residual else self.layers(x)


def mbconvs(
    in_channels: int,
    width: int,
    stride: int,
    operations: Iterable[str],
    *,
    act: Callable[[], nn.Module] = nn.ReLU,
    eps: float = 1e-5,
) -> nn.Sequential:
    """Build a stage of ``width`` channels whose first layer has the stride; skipped layers are left out."""
    blocks: list[nn.Module] = []
    for operation in operations:
        if operation == SKIP:
            continue
        kernel, expansion = parse_operation(operation)
        blocks.append(
            MBConv(
                in_channels=width if blocks else in_channels,
                out_channels=width,
                kernel=kernel,
                expansion=expansion,
                stride=1 if blocks else stride,
                act=act,
                eps=eps,
            )
        )
    return nn.Sequential(*blocks)


class Backbone(nn.Sequential):
    """The stem and the architecture's stages, ``[N, 3, H, W] -> [N, out_channels, H / 16, W / 16]``."""

    def __init__(self, architecture: Architecture) -> None:
        skeleton = architecture.skeleton
        projection = conv_bn(skeleton.first, skeleton.separable, 1, act=None)
        stem = nn.Sequential(
            conv_bn(3, skeleton.first, stride=2),
            conv_bn(skeleton.first, skeleton.first, groups=skeleton.first),
            projection,
        )
        stages, channels = [], skeleton.separable
        for (width, stride, _), operations in zip(skeleton.stages, architecture.stages, strict=True):
            stages.append(mbconvs(channels, width, stride, operations))
            channels = width
        super().__init__(stem, *stages)
        self.out_channels = channels
        initialise(self)
        # All convolutions of the released backbone are made by a helper that draws them so, except for this one
        # (lib/models/pose_efficient.py, line 75), which keeps PyTorch's own values.
        conv = projection[0]
        assert isinstance(conv, nn.Conv2d)
        conv.reset_parameters()


TConv = Literal["plain", "mbv1", "mbv2"]
HeadInit = Literal["pytorch", "simple_baseline"]


def transposed(in_channels: int, out_channels: int, style: TConv) -> nn.Sequential:
    """Build a layer of Table 8 that doubles the size, ``[N, in, h, w] -> [N, out, 2h, 2w]``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        style: ``plain`` is a full transposed convolution; ``mbv1`` a depthwise one followed by a 1x1; ``mbv2`` a depthwise one
            between a 1x1 expansion by 6 and a linear 1x1.

    Raises:
        InputError: The style is unknown.
    """
    match style:
        case "plain":
            return deconv_bn(in_channels, out_channels)
        case "mbv1":
            return nn.Sequential(deconv_bn(in_channels, in_channels, groups=in_channels), conv_bn(in_channels, out_channels, 1))
        case "mbv2":
            hidden = 6 * in_channels
            return nn.Sequential(
                conv_bn(in_channels, hidden, 1),
                deconv_bn(hidden, hidden, groups=hidden),
                conv_bn(hidden, out_channels, 1, act=None),
            )
    raise InputError(f"unknown transposed convolution {style!r}; known: plain, mbv1, mbv2")


class Head(nn.Sequential):
    """The up-sampling head, ``[N, in_channels, h, w] -> [N, num_joints, 4h, 4w]`` (section 3.3).

    ``init`` decides the initial values and nothing else:

    - ``pytorch``: every layer keeps PyTorch's own. This is what the released code does: it defines a function that would draw
      other values, but its only call is commented out (``lib/models/pose_efficient.py``, lines 185 to 188).
    - ``simple_baseline``: the transposed and the final convolutions are drawn from N(0, 0.001) and the final bias is 0, as in
      SimpleBaseline, so that heatmaps start near zero; all other convolutions are drawn from He's normal distribution.

    Batch norms start at 1 and 0 in both. That is PyTorch's own start since version 1.2; before it, weights were uniform
    between 0 and 1, and the release asks for version 1.0.1 or later.

    Args:
        widths: Channels after each of the two transposed convolutions.
        tconv: Their style, see :func:`transposed`.
        sic: Spatial information correction against checkerboards: one depthwise 3x3, in the release with neither bias nor
            batch norm, and with a ReLU that the paper does not mention.

    Raises:
        InputError: Unknown ``tconv`` or ``init``.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        num_joints: int,
        widths: tuple[int, int] = (64, 32),
        tconv: TConv = "plain",
        sic: bool = True,
        init: HeadInit = "pytorch",
    ) -> None:
        if init not in get_args(HeadInit):
            raise InputError(f"unknown start of the head {init!r}; known: {', '.join(get_args(HeadInit))}")
        first, second = widths
        parts: dict[str, nn.Module] = {
            "deconvs": nn.Sequential(transposed(in_channels, first, tconv), transposed(first, second, tconv)),
        }
        if sic:
            parts["sic"] = nn.Sequential(nn.Conv2d(second, second, 3, padding=1, groups=second, bias=False), nn.ReLU())
        final = nn.Conv2d(second, num_joints, 1)
        super().__init__(OrderedDict(parts, final=final))
        if init == "simple_baseline":  # the transposed convolutions are made so
            initialise(self)
            nn.init.normal_(final.weight, std=0.001)
        else:
            for module in self.modules():
                if isinstance(module, nn.ConvTranspose2d):
                    module.reset_parameters()


class PoseNetwork(nn.Module):
    """A backbone of stride 16 and the head after it, ``[N, 3, H, W] -> [N, num_joints, H / 4, W / 4]``."""

    def __init__(self, *, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Return heatmaps ``[N, num_joints, H / 4, W / 4]``."""
        return self.head(self.backbone(images))


def initialise(network: nn.Module) -> None:
    """Draw convolutions from He's normal distribution over outgoing connections and set their biases to 0, in place.

    The release does so for each convolution of the inverted residuals and for the first two of the stem
    (``lib/nasnet_function/net_builder.py``, line 444), and for MobileNetV2 (``lib/models/pose_mobilenet.py``, line 111).
    Transposed convolutions and batch norms keep the values that they are made with.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def efficientpose(
    *,
    num_joints: int,
    architecture: str | Architecture = "A",
    widths: tuple[int, int] | None = None,
    tconv: TConv = "plain",
    sic: bool = True,
    head_init: HeadInit = "pytorch",
    depth: Literal["released", "printed"] = "released",
) -> PoseNetwork:
    """Build EfficientPose with a named architecture (``A``, ``B``, ``C``) or a given one.

    Args:
        widths: See :class:`Head`; by default those of the architecture's skeleton.
        tconv: See :func:`transposed`.
        sic: See :class:`Head`.
        head_init: The initial values of the head, see :class:`Head`.
        depth: ``printed`` adds the two layers of stage 3 that Table 1 prints for the small skeleton and the release lacks.

    Raises:
        InputError: Unknown architecture, style, start or depth, or the printed depth of a large architecture.
    """
    if isinstance(architecture, str):
        if architecture not in ARCHITECTURES:
            raise InputError(f"unknown architecture {architecture!r}; known: {', '.join(ARCHITECTURES)}")
        architecture = ARCHITECTURES[architecture]
    if depth == "printed":
        architecture = as_printed(architecture)
    elif depth != "released":
        raise InputError(f"unknown depth {depth!r}; known: released, printed")
    backbone = Backbone(architecture)
    head = Head(
        in_channels=backbone.out_channels,
        num_joints=num_joints,
        widths=widths or architecture.skeleton.deconvs,
        tconv=tconv,
        sic=sic,
        init=head_init,
    )
    return PoseNetwork(backbone=backbone, head=head)


def build_from_file(path: Path | str, *, num_joints: int) -> nn.Module:
    """Build the network of an architecture file.

    Raises:
        InputError: See :func:`read`.
    """
    return efficientpose(num_joints=num_joints, architecture=read_architecture(path))
