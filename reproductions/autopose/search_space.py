"""What an architecture of the search space is put together from, as lookup tables cost it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise, permutations

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.config.searches import SearchConfig
from benchmark.nas.lookup_table import Component, LookupTable
from reproductions.autopose.architectures import CELLS, MODULES, OPERATIONS, SCALES, SKIP, STAGES, VECTORS, Architecture, Node
from reproductions.autopose.network import STEM, Stem, operation, relu_conv_bn, resample, resized
from reproductions.autopose.supernet import KEPT, complete

TRIES = 50  # random architectures, of which the one nearest to a wanted cost is taken


def components(
    channels: Sequence[int], nodes: Sequence[int], *, joints: int, input_hw: tuple[int, int]
) -> dict[str, Component]:
    """All parts by name: ``stem``, ``conv_3x3 at 1/8``, ``compress 4 at 1/8``, ``1/4 to 1/16``, ``head``. An operation is the
    same part in both cells and all stages; a skip is none, it costs nothing.

    Args:
        channels: of the branches, finest first.
        nodes: of the two cells; without the second, features of up to four scales are concatenated.
    """
    widths = dict(zip(SCALES, channels, strict=True))
    sizes = dict(zip(SCALES, _sizes(input_hw), strict=True))
    found = {"stem": Component(partial(Stem, channels=channels, width=STEM), (3, *input_hw))}
    concatenated = {nodes[0], *([nodes[1]] if nodes[1] else range(1, len(SCALES) + 1))}
    for scale, width in widths.items():
        for name in OPERATIONS:
            if name != SKIP:
                found[f"{name} at {scale}"] = Component(partial(operation, name, width), (width, *sizes[scale]))
        for count in sorted(concatenated):
            build = partial(relu_conv_bn, count * width, width, 1)
            found[f"compress {count} at {scale}"] = Component(build, (count * width, *sizes[scale]))
    for source, target in permutations(SCALES, 2):
        build = partial(_Resampled, source, target, widths, sizes[target])
        found[f"{source} to {target}"] = Component(build, (widths[source], *sizes[source]))
    return found | {"head": Component(partial(_Head, channels, joints), (sum(channels), *sizes[SCALES[0]]))}


def _sizes(input_hw: tuple[int, int]) -> list[tuple[int, int]]:
    """Height and width of each scale's features; every stride of 2 rounds up."""
    height, width = input_hw
    return [(-(-height // stride), -(-width // stride)) for stride in (4, 8, 16, 32)]


class _Resampled(nn.Module):
    """A scale's features brought to another's channels and size."""

    def __init__(self, source: str, target: str, channels: dict[str, int], size: tuple[int, int]) -> None:
        super().__init__()
        self.conv, self.size = resample(source, target, channels), size

    def forward(self, x: Tensor) -> Tensor:
        return resized(self.conv(x), self.size)


class _Head(nn.Module):
    """The network's head on ``[N, sum of channels, H, W]``, of whose channels the coarser scales' are thinned out first."""

    def __init__(self, channels: Sequence[int], joints: int) -> None:
        super().__init__()
        self.ends = (0, *np.cumsum(channels).tolist())
        self.conv = nn.Conv2d(self.ends[-1], joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = [x[:, low:high, :: 2**place, :: 2**place] for place, (low, high) in enumerate(pairwise(self.ends))]
        return self.conv(torch.cat([resized(own, x.shape[-2:]) for own in features], 1))


def components_of(architecture: Architecture) -> list[str]:
    """The parts of an architecture, with repeats."""
    names = ["stem"]
    for vector in architecture.stages:
        active = [scale for scale, runs in zip(SCALES, vector, strict=True) if runs]
        for scale in active:
            sources = {*active, *(f"node{number}" for number in range(1, len(architecture.aggregation) + 1))}
            individual = [*_operations(architecture.individual, scale), f"compress {len(architecture.individual)} at {scale}"]
            names += MODULES * CELLS * individual
            names += MODULES * [f"{other} to {scale}" for other in active if other != scale]
            names += MODULES * _operations(architecture.aggregation, scale, sources)
            names += MODULES * [f"compress {len(architecture.aggregation) or len(active)} at {scale}"]
    return [*names, "head"]


def _operations(cell: Sequence[Node], scale: str, sources: set[str] | None = None) -> list[str]:
    chosen = [name for node in cell for source, name in node.items() if sources is None or source in sources]
    return [f"{name} at {scale}" for name in chosen if name != SKIP]


def sample_within(scale: SearchConfig, table: LookupTable, cost: float | None, generator: np.random.Generator) -> Architecture:
    """A random architecture, all vectors, operations and pairs of inputs alike; of some such, the nearest to ``cost``."""
    drawn = [_drawn(scale, generator) for _ in range(1 if cost is None else TRIES)]
    return min(drawn, key=lambda own: 0.0 if cost is None else abs(table.predict(components_of(own)) - cost))


def _drawn(scale: SearchConfig, generator: np.random.Generator) -> Architecture:
    options = scale.options
    individual, aggregation = complete(tuple(options["nodes"]))

    def operations(node: Node, kept: int) -> Node:
        places = sorted(generator.permutation(len(node))[:kept])
        return {list(node)[place]: OPERATIONS[generator.integers(len(OPERATIONS))] for place in places}

    vectors = VECTORS[options["branches"]]
    return Architecture(
        name="random",
        evidence="reconstruction",
        note="drawn at random from the reconstructed search space",
        channels=tuple(options["derived"]),
        stages=tuple(vectors[generator.integers(len(vectors))] for _ in range(STAGES)),
        individual=tuple(operations(node, KEPT) for node in individual),
        aggregation=tuple(operations(node, len(SCALES)) for node in aggregation),
    )
