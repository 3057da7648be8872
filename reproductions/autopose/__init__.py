"""AutoPose (Gong et al., arXiv:2008.07018): parallel branches of four scales, found by a controller and a cell search.

The searched architecture and the code were never published. What stands here is a reconstruction of the search space, from
the paper's text, and of one network in it (``example.autopose.toml``).
"""

from __future__ import annotations

from benchmark.config.packages import PaperPackage
from benchmark.models import Entry
from reproductions.autopose.architectures import FORMAT
from reproductions.autopose.recipes import RECIPES
from reproductions.autopose.search_configs import SEARCHES

ENTRIES = (
    Entry(
        id="autopose/searched",
        build="reproductions.autopose.network:build",
        switches={
            "branches": {value: {"branches": value} for value in ("searched", "single", "all")},  # Table 4, second column
            "aggregation": {value: {"aggregation": value} for value in ("cells", "concat")},  # Table 4, first column
        },
        scopes={"stem": ("stem",), "stages": ("stages",), "head": ("head",)},
        inputs=("256x192", "256x256"),
        multiple=4,
        evidence="reconstruction",
        source="arXiv:2008.07018, Secs. 3.1 and 4.2; neither Fig. 4's scale vectors nor the cells were published as data",
    ),
)

PACKAGE = PaperPackage(
    entries=ENTRIES,
    recipes=RECIPES,
    architectures=FORMAT,
    searches=SEARCHES,
    search="reproductions.autopose.search",
    structure="reproductions.autopose.structure:describe_structure",
    readings="reproductions.autopose.readings:read_flops",
)
