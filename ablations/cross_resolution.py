"""Compare EfficientPose with and without a second backbone that sees the image at half resolution (EfficientPose, Table 6).

Claim: on MPII it costs I 0.08 points of PCKh@50 and gains 0.56 of PCKh@10; II gains 0.12 and 0.71.

    python -m benchmark.ablate cross_resolution --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="cross_resolution",
    title="Cross-resolution features",
    paper="efficientpose",
    table="table6",
    description="low-level features from a second backbone improve accuracy at the strict threshold",
    choices=(
        "I itself is trained, because RT has a single backbone. Training starts from EfficientNet-Lite0, whose "
        "weights the package index has, with heatmaps that are nearly empty: from scratch, or from an ordinary last "
        "layer, earlier plans of three epochs went into unlearning full heatmaps and ended below the mean pose."
    ),
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
