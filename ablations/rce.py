"""RCE: does cross-entropy on heatmaps train faster and better than squared error? FasterPose, abstract.

The abstract claims that the loss gains from the sigmoid's gradient; no figure of its own is public. The loss is a
reconstruction, and EfficientPose-A, which trains in minutes, stands in for FasterPose's network, of which no more is known.
Convergence is the number of epochs until the squared-error variant's final accuracy is first reached.

    python -m benchmark.ablate rce --protocol lsp --seeds 3
"""

from benchmark.ablation import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="rce",
    title="Regressive cross-entropy",
    paper="fasterpose",
    table="abstract",
    says="training by cross-entropy is more accurate than by squared error, and gets there in fewer epochs",
    variants=(
        Variant(
            name="RCE",
            model="efficientpose_nas/A",
            changes={"loss": "reproductions.fasterpose.losses:regressive", "protocol": "lsp-sigmoid"},
        ),
        Variant(name="MSE", model="efficientpose_nas/A"),
    ),
    comparisons=(Comparison(better="RCE", worse="MSE", printed=""),),
    protocols=("lsp", "lsp-gpu"),
)
