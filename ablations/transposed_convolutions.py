"""Cheaper transposed convolutions: how much accuracy does splitting them cost? EfficientPose-NAS, Table 8.

The paper's plain ones are 0.19 and 0.16 points more accurate than those in the style of MobileNetV1 and V2.

    python -m benchmark.ablate transposed_convolutions --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="transposed_convolutions",
    title="Transposed convolutions",
    paper="efficientpose_nas",
    table="table8",
    description="plain transposed convolutions are more accurate than split ones",
    choices=(
        "The backbone starts from EfficientNet-Lite0 by the paper's own adaptation, because that is the ImageNet "
        "network whose weights the package index has, and heatmaps start nearly empty, which a short training would "
        "otherwise learn first."
    ),
    variants=(
        Variant(name="plain", model="efficientpose_nas/A", row="plain"),
        Variant(name="MBV1 style", model="efficientpose_nas/A+tconv=mbv1", row="mbv1"),
        Variant(name="MBV2 style", model="efficientpose_nas/A+tconv=mbv2", row="mbv2"),
    ),
    comparisons=(
        Comparison(better="plain", worse="MBV1 style", printed="table8[plain, pckh] - table8[mbv1, pckh]"),
        Comparison(better="plain", worse="MBV2 style", printed="table8[plain, pckh] - table8[mbv2, pckh]"),
    ),
    start="fna-lite0-empty",
)
