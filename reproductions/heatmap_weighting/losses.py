"""The heatmap-weighting loss: a squared error that weights each pixel by the height of its target (Eq. 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.models.outputs import final_heatmaps
from benchmark.training.losses import Targets

# F of Eq. 8, the rows of Table IV; "none" gives the plain mean squared error.
WEIGHTINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": torch.zeros_like,
    "x": lambda target: target,
    "2x": lambda target: 2 * target,
    "x^2": torch.square,
    "e^x": torch.exp,
}


def heatmap_weighting_loss(heatmaps: Tensor, targets: Tensor, visible: Tensor, *, weighting: str = "x") -> Tensor:
    """Compute the mean over images, joints and pixels of ``(F(target) + 1) * (visible * (heatmap - target))^2``, a scalar.

    The equation prints a norm; the authors' released code squares it and has no factor of a half. A joint's weight enters the
    squared difference but not F: it scales the error by its square and leaves the pixel weights unchanged.

    Args:
        heatmaps: Predicted heatmaps, ``[N, K, h, w]``.
        targets: Target heatmaps from 0 to 1, ``[N, K, h, w]``.
        visible: Weight of each joint, 0 where it is not annotated, ``[N, K]``.
        weighting: The function F, a key of :data:`WEIGHTINGS`.

    Raises:
        InputError: ``weighting`` is unknown, or the shapes do not fit together.
    """
    if weighting not in WEIGHTINGS:
        raise InputError(f"no weighting {weighting!r}; choose one of {', '.join(WEIGHTINGS)}")
    if heatmaps.shape != targets.shape or visible.shape != targets.shape[:2]:
        shapes = ", ".join(str(list(tensor.shape)) for tensor in (heatmaps, targets, visible))
        raise InputError(f"heatmaps, targets and visible have shapes {shapes}; they must be [N, K, h, w] twice and [N, K]")
    difference = visible[:, :, None, None] * (heatmaps - targets)
    return ((WEIGHTINGS[weighting](targets) + 1) * difference.square()).mean()


def weighted(outputs: Any, truth: Targets, *, weighting: str = "x") -> Tensor:
    """Compute :func:`heatmap_weighting_loss` of a network's final heatmaps; this is the function that recipes name.

    Raises:
        InputError: ``weighting`` is unknown, or the heatmaps do not have the targets' shape.
    """
    return heatmap_weighting_loss(final_heatmaps(outputs), truth.heatmaps, truth.weights, weighting=weighting)
