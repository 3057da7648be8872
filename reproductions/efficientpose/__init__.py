"""EfficientPose (Groos, Ramampiaro and Ihlen, arXiv 2004.12186): scaled EfficientNets, and OpenPose beside them."""

from typing import Any

from benchmark.models import Entry
from reproductions.efficientpose.protocols import PROTOCOLS, WEIGHTS
from reproductions.efficientpose.recipes import RECIPES

__all__ = ["ENTRIES", "PROTOCOLS", "RECIPES", "VARIANTS", "WEIGHTS", "structure"]

# Table 2: input side, EfficientNet of the image, of the halved image, Mobile DenseNets in a pass.
VARIANTS: dict[str, tuple[int, str, str | None, int]] = {
    "RT": (224, "B0", None, 1),
    "I": (256, "B2", "B0", 1),
    "II": (368, "B4", "B0", 2),
    "III": (480, "B5", "B1", 3),
    "IV": (600, "B7", "B3", 4),
}


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
        inert=("outputs",),
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
        source="section 2 and Figure 1; widths of OpenPose's public 25-keypoint network; connections as the printed cost tells",
    ),
)


def structure(table: str) -> dict[str, str]:
    """What is built where the paper prints the networks' make-up: ``row/column -> string``; empty for any other table."""
    from reproductions.efficientpose.printed_structure import count  # needs torch, which listing the entries must not

    return count(table)
