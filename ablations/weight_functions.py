"""Compare functions that weight the squared error of each pixel by its target (heatmap-weighting, Table IV).

Claim: on COCO the paper's four functions gain 0.03 to 0.27 points of AP over plain squared error; the identity gains the most.

    python -m benchmark.ablate weight_functions --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="weight_functions",
    title="Weight-generation functions",
    paper="heatmap_weighting",
    table="table4",
    description="every weighting is more accurate than plain squared error, and the identity is the best",
    variants=(
        Variant(name="F(x) = x", model="heatmap_weighting/mobilenet_v3", row="identity"),
        Variant(
            name="none", model="heatmap_weighting/mobilenet_v3", row="mse", overrides={"loss_options": {"weighting": "none"}}
        ),
        Variant(
            name="F(x) = 2x",
            model="heatmap_weighting/mobilenet_v3",
            row="double",
            overrides={"loss_options": {"weighting": "2x"}},
        ),
        Variant(
            name="F(x) = x^2",
            model="heatmap_weighting/mobilenet_v3",
            row="square",
            overrides={"loss_options": {"weighting": "x^2"}},
        ),
        Variant(
            name="F(x) = e^x",
            model="heatmap_weighting/mobilenet_v3",
            row="exponential",
            overrides={"loss_options": {"weighting": "e^x"}},
        ),
    ),
    comparisons=(
        Comparison(better="F(x) = x", worse="none", printed="table4[identity, ap] - table4[mse, ap]"),
        Comparison(better="F(x) = 2x", worse="none", printed="table4[double, ap] - table4[mse, ap]"),
        Comparison(better="F(x) = x^2", worse="none", printed="table4[square, ap] - table4[mse, ap]"),
        Comparison(better="F(x) = e^x", worse="none", printed="table4[exponential, ap] - table4[mse, ap]"),
        Comparison(better="F(x) = x", worse="F(x) = 2x", printed="table4[identity, ap] - table4[double, ap]"),
        Comparison(better="F(x) = x", worse="F(x) = x^2", printed="table4[identity, ap] - table4[square, ap]"),
        Comparison(better="F(x) = x", worse="F(x) = e^x", printed="table4[identity, ap] - table4[exponential, ap]"),
    ),
    protocols=("smoke", "lsp", "lsp-gpu", "coco", "synthetic"),
)
