"""Low- against high-resolution representation: what is lost without transposed convolutions? FasterPose, abstract.

The abstract claims that maps inferred from low-resolution features are no less accurate, at 58 % fewer operations. Networks and
loss are reconstructions: no transposed convolution and a pixel shuffle, against three of them.

    python -m benchmark.ablate resolution --protocol lsp --seeds 3
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="resolution",
    title="Resolution of the representation",
    paper="fasterpose",
    table="abstract",
    description="maps from low-resolution features are no less accurate than from high-resolution ones",
    variants=(
        Variant(name="low", model="fasterpose/r50"),
        Variant(name="high", model="fasterpose/r50+deconvs=3"),
    ),
    comparisons=(Comparison(better="low", worse="high", printed="abstract[fasterpose, accuracy_gain]"),),
    protocols=("lsp", "lsp-gpu", "mpii", "coco"),
)
