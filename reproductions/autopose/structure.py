"""Describe the built network in the numbers that the paper's text states, written as the paper writes them."""

from __future__ import annotations

import torch

from reproductions.autopose.architectures import EXAMPLE, OPERATIONS, read_architecture, with_branches
from reproductions.autopose.network import build
from reproductions.wording import WORDS


def describe_structure(table: str) -> dict[str, str]:
    """Return ``{"row/column": string}`` for Secs. 3 and 4.2, from the example with all branches; empty for other tables."""
    if table != "text_structure":
        return {}
    architecture = with_branches(read_architecture(EXAMPLE), "all")
    with torch.device("meta"):
        network = build(architecture, num_joints=17)
    module = network.stages[0]
    values = {
        "branches": str(len(module.individual)),
        "search_channels": ", ".join(str(width // 2) for width in architecture.channels),  # half of the derived network's
        "modules": str(len(network.stages) // len(architecture.stages)),
        "stages": WORDS[len(architecture.stages)],
        "individual_cells": WORDS[len(module.individual["1/4"])],
        "aggregation_cells": WORDS[len(module.aggregation) // len(module.individual)],
        "stem_convs": WORDS[sum(layer[0].stride == (2, 2) for layer in network.stem.convs)],
        "operations": WORDS[len(OPERATIONS)],
    }
    return {f"{row}/structure": value for row, value in values.items()}
