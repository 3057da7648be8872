"""Losses of a training step: ``loss(outputs, truth, **options) -> scalar``, ``outputs`` being all that a network returns.

Those of one paper alone stand in its package.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from torch import Tensor

from benchmark.errors import InputError


class Truth(NamedTuple):
    """What B persons' maps should be; ``fields`` are part affinity fields where the recipe wants them."""

    heatmaps: Tensor  # float32 [B, K, h, w]
    weights: Tensor  # float32 [B, K]
    fields: Tensor | None = None  # float32 [B, 2P, h, w]


def tensors(outputs: Any) -> Iterator[Tensor]:
    """All maps of what a network returns, in order, the final heatmaps last.

    Raises:
        InputError: something that is neither maps nor a tuple of them.
    """
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, tuple | list):
        for part in outputs:
            yield from tensors(part)
    else:
        raise InputError(f"a network returns maps, or tuples of them, not {type(outputs).__name__}")


def final(outputs: Any) -> Tensor:
    """The final heatmaps ``[B, K, h, w]``."""
    *_, last = tensors(outputs)
    return last


def mse(outputs: Any, truth: Truth, *, half: bool = True, supervise: Literal["final", "all"] = "final") -> Tensor:
    """``mean over persons, joints and pixels of (weight (heatmap - target))^2``, halved or as it is.

    SimpleBaseline's and HRNet's code halve it, mmpose's does not.

    Args:
        supervise: the final heatmaps, or the sum over all of a network with intermediate supervision.

    Raises:
        InputError: an output that is not heatmaps of the target's shape.
    """
    supervised = list(tensors(outputs)) if supervise == "all" else [final(outputs)]
    total = sum(_squared(heatmaps, truth) for heatmaps in supervised)
    assert isinstance(total, Tensor)
    return total / 2 if half else total


def _squared(heatmaps: Tensor, truth: Truth) -> Tensor:
    check(heatmaps, truth.heatmaps)
    return (truth.weights[:, :, None, None] * (heatmaps - truth.heatmaps)).square().mean()


def check(maps: Tensor, target: Tensor) -> None:
    """Refuse maps that would be compared with targets of another shape.

    Raises:
        InputError: they differ.
    """
    if maps.shape != target.shape:
        raise InputError(
            f"the network's maps are {list(maps.shape)}, their targets {list(target.shape)}: see the recipe's stride"
        )
