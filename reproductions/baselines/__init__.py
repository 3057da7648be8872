"""The networks that the papers compare theirs with: one file an architecture, each from its own public specification."""

from __future__ import annotations

from benchmark.config.packages import PaperPackage
from benchmark.models import Entry
from reproductions.baselines.entries_multi_stage import ENTRIES as STACKED
from reproductions.baselines.entries_single_stage import ENTRIES as HRNET_FAMILY
from reproductions.baselines.recipes import RECIPES, UNTRAINED

ENTRIES = (
    # SimpleBaseline (Xiao, Wu and Wei, ECCV 2018), on torchvision's residual networks.
    *(
        Entry(
            id=f"baselines/simple_baseline-r{depth}",
            build="reproductions.baselines.simple_baseline:simple_baseline",
            kwargs={"depth": depth},
            scopes={"backbone": ("backbone",), "head": ("head",)},
            inputs=("256x256", "256x192", "384x288"),
            multiple=32,
            evidence="author code",
            source="github.com/microsoft/human-pose-estimation.pytorch",
        )
        for depth in (50, 101, 152)
    ),
    *HRNET_FAMILY,
    *STACKED,
)

PACKAGE = PaperPackage(entries=ENTRIES, recipes=RECIPES, untrained=UNTRAINED)
