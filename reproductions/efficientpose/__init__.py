"""EfficientPose (Groos, Ramampiaro and Ihlen, arXiv 2004.12186): scaled EfficientNets, and OpenPose to compare with."""

from __future__ import annotations

from typing import Any

from benchmark.config.packages import PaperPackage
from benchmark.models import Entry
from reproductions.efficientpose.layouts import LAYOUTS
from reproductions.efficientpose.protocols import JOINTS, PROTOCOLS
from reproductions.efficientpose.recipes import RECIPES
from reproductions.efficientpose.variants import LITE_VARIANTS, VARIANTS


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
        # Without upscaling, they are the models of the authors' successor, github.com/DeepInMotion/Markerless.
        unreleased={"low_level": ("off",), "skeleton": ("off",), "passes": ("1", "3")},
        scopes={"backbones": ("backbones",), "passes": ("passes",), "upscaling": ("upscaling",)},
        no_effect_on_heatmaps=("outputs",),
        inputs=(f"{side}x{side}",),
        multiple=8,
        evidence="author code",
        source="github.com/daniegr/EfficientPose",
    )
    for name, (side, high, low, depth) in VARIANTS.items()
)

# Released in November 2020, after the paper: only the final heatmaps are predicted.
_LITE = tuple(
    Entry(
        id=f"efficientpose/{name}",
        build="reproductions.efficientpose.network:EfficientPose",
        kwargs={"high": backbone, "low": None, "depth": depth, "outputs": "final", "lite": True},
        scopes={"backbones": ("backbones",), "passes": ("passes",), "upscaling": ("upscaling",)},
        inputs=(f"{side}x{side}",),
        multiple=8,
        evidence="author code",
        source="github.com/daniegr/EfficientPose",
    )
    for name, (side, backbone, depth) in LITE_VARIANTS.items()
)

ENTRIES = (
    *_RELEASED,
    *_LITE,
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
    untrained={
        f"efficientpose/{name}": "it is here for its published weights, and lacks the heads that the recipe trains"
        for name in LITE_VARIANTS
    },
    protocols=PROTOCOLS,
    layouts=LAYOUTS,
    tflite_joints=JOINTS,
    structure="reproductions.efficientpose.structure:describe_structure",
    structure_basis={
        "text_structure:openpose_input/*": "data",
        "text_structure:openpose_*": "reconstruction",
        "text_structure:variants/*": "data",
        "text_scaling:*": "data",
        "table1:*/depth_factor": "data",  # of Google's EfficientNet
        # The released networks end B1 and B3, their low-level backbones, after block 2: what would follow is EfficientNet's.
        **{f"table1:{name}/{layers}": "data" for name in ("b1", "b3") for layers in ("block3_*", "channels")},
        "table2:*/*_input": "data",
        "table2:*/*_backbone": "data",  # a name
    },
    structure_version=6,
)
