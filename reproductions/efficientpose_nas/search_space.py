"""The components that architectures of the search space consist of, as lookup tables list their costs (section 3.2)."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import nn

from benchmark.nas.lookup_table import Component, LookupTable
from reproductions.efficientpose_nas.architectures import OPERATIONS, SKIP, Architecture, Skeleton
from reproductions.efficientpose_nas.network import Backbone, Head, mbconvs
from reproductions.efficientpose_nas.supernet import uniform

FIXED = ("stem", "head")  # in all architectures


def name(stage: int, index: int, operation: str) -> str:
    """Return the name of an operation's entry, as in ``stage 1 first k3e6``.

    All layers of a stage except the first have the same shape, and share their entries.
    """
    return f"stage {stage} {'rest' if index else 'first'} {operation}"


def components(skeleton: Skeleton, *, joints: int, input_hw: tuple[int, int]) -> dict[str, Component]:
    """Return all components by name; a skipped layer has none, since it costs nothing."""
    height, width = (side // 2 for side in input_hw)
    entries = {"stem": Component(partial(_stem, skeleton), (3, *input_hw))}
    channels = skeleton.separable
    for number, stage in enumerate(skeleton.stages, 1):
        for operation in OPERATIONS:
            if operation != SKIP:
                first = partial(mbconvs, channels, stage.width, stage.stride, (operation,))
                rest = partial(mbconvs, stage.width, stage.width, 1, (operation,))
                entries[name(number, 0, operation)] = Component(first, (channels, height, width))
                entries[name(number, 1, operation)] = Component(
                    rest, (stage.width, height // stage.stride, width // stage.stride)
                )
        channels, height, width = stage.width, height // stage.stride, width // stage.stride
    head = partial(Head, in_channels=channels, num_joints=joints, widths=skeleton.deconvs)
    return entries | {"head": Component(head, (channels, height, width))}


def _stem(skeleton: Skeleton) -> nn.Module:
    return next(iter(Backbone(uniform(skeleton, "k3e3"))))


def components_of(architecture: Architecture) -> list[str]:
    """Return the names of an architecture's components."""
    return [
        *FIXED,
        *(
            name(stage, index, operation)
            for stage, operations in enumerate(architecture.stages, 1)
            for index, operation in enumerate(operations)
            if operation != SKIP
        ),
    ]


def layer_costs(skeleton: Skeleton, table: LookupTable) -> list[dict[str, float]]:
    """Return the costs of each layer's operations, first layer to last."""
    layers = []
    for number, stage in enumerate(skeleton.stages, 1):
        for index in range(stage.depth):
            names = OPERATIONS if index else tuple(operation for operation in OPERATIONS if operation != SKIP)
            layers.append({o: 0.0 if o == SKIP else table.costs[name(number, index, o)] for o in names})
    return layers


def constant(table: LookupTable) -> float:
    """Return the cost of the components that are in all architectures."""
    return table.predict(FIXED)


def sample_within(skeleton: Skeleton, table: LookupTable, cost: float | None, generator: np.random.Generator) -> Architecture:
    """Draw a random architecture.

    Without ``cost``, all operations of a layer are equally probable. With it, their probabilities are proportional to
    exp(-t x their cost), with the one t by which the architecture costs ``cost`` on average.
    """
    layers = layer_costs(skeleton, table)
    probabilities = _probabilities(layers, 0.0) if cost is None else _probabilities_for(layers, cost - constant(table))
    sampled = iter([OPERATIONS[generator.choice(len(OPERATIONS), p=layer)] for layer in probabilities])
    return Architecture(skeleton, tuple(tuple(next(sampled) for _ in range(stage.depth)) for stage in skeleton.stages))


def _probabilities(layers: list[dict[str, float]], tilt: float) -> np.ndarray:
    """Compute each operation's probability in each layer, ``[layers, operations]``; 0 for one that a layer does not have."""
    costs = np.array([[layer.get(operation, np.nan) for operation in OPERATIONS] for layer in layers])
    reference = np.nanmin(costs, 1) if tilt > 0 else np.nanmax(costs, 1)  # its exponential is 1, so that none overflows
    weights = np.nan_to_num(np.exp(-tilt * (costs - reference[:, None])))
    return weights / weights.sum(1, keepdims=True)


def _probabilities_for(layers: list[dict[str, float]], cost: float) -> np.ndarray:
    """Find by bisection the probabilities at which the layers have a given cost on average, or the nearest possible one."""
    costs = np.array([[layer.get(operation, 0.0) for operation in OPERATIONS] for layer in layers])
    low, high = -100 / costs.max(), 100 / costs.max()
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if (_probabilities(layers, middle) * costs).sum() > cost else (low, middle)
    return _probabilities(layers, (low + high) / 2)
