"""What an architecture of the search space is put together from, as lookup tables cost it (section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from torch import nn

from benchmark.nas.lookup_table import Component, LookupTable
from reproductions.efficientpose_nas.architectures import OPERATIONS, SKIP, Architecture, Skeleton
from reproductions.efficientpose_nas.network import Backbone, Head, mbconvs
from reproductions.efficientpose_nas.supernet import uniform

FIXED = ("stem", "head")  # what all architectures share


def name(stage: int, index: int, operation: str) -> str:
    """An operation's entry: ``stage 1 first k3e6``. All layers of a stage but the first have one shape."""
    return f"stage {stage} {'rest' if index else 'first'} {operation}"


def components(skeleton: Skeleton, *, joints: int, input_hw: tuple[int, int]) -> dict[str, Component]:
    """All parts by name. A skipped layer is none: it costs nothing."""
    height, width = (side // 2 for side in input_hw)
    found = {"stem": Component(partial(_stem, skeleton), (3, *input_hw))}
    channels = skeleton.separable
    for number, stage in enumerate(skeleton.stages, 1):
        for operation in OPERATIONS:
            if operation != SKIP:
                first = partial(mbconvs, channels, stage.width, stage.stride, (operation,))
                rest = partial(mbconvs, stage.width, stage.width, 1, (operation,))
                found[name(number, 0, operation)] = Component(first, (channels, height, width))
                found[name(number, 1, operation)] = Component(
                    rest, (stage.width, height // stage.stride, width // stage.stride)
                )
        channels, height, width = stage.width, height // stage.stride, width // stage.stride
    head = partial(Head, in_channels=channels, num_joints=joints, widths=skeleton.deconvs)
    return found | {"head": Component(head, (channels, height, width))}


def _stem(skeleton: Skeleton) -> nn.Module:
    return next(iter(Backbone(uniform(skeleton, "k3e3"))))


def components_of(architecture: Architecture) -> list[str]:
    """The parts of an architecture."""
    return [*FIXED, *(name(stage, index, operation) for stage, index, operation in _placed(architecture) if operation != SKIP)]


def _placed(architecture: Architecture) -> Iterator[tuple[int, int, str]]:
    for stage, operations in enumerate(architecture.stages, 1):
        for index, operation in enumerate(operations):
            yield stage, index, operation


def layer_costs(skeleton: Skeleton, table: LookupTable) -> list[dict[str, float]]:
    """What each operation of each layer costs, first layer to last."""
    found = []
    for stage, fixed in enumerate(skeleton.stages, 1):
        for index in range(fixed.depth):
            names = OPERATIONS if index else tuple(operation for operation in OPERATIONS if operation != SKIP)
            found.append({o: 0.0 if o == SKIP else table.costs[name(stage, index, o)] for o in names})
    return found


def constant(table: LookupTable) -> float:
    """What all architectures cost."""
    return table.predict(FIXED)


def sample_within(skeleton: Skeleton, table: LookupTable, cost: float | None, generator: np.random.Generator) -> Architecture:
    """A random architecture: every operation of a layer as probable as the others, or, to cost ``cost`` on average, more or
    less so by its own cost, as exp(-t cost) with one t for all layers."""
    layers = layer_costs(skeleton, table)
    shares = _shares(layers, 0.0) if cost is None else _tilted(layers, cost - constant(table))
    drawn = iter([OPERATIONS[generator.choice(len(OPERATIONS), p=own)] for own in shares])
    return Architecture(skeleton, tuple(tuple(next(drawn) for _ in range(stage.depth)) for stage in skeleton.stages))


def _shares(layers: list[dict[str, float]], tilt: float) -> np.ndarray:
    """How probable each operation is in each layer, ``[layers, operations]``; one that a layer lacks, not at all."""
    costs = np.array([[layer.get(operation, np.nan) for operation in OPERATIONS] for layer in layers])
    nearest = np.nanmin(costs, 1) if tilt > 0 else np.nanmax(costs, 1)  # of which the exponential is 1
    weights = np.nan_to_num(np.exp(-tilt * (costs - nearest[:, None])))
    return weights / weights.sum(1, keepdims=True)


def _tilted(layers: list[dict[str, float]], cost: float) -> np.ndarray:
    """The shares at which these layers cost that much on average, by bisection; the nearest, if none do."""
    costs = np.array([[layer.get(operation, 0.0) for operation in OPERATIONS] for layer in layers])
    low, high = -100 / costs.max(), 100 / costs.max()
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if (_shares(layers, middle) * costs).sum() > cost else (low, middle)
    return _shares(layers, (low + high) / 2)
