"""Compare heatmaps before and after the bilinear transposed convolutions that upscale them (EfficientPose, Table 9).

Claim: on MPII upscaling gains I 1.14 points of PCKh@50 and 12.33 of PCKh@10.
Cost: no training. The upscaling kernels never learn, so the published weights serve both variants: the same network is tested
on its heatmaps before and after upscaling, decoded alike.

    python -m benchmark.ablate upscaling --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="upscaling",
    title="Up-scaling",
    paper="efficientpose",
    table="table9",
    description="upscaled heatmaps are more accurate, above all at the strict threshold",
    variants=(
        Variant(
            name="on",
            model="efficientpose/I",
            row="efficientpose_i_on",
            weights="weights/efficientpose/EfficientPoseI.h5",
            protocol="efficientpose",
        ),
        Variant(
            name="off",
            model="efficientpose/I+upscaling=off",
            row="efficientpose_i_off",
            weights="weights/efficientpose/EfficientPoseI.h5",
            protocol="efficientpose-raw-filtered",
        ),
    ),
    comparisons=(
        Comparison(
            better="on", worse="off", printed="table9[efficientpose_i_on, pckh50] - table9[efficientpose_i_off, pckh50]"
        ),
        Comparison(
            better="on",
            worse="off",
            printed="table9[efficientpose_i_on, pckh10] - table9[efficientpose_i_off, pckh10]",
            strict_threshold=True,
        ),
    ),
    protocols=("lsp",),
)
