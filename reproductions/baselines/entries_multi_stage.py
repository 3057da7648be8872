"""Declare the multi-stage and detector-style baselines; needs no torch.

Three baselines are missing because they have no public specification, or none that fits. CFN (Huang, Gong and Tao, ICCV 2017)
released neither code nor layer widths. PNFS (Yang, Yang and Cui, 2019) released its search space but not the searched cell
weights of the networks in its tables. PoseFix (Moon, Chang and Lee, CVPR 2019) refines the pose of another method, which it
takes as input in addition to the image. "RMPE" with PyraNet at 320x256 is ``pyranet`` at that size.
"""

from __future__ import annotations

from benchmark.models.registry import Entry

PACKAGE = "reproductions.baselines"

ENTRIES = (
    *(
        Entry(
            id=f"baselines/hourglass-{stacks}",
            build=f"{PACKAGE}.hourglass:StackedHourglass",
            kwargs={"num_stacks": stacks},
            switches={
                "after": {"none": {"residual_after": False}, "residual": {"residual_after": True}},
                "stem": {"128": {"stem_channels": 128}, "256": {"stem_channels": 256}},
            },
            scopes={"stem": ("stem",), "stacks": ("hourglasses",), "head": ("predictions",)},
            multiple=4,
            smallest=64,
            evidence="author code",
            source="github.com/princeton-vl/pose-hg-train, src/models/hg.lua, first layout; after=residual is the later one",
        )
        for stacks in (1, 2, 8)
    ),
    Entry(
        id="baselines/fpd",
        build=f"{PACKAGE}.fpd:fpd",
        scopes={"stem": ("stem",), "stacks": ("hourglasses",), "head": ("predictions",)},
        multiple=4,
        smallest=64,
        evidence="paper text",
        source="Zhang, Zhu and Ye, CVPR 2019, on github.com/princeton-vl/pose-hg-train",
    ),
    Entry(
        id="baselines/dlcm",
        build=f"{PACKAGE}.dlcm:DLCM",
        scopes={"stem": ("stem",), "stacks": ("hourglasses", "make_room"), "head": ("predictions",)},
        inputs=("256x256",),
        multiple=4,
        smallest=64,
        evidence="reconstruction",
        source="Tang, Yu and Wu, ECCV 2018, through github.com/idotc/DLMSCM",
    ),
    Entry(
        id="baselines/pyranet",
        build=f"{PACKAGE}.pyranet:PyraNet",
        switches={"rounding": {"floor": {"rounding": "floor"}, "ceil": {"rounding": "ceil"}}},
        scopes={"stem": ("stem",), "stacks": ("hourglasses",), "head": ("predictions",)},
        inputs=("256x256", "320x256"),
        multiple=4,
        smallest=64,
        evidence="author code",
        source="github.com/bearpaw/PyraNet",
    ),
    Entry(
        id="baselines/du_net",
        build=f"{PACKAGE}.du_net:CoupledUNets",
        kwargs={"order": 1},
        switches={"nets": {"8": {"num_nets": 8}, "16": {"num_nets": 16}}},
        scopes={"stem": ("stem",), "stacks": ("nets", "joins"), "head": ("predictions",)},
        multiple=4,
        smallest=64,
        evidence="author code",
        source="github.com/zhiqiangdon/CU-Net",
    ),
    Entry(
        id="baselines/cu_net",
        build=f"{PACKAGE}.du_net:CoupledUNets",
        kwargs={"num_nets": 8, "order": 7},
        scopes={"stem": ("stem",), "stacks": ("nets", "joins"), "head": ("predictions",)},
        multiple=4,
        smallest=64,
        evidence="author code",
        source="github.com/zhiqiangdon/CU-Net",
    ),
    Entry(
        id="baselines/soft_gated",
        build=f"{PACKAGE}.soft_gated:SoftGated",
        scopes={"stem": ("stem",), "stacks": ("hourglasses",), "head": ("predictions",)},
        multiple=4,
        smallest=64,
        evidence="reconstruction",
        source="Bulat et al., FG 2020, with the block of github.com/1adrianb/face-alignment",
        fitted="how the ways down and up are merged, and the stem's widths, are assumptions that only the printed 9M supports",
    ),
    Entry(
        id="baselines/cpm",
        build=f"{PACKAGE}.cpm:CPM",
        inputs=("368x368", "256x256", "256x192"),
        multiple=8,
        evidence="author code",
        source="github.com/shihenw/convolutional-pose-machines-release, training/genProto.py",
    ),
    Entry(
        id="baselines/cpn-r50",
        build=f"{PACKAGE}.cpn:CPN",
        kwargs={"depth": 50},
        scopes={"backbone": ("backbone",), "global": ("global_net",), "refine": ("refine_net",)},
        inputs=("256x256", "256x192", "384x288"),
        multiple=4,
        evidence="author code",
        source="github.com/chenyilun95/tf-cpn",
        version=2,
    ),
    Entry(
        id="baselines/mspn-1",
        build=f"{PACKAGE}.mspn:MSPN",
        scopes={"backbone": ("backbone",), "head": ("heads",)},
        multiple=4,
        evidence="author code",
        source="github.com/megvii-detection/MSPN, as in github.com/open-mmlab/mmpose",
        version=2,
    ),
    Entry(
        id="baselines/g_rmi-r101",
        build=f"{PACKAGE}.g_rmi:GRMI",
        scopes={"backbone": ("backbone",), "head": ("head",)},
        inputs=("353x257", "256x256"),
        evidence="paper text",
        source="Papandreou et al., CVPR 2017",
    ),
    Entry(
        id="baselines/mask_rcnn-r50_fpn",
        build=f"{PACKAGE}.mask_rcnn:MaskRCNN",
        scopes={"backbone": ("detector.backbone",), "head": ("detector.roi_heads",)},
        evidence="reconstruction",
        source="torchvision.models.detection.keypointrcnn_resnet50_fpn, its keypoint branch on one box",
    ),
)
