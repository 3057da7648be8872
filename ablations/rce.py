"""RCE: does cross-entropy on heatmaps train faster and better than squared error? FasterPose, abstract.

The abstract claims that the loss benefits from the sigmoid's gradient; none of its results are public. Convergence
is the number of epochs until the squared-error variant's mean final accuracy is first reached.

    python -m benchmark.ablate rce --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, FeatureMapSpec, Variant

ABLATION = Ablation(
    name="rce",
    title="Regressive cross-entropy",
    paper="fasterpose",
    table="abstract",
    description="training by cross-entropy is more accurate than by squared error, and gets there in fewer epochs",
    choices=(
        "The loss is a reconstruction, because the paper's equation is not public; its network neither, so "
        "EfficientPose-A is trained, the smallest network of EfficientPose-NAS. The abstract does not say where the "
        "sigmoids start: here at 0.01, as is usual for the focal loss, which the paper cites; the heatmaps of the squared "
        "error start near 0, too. Otherwise much of a short training goes into learning that heatmaps are nearly empty."
    ),
    variants=(
        Variant(
            name="RCE",
            model="efficientpose_nas/A",
            overrides={
                "loss": "reproductions.fasterpose.losses:regressive",
                "protocol": "lsp-sigmoid",
                "start": "fna-lite0-prior",
            },
        ),
        Variant(name="MSE", model="efficientpose_nas/A"),
    ),
    comparisons=(Comparison(better="RCE", worse="MSE", printed="", converges_faster=True),),
    protocols=("smoke", "lsp", "lsp-gpu"),
    start="fna-lite0-empty",
    feature_maps=FeatureMapSpec(every_evaluation=True),
)
