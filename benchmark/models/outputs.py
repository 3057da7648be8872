"""Read the heatmaps from the output of a network, and check them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_COUNTS


def iter_maps(outputs: Any) -> Iterator[Tensor]:
    """Iterate over all maps in a network's output, ``[B, C, h, w]`` each, in order; the final heatmaps come last.

    Raises:
        InputError: the output is neither a tensor nor a (nested) tuple or list of tensors.
    """
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, tuple | list):
        for part in outputs:
            yield from iter_maps(part)
    else:
        raise InputError(f"a network returns maps, or tuples of them, not {type(outputs).__name__}")


def final_heatmaps(outputs: Any) -> Tensor:
    """Return the final heatmaps ``[B, K, h, w]`` of a network's output."""
    *_, last = iter_maps(outputs)
    return last


def heatmap_misfit(output: Any, joints: int, option: str = "") -> str:
    """Describe how a network's output for one image differs from heatmaps ``[1, joints, h, w]``.

    Args:
        option: Option of the command by which a user chooses another number of joints; it is suggested where that helps.

    Returns:
        An empty string if the last tensor of the output has that shape.
    """
    while isinstance(output, tuple | list) and output:
        output = output[-1]
    expected = f"not heatmaps [1, {joints}, h, w]"
    if not isinstance(output, Tensor):
        return f"returns {type(output).__name__}, {expected}"
    shape = list(output.shape)
    if len(shape) == 4 and shape[:2] == [1, joints]:
        return ""
    is_joint_count = len(shape) == 4 and shape[0] == 1 and shape[1] in JOINT_COUNTS.values()
    hint = f"; give {option} {shape[1]} if that is intended" if option and is_joint_count else ""
    return f"returns {shape}, {expected}{hint}"
