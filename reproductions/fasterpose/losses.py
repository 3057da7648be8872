"""The regressive cross-entropy (RCE), reconstructed from FasterPose's abstract (Dai et al., arXiv:2107.03215)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.models.outputs import final_heatmaps
from benchmark.training.losses import Targets


def rce(logits: Tensor, target: Tensor, weight: Tensor | None = None, *, gamma: float = 0.0) -> Tensor:
    """Cross-entropy between ``sigmoid(logits)`` and a target that may be anything from 0 to 1, averaged over all pixels.

    A reconstruction: the paper's equation is not public. Its abstract says that the loss carries cross-entropy over from
    binary supervision to a continuous range and that training profits from the sigmoid, and this is the one loss that says
    just that: ``-y log s - (1 - y) log(1 - s)`` with ``s = sigmoid(z)``. Its gradient ``(s - y) / count`` lacks the factor
    ``s (1 - s)`` with which a squared error of sigmoids vanishes on confident mistakes. The paper cites the focal loss,
    so ``gamma`` can add a modulating factor ``|y - s|^gamma``; whether the paper has one is unknown.

    Args:
        logits: ``[N, K, h, w]``, before the sigmoid.
        target: ``[N, K, h, w]`` heatmaps from 0 to 1, with a peak of 1.
        weight: ``[N, K]``, 0 for joints that are not labelled; the average is over all pixels all the same.
        gamma: 0 for none, or at least 1 (below 1 the gradient is infinite where ``s = y``).

    Returns:
        A scalar.

    Raises:
        InputError: shapes that differ, or another ``gamma``.
    """
    if logits.shape != target.shape:
        raise InputError(f"logits are {list(logits.shape)}, the target is {list(target.shape)}")
    if weight is not None and weight.shape != logits.shape[:2]:
        raise InputError(f"the weight is {list(weight.shape)}, not {list(logits.shape[:2])} as the joints are")
    if not (gamma == 0 or gamma >= 1):
        raise InputError(f"gamma is 0 or at least 1, not {gamma}")
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if gamma:
        loss = loss * (target - torch.sigmoid(logits)).abs() ** gamma
    if weight is not None:
        loss = loss * weight[:, :, None, None]
    return loss.mean()


def heatmaps(logits: Tensor) -> Tensor:
    """The heatmaps from 0 to 1 that :func:`rce` fits to the target, same shape as the logits."""
    return torch.sigmoid(logits)


def regressive(outputs: Any, truth: Targets, *, gamma: float = 0.0) -> Tensor:
    """:func:`rce` of a network's final maps, taken for logits, for a recipe.

    Raises:
        InputError: see :func:`rce`.
    """
    return rce(final_heatmaps(outputs), truth.heatmaps, truth.weights, gamma=gamma)
