"""Lightweight Human Pose Estimation Using Heatmap-Weighting Loss (Li and Xiang, arXiv 2205.10611)."""

from benchmark.models import Entry
from reproductions.heatmap_weighting.recipes import RECIPES

__all__ = ["ENTRIES", "RECIPES", "structure"]

ENTRIES = (
    Entry(
        id="heatmap_weighting/mobilenet_v3",
        build="reproductions.heatmap_weighting.network:LightweightPoseNet",
        switches={
            "attention": {kind: {"attention": kind} for kind in ("none", "se", "cbam", "ours")},  # Table VI
            "hsigmoid": {slope: {"hsigmoid": slope} for slope in ("sixth", "half")},
        },
        scopes={"backbone": ("backbone",), "head": ("head",)},
        inputs=("256x256", "256x192", "384x288"),
        multiple=32,
        evidence="author code",
        source="github.com/HAIV-Lab/ICPR22w",
    ),
)


def structure(table: str) -> dict[str, str]:
    """What is built where the paper prints a figure of the head's make-up; empty for any other table."""
    if table != "text_structure":
        return {}
    from reproductions.heatmap_weighting.text_structure import count  # needs torch, which listing the entries must not

    return count()
