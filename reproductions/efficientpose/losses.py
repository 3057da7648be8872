"""The loss of EfficientPose and its OpenPose: squared errors of all passes, each against its own targets."""

from __future__ import annotations

from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.training.losses import Targets, check_shapes
from reproductions.efficientpose.network import Maps


def passes(outputs: Maps, truth: Targets) -> Tensor:
    """Compute the sum over skeleton and detection passes of the mean squared error of their outputs.

    Nothing is weighted or left out: the targets of a joint that is not annotated are empty. The up-scaled heatmaps are not
    compared (the authors' later public code).

    Raises:
        InputError: The outputs do not have the targets' shapes, or the targets have no part affinity fields.
    """
    if outputs.skeletons and truth.fields is None:
        raise InputError("the network predicts part affinity fields, but the recipe draws none")
    pairs = [(fields, truth.fields) for fields in outputs.skeletons]
    pairs += [(heatmaps, truth.heatmaps) for heatmaps in outputs.heatmaps]
    total = outputs.final.new_zeros(())
    for output, target in pairs:
        assert target is not None
        check_shapes(output, target)
        total = total + (output - target).square().mean()
    return total
