"""Starts of EfficientPose and its OpenPose from ImageNet, from torchvision's checkpoints (section 4.1).

The paper does not say whose weights it starts from. torchvision's EfficientNets have the same layers, and three differences
that training has to compensate: their strided convolutions pad both sides equally, while TensorFlow's "SAME" pads below and
right; B0 to B4 were trained with a batch norm epsilon of 1e-5 instead of 1e-3; and each was trained at ImageNet's sizes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torchvision.models
from torch import nn

from benchmark.core.errors import InputError
from reproductions.efficientpose.backbone import Backbone, MBConv
from reproductions.efficientpose.network import DetectionPass, EfficientPose
from reproductions.efficientpose.openpose import VGG19, OpenPose
from reproductions.efficientpose_nas.fna import lite0, pairs, remap
from reproductions.pretrained import checkpoint, load_in_order


def from_imagenet(network: nn.Module, *, mirrors: Mapping[str, str] | None = None) -> None:
    """Fill the backbones in place: EfficientPose's two from EfficientNets, OpenPose's first ten convolutions from VGG-19.

    Args:
        network: An EfficientPose or an OpenPose.
        mirrors: Addresses to download from instead of torchvision's own, by torchvision's name of the network.

    Raises:
        InputError: The network is another one, or see :func:`reproductions.pretrained.checkpoint`.
    """
    mirrors = mirrors or {}
    if isinstance(network, EfficientPose):
        for backbone in network.backbones.values():
            assert isinstance(backbone, Backbone)
            name = f"efficientnet_{backbone.variant.lower()}"
            weights, path = checkpoint(name, url=mirrors.get(name))
            parts = tuple(f"features.{part}." for part in range(backbone.num_blocks + 1))  # 0 is the stem
            load_in_order(backbone, weights, _names(name, parts), path)
    elif isinstance(network, OpenPose):
        weights, path = checkpoint("vgg19", url=mirrors.get("vgg19"))
        convolutions = [layer for layer in network.backbone if isinstance(layer, nn.Conv2d)]
        shared = nn.ModuleList(convolutions[: sum(isinstance(width, int) for width in VGG19)])
        names = _names("vgg19", ("features.",))[: 2 * len(shared)]  # weight and bias
        load_in_order(shared, weights, names, path)
    else:
        raise InputError(f"{type(network).__name__} has no backbone of EfficientNets or VGG-19 to fill")


def from_lite0(network: nn.Module) -> None:
    """Fill EfficientPose's backbones in place from EfficientNet-Lite0, whose weights can be installed, by FNA's rules.

    Lite0 is B0 without squeeze and excitation, which keep their initial values, and with ReLU6 instead of SiLU. Backbones that
    are wider or deeper than B0 are filled as in :mod:`reproductions.efficientpose_nas.fna`. No paper starts from these weights;
    they replace those of :func:`from_imagenet` where torchvision's cannot be downloaded.

    Raises:
        InputError: The network is another one, the package is not installed, or its file is not the known one.
    """
    if not isinstance(network, EfficientPose):
        raise InputError(f"{type(network).__name__} has no backbone of EfficientNets to fill")
    stem, *layers = lite0()
    seed = {"1": layers[:1], "2": layers[1:3], "3": layers[3:5]}
    for backbone in network.backbones.values():
        assert isinstance(backbone, Backbone)
        remap(pairs(stem), pairs(backbone.stem))
        for name, layer in backbone.layers.items():
            source = seed[name[0]]
            assert isinstance(layer, MBConv)
            parts = [part for part in (layer.expand, layer.depthwise, layer.project) if part is not None]
            index = min("abcdefg".index(name[1]), len(source) - 1)
            remap(pairs(source[index]), [pair for part in parts for pair in pairs(part)])


def from_lite0_to_empty_maps(network: nn.Module) -> None:
    """Fill the backbones as :func:`from_lite0` does, and make the heatmaps of every pass start nearly empty, in place.

    Most of a target is empty. With the usual initial values the heatmaps are far from that, and a training of a few epochs
    does little more than correct it.

    Raises:
        InputError: See :func:`from_lite0`.
    """
    from_lite0(network)
    assert isinstance(network, EfficientPose)
    with torch.no_grad():
        for detection in network.passes:
            assert isinstance(detection, DetectionPass)
            if detection.head is not None:
                assert detection.head.bias is not None
                detection.head.weight.mul_(0.01)
                detection.head.bias.zero_()


def _names(name: str, parts: tuple[str, ...]) -> list[str]:
    """List the tensors of torchvision's network below ``parts``, in the order of the layers."""
    with torch.device("meta"):
        network = torchvision.models.get_model(name, weights=None)
    return [key for key in network.state_dict() if key.startswith(parts)]
