"""Up-scaling: what do bilinear transposed convolutions behind the heatmaps bring? EfficientPose, Table 9.

The paper's I gains 1.14 points of PCKh@50 and 12.33 of PCKh@10. Their kernels never learn, so that the published weights answer
for both variants: the maps before and after them, decoded alike, without any training.

    python -m benchmark.ablate upscaling --protocol lsp --seeds 3
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="upscaling",
    title="Up-scaling",
    paper="efficientpose",
    table="table9",
    description="up-scaled maps are more accurate, far more so under the strict threshold",
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
    rates=(),
)
