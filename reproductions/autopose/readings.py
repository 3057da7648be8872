"""Compute the GFLOPs of the search space from its cheapest to its most expensive network, under every convention.

The paper prints 10.65 GFLOPs for its network (Table 2), but not the architecture, its parameters, or how operations are
counted. So it can only be checked whether the reconstructed space can contain such a network; ``python -m
reproductions.autopose.readings`` prints the answer in about half a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from benchmark.config.conventions import FLOPS
from benchmark.cost.counters import count_cost
from reproductions.autopose.architectures import EXAMPLE, SCALES, Architecture, read_architecture, with_branches
from reproductions.autopose.network import build


@dataclass(frozen=True)
class Row:
    """The cost of one network of the search space.

    Attributes:
        name: Description of the network.
        params: Number of trainable parameters.
        flops: Number of operations by convention, unscaled.
    """

    name: str
    params: int
    flops: Mapping[str, int]


def cost_range(height: int = 256, width: int = 192, *, joints: int = 17, nodes: tuple[int, int] = (4, 2)) -> list[Row]:
    """Compute the costs of the example, of no branches, and of all branches with the same operation on every edge.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        joints: Number of joints.
        nodes: Numbers of nodes of an individual and an aggregation cell; the paper's are missing from its text.
    """
    example = read_architecture(EXAMPLE)
    networks = {"no branches (minimum)": _uniform("skip", active=0, nodes=nodes)}
    networks |= {
        f"all branches, {op}": _uniform(op, active=1, nodes=nodes) for op in ("skip", "conv_1x1", "conv_3x3", "conv_5x5")
    }
    networks |= {f"example, branches={name}": with_branches(example, name) for name in ("single", "searched", "all")}
    return [_row(name, architecture, height, width, joints) for name, architecture in networks.items()]


def _uniform(op: str, *, active: int, nodes: tuple[int, int]) -> Architecture:
    """Return an architecture with the same operation on all edges that Eqs. 2 and 3 allow."""
    individual, aggregation = nodes
    return Architecture(
        name=op,
        evidence="reconstruction",
        note="",
        channels=(32, 64, 128, 256),
        stages=((active,) * len(SCALES),) * 3,
        individual=tuple({"input": op} | {f"node{j}": op for j in range(1, i + 1)} for i in range(individual)),
        aggregation=(dict.fromkeys(SCALES, op),) * aggregation,
    )


def _row(name: str, architecture: Architecture, height: int, width: int, joints: int) -> Row:
    with torch.device("meta"):
        network = build(architecture, num_joints=joints)
    cost = count_cost(network, height, width)
    return Row(name, cost["params"]["trainable"], cost["flops"])


def read_flops(table: str) -> dict[str, list[dict[str, Any]]]:
    """Return the GFLOPs of Table 2 for networks of the reconstructed space, under every convention."""
    if table != "table2":
        return {}
    rows = cost_range()
    return {
        "autopose/gflops": [
            {"reading": row.name, "convention": name, "value": row.flops[name] / convention.giga}
            for name, convention in FLOPS.items()
            for row in rows
        ]
    }


if __name__ == "__main__":
    print(f"{'256x192, 17 joints':28s}{'params M':>10s}" + "".join(f"{name:>13s}" for name in FLOPS))
    for row in cost_range():
        gflops = "".join(f"{row.flops[name] / convention.giga:13.2f}" for name, convention in FLOPS.items())
        print(f"{row.name:28s}{row.params / 1e6:10.2f}{gflops}")
