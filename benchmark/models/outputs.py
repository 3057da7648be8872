"""Read the heatmaps from the output of a network, and check them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_COUNTS


def iter_maps(outputs: Any) -> Iterator[Tensor]:
    """Iterate over all maps in a network's output, ``[B, C, h, w]`` each, in order; the final heatmaps come last.

    Raises:
        InputError: the output is neither a tensor nor a (nested) tuple or list of tensors, nor a dictionary with one of these.
    """
    outputs = _only_value(outputs)
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, tuple | list):
        for part in outputs:
            yield from iter_maps(part)
    else:
        raise InputError(f"a network returns maps, or tuples of them, not {_kind(outputs)}")


def _only_value(output: Any) -> Any:
    """Return the value of a dictionary or dataclass that has one; else the output, as the order of several says nothing.

    None in a dictionary, dataclass, tuple or list is no value.
    """
    if is_dataclass(output):
        output = {field.name: getattr(output, field.name) for field in fields(output)}
    if isinstance(output, Mapping):
        output = {key: value for key, value in output.items() if value is not None}
        return _only_value(*output.values()) if len(output) == 1 else output
    parts = [part for part in output if part is not None] if isinstance(output, tuple | list) else []
    return parts or output


def _kind(output: Any) -> str:
    keys = f" of {', '.join(map(str, output))}" if isinstance(output, Mapping) and output else ""
    return f"{type(output).__name__}{keys}"


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
    output, expected = _last(output), f"not heatmaps [1, {joints}, h, w]"
    if not isinstance(output, Tensor):
        return f"returns {_kind(output)}, {expected}"
    shape = list(output.shape)
    if len(shape) == 4 and shape[:2] == [1, joints]:
        return ""
    number = joints_of_heatmaps(output)
    hint = f"; give {option} {number} if that is intended" if option and number else ""
    return f"returns {shape}, {expected}{hint}"


def joints_of_heatmaps(output: Any) -> int | None:
    """Return the number of joints whose heatmaps a network returned for one image; None if they are none of a known number."""
    output = _last(output)
    is_heatmaps = isinstance(output, Tensor) and output.dim() == 4 and output.shape[0] == 1
    return output.shape[1] if is_heatmaps and output.shape[1] in JOINT_COUNTS.values() else None


def _last(output: Any) -> Any:
    output = _only_value(output)
    while isinstance(output, tuple | list) and output:
        output = _only_value(output[-1])
    return output
