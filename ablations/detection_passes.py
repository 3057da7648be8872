"""Compare one, two and three passes that detect keypoints, each refining the one before (EfficientPose, Table 8).

Claim: on MPII the second pass gains I and II 1.7 and 1.6 points of PCKh@50, the third 0.8 and 0.5.
Cost: 3 networks; 9 runs under ``lsp`` (3 seeds, minutes per run on two cores), 15 under ``lsp-gpu``, 9 by the paper's recipe.
Under the small protocols RT, the smallest network, is trained in place of I.

Training starts from EfficientNet-Lite0 with heatmaps that are nearly empty. Two earlier plans started from scratch, and from
Lite0 with an ordinary last layer, whose heatmaps are far from empty. Three epochs then went into unlearning that, and left
every variant below the mean pose (0.9 to 3.5 points against 8.9), so no direction could be read from them. Their 15 runs stay
on record.

    python -m benchmark.ablate detection_passes --protocol lsp --seeds 3
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="detection_passes",
    title="Detection passes",
    paper="efficientpose",
    table="table8",
    description="each further detection pass improves accuracy, the second more than the third",
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
