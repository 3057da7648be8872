"""Training targets of EfficientPose: part affinity fields."""

from __future__ import annotations

from torch import Tensor

from benchmark.core.keypoints import LSP_FROM_MPII
from benchmark.pipeline.targets import draw_part_affinity_fields

# EfficientPose's 14 segments, with two fields each (the authors' later public code, MPII).
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
    """Return EfficientPose's segments as pairs of positions in ``names``; None where a dataset lacks one of the joints.

    LSP's neck is used for MPII's upper neck; LSP has no thorax, which leaves 11 of the 14 segments.
    """
    index = {name: position for position, name in enumerate(names)}
    index |= {mpii: index[lsp] for lsp, mpii in LSP_FROM_MPII.items() if lsp in index and mpii not in index}
    return [(index[a], index[b]) if a in index and b in index else None for a, b in SEGMENTS]


def draw_fields(
    joints: Tensor, visible: Tensor, names: tuple[str, ...], *, heatmap_hw: tuple[int, int], stride: float, half_width: float
) -> Tensor:
    """Draw part affinity fields of all 14 segments, float32 ``[N, 28, h, w]``; a segment without its joints is empty."""
    segments = segment_indices(names)
    present = [pair for pair in segments if pair is not None]
    drawn = draw_part_affinity_fields(joints, visible, present, heatmap_hw=heatmap_hw, stride=stride, half_width=half_width)
    if len(present) == len(segments):
        return drawn
    fields = drawn.new_zeros(len(joints), len(segments), 2, *heatmap_hw)
    fields[:, [pair is not None for pair in segments]] = drawn.unflatten(1, (len(present), 2))
    return fields.flatten(1, 2)
