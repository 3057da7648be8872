"""Read MPII ground truth and predicted joints from the file formats in common use.

Coordinates are returned as they are in the file. MPII annotations count pixels as MATLAB does: the centre of the top-left
pixel is (1, 1). For predictions, :func:`default_origin` returns the usual origin of a file format.
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

# Predictions in files written by MATLAB, Torch (Lua), HRNet and mmpose already count from 1 (the last two add 1.0 before
# saving); other arrays saved from Python count from 0.
ORIGINS: dict[str, Literal[0, 1]] = {".mat": 1, ".h5": 1, ".npy": 0, ".json": 0}
USUAL_KEYS = ("preds", "pred", "predictions")
MPII_MAT = ("pos_gt_src", "jnt_missing", "headboxes_src")
MPII_H5 = ("part", "normalize")


class MpiiAnnotations(NamedTuple):
    """Annotated people of MPII.

    Attributes:
        joints: [N, 16, 2] pixels, counted from 1.
        head_size: [N] pixels.
        annotated: [N, 16] bool.
    """

    joints: np.ndarray
    head_size: np.ndarray
    annotated: np.ndarray


def default_origin(path: Path) -> Literal[0, 1]:
    """Return the usual coordinate of the top-left pixel's centre in a prediction file: 1 in .mat and .h5 files, else 0."""
    return ORIGINS.get(path.suffix.lower(), 0)


def read_mpii_annotations(path: Path) -> MpiiAnnotations:
    """Read MPII ground truth from ``gt_valid.mat`` (HRNet, pytorch-pose) or ``valid.h5`` (Stacked Hourglass).

    In ``valid.h5`` a joint is annotated if its coordinates are not both zero. Its ``visible`` is not used: it separates
    occluded from visible joints, but PCKh counts all annotated joints.

    Raises:
        InputError: the file is missing, broken or has another layout, or a value in it is impossible.
    """
    arrays = _read_arrays(path)
    if all(key in arrays for key in MPII_MAT):
        joints, missing, boxes = (arrays[key] for key in MPII_MAT)
        people = joints.shape[-1]
        for key, expected in zip(MPII_MAT, [(16, 2, people), (16, people), (2, 2, people)], strict=True):
            _check_shape(path, key, arrays[key], expected)
        annotations = MpiiAnnotations(joints.transpose(2, 0, 1), compute_head_sizes(boxes.transpose(2, 0, 1)), missing.T == 0)
    elif all(key in arrays for key in MPII_H5):
        joints, head_size = (arrays[key] for key in MPII_H5)
        _check_shape(path, "part", joints, (len(joints), 16, 2))
        _check_shape(path, "normalize", head_size, (len(joints),))
        annotations = MpiiAnnotations(joints, head_size, (joints != 0).any(-1))
    else:
        raise InputError(f"{path}: not MPII annotations: contains neither {', '.join(MPII_MAT)} nor {', '.join(MPII_H5)}")
    if not len(annotations.joints):
        raise InputError(f"{path}: contains no people")
    check_truth(*annotations, source=str(path))
    return annotations


def read_mpii_predictions(path: Path, people: int, joints: int = 16) -> np.ndarray:
    """Read predicted joints [N, K, 2] in pixels, with the file's origin.

    The file is a .mat (any version), .h5, .npy or .json (a list, or an object with ``preds``) with one array in any of the
    axis orders [N, K, 2], [K, 2, N], [2, K, N] and [N, 2, K]; the first of these orders that fits the shape is used.

    Args:
        people: N, the number of annotated people.
        joints: K.

    Raises:
        InputError: the file is missing, broken, or contains no such array, or a coordinate is not finite.
    """
    array = _select_predictions(path, _read_arrays(path))
    sizes = (people, joints, 2)
    orders = [axes for axes in ((0, 1, 2), (1, 2, 0), (2, 1, 0), (0, 2, 1)) if array.shape == tuple(sizes[i] for i in axes)]
    if not orders:
        expected = f"[{people}, {joints}, 2] or [{joints}, 2, {people}]"
        raise InputError(f"{path}: predictions have shape {list(array.shape)}, expected {expected} for {people} people")
    points = array.transpose(np.argsort(orders[0])).astype(np.float64)
    check_finite(points, str(path))
    return points


def _select_predictions(path: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return the array of predictions: the one with a usual name, or else the only one with three axes."""
    for key in USUAL_KEYS:
        if key in arrays:
            return arrays[key]
    candidates = [array for array in arrays.values() if array.ndim == 3]
    if len(candidates) != 1:
        content = ", ".join(f"{key} {list(array.shape)}" for key, array in arrays.items()) or "no array of numbers"
        raise InputError(f"{path}: expected {USUAL_KEYS[0]} or exactly one array with three axes, but it contains {content}")
    return candidates[0]


def _check_shape(path: Path, key: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InputError(f"{path}: {key} has shape {list(array.shape)}, expected {list(shape)}")


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read all numeric arrays of a file, by name; an array without a name is called ``preds``."""
    readers: dict[str, Callable[[Path], dict[str, Any]]] = {
        ".mat": _read_mat,
        ".h5": _read_h5,
        ".npy": _read_npy,
        ".json": _read_json,
    }
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise InputError(f"{path}: unknown file type, must be one of {', '.join(readers)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        arrays = readers[suffix](path)
    except Exception as error:  # the libraries raise errors of many types for broken files
        raise InputError(f"{path}: cannot be read as a {suffix} file: {error or type(error).__name__}") from None
    return {key: array for key, array in arrays.items() if isinstance(array, np.ndarray) and array.dtype.kind in "iuf"}


def _read_mat(path: Path) -> dict[str, Any]:
    import h5py
    from scipy.io import loadmat

    if h5py.is_hdf5(path):  # MATLAB 7.3: HDF5 with the axes reversed
        return {key: array.T for key, array in _read_h5(path).items()}
    return loadmat(path)


def _read_h5(path: Path) -> dict[str, Any]:
    import h5py

    with h5py.File(path, "r") as file:
        return {key: item[()] for key, item in file.items() if isinstance(item, h5py.Dataset) and item.shape}


def _read_npy(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return {"preds": np.lib.format.read_array(file, allow_pickle=False)}  # loading a pickle can run code


def _read_json(path: Path) -> dict[str, Any]:
    data = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(data, dict) and "preds" in data:
        data = data["preds"]
    if not isinstance(data, list):
        raise ValueError("expected a list or an object with preds")
    array = np.array(data)
    if array.dtype.kind not in "iuf":
        raise ValueError("preds must only contain numbers")
    return {"preds": array}
