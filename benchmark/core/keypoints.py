"""Names of the annotated joints of each dataset, the groups of joints that tables print, and PCKh's head size.

Joints are in the order of the dataset's own files, so that an index into these names is an index into ``[N, K, 2]`` arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

# MPII: joints 0 to 15 of its annotation files (Andriluka et al., CVPR 2014).
MPII_JOINTS = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "pelvis",
    "thorax",
    "upper_neck",
    "head_top",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
)

# The seven columns of MPII tables. Which joints form the head depends on the convention: see benchmark.metrics.pckh.
MPII_PARTS: Mapping[str, tuple[str, ...]] = {
    "Head": ("head_top",),
    "Shoulder": ("right_shoulder", "left_shoulder"),
    "Elbow": ("right_elbow", "left_elbow"),
    "Wrist": ("right_wrist", "left_wrist"),
    "Hip": ("right_hip", "left_hip"),
    "Knee": ("right_knee", "left_knee"),
    "Ankle": ("right_ankle", "left_ankle"),
}


# COCO: the order of "keypoints" in its annotation files (Lin et al., ECCV 2014; keypoints since 2016).
COCO_JOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)

# Leeds Sports Pose and its extension: the order of joints.mat (Johnson and Everingham, BMVC 2010, CVPR 2011). Left and right
# are person-centric.
LSP_JOINTS = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "neck",
    "head_top",
)

# The columns of tables on LSP.
LSP_PARTS: Mapping[str, tuple[str, ...]] = {
    "Head": ("neck", "head_top"),
    **{part: names for part, names in MPII_PARTS.items() if part != "Head"},
}

# For each of LSP's 14 joints, the corresponding one of MPII's 16: the joint of the same name, but for LSP's neck MPII's upper
# neck (where neck and head meet; MPII's thorax is at the lower end of the neck). MPII's pelvis and thorax have no counterpart.
LSP_FROM_MPII: Mapping[str, str] = {name: "upper_neck" if name == "neck" else name for name in LSP_JOINTS}


def joint_indices(joints: tuple[str, ...], names: Iterable[str]) -> tuple[int, ...]:
    """Return the index of each name in ``joints``.

    Raises:
        ValueError: a name is not among the joints.
    """
    return tuple(joints.index(name) for name in names)


def mirrored_indices(joints: tuple[str, ...]) -> tuple[int, ...]:
    """Return for each joint the index of its mirror image: left and right are swapped, joints on the midline stay."""
    swap = {"left": "right", "right": "left"}
    sides = [name.partition("_") for name in joints]
    return joint_indices(joints, (f"{swap[side]}_{part}" if side in swap else side + bar + part for side, bar, part in sides))


def upper_body_indices(joints: tuple[str, ...]) -> tuple[int, ...]:
    """Return the indices of the upper body in half-body augmentation: all joints but pelvis, hips, knees and ankles."""
    lower = ("pelvis", "hip", "knee", "ankle")
    return tuple(index for index, name in enumerate(joints) if not name.endswith(lower))


_HEAD_FACTOR = 0.6  # head size over the diagonal of the head box, as in MPII's evaluation


def compute_head_sizes(boxes: np.ndarray) -> np.ndarray:
    """Compute head sizes ``[N]`` in pixels from head boxes ``[N, 2, 2]`` (two opposite corners, x and y)."""
    return _HEAD_FACTOR * np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=-1)


JOINT_NAMES: Mapping[str, tuple[str, ...]] = {"mpii": MPII_JOINTS, "coco": COCO_JOINTS, "lsp": LSP_JOINTS}
JOINT_COUNTS = {dataset: len(joints) for dataset, joints in JOINT_NAMES.items()}


def joint_set_of(dataset: str) -> str:
    """Return the dataset whose joints a dataset has, a key of :data:`JOINT_NAMES`: itself without ``synthetic-``."""
    return dataset.removeprefix("synthetic-")
