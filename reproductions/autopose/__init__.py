"""AutoPose (Gong et al., arXiv:2008.07018): parallel branches of four scales, found by a controller and a cell search.

The searched architecture and the code were never published. What stands here is a reconstruction of the search space, from
the paper's text, and of one network in it (``example.autopose.toml``).
"""

from benchmark.models import Entry
from reproductions.autopose import architectures
from reproductions.autopose.recipes import RECIPES

__all__ = ["ENTRIES", "RECIPES", "architectures", "readings", "structure"]

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


def structure(table: str) -> dict[str, str]:
    """What is built where the paper prints a figure of the network's make-up; empty for any other table."""
    if table != "text_structure":
        return {}
    from reproductions.autopose.text_structure import count  # needs torch, which listing the entries must not

    return count()


def readings(table: str) -> dict[str, list[tuple[str, float]]]:
    """What Table 2's GFLOPs come to for networks that the reconstructed space holds, from its cheapest to its dearest."""
    if table != "table2":
        return {}
    from benchmark.conventions import FLOPS
    from reproductions.autopose.cost_range import cost_range  # needs torch

    rows = cost_range()
    return {"autopose/gflops": [(f"{r.name}, {name}", r.flops[name] / c.giga) for name, c in FLOPS.items() for r in rows]}
