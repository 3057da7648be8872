"""EfficientPose (Groos, Ramampiaro and Ihlen, arXiv 2004.12186): scaled EfficientNets, and OpenPose to compare with."""

from __future__ import annotations

from typing import Any

from benchmark.config.packages import PaperPackage
from benchmark.models import Entry
from reproductions.efficientpose.protocols import PROTOCOLS, WEIGHTS
from reproductions.efficientpose.recipes import RECIPES
from reproductions.efficientpose.variants import VARIANTS


def _switches(low: str | None) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        **({"low_level": {"on": {"low": low}, "off": {"low": None}}} if low else {}),  # Table 6
        "skeleton": {"on": {"skeleton": True}, "off": {"skeleton": False}},  # Table 7
        "passes": {str(n): {"passes": n} for n in (1, 2, 3)},  # Table 8
        "upscaling": {"on": {"upscaling": True}, "off": {"upscaling": False}},  # Table 9
        "outputs": {value: {"outputs": value} for value in ("all", "final")},
    }


_RELEASED = tuple(
    Entry(
        id=f"efficientpose/{name}",
        build="reproductions.efficientpose.network:EfficientPose",
        kwargs={"high": high, "low": low, "depth": depth},
        switches=_switches(low),
        scopes={"backbones": ("backbones",), "passes": ("passes",), "upscaling": ("upscaling",)},
        no_effect_on_heatmaps=("outputs",),
        inputs=(f"{side}x{side}",),
        multiple=8,
        evidence="author code",
        source="github.com/daniegr/EfficientPose",
    )
    for name, (side, high, low, depth) in VARIANTS.items()
)

ENTRIES = (
    *_RELEASED,
    Entry(
        id="efficientpose/openpose",
        build="reproductions.efficientpose.openpose:OpenPose",
        scopes={"backbone": ("backbone",), "passes": ("passes",)},
        inputs=("368x368",),
        multiple=8,
        evidence="reconstruction",
        source="section 2 and Figure 1; widths of OpenPose's public 25-keypoint network; connections inferred from the cost",
        fitted="what each pass sees was chosen so that parameters and operations are the printed 25.94 M and 160.36 G",
    ),
)

PACKAGE = PaperPackage(
    entries=ENTRIES,
    recipes=RECIPES,
    protocols=PROTOCOLS,
    weight_files=WEIGHTS,
    structure="reproductions.efficientpose.structure:describe_structure",
)
