"""Compare EfficientPose with and without a second backbone that sees the image at half resolution (EfficientPose, Table 6).

Claim: on MPII it costs I 0.08 points of PCKh@50 and gains 0.56 of PCKh@10; II gains 0.12 and 0.71.
Cost: 2 networks; 6 runs under ``lsp`` (3 seeds, minutes per run on two cores), 10 under ``lsp-gpu``, 6 by the paper's recipe.

As in ``detection_passes``, training starts from EfficientNet-Lite0 with heatmaps that are nearly empty: from scratch, three
epochs leave EfficientPose below the mean pose.

    python -m benchmark.ablate cross_resolution --protocol lsp --seeds 3
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="cross_resolution",
    title="Cross-resolution features",
    paper="efficientpose",
    table="table6",
    description="low-level features from a second backbone improve accuracy at the strict threshold",
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
