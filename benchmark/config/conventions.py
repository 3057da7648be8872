"""Conventions for counting operations and parameters and for computing PCK, as data that is read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmark.core.keypoints import LSP_JOINTS, joint_indices


@dataclass(frozen=True)
class FlopsConvention:
    """A convention for counting operations.

    Attributes:
        giga: Number of operations that the convention calls 1 G.
        description: What is counted.
        counter: ``module:function``, returning the count of one operator, a :class:`benchmark.cost.ops.Op`; imported when a
            network is counted.
        whole_trace: The function takes the operators of a whole network instead, in their order.
        version: 0 for the conventions that ``VERSIONS["cost"]`` covers. One that joins later starts at 1, so that all networks
            are counted again, with it among the others; raised when it counts otherwise than before.
    """

    giga: float
    description: str
    counter: str
    whole_trace: bool = False
    version: int = 0

    def scale(self, unit: str) -> float:
        """Return the number of operations in one printed unit, ``M`` or ``G``; an M is a thousandth of the convention's G."""
        return self.giga / {"G": 1, "M": 1000}[unit]


FLOPS: Mapping[str, FlopsConvention] = {
    "hrnet": FlopsConvention(
        2**30,
        "MACs of convolutions and linear layers, transposed ones at output positions, over 2^30",
        counter="benchmark.cost.counters:count_hrnet",
    ),
    "hrnet_1e9": FlopsConvention(1e9, "as hrnet, over 1e9", counter="benchmark.cost.counters:count_hrnet"),
    "mmcv": FlopsConvention(
        1e9,
        "true MACs plus biases, batch norm, ReLU, pooling and resizing, over 1e9",
        counter="benchmark.cost.counters:count_mmcv",
    ),
    "tf_profiler": FlopsConvention(
        1e9,
        "two per MAC plus biases, pooling and element-wise arithmetic, over 1e9",
        counter="benchmark.cost.counters:count_tf_profiler",
    ),
    "torchstat": FlopsConvention(
        2**30,
        "true MACs plus biases, batch norm, ReLU and global pooling, repeated modules once, over 2^30",
        counter="benchmark.cost.counters:count_torchstat",
        whole_trace=True,
    ),
    "macs": FlopsConvention(
        1e9, "true MACs of convolutions and linear layers, over 1e9", counter="benchmark.cost.counters:count_macs"
    ),
    "exact": FlopsConvention(
        1e9, "true MACs without those on zero padding, over 1e9", counter="benchmark.cost.counters:count_exact"
    ),
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
