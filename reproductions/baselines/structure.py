"""The structure of the baselines where a paper prints a number of it."""

from __future__ import annotations

import torch
from torch import nn

from benchmark.models.registry import build_model
from reproductions.wording import agreed


def describe_structure(table: str) -> dict[str, str]:
    """Return ``{"row/column": string}``: the width of SimpleBaseline's transposed convolutions; empty for other tables."""
    if table != "text_structure":
        return {}
    with torch.device("meta"):
        network = build_model("baselines/simple_baseline-r50", joints=16)
    widths = (layer.out_channels for layer in network.modules() if isinstance(layer, nn.ConvTranspose2d))
    return {"tconv_width_simple_baseline/structure": agreed(widths)}
