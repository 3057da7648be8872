"""Read all arrays of numbers of a .mat, .h5, .npy or .json file, packed or not, without executing any of its content."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from benchmark.core import hdf5_files
from benchmark.core.errors import InputError
from benchmark.core.file_content import file_format, read_content
from benchmark.core.matlab_files import read_variables
from benchmark.data.annotation_files import holds_boolean, parse_json

_HDF5 = b"\x89HDF\r\n\x1a\n"
# Offset and first bytes of each format; MATLAB 7.3 puts a header of 512 bytes before HDF5 content.
_MAGIC: Mapping[str, tuple[tuple[int, bytes], ...]] = {
    ".mat": ((0, b"MATLAB"), (512, _HDF5), (0, _HDF5)),
    ".h5": ((0, _HDF5),),
    ".npy": ((0, b"\x93NUMPY"),),
}

# Predictions in files written by MATLAB, Torch (Lua), HRNet and mmpose already count from 1 (the last two add 1.0 before
# saving); other arrays saved from Python count from 0.
ORIGINS: Mapping[str, Literal[0, 1]] = {".mat": 1, ".h5": 1, ".npy": 0, ".json": 0}


# What a JSON file is, by fields of the object or of the first of its objects.
_KNOWN_JSON: Mapping[frozenset[str], str] = {
    frozenset(("images", "annotations")): "these are COCO annotations, for --dataset coco --annotations",
    frozenset(("image_id", "category_id", "score")): "these are COCO detections, for --dataset coco --predictions",
    frozenset(("image", "center", "scale")): "these are MPII annotations in the format of HRNet's valid.json, without the head "
    "boxes that PCKh needs; give gt_valid.mat or valid.h5 as --annotations of --dataset mpii",
}


class Contents(NamedTuple):
    """Content of a file.

    Attributes:
        arrays: Arrays of numbers, by name; an array without a name is called ``preds``.
        fields: Names of the fields of the first record, for a .json list of records; else empty.
    """

    arrays: dict[str, np.ndarray]
    fields: tuple[str, ...] = ()


def default_origin(path: Path) -> Literal[0, 1]:
    """Return the usual coordinate of the top-left pixel's centre in a prediction file: 1 in .mat and .h5 files, else 0."""
    return ORIGINS.get(file_format(path), 0)


def describe_json(data: Any) -> str:
    """Say what parsed JSON is, if it is a known kind of file; else return ``""``."""
    record = data[0] if data and isinstance(data, list) else data
    fields = set(record) if isinstance(record, (dict, tuple)) else set()
    return next((description for known, description in _KNOWN_JSON.items() if known <= fields), "")


def read_arrays(path: Path, *names: str) -> Contents:
    """Read the arrays of numbers in a file: those of these names or, if it has none of them, all.

    Raises:
        InputError: the file is missing, of an unknown type, truncated, damaged, or another file stands in its place; or an
            array lies in another file, or is larger than the file's size explains.
    """
    suffix = file_format(path)
    if suffix not in _READERS and path.is_file():
        raise InputError(f"{path}: unknown file type, must be one of {', '.join(_READERS)}, or one of these with .gz or .zip")
    content = read_content(path)
    try:
        contents = _READERS[suffix](content, names)
    except Exception as error:  # the libraries raise errors of many types for broken files
        reason = f"{_kind_of_problem(suffix, content, error)}{error or type(error).__name__}"
        raise InputError(f"{path}: cannot be read as a {suffix} file: {reason}") from None
    arrays = {
        key: array for key, array in contents.arrays.items() if isinstance(array, np.ndarray) and array.dtype.kind in "iuf"
    }
    return Contents(arrays, contents.fields)


def _kind_of_problem(suffix: str, content: bytes, error: Exception) -> str:
    """Say whether a file is truncated or of another format, as far as its first bytes or the error tell."""
    if suffix == ".json":
        ended = isinstance(error, json.JSONDecodeError) and (
            error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
        )
        return "truncated: " if ended else ""
    begins_as_expected = any(content[offset:].startswith(magic) for offset, magic in _MAGIC[suffix])
    return "truncated or damaged: " if begins_as_expected else "its content is of another format: "


def _read_mat(content: bytes, names: Sequence[str]) -> Contents:
    if _HDF5 in content[:1024]:  # MATLAB 7.3: HDF5 with the axes reversed
        return Contents({key: array.T for key, array in _read_h5(content, names).arrays.items()})
    return Contents(read_variables(content, names))


def _read_h5(content: bytes, names: Sequence[str]) -> Contents:
    import h5py

    with h5py.File(io.BytesIO(content), "r") as file:
        present = list(file)
        items = {name: hdf5_files.get_item(file, name) for name in [name for name in names if name in present] or present}
        datasets = {
            name: item
            for name, item in items.items()
            if isinstance(item, h5py.Dataset) and item.shape and item.dtype.kind in "iuf"
        }
        return Contents(hdf5_files.read_arrays(datasets, len(content)))


def _read_npy(content: bytes, names: Sequence[str]) -> Contents:
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_column, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which only running the file's code could restore")
    size = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or size != len(content) - file.tell():
        raise ValueError(f"it announces an array of shape {list(shape)}, and holds {len(content) - file.tell():,} bytes")
    values = np.frombuffer(content, dtype, offset=file.tell())
    return Contents({"preds": values.reshape(shape, order="F" if by_column else "C")})


def _read_json(content: bytes, names: Sequence[str]) -> Contents:
    data = parse_json(content)
    if isinstance(data, dict) and "preds" in data:
        data = data["preds"]
    if not isinstance(data, list):
        raise ValueError(describe_json(data) or "expected a list or an object with preds")
    if data and isinstance(data[0], dict):
        return Contents({}, tuple(map(str, data[0])))
    array = np.array(data)
    if array.dtype.kind not in "iuf" or holds_boolean(data):
        raise ValueError("preds must only contain numbers")
    return Contents({"preds": array})


_READERS: Mapping[str, Callable[[bytes, Sequence[str]], Contents]] = {
    ".mat": _read_mat,
    ".h5": _read_h5,
    ".npy": _read_npy,
    ".json": _read_json,
}
