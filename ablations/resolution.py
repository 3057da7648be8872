"""Compare low- with high-resolution features: no transposed convolution against three (FasterPose, abstract).

Claim: heatmaps from low-resolution features are no less accurate than from high-resolution ones, at 58 % fewer operations.
Cost: 2 networks; 6 runs under ``lsp`` (3 seeds, minutes per run on two cores), 10 under ``lsp-gpu``, 6 each by the recipes for
MPII and COCO.

Only the abstract is public, so networks and loss are reconstructions. The low-resolution network upsamples by pixel shuffle.

    python -m benchmark.ablate resolution --protocol lsp --seeds 3
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="resolution",
    title="Resolution of the representation",
    paper="fasterpose",
    table="abstract",
    description="heatmaps from low-resolution features are no less accurate than from high-resolution ones",
    variants=(
        Variant(name="low", model="fasterpose/r50"),
        Variant(name="high", model="fasterpose/r50+deconvs=3"),
    ),
    comparisons=(Comparison(better="low", worse="high", printed="abstract[fasterpose, accuracy_gain]"),),
    protocols=("smoke", "lsp", "lsp-gpu", "mpii", "coco"),
)
