"""Read a file of predicted joints, in any of the layouts in which such files are published, as one array ``[N, K, 2]``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_NAMES
from benchmark.metrics.array_files import Contents, describe_json, read_arrays

USUAL_KEYS = ("preds", "pred", "predictions")
AXES = ((0, 1, 2), (1, 2, 0), (2, 1, 0), (0, 2, 1))  # people, joints and coordinates, in each published order

# By the number of values of a joint, the columns of x and y in pixels of the image: alone, followed by a score, or as in the
# Stacked Hourglass's preds.h5: x and y in the heatmap, x and y in the image, and a score.
COLUMNS: Mapping[int, tuple[int, int]] = {2: (0, 1), 3: (0, 1), 5: (2, 3)}

# Names that only MPII's annotation files have. LSP's have ``joints`` with a flag beside x and y.
ANNOTATIONS = ("pos_gt_src", "headboxes_src", "jnt_missing", "part", "normalize", "joints_vis")


def read_points(path: Path, people: int, dataset: str) -> np.ndarray:
    """Read predicted joints ``[N, K, 2]`` in pixels of the image, with the file's origin, in the order of the annotations.

    The file is a .mat (any version), .h5, .npy or .json (a list, or an object with ``preds``), perhaps gzipped, with one array
    of people, joints and coordinates in any of the orders :data:`AXES` and with any of the :data:`COLUMNS`. The first that fits
    the shape is used. Coordinates may be NaN.

    Args:
        people: N, the number of annotated people.
        dataset: Key of :data:`JOINT_NAMES`, whose joints are predicted.

    Raises:
        InputError: the file is missing or broken, holds annotations, or is of another dataset or of other people.
    """
    array = _select_predictions(path, read_arrays(path, *USUAL_KEYS))
    joints = len(JOINT_NAMES[dataset])
    for values, columns in COLUMNS.items():
        for axes in AXES:
            if array.shape == tuple((people, joints, values)[axis] for axis in axes):
                return array.transpose(np.argsort(axes))[..., columns].astype(np.float64)
    expected = f"[{people}, {joints}, 2] or [{joints}, 2, {people}] for {people} people"
    raise InputError(
        f"{path}: predictions have shape {list(array.shape)}, expected {expected}{_mismatch(array, people, dataset)}"
    )


def _mismatch(array: np.ndarray, people: int, dataset: str) -> str:
    """Say in words what does not fit: the joints of another dataset, or the number of people; else return ``""``."""
    if array.ndim != 3:
        return ""
    sizes = list(array.shape)
    values = next((size for size in (sizes[-1], *sizes) if size in COLUMNS), None)
    if values is None:
        return ""
    sizes.remove(values)
    if len(JOINT_NAMES[dataset]) in sizes:
        sizes.remove(len(JOINT_NAMES[dataset]))
        return f": the file has {sizes[0]} people" if sizes[0] != people else ""
    others = [name for name, names in JOINT_NAMES.items() if len(names) in sizes]
    return f": the joints are as many as those of {others[0].upper()}" if others else ""


def _select_predictions(path: Path, contents: Contents) -> np.ndarray:
    """Return the array of predictions: the one with a usual name, or else the only one with three axes."""
    arrays = contents.arrays
    for key in USUAL_KEYS:
        if key in arrays:
            return arrays[key]
    found = [name for name in (*arrays, *contents.fields) if name in ANNOTATIONS]
    found += [name for name, array in arrays.items() if name == "joints" and 3 in array.shape]
    if found:
        raise InputError(f"{path}: holds annotations ({', '.join(found)}), not predictions")
    candidates = [array for array in arrays.values() if array.ndim == 3]
    if len(candidates) != 1:
        content = ", ".join(f"{key} {list(array.shape)}" for key, array in arrays.items()) or "no array of numbers"
        expected = f"expected {USUAL_KEYS[0]} or exactly one array with three axes, but it contains {content}"
        raise InputError(f"{path}: {describe_json(contents.fields) or expected}")
    return candidates[0]
