"""The structure of the built networks where the paper prints a number, as strings in the paper's notation."""

from __future__ import annotations

from collections.abc import Iterable
from math import log2
from typing import Any

import torch
from torch import nn

from benchmark.models.registry import build_model
from reproductions.efficientpose_nas.architectures import ARCHITECTURES, OPERATIONS, SKIP, parse_operation, skeleton
from reproductions.wording import agreed

_TABLE1 = (
    *("conv", "sep_depth", "stage1_first", "stage1_rest", "stage2_first", "stage2_rest", "stage3_first", "stage3_rest"),
    *("stage4", "trans_conv1", "trans_conv2"),
)


def describe_structure(table: str) -> dict[str, str]:
    """Return ``{"row/column": string}`` for Table 1 and for the numbers in Sections 3.2 and 4.4; empty for other tables."""
    if table == "table1":
        return {f"{row}/{size}": cell for size in ("small", "large") for row, cell in zip(_TABLE1, skeleton(size), strict=True)}
    return _text_structure() if table == "text_structure" else {}


def _text_structure() -> dict[str, str]:
    """Count the numbers printed in Sections 3.2 and 4.4.

    The candidates are the operations that an architecture may have; everything else is counted on the three networks, whose
    heads must agree. The width of SimpleBaseline's head is left to the package of that network.
    """
    candidates = [parse_operation(operation) for operation in OPERATIONS if operation != SKIP]
    kernels, expansions = (sorted(set(column)) for column in zip(*candidates, strict=True))
    halvings, widths = [], []
    with torch.device("meta"):
        images = torch.empty(1, 3, 256, 256)
        for name in ARCHITECTURES:
            network: Any = build_model(f"efficientpose_nas/{name}", joints=16)
            halvings.append(log2(images.shape[-1] / network.backbone(images).shape[-1]))
            layers = [layer for layer in network.head.modules() if isinstance(layer, nn.ConvTranspose2d)]
            widths.append([layer.out_channels for layer in layers])
    first, second = zip(*widths, strict=True)
    values = {
        "kernel_sizes": _set(kernels),
        "expansion_ratios": _set(expansions),
        "down_samplings": agreed(f"{count:g}" for count in halvings),
        "tconv1_width": agreed(first),
        "tconv2_width": agreed(second),
    }
    return {f"{row}/structure": value for row, value in values.items()}


def _set(values: Iterable[int]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"
