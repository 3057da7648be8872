"""Read the heatmaps from whatever a network returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from benchmark.core.errors import InputError


def iter_maps(outputs: Any) -> Iterator[Tensor]:
    """All maps of what a network returns, in order, the final heatmaps last.

    Raises:
        InputError: something that is neither maps nor a tuple of them.
    """
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, tuple | list):
        for part in outputs:
            yield from iter_maps(part)
    else:
        raise InputError(f"a network returns maps, or tuples of them, not {type(outputs).__name__}")


def final_heatmaps(outputs: Any) -> Tensor:
    """The final heatmaps ``[B, K, h, w]``."""
    *_, last = iter_maps(outputs)
    return last
