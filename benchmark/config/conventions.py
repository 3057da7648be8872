"""Conventions for counting operations and parameters and for computing PCK and PCKh, as data that is read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmark.core.keypoints import LSP_JOINTS, MPII_JOINTS, MPII_PARTS, joint_indices


@dataclass(frozen=True)
class FlopsConvention:
    """A convention for counting operations.

    Attributes:
        giga: Number of operations that the convention calls 1 G.
        description: What is counted.
        counter: ``module:function``, returning the count of one operator, a :class:`benchmark.cost.ops.Op`; imported when a
            network is counted.
        whole_trace: The function takes the operators of a whole network instead, in their order.
        fitted: What of it was inferred from printed numbers, which it can then not explain; empty if it was read from a tool.
        version: 0 for the conventions that ``VERSIONS["cost"]`` covers. One that joins later starts at 1, so that all networks
            are counted again, with it among the others; raised when it counts otherwise than before.
    """

    giga: float
    description: str
    counter: str
    whole_trace: bool = False
    fitted: str = ""
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
        "as Lite-HRNet's authors: true MACs, biases, batch norm, ReLU and pooling, of layers alone and each once, over 2^30; "
        "none of a network with a linear layer whose input is not [N, C], at which their tool stops",
        counter="benchmark.cost.counters:count_torchstat",
        whole_trace=True,
        version=1,
    ),
    "macs": FlopsConvention(
        1e9, "true MACs of convolutions and linear layers, over 1e9", counter="benchmark.cost.counters:count_macs"
    ),
    "exact": FlopsConvention(
        1e9, "true MACs without those on zero padding, over 1e9", counter="benchmark.cost.counters:count_exact"
    ),
}
LOOKUP_CONVENTION = "hrnet"  # counts the operations in lookup tables and searches
# What no convention counts: said wherever conventions are explained.
UNCOUNTED = (
    "Multiply-accumulates are those of convolutions, linear, recurrent and bilinear layers, matrix and vector products, "
    "attention and distances; resizing, normalisation and element-wise work have some under the conventions that say so. An "
    "operator without a rule, such as a Fourier transform, a custom kernel, or a product of sparse, complex or quantised "
    "tensors, adds nothing and is named as “not counted”; so are weights that a network multiplies but has not registered. "
    "Left out are also what a parametrization computes from weights alone, interpolation inside deformable convolutions, and "
    "what a mask of attention may save."
)


def format_not_counted(not_counted: Mapping[str, int]) -> str:
    """Format the operators that a network's counts leave out: ``not counted: torchvision::nms ×3``; empty if there are none."""
    names = ", ".join(f"{name} ×{times}" for name, times in not_counted.items())
    return f"not counted: {names}" if names else ""


PARAMS: Mapping[str, str] = {
    "trainable": "parameters that take a gradient",
    "weights": "weights of convolutions and linear layers, and other parameters in products; without biases and norms",
    "stored": "everything a weight file holds, with batch-norm statistics and frozen weights",
}

PCK_THRESHOLDS = (0.2, 0.1, 0.05)  # fractions of the torso length
Sides = Literal["person", "observer"]  # LSP's "person-centric" (PC) and "observer-centric" (OC)


@dataclass(frozen=True, kw_only=True)
class PckPreset:
    """One definition of PCK on LSP.

    Attributes:
        torsos: Pairs of joints; the torso length is the largest distance within a pair.
        occluded: Joints that are annotated as occluded count too.
        offset: Added to annotated coordinates, so that the centre of the top-left pixel is (0, 0) as in predictions.
        sides: Whose left and right the joints are named by: the person's, as in LSP's annotations, or the observer's.
        description: One line for the user.
    """

    torsos: tuple[tuple[str, str], ...] = (("left_shoulder", "right_hip"),)
    occluded: bool = True
    offset: float = 0.0
    sides: Sides = "person"
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
    "observer-centric": PckPreset(sides="observer", description="left and right as the observer sees them"),
}


def pck_metric_name(threshold: float, preset: str = "") -> str:
    """Return the name of a metric: ``pck@0.2``, or ``pck@0.2 (longer torso)``."""
    return f"pck@{threshold}" + (f" ({preset})" if preset else "")


PCKH_THRESHOLDS = (0.5, 0.1)  # as printed in tables


@dataclass(frozen=True, kw_only=True)
class PckhPreset:
    """One convention, with everything in which public PCKh codes differ.

    Attributes:
        mean: "visible" pools all annotated joints of the dataset; "joints" is the plain average over ``joints``; "parts" is
            the plain average over the printed parts.
        joints: joints that count.
        parts: joints of each printed part; a part is the plain average of its joints.
        comparison: of a distance with the threshold.
        offset: added to predictions counted from pixel (0, 0), because annotations count from (1, 1).
        thresholds: printed threshold -> threshold that is really used, where they may differ.
        source: code that defines the convention.
    """

    mean: Literal["visible", "joints", "parts"]
    joints: tuple[int, ...]
    parts: Mapping[str, tuple[int, ...]]
    comparison: Literal["<=", "<"]
    offset: float
    thresholds: Mapping[float, float]
    source: str

    def effective(self, threshold: float) -> float:
        """Return the threshold that is really used when a table prints ``threshold``."""
        return self.thresholds.get(threshold, threshold)


# None of the four counts pelvis and thorax (6 and 7).
_SCORED = tuple(joint for joint in range(len(MPII_JOINTS)) if MPII_JOINTS[joint] not in ("pelvis", "thorax"))
_PARTS = {part: joint_indices(MPII_JOINTS, names) for part, names in MPII_PARTS.items()}
_HEAD_AND_NECK = joint_indices(MPII_JOINTS, ("upper_neck", "head_top"))

PCKH_PRESETS: Mapping[str, PckhPreset] = {
    "mpii_official": PckhPreset(
        mean="visible",
        joints=_SCORED,
        parts=_PARTS | {"Head": _HEAD_AND_NECK},
        comparison="<=",
        offset=1.0,
        thresholds={0.5: 0.5, 0.1: 0.1},
        source="MPII toolkit: evaluatePCKh.m, computePCK.m (total over all 14 joints), genTablePCK.m (head with upper neck)",
    ),
    "hrnet": PckhPreset(
        mean="visible",
        joints=_SCORED,
        parts=_PARTS,
        comparison="<=",
        offset=1.0,
        thresholds={0.5: 0.5, 0.1: 0.11},  # entry 11 of a sweep that starts at 0 and steps by 0.01
        source="HRNet and SimpleBaseline: lib/dataset/mpii.py",
    ),
    "mmpose": PckhPreset(
        mean="visible",
        joints=_SCORED,
        parts=_PARTS,
        comparison="<=",  # "<" since release 1.0
        offset=1.0,
        thresholds={0.5: 0.5, 0.1: 0.1},  # entry 10 of the same sweep; early releases took entry 11 too
        source="mmpose 0.x: TopDownMpiiDataset.evaluate",
    ),
    "pytorch_pose": PckhPreset(
        mean="joints",
        joints=_SCORED,
        parts=_PARTS,
        comparison="<",
        offset=1.0,
        thresholds={0.5: 0.5, 0.1: 0.1},
        source="pytorch-pose: evaluation/eval_PCKh.py",
    ),
}


def pckh_metric_name(threshold: float, preset: str) -> str:
    """Return the name of a metric: ``pckh@0.5 (hrnet)``."""
    return f"pckh@{threshold} ({preset})"
