"""SIC from SimpleBaseline's initial head: the paper does not say how its head is initialised. EfficientPose-NAS, Table 6.

python -m benchmark.ablate sic_start --protocol smoke
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, FeatureMapSpec, Variant

ABLATION = Ablation(
    name="sic_start",
    title="Spatial information correction from SimpleBaseline's initial head",
    paper="efficientpose_nas",
    table="table6",
    description="with the correction the network is more accurate than without",
    variants=(
        Variant(name="on", model="efficientpose_nas/A+head_init=simple_baseline", row="efficientpose_a_on"),
        Variant(name="off", model="efficientpose_nas/A+sic=off+head_init=simple_baseline", row="efficientpose_a_off"),
    ),
    comparisons=(
        Comparison(better="on", worse="off", printed="table6[efficientpose_a_on, pckh] - table6[efficientpose_a_off, pckh]"),
    ),
    protocols=("smoke",),
    start="fna-lite0",
    feature_maps=FeatureMapSpec(modules=("head.deconvs", "head.sic", "heatmaps")),
)
