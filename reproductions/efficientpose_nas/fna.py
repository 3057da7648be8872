"""Starts of a searched network from ImageNet by fast network adaptation (FNA; Fang et al., ICLR 2020), as in the paper.

The layers of a network are filled from a seed network stage by stage. Depth: the i-th layer of a stage takes the i-th layer of
the seed's stage, or its last one. Width: the first channels of both are matched; channels that the seed lacks are zero. Kernel:
a small kernel is put into the middle of a large one; of a large kernel the middle is taken. The head keeps its initial values,
except for :func:`from_lite0_to_empty_maps` and :func:`from_lite0_with_prior`.

Source: section 3.1 of that paper and github.com/JaminFong/FNA. EfficientPose does not say which seed it used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from benchmark.pipeline.batches import IMAGENET_STD
from reproductions.efficientpose_nas.network import PoseNetwork
from reproductions.pretrained import efficientnet_lite0, imagenet_backbone

Pair = tuple[nn.Conv2d, nn.BatchNorm2d]
Layer = Sequence[Pair]  # expansion (where there is one), depthwise, projection

LITE0_SCALE = 255 / 128  # its inputs are (value - 127) / 128
PRIOR = 0.01


def from_mobilenet_v2(network: PoseNetwork) -> None:
    """Fill the backbone from torchvision's MobileNetV2, in place; its weights are downloaded if they are missing.

    Raises:
        InputError: The weights cannot be downloaded, or the file is not the expected one.
    """
    features = list(imagenet_backbone("mobilenet_v2").children())
    adapt(network, [features[0:2], features[2:4], features[4:7], features[7:11], features[11:14]])


def from_lite0(network: PoseNetwork) -> None:
    """Fill the backbone from the EfficientNet-Lite0 of the package index, in place.

    Raises:
        InputError: See :func:`lite0`.
    """
    seed = lite0()
    adapt(network, [seed[0:2], seed[2:4], seed[4:6], seed[6:9], seed[9:12]])


def lite0() -> list[nn.Module]:
    """Return the layers of the package index's EfficientNet-Lite0, stem first, for images that are normalised as they are here.

    Its own inputs have another scale, which the first convolution takes over; their offset is left to the batch norm after it.

    Raises:
        InputError: The package is not installed, or its file is not the known one.
    """
    seed = list(efficientnet_lite0())
    first = next(module for module in seed[0].modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        first.weight.mul_(torch.tensor(IMAGENET_STD)[:, None, None] * LITE0_SCALE)
    return seed


def from_lite0_to_empty_maps(network: PoseNetwork) -> None:
    """Fill the backbone as :func:`from_lite0` does, and make every heatmap start nearly at 0, in place.

    Most of a target is empty. PyTorch's own final convolution is a hundred times as large, and a short training spends its
    first epoch on unlearning what it draws.

    Raises:
        InputError: See :func:`from_lite0`.
    """
    from_lite0(network)
    _start_maps_at(network, 0.0)


def from_lite0_with_prior(network: PoseNetwork) -> None:
    """Fill the backbone as :func:`from_lite0` does, and make the sigmoid of every heatmap start at 0.01, in place.

    Nearly all of a heatmap is empty, and from a bias of 0 a cross-entropy first has to learn that. The bias is that of the
    focal loss (Lin et al., ICCV 2017, section 3.3).

    Raises:
        InputError: See :func:`from_lite0`.
    """
    from_lite0(network)
    _start_maps_at(network, -math.log((1 - PRIOR) / PRIOR))


def _start_maps_at(network: PoseNetwork, bias: float) -> None:
    """Draw the weights of the final convolution from N(0, 0.001), as SimpleBaseline does, and set its bias."""
    nn.init.normal_(network.head.get_parameter("final.weight"), std=0.001)
    nn.init.constant_(network.head.get_parameter("final.bias"), bias)


def adapt(network: PoseNetwork, seed: Sequence[Iterable[nn.Module]]) -> None:
    """Fill ``network.backbone`` in place.

    Args:
        network: The network to fill.
        seed: The seed's layers: those of the stem (its first convolution and its layer without expansion), then those of each
            of the four stages. Strides agree: 2, 4, 8, 16 and 16.
    """
    stem, *stages = network.backbone.children()
    remap([pair for layer in seed[0] for pair in pairs(layer)], pairs(stem))
    for stage, layers in zip(stages, seed[1:], strict=True):
        sources = [pairs(layer) for layer in layers]
        for index, layer in enumerate(stage.children()):
            remap(sources[min(index, len(sources) - 1)], pairs(layer))


def pairs(module: nn.Module) -> list[Pair]:
    """Return the convolutions of a module in order, each with the batch norm after it."""
    parts = [part for part in module.modules() if isinstance(part, nn.Conv2d | nn.BatchNorm2d)]
    layer: list[Pair] = []
    for conv, norm in zip(parts[::2], parts[1::2], strict=True):
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        layer.append((conv, norm))
    return layer


def remap(seed: Layer, layer: Layer) -> None:
    """Fill each convolution and batch norm from its counterpart, in place."""
    with torch.no_grad():
        for (seed_conv, seed_norm), (conv, norm) in zip(seed, layer, strict=True):
            conv.weight.copy_(fitted(seed_conv.weight, conv.weight.shape))
            channels = min(norm.num_features, seed_norm.num_features)
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(norm, name)[:channels] = getattr(seed_norm, name)[:channels]


def fitted(kernels: Tensor, shape: Sequence[int]) -> Tensor:
    """Return kernels ``[out, in, k, k]`` in another shape: first channels, middle of the kernel, zeros elsewhere."""
    resized = kernels.new_zeros(*shape)
    channels = [slice(0, min(sizes)) for sizes in zip(kernels.shape[:2], shape[:2], strict=True)]
    sides = kernels.shape[-1], shape[-1]
    source, target = (slice((side - min(sides)) // 2, (side + min(sides)) // 2) for side in sides)
    resized[(*channels, target, target)] = kernels[(*channels, source, source)]
    return resized
