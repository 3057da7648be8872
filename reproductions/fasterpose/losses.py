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
    """Compute the cross-entropy between ``sigmoid(logits)`` and a continuous target, averaged over all pixels (a scalar).

    This is a reconstruction, as the paper's equation is not public. The abstract says that the loss generalizes cross-entropy
    from binary supervision to a continuous range, and that training benefits from the sigmoid. Read literally, that is
    ``-y log s - (1 - y) log(1 - s)`` with ``s = sigmoid(z)``. Its gradient is ``(s - y) / count``. The gradient of a squared
    error of sigmoids has the additional factor ``s (1 - s)``, which makes it vanish on confident mistakes. The paper cites the
    focal loss, so ``gamma`` can add a modulating factor ``|y - s|^gamma``; whether the paper has one is unknown.

    Args:
        logits: ``[N, K, h, w]``, before the sigmoid.
        target: ``[N, K, h, w]`` heatmaps from 0 to 1, with a peak of 1.
        weight: ``[N, K]``, 0 for joints that are not labelled; their pixels still count in the average.
        gamma: 0 for no modulating factor, or at least 1 (below 1 the gradient is infinite where ``s = y``).

    Raises:
        InputError: The shapes differ, or ``gamma`` is neither 0 nor at least 1.
    """
    if logits.shape != target.shape:
        raise InputError(f"logits and target differ in shape: {list(logits.shape)} and {list(target.shape)}")
    if weight is not None and weight.shape != logits.shape[:2]:
        raise InputError(f"weight has shape {list(weight.shape)}; it must be [N, K], here {list(logits.shape[:2])}")
    if not (gamma == 0 or gamma >= 1):
        raise InputError(f"gamma must be 0 or at least 1, not {gamma}")
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if gamma:
        loss = loss * (target - torch.sigmoid(logits)).abs() ** gamma
    if weight is not None:
        loss = loss * weight[:, :, None, None]
    return loss.mean()


def regressive(outputs: Any, truth: Targets, *, gamma: float = 0.0) -> Tensor:
    """Compute :func:`rce` of a network's final outputs, read as logits; this is the function that recipes name.

    Raises:
        InputError: See :func:`rce`.
    """
    return rce(final_heatmaps(outputs), truth.heatmaps, truth.weights, gamma=gamma)
