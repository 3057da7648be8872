"""Networks that the papers compare with, one file per architecture, each built from its own public specification."""

from __future__ import annotations

from benchmark.config.packages import PaperPackage
from benchmark.models import Entry
from reproductions.baselines.entries_multi_stage import ENTRIES as MULTI_STAGE
from reproductions.baselines.entries_single_stage import ENTRIES as SINGLE_STAGE
from reproductions.baselines.layouts import LAYOUTS
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
    *SINGLE_STAGE,
    *MULTI_STAGE,
)

PACKAGE = PaperPackage(
    entries=ENTRIES,
    recipes=RECIPES,
    untrained=UNTRAINED,
    layouts=LAYOUTS,
    structure="reproductions.baselines.structure:describe_structure",
)
