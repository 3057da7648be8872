"""Components of the architectures in the search space, as lookup tables list their costs, and random architectures."""

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
from reproductions.autopose.network import STEM, Stem, build_operation, build_resampling, relu_conv_bn, resize
from reproductions.autopose.supernet import INPUTS_KEPT, complete_cells

TRIES = 50  # random architectures, of which the one nearest to the target cost is taken


def components(
    channels: Sequence[int], nodes: Sequence[int], *, joints: int, input_hw: tuple[int, int]
) -> dict[str, Component]:
    """Return all components by name: ``stem``, ``conv_3x3 at 1/8``, ``compress 4 at 1/8``, ``1/4 to 1/16``, ``head``, ...

    An operation is the same component in both cells and all stages. A skip costs nothing and is not a component.

    Args:
        channels: Channels of the branches, finest first.
        nodes: Numbers of nodes of the two cells; with 0 for the second, features of up to four scales are concatenated.
        joints: Number of joints.
        input_hw: Height and width of the input in pixels.
    """
    widths = dict(zip(SCALES, channels, strict=True))
    sizes = dict(zip(SCALES, _sizes(input_hw), strict=True))
    parts = {"stem": Component(partial(Stem, channels=channels, width=STEM), (3, *input_hw))}
    concatenated = {nodes[0], *([nodes[1]] if nodes[1] else range(1, len(SCALES) + 1))}  # tensors that a compression takes
    for scale, width in widths.items():
        for name in OPERATIONS:
            if name != SKIP:
                parts[f"{name} at {scale}"] = Component(partial(build_operation, name, width), (width, *sizes[scale]))
        for count in sorted(concatenated):
            build = partial(relu_conv_bn, count * width, width, 1)
            parts[f"compress {count} at {scale}"] = Component(build, (count * width, *sizes[scale]))
    for source, target in permutations(SCALES, 2):
        build = partial(_Resampling, source, target, widths, sizes[target])
        parts[f"{source} to {target}"] = Component(build, (widths[source], *sizes[source]))
    return parts | {"head": Component(partial(_Head, channels, joints), (sum(channels), *sizes[SCALES[0]]))}


def _sizes(input_hw: tuple[int, int]) -> list[tuple[int, int]]:
    """Return height and width of each scale's features; every stride of 2 rounds up."""
    height, width = input_hw
    return [(-(-height // stride), -(-width // stride)) for stride in (4, 8, 16, 32)]


class _Resampling(nn.Module):
    """The features of one scale at the channels and size of another."""

    def __init__(self, source: str, target: str, channels: dict[str, int], size: tuple[int, int]) -> None:
        super().__init__()
        self.conv, self.size = build_resampling(source, target, channels), size

    def forward(self, x: Tensor) -> Tensor:
        return resize(self.conv(x), self.size)


class _Head(nn.Module):
    """The network's head on ``[N, sum of channels, H, W]``, where the channels of coarser scales are first subsampled."""

    def __init__(self, channels: Sequence[int], joints: int) -> None:
        super().__init__()
        self.ends = (0, *np.cumsum(channels).tolist())
        self.conv = nn.Conv2d(self.ends[-1], joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = [x[:, low:high, :: 2**index, :: 2**index] for index, (low, high) in enumerate(pairwise(self.ends))]
        return self.conv(torch.cat([resize(level, x.shape[-2:]) for level in features], 1))


def components_of(architecture: Architecture) -> list[str]:
    """Return the names of an architecture's components, one for each occurrence."""
    names = ["stem"]
    for vector in architecture.stages:
        active = [scale for scale, runs in zip(SCALES, vector, strict=True) if runs]
        for scale in active:
            sources = {*active, *(f"node{number}" for number in range(1, len(architecture.aggregation) + 1))}
            individual = [*_operations(architecture.individual, scale), f"compress {len(architecture.individual)} at {scale}"]
            names += MODULES * CELLS * individual
            names += MODULES * [f"{source} to {scale}" for source in active if source != scale]
            names += MODULES * _operations(architecture.aggregation, scale, sources)
            names += MODULES * [f"compress {len(architecture.aggregation) or len(active)} at {scale}"]
    return [*names, "head"]


def _operations(cell: Sequence[Node], scale: str, sources: set[str] | None = None) -> list[str]:
    """Return the components of a cell's edges; only edges from ``sources``, where given."""
    names = [name for node in cell for source, name in node.items() if sources is None or source in sources]
    return [f"{name} at {scale}" for name in names if name != SKIP]


def sample_within(scale: SearchConfig, table: LookupTable, cost: float | None, generator: np.random.Generator) -> Architecture:
    """Draw a random architecture: with ``cost``, the one of TRIES whose cost is the nearest.

    Vectors, operations and pairs of inputs are drawn uniformly.
    """
    if cost is None:
        return _draw_architecture(scale, generator)
    candidates = [_draw_architecture(scale, generator) for _ in range(TRIES)]
    return min(candidates, key=lambda candidate: abs(table.predict(components_of(candidate)) - cost))


def _draw_architecture(scale: SearchConfig, generator: np.random.Generator) -> Architecture:
    options = scale.options
    individual, aggregation = complete_cells(tuple(options["nodes"]))

    def draw_node(node: Node, inputs: int) -> Node:
        indices = sorted(generator.permutation(len(node))[:inputs])
        return {list(node)[index]: OPERATIONS[generator.integers(len(OPERATIONS))] for index in indices}

    vectors = VECTORS[options["branches"]]
    return Architecture(
        name="random",
        evidence="reconstruction",
        note="drawn at random from the reconstructed search space",
        channels=tuple(options["derived"]),
        stages=tuple(vectors[generator.integers(len(vectors))] for _ in range(STAGES)),
        individual=tuple(draw_node(node, INPUTS_KEPT) for node in individual),
        aggregation=tuple(draw_node(node, len(SCALES)) for node in aggregation),
    )
