"""EfficientPose (Zhang, Fang, Wang and Liu, arXiv 2012.07086): a searched backbone with a slim up-sampling head."""

from __future__ import annotations

from typing import Any

from benchmark.config.packages import PaperPackage
from benchmark.models import Entry
from reproductions.efficientpose_nas.architectures import FORMAT
from reproductions.efficientpose_nas.layouts import LAYOUTS
from reproductions.efficientpose_nas.protocols import PROTOCOLS
from reproductions.efficientpose_nas.recipes import RECIPES
from reproductions.efficientpose_nas.search_configs import SEARCHES

_BUILD = "reproductions.efficientpose_nas"
_INIT_VERSION = 2  # 1: every head started as SimpleBaseline's
# Table 7 counts a head's transposed convolutions alone.
_SCOPES = {"backbone": ("backbone",), "head": ("head",), "deconvs": ("head.deconvs",)}
_RELEASE = "github.com/hustvl/EfficientPose"

_SIC: dict[str, dict[str, Any]] = {"on": {"sic": True}, "off": {"sic": False}}
# What the head starts from, see network.Head; the first is the release's.
_INIT: dict[str, dict[str, Any]] = {init: {"head_init": init} for init in ("pytorch", "simple_baseline")}
_HEAD: dict[str, dict[str, dict[str, Any]]] = {
    "sic": _SIC,  # Table 6
    "width": {f"{first}x{second}": {"widths": (first, second)} for first, second in ((64, 32), (64, 64), (96, 96))},  # Table 7
    "tconv": {style: {"tconv": style} for style in ("plain", "mbv1", "mbv2")},  # Table 8
    "head_init": _INIT,
}
# The release has no network of Tables 6 and 8; the widths of Table 7 are an option of its code.
_UNRELEASED = {"sic": ("off",), "tconv": ("mbv1", "mbv2"), "depth": ("printed",)}
_DEPTH: dict[str, dict[str, Any]] = {depth: {"depth": depth} for depth in ("released", "printed")}

ENTRIES = (
    *(
        Entry(
            id=f"efficientpose_nas/{architecture}",
            build=f"{_BUILD}.network:efficientpose",
            kwargs={"architecture": architecture},
            switches=_HEAD | ({"depth": _DEPTH} if architecture == "A" else {}),
            unreleased=_UNRELEASED,
            scopes=_SCOPES,
            multiple=16,
            evidence="author code",
            source=_RELEASE,
            init_version=_INIT_VERSION,
        )
        for architecture in ("A", "B", "C")
    ),
    # The backbones of Table 3, under the same head.
    *(
        Entry(
            id=f"efficientpose_nas/{backbone}",
            build=f"{_BUILD}.backbones:{backbone}",
            switches={"sic": _SIC, "head_init": dict(reversed(_INIT.items())) if backbone == "resnet50" else _INIT},
            unreleased={"sic": ("off",)},
            scopes=_SCOPES,
            multiple=16,
            evidence="author code",
            source=_RELEASE,
            init_version=_INIT_VERSION,
        )
        for backbone in ("mobilenet_v2", "resnet50")
    ),
    *(
        Entry(
            id=f"efficientpose_nas/proxyless_{target}",
            build=f"{_BUILD}.backbones:proxyless",
            kwargs={"target": target},
            switches={"sic": _SIC, "head_init": _INIT},
            scopes=_SCOPES,
            multiple=16,
            evidence="reconstruction",
            source="layers from github.com/mit-han-lab/proxylessnas; where the backbone ends is inferred from Table 3",
            fitted="where the backbone ends was chosen so that the operations are the printed ones",
            init_version=_INIT_VERSION,
        )
        for target in ("gpu", "cpu", "mobile")
    ),
)

PACKAGE = PaperPackage(
    entries=ENTRIES,
    recipes=RECIPES,
    protocols=PROTOCOLS,
    layouts=LAYOUTS,
    architectures=FORMAT,
    searches=SEARCHES,
    search="reproductions.efficientpose_nas.search",
    structure="reproductions.efficientpose_nas.structure:describe_structure",
    # Of the search space, of which nothing was released.
    structure_basis={"text_structure:kernel_sizes/*": "data", "text_structure:expansion_ratios/*": "data"},
    structure_version=3,
)
