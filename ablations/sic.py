"""SIC: does a depthwise 3x3 convolution after the transposed ones help? EfficientPose-NAS, Table 6.

The paper prints gains of 0.29 to 0.88 points of PCKh@0.5 for four networks.

    python -m benchmark.ablate sic --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, FeatureMapSpec, Variant

ABLATION = Ablation(
    name="sic",
    title="Spatial information correction",
    paper="efficientpose_nas",
    table="table6",
    description="with the correction the network is more accurate than without",
    choices=(
        "The smallest of the four printed networks is trained. Its backbone starts from EfficientNet-Lite0 by the "
        "paper's own adaptation, because that is the ImageNet network whose weights the package index has, and its heatmaps "
        "start nearly empty, which a short training would otherwise learn first."
    ),
    variants=(
        Variant(name="on", model="efficientpose_nas/A", row="efficientpose_a_on"),
        Variant(name="off", model="efficientpose_nas/A+sic=off", row="efficientpose_a_off"),
    ),
    comparisons=(
        Comparison(better="on", worse="off", printed="table6[efficientpose_a_on, pckh] - table6[efficientpose_a_off, pckh]"),
    ),
    start="fna-lite0-empty",
    feature_maps=FeatureMapSpec(modules=("head.deconvs", "head.sic", "heatmaps")),  # Fig. 6
)
