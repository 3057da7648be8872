"""Declare HRNet and its light relatives, and SimpleBaseline on mobile backbones; needs no torch."""

from __future__ import annotations

from benchmark.models.registry import Entry

_PACKAGE = "reproductions.baselines"
_SIZES = ("256x256", "256x192", "384x288")
_MMPOSE = "github.com/open-mmlab/mmpose"
_BACKBONE_AND_HEAD = {"backbone": ("backbone",), "head": ("head",)}

ENTRIES = (
    # HRNet (Sun, Xiao, Liu and Wang, CVPR 2019).
    *(
        Entry(
            id=f"baselines/hrnet-{variant}",
            build=f"{_PACKAGE}.hrnet:hrnet",
            kwargs={"variant": variant},
            inputs=_SIZES,
            multiple=4,
            evidence="author code",
            source="github.com/leoxiaobin/deep-high-resolution-net.pytorch",
        )
        for variant in ("w32", "w48")
    ),
    Entry(
        id="baselines/hrnet-w16_small",
        build=f"{_PACKAGE}.hrnet:hrnet",
        kwargs={"variant": "w16_small"},
        inputs=_SIZES,
        multiple=4,
        evidence="reconstruction",
        source="layout of HRNet-W18-Small v1, github.com/HRNet/HRNet-Image-Classification",
        fitted="no source names the layout; it was chosen because it has the printed parameters and operations",
    ),
    # Lite-HRNet (Yu et al., CVPR 2021).
    *(
        Entry(
            id=f"baselines/lite_hrnet-{depth}",
            build=f"{_PACKAGE}.lite_hrnet:LiteHRNet",
            kwargs={"depth": depth},
            inputs=_SIZES,
            multiple=4,
            evidence="author code",
            source="github.com/HRNet/Lite-HRNet",
        )
        for depth in (18, 30)
    ),
    # ViPNAS (Xu et al., CVPR 2021): the released network, which differs from the one that the paper counts.
    Entry(
        id="baselines/vipnas-mobilenet_v3",
        build=f"{_PACKAGE}.vipnas:ViPNAS",
        scopes=_BACKBONE_AND_HEAD,
        inputs=_SIZES,
        multiple=32,
        evidence="author code",
        source="github.com/luminxu/ViPNAS, and its port in github.com/open-mmlab/mmpose",
        version=2,
    ),
    # LPN (Zhang, Tang and Wu, 2019).
    *(
        Entry(
            id=f"baselines/lpn-{depth}",
            build=f"{_PACKAGE}.lpn:LPN",
            kwargs={"depth": depth},
            scopes=_BACKBONE_AND_HEAD,
            inputs=_SIZES,
            multiple=16,
            evidence="author code",
            source="github.com/zhang943/lpn-pytorch",
        )
        for depth in (50, 101, 152)
    ),
    # SimpleBaseline on mobile backbones, as mmpose configures it.
    *(
        Entry(
            id=f"baselines/simple_baseline-{backbone}",
            build=f"{_PACKAGE}.simple_baseline_mobile:simple_baseline_mobile",
            kwargs={"backbone": backbone},
            scopes=_BACKBONE_AND_HEAD,
            inputs=_SIZES,
            multiple=32,
            evidence=evidence,
            source=source,
            version=version,
        )
        for backbone, evidence, source, version in (
            ("mobilenet_v2", "author code", _MMPOSE, 1),
            ("mobilenet_v3", "released parts", f"backbone from github.com/HAIV-Lab/ICPR22w, head from {_MMPOSE}", 2),
            ("shufflenet_v2", "author code", _MMPOSE, 1),
        )
    ),
)
