"""Compute losses: ``loss(outputs, targets, **options) -> scalar``, where ``outputs`` is everything that a network returns.

A loss that only one paper uses is in its package.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.models.outputs import final_heatmaps, iter_maps


class Targets(NamedTuple):
    """The targets of B people's heatmaps, and of their part affinity fields where the recipe has them."""

    heatmaps: Tensor  # float32 [B, K, h, w]
    weights: Tensor  # float32 [B, K]
    fields: Tensor | None = None  # float32 [B, 2P, h, w]


def mse(outputs: Any, targets: Targets, *, half: bool = True, supervise: Literal["final", "all"] = "final") -> Tensor:
    """Compute the mean over people, joints and pixels of ``(weight (heatmap - target))^2``.

    Args:
        half: Halve it, as SimpleBaseline's and HRNet's code do and mmpose's does not.
        supervise: The final heatmaps, or all heatmaps of a network with intermediate supervision, whose losses are added.

    Raises:
        InputError: Heatmaps have another shape than their targets.
    """
    supervised = list(iter_maps(outputs)) if supervise == "all" else [final_heatmaps(outputs)]
    total = sum(_squared_error(heatmaps, targets) for heatmaps in supervised)
    assert isinstance(total, Tensor)
    return total / 2 if half else total


def _squared_error(heatmaps: Tensor, targets: Targets) -> Tensor:
    check_shapes(heatmaps, targets.heatmaps)
    return (targets.weights[:, :, None, None] * (heatmaps - targets.heatmaps)).square().mean()


def check_shapes(maps: Tensor, target: Tensor) -> None:
    """Check that heatmaps or fields have the shape of their targets.

    Raises:
        InputError: The shapes differ.
    """
    if maps.shape != target.shape:
        raise InputError(
            f"the network's maps have shape {list(maps.shape)}, their targets {list(target.shape)}: check the recipe's stride"
        )
