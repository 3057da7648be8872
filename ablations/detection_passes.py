"""Compare one, two and three passes that detect keypoints, each refining the one before (EfficientPose, Table 8).

Claim: on MPII the second pass gains I and II 1.7 and 1.6 points of PCKh@50, the third 0.8 and 0.5.

    python -m benchmark.ablate detection_passes --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="detection_passes",
    title="Detection passes",
    paper="efficientpose",
    table="table8",
    description="each further detection pass improves accuracy, the second more than the third",
    choices=(
        "RT, the smallest EfficientPose, is trained in place of I, so that more runs fit into the time. Training "
        "starts from EfficientNet-Lite0, whose weights the package index has, with heatmaps that are nearly empty: "
        "from scratch, or from an ordinary last layer, earlier plans of three epochs went into unlearning full "
        "heatmaps and ended below the mean pose."
    ),
    variants=(
        Variant(name="one", model="efficientpose/I+passes=1", row="efficientpose_i_1"),
        Variant(name="two", model="efficientpose/I", row="efficientpose_i_2"),
        Variant(name="three", model="efficientpose/I+passes=3", row="efficientpose_i_3"),
    ),
    comparisons=(
        Comparison(better="two", worse="one", printed="table8[efficientpose_i_2, pckh50] - table8[efficientpose_i_1, pckh50]"),
        Comparison(
            better="two",
            worse="one",
            printed="table8[efficientpose_i_2, pckh10] - table8[efficientpose_i_1, pckh10]",
            strict_threshold=True,
        ),
        Comparison(
            better="three", worse="two", printed="table8[efficientpose_i_3, pckh50] - table8[efficientpose_i_2, pckh50]"
        ),
        Comparison(
            better="three",
            worse="two",
            printed="table8[efficientpose_i_3, pckh10] - table8[efficientpose_i_2, pckh10]",
            strict_threshold=True,
        ),
    ),
    recipe="mpii-ablation-I",
    substitutes={"efficientpose/I": "efficientpose/RT"},
    start="fna-lite0-empty",
)
