"""What the readers share: opening annotation files, and naming the record that is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import InputError

SYNTHETIC = "synthetic.json"  # stands in the folders that Synthetic people writes


def first_existing(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of ``names`` (paths or patterns below ``folder``) that exists."""
    for name in names:
        if found := sorted(folder.glob(name)):
            return found[0]
    return None


def dataset_label(dataset: str, folder: Path) -> str:
    """The dataset's name, with "synthetic-" before it where Synthetic people wrote the folder."""
    return f"synthetic-{dataset}" if (folder / SYNTHETIC).is_file() else dataset


def read_json(path: Path) -> Any:
    """A JSON file's content.

    Raises:
        InputError: the file is absent, is no JSON, or is nested more deeply than Python can follow.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: not JSON that can be read: nested too deeply") from None


def read_mat(path: Path, variable: str, **options: Any) -> Any:
    """A variable of a MATLAB file.

    Raises:
        InputError: the file is absent, no MATLAB file, or does not hold the variable.
    """
    from scipy.io import loadmat

    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        content = loadmat(path, variable_names=[variable], **options)
    except Exception as error:  # scipy raises whatever the broken bytes led it to
        raise InputError(f"{path}: not a MATLAB file that can be read: {error}") from None
    if variable not in content:
        raise InputError(f"{path}: no variable {variable!r} in it")
    return content[variable]


@contextmanager
def naming_record(path: Path, name: str) -> Iterator[None]:
    """Turn what a malformed record raises into an InputError that names the file and the record."""
    try:
        yield
    except InputError:
        raise
    except KeyError as error:
        raise InputError(f"{path}: {name}: {error} is missing") from None
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{path}: {name}: {error}") from None


def as_numbers(value: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """``value`` as float64 of that shape.

    Raises:
        ValueError: it has another shape, or is not made of finite numbers.
    """
    try:
        array = np.asarray(value, np.float64)
    except (ValueError, TypeError):
        raise ValueError(f"{name} is not made of numbers") from None
    if array.shape != shape:
        raise ValueError(f"{name} has shape {list(array.shape)}, expected {list(shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} is not finite")
    return array


def stack_rows(rows: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Rows as one array ``[N, *shape]``, also when there are none."""
    return np.array(rows, np.float64).reshape(-1, *shape)
