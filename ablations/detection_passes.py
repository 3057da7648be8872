"""Detection passes: what does a second or third look at the keypoints bring? EfficientPose, Table 8.

The paper's I and II gain 1.7 and 1.6 points of PCKh@50 by the second pass, 0.8 and 0.5 by the third. Here RT, the smallest, is
trained with one, two and three.

A first plan started from scratch, a second from EfficientNet-Lite0. Three epochs then left every variant below the mean pose,
at 0.9 to 3.5 points against 8.9, so that no direction could be read from them; their 15 runs stay on record. As layers start,
maps are far from empty, and that is what was unlearned. This plan starts from Lite0 with maps that are nearly empty.

    python -m benchmark.ablate detection_passes --protocol lsp --seeds 3
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="detection_passes",
    title="Detection passes",
    paper="efficientpose",
    table="table8",
    description="each further detection pass adds accuracy, the second more than the third",
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
