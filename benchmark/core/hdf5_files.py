"""Read arrays that an HDF5 file itself holds, and no larger ones than its size explains.

The format can name other files: by links, by the storage of an array, and by the parts of a virtual one. None is followed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmark.core.file_content import LARGEST_RATIO, unpacked_limit


def get_item(group: Any, name: str) -> Any:
    """Return a member of a group.

    Raises:
        KeyError: there is none.
        ValueError: it is a link, which may lead to another file.
    """
    import h5py

    try:
        link = group.id.links.get_info(name.encode())
    except KeyError:
        raise KeyError(name) from None
    if link.type != h5py.h5l.TYPE_HARD:
        raise ValueError(f"{name} is a link, perhaps to another file; it is not followed")
    return group[name]


def read_arrays(datasets: Mapping[str, Any], file_bytes: int) -> dict[str, np.ndarray]:
    """Return the numbers of several datasets of one file; memory is taken for none before all were checked.

    Raises:
        ValueError: together they are larger than :func:`unpacked_limit` allows, or see :func:`read_array`.
    """
    total, limit = sum(_check_size(dataset, file_bytes) for dataset in datasets.values()), unpacked_limit(file_bytes)
    if total > limit:
        raise ValueError(f"its arrays would take {total:,} bytes, out of proportion to its size")
    return {name: read_array(dataset, file_bytes) for name, dataset in datasets.items()}


def read_array(dataset: Any, file_bytes: int) -> np.ndarray:
    """Return the numbers or the strings of a dataset.

    Args:
        file_bytes: Size of the file.

    Raises:
        ValueError: it holds something else, its content is in other files, or it is larger than :func:`unpacked_limit` allows.
    """
    import h5py

    _check_size(dataset, file_bytes)
    if dataset.dtype.kind in "iufS":
        return np.asarray(dataset[()])
    if not h5py.check_string_dtype(dataset.dtype) or dataset.ndim != 1:
        raise ValueError(f"{dataset.name} holds neither numbers nor text")
    strings: list[bytes] = []
    total = 0  # the file may hold a long text once and name it often, so they are not read all together
    for begin in range(0, len(dataset), LARGEST_RATIO):
        strings += dataset[begin : begin + LARGEST_RATIO]
        total += sum(map(len, strings[begin:]))
        if total > unpacked_limit(file_bytes):
            raise ValueError(f"{dataset.name} holds text out of proportion to the size of its file")
    return np.array(strings, dtype=object)


def _check_size(dataset: Any, file_bytes: int) -> int:
    """Return the bytes that reading a dataset takes, after checking that they are in the file, and in proportion to it."""
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{dataset.name} takes its content from other files; they are not read")
    # Of a packed array, whole chunks are unpacked.
    elements = max(dataset.size, math.prod(map(int, dataset.chunks or ())))
    size, limit = elements * dataset.dtype.itemsize, unpacked_limit(file_bytes)
    if size > limit:
        raise ValueError(
            f"{dataset.name} of shape {list(dataset.shape)} would take {size:,} bytes, out of proportion to its file"
        )
    return size
