"""The squared errors that EfficientPose and its OpenPose are trained by: one for each pass, each against its own targets."""

from __future__ import annotations

from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.training.losses import Targets, check_shapes
from reproductions.efficientpose.network import Maps


def passes(outputs: Maps, truth: Targets) -> Tensor:
    """The sum over skeleton and detection passes of the mean squared error of their maps.

    No map is weighted and none is left out: a joint that is not annotated has empty maps for its targets. The up-scaled maps
    take no part (the authors' later public code).

    Raises:
        InputError: maps that are not of the targets' shapes.
    """
    if outputs.skeletons and truth.fields is None:
        raise InputError("the network predicts part affinity fields, and the recipe draws none")
    pairs = [(fields, truth.fields) for fields in outputs.skeletons] + [(maps, truth.heatmaps) for maps in outputs.heatmaps]
    total = outputs.final.new_zeros(())
    for maps, target in pairs:
        assert target is not None
        check_shapes(maps, target)
        total = total + (maps - target).square().mean()
    return total
