"""The heatmap-weighting loss: squared error, heavier where the target is high (Eq. 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.models.outputs import final_heatmaps
from benchmark.training.losses import Targets

# F of Eq. 8, the rows of Table IV; "none" leaves plain mean squared error.
WEIGHTINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": torch.zeros_like,
    "x": lambda target: target,
    "2x": lambda target: 2 * target,
    "x^2": torch.square,
    "e^x": torch.exp,
}


def heatmap_weighting_loss(heatmaps: Tensor, targets: Tensor, visible: Tensor, *, weighting: str = "x") -> Tensor:
    """``mean over images, joints and pixels of (F(target) + 1) * (visible * (heatmap - target))^2``, a scalar.

    The equation prints a norm; the authors' released code squares it, and has no factor of a half. A joint's weight enters
    the squared difference but not F: it scales the error by its square and leaves the pixel weights alone.

    Args:
        heatmaps: predicted, ``[N, K, h, w]``.
        targets: in [0, 1], ``[N, K, h, w]``.
        visible: weight of each joint, 0 where it is not annotated, ``[N, K]``.
        weighting: F, one of ``none``, ``x``, ``2x``, ``x^2``, ``e^x``.

    Raises:
        InputError: an unknown ``weighting``, or shapes that do not fit together.
    """
    if weighting not in WEIGHTINGS:
        raise InputError(f"no weighting {weighting!r}; known: {', '.join(WEIGHTINGS)}")
    if heatmaps.shape != targets.shape or visible.shape != targets.shape[:2]:
        shapes = ", ".join(str(list(t.shape)) for t in (heatmaps, targets, visible))
        raise InputError(f"heatmaps, targets and visible have shapes {shapes}; they must be [N, K, h, w] twice and [N, K]")
    difference = visible[:, :, None, None] * (heatmaps - targets)
    return ((WEIGHTINGS[weighting](targets) + 1) * difference.square()).mean()


def weighted(outputs: Any, truth: Targets, *, weighting: str = "x") -> Tensor:
    """:func:`heatmap_weighting_loss` of a network's final heatmaps, for a recipe.

    Raises:
        InputError: an unknown ``weighting``, or maps that are not of the target's shape.
    """
    return heatmap_weighting_loss(final_heatmaps(outputs), truth.heatmaps, truth.weights, weighting=weighting)
