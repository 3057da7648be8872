"""Compare one, two and four times the training length (EfficientPose, Table 5).

Claim: on MPII, II gains 1.13 points of PCKh@50 from 100 to 200 epochs and 0.38 from 200 to 400; OpenPose gains 4.53 and 2.60.

    python -m benchmark.ablate training_length --protocol lsp
"""

from __future__ import annotations

from benchmark.config.ablations import Ablation, Comparison, Variant

ABLATION = Ablation(
    name="training_length",
    title="Training length",
    paper="efficientpose",
    table="table5",
    description="longer training is more accurate, with diminishing gains",
    choices=(
        "RT, the smallest EfficientPose, is trained in place of II, so that more runs fit into the time. The lengths "
        "are 1, 2 and 4 times the protocol's. Training starts from EfficientNet-Lite0, whose weights the package "
        "index has, with heatmaps that are nearly empty: from scratch, or from an ordinary last layer, earlier plans "
        "of three epochs went into unlearning full heatmaps and ended below the mean pose."
    ),
    variants=(
        Variant(name="once", model="efficientpose/II", row="efficientpose_ii_100"),
        Variant(name="twice", model="efficientpose/II", row="efficientpose_ii_200", epochs_factor=2),
        Variant(name="four times", model="efficientpose/II", row="efficientpose_ii_400", epochs_factor=4),
    ),
    comparisons=(
        Comparison(
            better="twice", worse="once", printed="table5[efficientpose_ii_200, pckh50] - table5[efficientpose_ii_100, pckh50]"
        ),
        Comparison(
            better="four times",
            worse="twice",
            printed="table5[efficientpose_ii_400, pckh50] - table5[efficientpose_ii_200, pckh50]",
        ),
    ),
    recipe="mpii-ablation-II",
    substitutes={"efficientpose/II": "efficientpose/RT"},
    start="fna-lite0-empty",
)
