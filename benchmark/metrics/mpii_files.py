"""Reading the field's own files: MPII ground truth and predicted joints, as they are passed around.

Coordinates are returned as they stand in the file. MPII annotations count pixels as MATLAB does, the centre of the top-left
pixel being (1, 1); ``default_origin`` says what a prediction file most likely does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.keypoints import compute_head_sizes
from benchmark.metrics.pckh import check_finite, check_truth

# Files that MATLAB, Torch (Lua), HRNet and mmpose write hold predictions that already count from 1 (the last two add 1.0
# before saving); arrays saved from Python otherwise count from 0.
ORIGINS: dict[str, Literal[0, 1]] = {".mat": 1, ".h5": 1, ".npy": 0, ".json": 0}
USUAL_KEYS = ("preds", "pred", "predictions")
MPII_MAT = ("pos_gt_src", "jnt_missing", "headboxes_src")
MPII_H5 = ("part", "normalize")


class MpiiAnnotations(NamedTuple):
    """MPII persons: [N, 16, 2] joints (pixels, counted from 1), [N] head sizes (pixels), [N, 16] whether annotated."""

    joints: np.ndarray
    head_size: np.ndarray
    annotated: np.ndarray


def default_origin(path: Path) -> Literal[0, 1]:
    """Where the centre of the top-left pixel lies in a prediction file of this kind: 1 for .mat and .h5, else 0."""
    return ORIGINS.get(path.suffix.lower(), 0)


def read_mpii_annotations(path: Path) -> MpiiAnnotations:
    """Ground truth of MPII persons from ``gt_valid.mat`` (HRNet, pytorch-pose) or ``valid.h5`` (Stacked Hourglass).

    The ``visible`` of ``valid.h5`` is not used: it tells occluded joints from visible ones, whereas PCKh counts all that are
    annotated. There a joint is annotated where its coordinates are not both zero.

    Raises:
        InputError: the file is missing, broken or of another layout, or a value in it is impossible.
    """
    arrays = _read(path)
    if all(key in arrays for key in MPII_MAT):
        joints, missing, boxes = (arrays[key] for key in MPII_MAT)
        persons = joints.shape[-1]
        for key, expected in zip(MPII_MAT, [(16, 2, persons), (16, persons), (2, 2, persons)], strict=True):
            _expect(path, key, arrays[key], expected)
        annotations = MpiiAnnotations(joints.transpose(2, 0, 1), compute_head_sizes(boxes.transpose(2, 0, 1)), missing.T == 0)
    elif all(key in arrays for key in MPII_H5):
        joints, head_size = (arrays[key] for key in MPII_H5)
        _expect(path, "part", joints, (len(joints), 16, 2))
        _expect(path, "normalize", head_size, (len(joints),))
        annotations = MpiiAnnotations(joints, head_size, (joints != 0).any(-1))
    else:
        raise InputError(f"{path}: not MPII annotations: neither {', '.join(MPII_MAT)} nor {', '.join(MPII_H5)} in it")
    if not len(annotations.joints):
        raise InputError(f"{path}: no persons in it")
    check_truth(*annotations, source=str(path))
    return annotations


def read_mpii_predictions(path: Path, persons: int, joints: int = 16) -> np.ndarray:
    """Predicted joints as [N, K, 2] pixels, as the file counts them.

    Takes .mat (any version), .h5, .npy and .json (a list, or an object with ``preds``) with one array in any of the orders
    [N, K, 2], [K, 2, N], [2, K, N] and [N, 2, K]; where sizes coincide, the first of these that fits is meant.

    Args:
        persons: how many there must be.

    Raises:
        InputError: the file is missing, broken, or holds no such array, or a coordinate is not finite.
    """
    array = _predicted(path, _read(path))
    sizes = (persons, joints, 2)
    orders = [axes for axes in ((0, 1, 2), (1, 2, 0), (2, 1, 0), (0, 2, 1)) if array.shape == tuple(sizes[i] for i in axes)]
    if not orders:
        wanted = f"[{persons}, {joints}, 2] or [{joints}, 2, {persons}]"
        raise InputError(f"{path}: predictions have shape {list(array.shape)}, expected {wanted} for {persons} persons")
    points = array.transpose(np.argsort(orders[0])).astype(np.float64)
    check_finite(points, str(path))
    return points


def _predicted(path: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The one array that holds the predictions: under a usual key, or else the only one with three axes."""
    for key in USUAL_KEYS:
        if key in arrays:
            return arrays[key]
    found = {key: array for key, array in arrays.items() if array.ndim == 3}
    if len(found) != 1:
        held = ", ".join(f"{key} {list(array.shape)}" for key, array in arrays.items()) or "no array of numbers"
        raise InputError(f"{path}: no {USUAL_KEYS[0]} and not exactly one array with three axes in it, but {held}")
    return next(iter(found.values()))


def _expect(path: Path, key: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InputError(f"{path}: {key} has shape {list(array.shape)}, expected {list(shape)}")


def _read(path: Path) -> dict[str, np.ndarray]:
    """All numeric arrays of a file by name; a bare array is called ``preds``."""
    readers: dict[str, Callable[[Path], dict[str, Any]]] = {".mat": _mat, ".h5": _h5, ".npy": _npy, ".json": _json}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path}: unknown kind of file; known: {', '.join(readers)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        arrays = readers[suffix](path)
    except Exception as problem:  # the readers raise whatever the broken bytes lead them to
        raise InputError(f"{path}: not a readable {suffix} file: {problem or type(problem).__name__}") from None
    return {key: array for key, array in arrays.items() if isinstance(array, np.ndarray) and array.dtype.kind in "iuf"}


def _mat(path: Path) -> dict[str, Any]:
    import h5py
    from scipy.io import loadmat

    if h5py.is_hdf5(path):  # MATLAB 7.3: HDF5 with the axes reversed
        return {key: array.T for key, array in _h5(path).items()}
    return loadmat(path)


def _h5(path: Path) -> dict[str, Any]:
    import h5py

    with h5py.File(path, "r") as file:
        return {key: item[()] for key, item in file.items() if isinstance(item, h5py.Dataset) and item.shape}


def _npy(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return {"preds": np.lib.format.read_array(file, allow_pickle=False)}  # a pickle can run code: refused


def _json(path: Path) -> dict[str, Any]:
    data = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(data, dict) and "preds" in data:
        data = data["preds"]
    if not isinstance(data, list):
        raise ValueError("neither a list nor an object with preds")
    array = np.array(data)
    if array.dtype.kind not in "iuf":
        raise ValueError("preds must be numbers only")
    return {"preds": array}
