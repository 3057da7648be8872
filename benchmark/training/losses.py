"""Losses of a training step: ``loss(outputs, truth, **options) -> scalar``, ``outputs`` being all that a network returns.

Those of one paper alone stand in its package.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.models.outputs import final_heatmaps, iter_maps


class Targets(NamedTuple):
    """What B persons' maps should be; ``fields`` are part affinity fields where the recipe wants them."""

    heatmaps: Tensor  # float32 [B, K, h, w]
    weights: Tensor  # float32 [B, K]
    fields: Tensor | None = None  # float32 [B, 2P, h, w]


def mse(outputs: Any, truth: Targets, *, half: bool = True, supervise: Literal["final", "all"] = "final") -> Tensor:
    """``mean over persons, joints and pixels of (weight (heatmap - target))^2``, halved or as it is.

    SimpleBaseline's and HRNet's code halve it, mmpose's does not.

    Args:
        supervise: the final heatmaps, or the sum over all of a network with intermediate supervision.

    Raises:
        InputError: an output that is not heatmaps of the target's shape.
    """
    supervised = list(iter_maps(outputs)) if supervise == "all" else [final_heatmaps(outputs)]
    total = sum(_squared(heatmaps, truth) for heatmaps in supervised)
    assert isinstance(total, Tensor)
    return total / 2 if half else total


def _squared(heatmaps: Tensor, truth: Targets) -> Tensor:
    check_shapes(heatmaps, truth.heatmaps)
    return (truth.weights[:, :, None, None] * (heatmaps - truth.heatmaps)).square().mean()


def check_shapes(maps: Tensor, target: Tensor) -> None:
    """Refuse maps that would be compared with targets of another shape.

    Raises:
        InputError: they differ.
    """
    if maps.shape != target.shape:
        raise InputError(
            f"the network's maps are {list(maps.shape)}, their targets {list(target.shape)}: see the recipe's stride"
        )
