"""Cross-resolution features: does a second backbone on the halved image help? EfficientPose, Table 6.

The paper's I loses 0.08 points of PCKh@50 by it and gains 0.56 of PCKh@10; II gains 0.12 and 0.71.

As in the ablation of detection passes, training starts from EfficientNet-Lite0 with maps that are nearly empty: from scratch,
three epochs leave EfficientPose below the mean pose.

    python -m benchmark.ablate cross_resolution --protocol lsp --seeds 3
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="cross_resolution",
    title="Cross-resolution features",
    paper="efficientpose",
    table="table6",
    description="the low-level branch helps under the strict threshold",
    variants=(
        Variant(name="on", model="efficientpose/I", row="efficientpose_i_on"),
        Variant(name="off", model="efficientpose/I+low_level=off", row="efficientpose_i_off"),
    ),
    comparisons=(
        Comparison(
            better="on", worse="off", printed="table6[efficientpose_i_on, pckh50] - table6[efficientpose_i_off, pckh50]"
        ),
        Comparison(
            better="on",
            worse="off",
            printed="table6[efficientpose_i_on, pckh10] - table6[efficientpose_i_off, pckh10]",
            strict_threshold=True,
        ),
    ),
    recipe="mpii-ablation-I",
    start="fna-lite0-empty",
)
