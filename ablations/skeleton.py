"""Compare EfficientPose with and without the pass that estimates the skeleton by part affinity fields (EfficientPose, Table 7).

Claim: on MPII the skeleton pass gains I 2.43 points of PCKh@50 and 1.35 of PCKh@10.

    python -m benchmark.ablate skeleton --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="skeleton",
    title="Skeleton estimation",
    paper="efficientpose",
    table="table7",
    description="a skeleton pass before the keypoint passes makes keypoints more accurate",
    choices=(
        "RT, the smallest EfficientPose, is trained in place of I, so that more runs fit into the time. Training "
        "starts from EfficientNet-Lite0, whose weights the package index has, with heatmaps that are nearly empty: "
        "from scratch, or from an ordinary last layer, earlier plans of three epochs went into unlearning full "
        "heatmaps and ended below the mean pose."
    ),
    variants=(
        Variant(name="on", model="efficientpose/I", row="efficientpose_i_on"),
        Variant(name="off", model="efficientpose/I+skeleton=off", row="efficientpose_i_off"),
    ),
    comparisons=(
        Comparison(
            better="on", worse="off", printed="table7[efficientpose_i_on, pckh50] - table7[efficientpose_i_off, pckh50]"
        ),
        Comparison(
            better="on",
            worse="off",
            printed="table7[efficientpose_i_on, pckh10] - table7[efficientpose_i_off, pckh10]",
            strict_threshold=True,
        ),
    ),
    recipe="mpii-ablation-I",
    substitutes={"efficientpose/I": "efficientpose/RT"},
    start="fna-lite0-empty",
)
