"""Functions that the readers share: open annotation files, check values, and name the entry that is malformed."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmark.core.errors import InputError
from benchmark.core.file_content import read_content
from benchmark.core.matlab_files import read_variables

SYNTHETIC = "synthetic.json"  # the file that marks folders written by Synthetic people


def first_existing(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of ``names`` (paths or patterns inside ``folder``) that exists, or None."""
    for name in names:
        if paths := sorted(folder.glob(name)):
            return paths[0]
    return None


def dataset_label(dataset: str, folder: Path) -> str:
    """Return the dataset's name, prefixed by "synthetic-" if Synthetic people wrote the folder."""
    return f"synthetic-{dataset}" if (folder / SYNTHETIC).is_file() else dataset


def image_path(folder: Path, name: str) -> Path:
    """Return the path of an image below ``folder``; ``name`` may have folders, which may repeat the end of ``folder``."""
    parts = Path(name).parts
    if Path(name).is_absolute() or ".." in parts:  # of another machine
        return folder / parts[-1]
    repeated = [count for count in range(1, len(parts)) if folder.parts[-count:] == parts[:count]]
    return folder.joinpath(*parts[max(repeated, default=0) :])


def parse_json(content: bytes) -> Any:
    """Parse JSON in any encoding of Unicode; the last of several equal keys counts, and NaN and Infinity are numbers.

    Raises:
        ValueError: the content is not JSON.
        RecursionError: it is nested too deeply for Python.
    """
    collects = gc.isenabled()
    gc.disable()  # nothing here is garbage, and looking for it takes as long as parsing
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return json.loads(content)  # says what is wrong and where, or reads what only Python's reader accepts
    finally:
        if collects:
            gc.enable()


def read_json(path: Path) -> Any:
    """Read a JSON file, packed or not.

    Raises:
        InputError: the file is not JSON, or is nested too deeply for Python; see also :func:`read_content`.
    """
    content = read_content(path)
    try:
        return parse_json(content)
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: not readable JSON: nested too deeply") from None


def read_mat(path: Path, variable: str, **options: Any) -> Any:
    """Read a variable of a MATLAB file.

    Args:
        options: passed to ``scipy.io.loadmat``.

    Raises:
        InputError: the file is not a MATLAB file, or does not contain the variable; see also :func:`read_content`.
    """
    content = read_content(path)
    try:
        variables = read_variables(content, [variable], **options)
    except Exception as error:  # scipy raises many kinds of errors for broken bytes
        raise InputError(f"{path}: not a readable MATLAB file: {error}") from None
    if variable not in variables:
        raise InputError(f"{path}: contains no variable {variable!r}")
    return variables[variable]


@contextmanager
def naming_record(path: Path, name: str) -> Iterator[None]:
    """Convert errors that a malformed entry raises to an InputError that names the file and the entry."""
    try:
        yield
    except InputError:
        raise
    except KeyError as error:
        raise InputError(f"{path}: {name}: {error} is missing") from None
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{path}: {name}: {error}") from None


def as_numbers(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Convert ``value`` to a float64 array of this shape.

    Raises:
        ValueError: it has another shape, or contains something other than finite numbers, such as true or text.
    """
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        array = np.array(None)
    if (array.dtype.kind not in "iuf" and array.size) or holds_boolean(value):
        raise ValueError(f"{name} contains something other than numbers")
    if array.shape != shape:
        raise ValueError(f"{name} has shape {list(array.shape)}, expected {list(shape)}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite")
    return array


def holds_boolean(value: Any) -> bool:
    """Return whether parsed JSON is or contains true or false, which numpy takes for 1 and 0 where they stand among numbers."""
    if isinstance(value, list):
        kinds = set(map(type, value))
        return bool in kinds or (list in kinds and any(map(holds_boolean, value)))
    return isinstance(value, bool)


def stack_rows(rows: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Stack rows into one float64 array ``[N, *shape]``, also if N is 0."""
    return np.array(rows, np.float64).reshape(-1, *shape)
