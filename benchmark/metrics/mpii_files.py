"""Read MPII ground truth and predicted joints from the file formats in common use.

Coordinates are returned as they are in the file. MPII annotations count pixels as MATLAB does: the centre of the top-left
pixel is (1, 1). For predictions, :func:`benchmark.metrics.array_files.default_origin` returns a format's usual origin.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.keypoints import compute_head_sizes
from benchmark.metrics.array_files import describe_json, read_arrays
from benchmark.metrics.pckh import check_finite, check_truth
from benchmark.metrics.point_files import read_points

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


def read_mpii_annotations(path: Path) -> MpiiAnnotations:
    """Read MPII ground truth from ``gt_valid.mat`` (HRNet, pytorch-pose) or ``valid.h5`` (Stacked Hourglass).

    In ``valid.h5`` a joint is annotated if its coordinates are not both zero. Its ``visible`` is not used: it separates
    occluded from visible joints, but PCKh counts all annotated joints.

    Raises:
        InputError: the file is missing, broken or has another layout, or a value in it is impossible.
    """
    arrays, fields = read_arrays(path, *MPII_MAT, *MPII_H5)
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
        problem = describe_json(fields) or f"contains neither {', '.join(MPII_MAT)} nor {', '.join(MPII_H5)}"
        raise InputError(f"{path}: not MPII ground truth: {problem}")
    if not len(annotations.joints):
        raise InputError(f"{path}: contains no people")
    check_truth(*annotations, source=str(path))
    return annotations


def read_mpii_predictions(path: Path, people: int) -> np.ndarray:
    """Read predicted joints ``[N, 16, 2]`` in pixels, with the file's origin; see :func:`read_points`.

    Raises:
        InputError: see :func:`read_points`; or a coordinate is not finite.
    """
    points = read_points(path, people, "mpii")
    check_finite(points, str(path))
    return points


def _check_shape(path: Path, key: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InputError(f"{path}: {key} has shape {list(array.shape)}, expected {list(shape)}")
