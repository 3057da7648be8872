"""Describe the built head in the numbers that the paper's text states, written as the paper writes them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchmark.models.registry import build_model
from reproductions.wording import agreed


def describe_structure(table: str) -> dict[str, str]:
    """Return ``{"row/column": string}`` for the numbers of Sec. III-A and Eq. 6; empty for other tables.

    The width is that of a whole layer, after its pointwise convolution. The depthwise convolution keeps the width of its input,
    which for the first layer is the backbone's.
    """
    if table != "text_structure":
        return {}
    with torch.device("meta"):
        network: Any = build_model("heatmap_weighting/mobilenet_v3", joints=17)
    layers = [layer for layer in network.head if any(isinstance(part, nn.ConvTranspose2d) for part in layer.modules())]
    depthwise = [part for layer in layers for part in layer.modules() if isinstance(part, nn.ConvTranspose2d)]
    pointwise = [part for layer in layers for part in layer.modules() if isinstance(part, nn.Conv2d)]
    (attention,) = (layer for layer in network.head if hasattr(layer, "spatial"))
    mix, spatial = (part for part in attention.spatial.modules() if isinstance(part, nn.Conv2d))
    values = {
        "layers": str(len(layers)),
        "kernel": agreed(side for conv in depthwise for side in conv.kernel_size),
        "channels": agreed(conv.out_channels for conv in pointwise),
        "spatial_mix": "×".join(map(str, mix.kernel_size)),
        "spatial_kernel": "×".join(map(str, spatial.kernel_size)),
    }
    return {f"{row}/structure": value for row, value in values.items()}
