"""FasterPose (Dai et al., arXiv:2107.03215; ACM TOMM 2022): heatmaps from low-resolution features, and a cross-entropy loss.

Only the abstract is public. Everything here is a reconstruction from it; what it leaves open can be chosen by switches.
"""

from __future__ import annotations

from benchmark.config.packages import PaperPackage
from benchmark.models import Entry
from reproductions.fasterpose.protocols import PROTOCOLS
from reproductions.fasterpose.recipes import RECIPES

ENTRIES = tuple(
    Entry(
        id=f"fasterpose/r{depth}",
        build="reproductions.fasterpose.network:FasterPose",
        kwargs={"depth": depth},
        switches={
            "deconvs": {str(count): {"deconvs": count} for count in range(4)},
            "upsampling": {value: {"upsampling": value} for value in ("pixel_shuffle", "nearest", "none")},
        },
        scopes={"backbone": ("backbone",), "head": ("head",)},
        inputs=("256x192", "256x256"),
        multiple=32,
        evidence="reconstruction",
        source="arXiv:2107.03215, abstract and title; the authors' repository is empty",
        fitted="that all transposed convolutions are left out was chosen with the printed 58 % in view",
    )
    for depth in (50, 101, 152)
)

PACKAGE = PaperPackage(
    entries=ENTRIES,
    recipes=RECIPES,
    protocols=PROTOCOLS,
    readings="reproductions.fasterpose.readings:read_saving",
    structure_version=2,  # 1: reconstructions of all depths
)
