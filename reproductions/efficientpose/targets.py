"""Training targets of EfficientPose: part affinity fields, and widths that shrink during training."""

from __future__ import annotations

from torch import Tensor

from benchmark.core.keypoints import LSP_FROM_MPII
from benchmark.pipeline.targets import draw_part_affinity_fields

# EfficientPose's 14 segments: 28 part affinity maps (the authors' later public code, MPII).
SEGMENTS = (
    ("head_top", "upper_neck"),
    ("upper_neck", "right_shoulder"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("upper_neck", "left_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("upper_neck", "thorax"),
    ("thorax", "right_hip"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
    ("thorax", "left_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
)


def segment_indices(names: tuple[str, ...]) -> list[tuple[int, int] | None]:
    """EfficientPose's segments as pairs of positions in ``names``; None where a data set lacks one of the joints.

    LSP's neck stands for MPII's upper neck; it has no thorax, which leaves 11 segments of the 14.
    """
    places = {name: place for place, name in enumerate(names)}
    places |= {wanted: places[own] for own, wanted in LSP_FROM_MPII.items() if own in places and wanted not in places}
    return [(places[a], places[b]) if a in places and b in places else None for a, b in SEGMENTS]


def draw_fields(
    joints: Tensor, visible: Tensor, names: tuple[str, ...], *, heatmap_hw: tuple[int, int], stride: float, half_width: float
) -> Tensor:
    """Part affinity fields of all 14 segments, float32 ``[N, 28, h, w]``; those of a segment without its joints are empty."""
    segments = segment_indices(names)
    there = [pair for pair in segments if pair is not None]
    drawn = draw_part_affinity_fields(joints, visible, there, heatmap_hw=heatmap_hw, stride=stride, half_width=half_width)
    if len(there) == len(segments):
        return drawn
    fields = drawn.new_zeros(len(joints), len(segments), 2, *heatmap_hw)
    fields[:, [pair is not None for pair in segments]] = drawn.unflatten(1, (len(there), 2))
    return fields.flatten(1, 2)
