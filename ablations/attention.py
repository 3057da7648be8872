"""Compare attention blocks behind the head: none, SE, CBAM and the paper's own (heatmap-weighting, Table VI).

Claim: on COCO, the paper's gains 0.54 points of AP over none, 0.12 over squeeze-and-excitation (SE) and 0.06 over CBAM.

    python -m benchmark.ablate attention --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="attention",
    title="Attention blocks",
    paper="heatmap_weighting",
    table="table6",
    description="every attention block helps, and the paper's own helps most",
    variants=(
        Variant(name="ours", model="heatmap_weighting/mobilenet_v3", row="ours"),
        Variant(name="none", model="heatmap_weighting/mobilenet_v3+attention=none", row="none"),
        Variant(name="SE", model="heatmap_weighting/mobilenet_v3+attention=se", row="se"),
        Variant(name="CBAM", model="heatmap_weighting/mobilenet_v3+attention=cbam", row="cbam"),
    ),
    comparisons=(
        Comparison(better="ours", worse="none", printed="table6[ours, ap] - table6[none, ap]"),
        Comparison(better="ours", worse="SE", printed="table6[ours, ap] - table6[se, ap]"),
        Comparison(better="ours", worse="CBAM", printed="table6[ours, ap] - table6[cbam, ap]"),
    ),
    protocols=("smoke", "lsp", "lsp-gpu", "coco", "synthetic"),
)
