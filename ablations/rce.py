"""RCE: does cross-entropy on heatmaps train faster and better than squared error? FasterPose, abstract.

The abstract claims that the loss gains from the sigmoid's gradient; no figure of its own is public. The loss is a
reconstruction, and EfficientPose-A, which trains in minutes, stands in for FasterPose's network, of which no more is known.
The abstract says nothing of where the sigmoids start: from a bias of 0 they are a half everywhere, and in a short training much
goes into learning that maps are nearly empty, so a second variant starts them at 0.01 as one does for the focal loss, which the
paper cites. Convergence is the number of epochs until the squared-error variant's mean final accuracy is first reached.

    python -m benchmark.ablate rce --protocol lsp --seeds 3
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, FeatureMapSpec, Variant

ABLATION = Ablation(
    name="rce",
    title="Regressive cross-entropy",
    paper="fasterpose",
    table="abstract",
    description="training by cross-entropy is more accurate than by squared error, and gets there in fewer epochs",
    variants=(
        Variant(
            name="RCE",
            model="efficientpose_nas/A",
            overrides={"loss": "reproductions.fasterpose.losses:regressive", "protocol": "lsp-sigmoid"},
        ),
        Variant(
            name="RCE, prior",
            model="efficientpose_nas/A",
            overrides={
                "loss": "reproductions.fasterpose.losses:regressive",
                "protocol": "lsp-sigmoid",
                "start": "fna-lite0-prior",
            },
        ),
        Variant(name="MSE", model="efficientpose_nas/A"),
    ),
    comparisons=(
        Comparison(better="RCE", worse="MSE", printed="", converges_faster=True),
        Comparison(better="RCE, prior", worse="MSE", printed="", converges_faster=True),
    ),
    protocols=("lsp", "lsp-gpu"),
    start="fna-lite0",
    feature_maps=FeatureMapSpec(every_evaluation=True),
)
