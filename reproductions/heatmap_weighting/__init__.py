"""Lightweight Human Pose Estimation Using Heatmap-Weighting Loss (Li and Xiang, arXiv:2205.10611)."""

from __future__ import annotations

from benchmark.config.packages import PaperPackage
from benchmark.models import Entry
from reproductions.heatmap_weighting.layouts import LAYOUTS
from reproductions.heatmap_weighting.recipes import RECIPES

ENTRIES = (
    Entry(
        id="heatmap_weighting/mobilenet_v3",
        build="reproductions.heatmap_weighting.network:LightweightPoseNet",
        switches={
            "attention": {kind: {"attention": kind} for kind in ("none", "se", "cbam", "ours")},  # Table VI
            "hsigmoid": {slope: {"hsigmoid": slope} for slope in ("sixth", "half")},
        },
        unreleased={"attention": ("se", "cbam")},  # their blocks are released, but not where the head has them
        scopes={"backbone": ("backbone",), "head": ("head",)},
        inputs=("256x256", "256x192", "384x288"),
        multiple=32,
        evidence="author code",
        source="github.com/HAIV-Lab/ICPR22w",
        version=2,
    ),
)

PACKAGE = PaperPackage(
    entries=ENTRIES,
    recipes=RECIPES,
    layouts=LAYOUTS,
    structure="reproductions.heatmap_weighting.structure:describe_structure",
    structure_version=2,
)
