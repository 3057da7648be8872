"""AutoPose (Gong et al., arXiv:2008.07018): parallel branches at four scales, searched by a controller and by gradients.

Neither the searched architecture nor the code was published. This package reconstructs the search space from the paper's text,
with one network of it (``example.autopose.toml``), and the search.
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
        source="arXiv:2008.07018, Secs. 3.1 and 4.2; the scale vectors of Fig. 4 and the cells were not published as data",
        fitted="the example was written by hand to have the make-up that the text states",
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
