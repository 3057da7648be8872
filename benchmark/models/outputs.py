"""Read the heatmaps from the output of a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from benchmark.core.errors import InputError


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
