"""How far the search space reaches: GFLOPs from its cheapest to its dearest network, under every convention.

The paper prints 10.65 GFLOPs for its network (Table 2) and neither the architecture, nor its parameters, nor how it counted.
Whether the reconstructed space can hold such a network is all that can be asked; ``python -m
reproductions.autopose.readings`` prints the answer in about half a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from benchmark.config.conventions import FLOPS
from benchmark.cost.counters import count_cost
from reproductions.autopose.architectures import EXAMPLE, SCALES, Architecture, read, with_branches
from reproductions.autopose.network import build


@dataclass(frozen=True)
class Row:
    """``params`` are the trainable ones; ``flops`` the counts under each convention, in its own operations, unscaled."""

    name: str
    params: int
    flops: Mapping[str, int]


def cost_range(height: int = 256, width: int = 192, *, joints: int = 17, nodes: tuple[int, int] = (4, 2)) -> list[Row]:
    """The costs of the example, of the network without branches and of all branches with one operation on every edge.

    Args:
        height, width: of the image, in pixels.
        nodes: how many an individual and an aggregation cell have; the paper's numbers are lost.
    """
    example = read(EXAMPLE)
    networks = {"no branches (minimum)": _uniform("skip", active=0, nodes=nodes)}
    networks |= {
        f"all branches, {op}": _uniform(op, active=1, nodes=nodes) for op in ("skip", "conv_1x1", "conv_3x3", "conv_5x5")
    }
    networks |= {f"example, branches={b}": with_branches(example, b) for b in ("single", "searched", "all")}
    return [_row(name, architecture, height, width, joints) for name, architecture in networks.items()]


def _uniform(op: str, *, active: int, nodes: tuple[int, int]) -> Architecture:
    """One operation everywhere, every node taking all that Eqs. 2 and 3 let it take."""
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
    counted = count_cost(network, height, width)
    return Row(name, counted["params"]["trainable"], counted["flops"])


def read_flops(table: str) -> dict[str, list[dict[str, Any]]]:
    """Return what Table 2's GFLOPs come to for networks of the reconstructed space, from its cheapest to its dearest."""
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
        print(f"{row.name:28s}{row.params / 1e6:10.2f}" + "".join(f"{row.flops[n] / c.giga:13.2f}" for n, c in FLOPS.items()))
