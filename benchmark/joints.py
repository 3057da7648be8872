"""Names of annotated joints and the part groups that tables print: one block a dataset.

Order is the order of the dataset's own files, so that an index here is an index into ``[N, K, 2]`` arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# MPII: the ids 0 to 15 of its annotation files (Andriluka et al., CVPR 2014).
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

# The seven columns of MPII tables. Which joints the head is made of depends on the convention: see benchmark.pckh.
MPII_PARTS: Mapping[str, tuple[str, ...]] = {
    "Head": ("head_top",),
    "Shoulder": ("right_shoulder", "left_shoulder"),
    "Elbow": ("right_elbow", "left_elbow"),
    "Wrist": ("right_wrist", "left_wrist"),
    "Hip": ("right_hip", "left_hip"),
    "Knee": ("right_knee", "left_knee"),
    "Ankle": ("right_ankle", "left_ankle"),
}


def indices(joints: tuple[str, ...], wanted: Iterable[str]) -> tuple[int, ...]:
    """Where the wanted names stand in ``joints``.

    Raises:
        ValueError: a name is not among the joints.
    """
    return tuple(joints.index(name) for name in wanted)
