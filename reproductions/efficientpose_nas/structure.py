"""The structure of the built networks where the paper prints a number, as strings in the paper's notation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import log2
from typing import Any

import torch
from torch import nn

from benchmark.models.registry import build_model
from reproductions.efficientpose_nas.architectures import ARCHITECTURES, OPERATIONS, SKIP, parse_operation
from reproductions.wording import agreed

_STEM = ("conv", "sep_depth")
_HEAD = ("trans_conv1", "trans_conv2")


def describe_structure(table: str) -> dict[str, str]:
    """Return ``{"row/column": string}`` for Table 1 and for the numbers in Sections 3.2 and 4.4; empty for other tables."""
    if table == "table1":
        return _agree(_table1_rows(("A",)), "small") | _agree(_table1_rows(("B", "C")), "large")
    return _text_structure() if table == "text_structure" else {}


def _agree(networks: list[dict[str, str]], column: str) -> dict[str, str]:
    return {f"{row}/{column}": agreed(rows[row] for rows in networks) for row in networks[0]}


def _table1_rows(names: Iterable[str]) -> list[dict[str, str]]:
    """Count the rows of Table 1 on each network.

    Channels and strides are those of its layers; a stage that keeps its stride throughout is one row, as in the paper. Layers
    that the architecture skips are not there.
    """
    described = []
    for name in names:
        network = _build(name)
        stem, *stages = network.backbone
        first, _, projection = (next(_convs(layer)) for layer in stem)
        rows = dict(zip(_STEM, (_layer(first), _layer(projection)), strict=True))
        for number, stage in enumerate(stages, 1):
            layers = [f"[{_width(block)}, s{_stride(block)}]" for block in stage]
            if len(set(layers)) == 1:
                rows[f"stage{number}"] = f"{layers[0]}×{len(layers)}"
            else:
                rows[f"stage{number}_first"] = layers[0]
                rows[f"stage{number}_rest"] = f"{agreed(layers[1:])}×{len(layers) - 1}"
        rows |= dict(zip(_HEAD, map(_layer, _transposed(network)), strict=True))
        described.append(rows)
    return described


def _text_structure() -> dict[str, str]:
    """Return the numbers printed in Sections 3.2 and 4.4: of the search space, and counted on the three networks.

    The width of SimpleBaseline's head is left to the package of that network.
    """
    networks = [_build(name) for name in ARCHITECTURES]
    kernels, expansions = zip(*(parse_operation(operation) for operation in OPERATIONS if operation != SKIP), strict=True)
    with torch.device("meta"):
        images = torch.empty(1, 3, 256, 256)
        halvings = [log2(images.shape[-1] / network.backbone(images).shape[-1]) for network in networks]
    first, second = zip(*([layer.out_channels for layer in _transposed(network)] for network in networks), strict=True)
    values = {
        "kernel_sizes": _set(kernels),
        "expansion_ratios": _set(expansions),
        "down_samplings": agreed(f"{count:g}" for count in halvings),
        "tconv1_width": agreed(first),
        "tconv2_width": agreed(second),
    }
    return {f"{row}/structure": value for row, value in values.items()}


def _build(name: str) -> Any:
    with torch.device("meta"):
        return build_model(f"efficientpose_nas/{name}", joints=16)


def _convs(module: nn.Module) -> Iterator[nn.Conv2d]:
    return (layer for layer in module.modules() if isinstance(layer, nn.Conv2d))


def _transposed(network: Any) -> list[nn.ConvTranspose2d]:
    return [layer for layer in network.head.modules() if isinstance(layer, nn.ConvTranspose2d)]


def _layer(conv: nn.Conv2d | nn.ConvTranspose2d) -> str:
    return f"[{conv.out_channels}, s{conv.stride[0]}]"


def _width(block: nn.Module) -> int:
    return [*_convs(block)][-1].out_channels


def _stride(block: nn.Module) -> int:
    return max(conv.stride[0] for conv in _convs(block))


def _set(values: Iterable[int]) -> str:
    return "{" + ", ".join(map(str, sorted(set(values)))) + "}"
