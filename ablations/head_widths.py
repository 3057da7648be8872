"""Slim heads: do wider transposed convolutions improve accuracy? EfficientPose-NAS, Table 7.

The paper's slimmest head, 64 and 32 channels, is also its most accurate, by 0.005 and 0.182 points.

    python -m benchmark.ablate head_widths --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="head_widths",
    title="Widths of the head",
    paper="efficientpose_nas",
    table="table7",
    description="the slimmest head is as accurate as wider ones, or more so",
    choices=(
        "The backbone starts from EfficientNet-Lite0 by the paper's own adaptation, because that is the ImageNet "
        "network whose weights the package index has, and heatmaps start nearly empty, which a short training would "
        "otherwise learn first."
    ),
    variants=(
        Variant(name="64, 32", model="efficientpose_nas/A", row="tconv_64_32"),
        Variant(name="64, 64", model="efficientpose_nas/A+width=64x64", row="tconv_64_64"),
        Variant(name="96, 96", model="efficientpose_nas/A+width=96x96", row="tconv_96_96"),
    ),
    comparisons=(
        Comparison(better="64, 32", worse="64, 64", printed="table7[tconv_64_32, pckh] - table7[tconv_64_64, pckh]"),
        Comparison(better="64, 32", worse="96, 96", printed="table7[tconv_64_32, pckh] - table7[tconv_96_96, pckh]"),
    ),
    start="fna-lite0-empty",
)
