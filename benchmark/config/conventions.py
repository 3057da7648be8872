"""Conventions for counting operations and parameters and for computing PCK, as data that is read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmark.core.keypoints import LSP_JOINTS, joint_indices


@dataclass(frozen=True)
class FlopsConvention:
    """A convention for counting operations.

    Attributes:
        giga: Number of operations that the convention calls 1 G.
        description: What is counted.
    """

    giga: float
    description: str

    def scale(self, unit: str) -> float:
        """Return the number of operations in one printed unit, ``M`` or ``G``; an M is a thousandth of the convention's G."""
        return self.giga / {"G": 1, "M": 1000}[unit]


FlopsName = Literal["hrnet", "hrnet_1e9", "mmcv", "tf_profiler", "torchstat", "macs", "exact"]
ParamsName = Literal["trainable", "weights", "stored"]
FLOPS: Mapping[str, FlopsConvention] = {
    "hrnet": FlopsConvention(2**30, "MACs of convolutions and linear layers, transposed ones at output positions, over 2^30"),
    "hrnet_1e9": FlopsConvention(1e9, "as hrnet, over 1e9"),
    "mmcv": FlopsConvention(1e9, "true MACs plus biases, batch norm, ReLU, pooling and resizing, over 1e9"),
    "tf_profiler": FlopsConvention(1e9, "two per MAC plus biases, pooling and element-wise arithmetic, over 1e9"),
    "torchstat": FlopsConvention(
        2**30, "true MACs plus biases, batch norm, ReLU and global pooling, repeated modules once, over 2^30"
    ),
    "macs": FlopsConvention(1e9, "true MACs of convolutions and linear layers, over 1e9"),
    "exact": FlopsConvention(1e9, "true MACs without those on zero padding, over 1e9"),
}
PARAMS: Mapping[str, str] = {
    "trainable": "parameters that take a gradient",
    "weights": "weights of convolutions and linear layers alone, without biases and norms",
    "stored": "everything a weight file holds, with batch-norm statistics and frozen weights",
}

PCK_THRESHOLDS = (0.2, 0.1, 0.05)  # fractions of the torso length


@dataclass(frozen=True, kw_only=True)
class PckPreset:
    """One definition of PCK on LSP.

    Attributes:
        torsos: Pairs of joints; the torso length is the largest distance within a pair.
        occluded: Joints that are annotated as occluded count too.
        offset: Added to annotated coordinates, so that the centre of the top-left pixel is (0, 0) as in predictions.
        description: One line for the user.
    """

    torsos: tuple[tuple[str, str], ...] = (("left_shoulder", "right_hip"),)
    occluded: bool = True
    offset: float = 0.0
    description: str

    def lengths(self, truth: np.ndarray) -> np.ndarray:
        """Compute torso lengths ``[N]`` in pixels from annotated joints ``[N, 14, 2]``."""
        ends = np.array([joint_indices(LSP_JOINTS, pair) for pair in self.torsos])
        return np.linalg.norm(truth[:, ends[:, 0]] - truth[:, ends[:, 1]], axis=-1).max(1)


_DIAGONALS = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))

PCK_PRESETS: Mapping[str, PckPreset] = {
    "": PckPreset(description="torso from the left shoulder to the right hip, all 14 joints"),
    "longer torso": PckPreset(torsos=_DIAGONALS, description="torso is the longer of its two diagonals"),
    "not occluded": PckPreset(occluded=False, description="joints that are annotated as occluded do not count"),
    "from one": PckPreset(offset=-1.0, description="annotations are taken to count pixels from (1, 1)"),
    "longer torso, not occluded": PckPreset(
        torsos=_DIAGONALS, occluded=False, description="the longer diagonal, and no occluded joints"
    ),
}


def pck_metric_name(threshold: float, preset: str = "") -> str:
    """Return the name of a metric: ``pck@0.2``, or ``pck@0.2 (longer torso)``."""
    return f"pck@{threshold}" + (f" ({preset})" if preset else "")
