"""EfficientPose (Zhang, Fang, Wang and Liu, arXiv 2012.07086): a searched backbone with a slim up-sampling head."""

from typing import Any

from benchmark.models import Entry
from reproductions.efficientpose_nas.architectures import skeleton
from reproductions.efficientpose_nas.recipes import RECIPES

__all__ = ["ENTRIES", "RECIPES", "structure"]

_BUILD = "reproductions.efficientpose_nas"
# The head's figures in Table 7 are those of its transposed convolutions alone.
_SCOPES = {"backbone": ("backbone",), "head": ("head",), "deconvs": ("head.deconvs",)}
_RELEASE = "github.com/hustvl/EfficientPose"

_SIC: dict[str, dict[str, Any]] = {"on": {"sic": True}, "off": {"sic": False}}
_HEAD: dict[str, dict[str, dict[str, Any]]] = {
    "sic": _SIC,  # Table 6
    "width": {f"{one}x{two}": {"widths": (one, two)} for one, two in ((64, 32), (64, 64), (96, 96))},  # Table 7
    "tconv": {style: {"tconv": style} for style in ("plain", "mbv1", "mbv2")},  # Table 8
}
_DEPTH: dict[str, dict[str, Any]] = {depth: {"depth": depth} for depth in ("released", "printed")}

ENTRIES = (
    *(
        Entry(
            id=f"efficientpose_nas/{architecture}",
            build=f"{_BUILD}.network:efficientpose",
            kwargs={"architecture": architecture},
            switches=_HEAD | ({"depth": _DEPTH} if architecture == "A" else {}),
            scopes=_SCOPES,
            multiple=16,
            evidence="author code",
            source=_RELEASE,
        )
        for architecture in ("A", "B", "C")
    ),
    # The backbones of Table 3, under the same head.
    *(
        Entry(
            id=f"efficientpose_nas/{backbone}",
            build=f"{_BUILD}.backbones:{backbone}",
            switches={"sic": _SIC},
            scopes=_SCOPES,
            multiple=16,
            evidence="author code",
            source=_RELEASE,
        )
        for backbone in ("mobilenet_v2", "resnet50")
    ),
    *(
        Entry(
            id=f"efficientpose_nas/proxyless_{target}",
            build=f"{_BUILD}.backbones:proxyless",
            kwargs={"target": target},
            switches={"sic": _SIC},
            scopes=_SCOPES,
            multiple=16,
            evidence="reconstruction",
            source="layers from github.com/mit-han-lab/proxylessnas; where the backbone ends is inferred from Table 3",
        )
        for target in ("gpu", "cpu", "mobile")
    ),
)

STRUCTURE_VERSION = 1
_TABLE1 = (
    *("conv", "sep_depth", "stage1_first", "stage1_rest", "stage2_first", "stage2_rest", "stage3_first", "stage3_rest"),
    *("stage4", "trans_conv1", "trans_conv2"),
)


def structure(table: str) -> dict[str, str]:
    """What is built where the paper prints an architecture: ``row/column -> the cell, in its notation``."""
    if table == "table1":
        return {f"{row}/{size}": cell for size in ("small", "large") for row, cell in zip(_TABLE1, skeleton(size), strict=True)}
    if table == "text_structure":
        from reproductions.efficientpose_nas.text_structure import count  # needs torch, which listing the entries must not

        return count()
    return {}
