"""Compare low- with high-resolution features: no transposed convolution against three (FasterPose, abstract).

Claim: heatmaps from low-resolution features are no less accurate than from high-resolution ones, at 58 % fewer operations.

    python -m benchmark.ablate resolution --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="resolution",
    title="Resolution of the representation",
    paper="fasterpose",
    table="abstract",
    description="heatmaps from low-resolution features are no less accurate than from high-resolution ones",
    choices=(
        "Only the abstract is public, so networks and loss are reconstructions. The low-resolution network upsamples "
        "by pixel shuffle."
    ),
    variants=(
        Variant(name="low", model="fasterpose/r50"),
        Variant(name="high", model="fasterpose/r50+deconvs=3"),
    ),
    comparisons=(Comparison(better="low", worse="high", printed="abstract[fasterpose, accuracy_gain]"),),
    protocols=("smoke", "lsp", "lsp-gpu", "mpii", "coco"),
)
