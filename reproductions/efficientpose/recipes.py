"""Training recipes of EfficientPose and its OpenPose (section 4.1, appendices A and B), with what the paper leaves open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.recipes import GENERAL_RECIPES, Assumption, Optimizer, Recipe, Schedule, Target

LOWEST = 1 / 3000  # of the largest rate (appendix B)
# Input side (Table 2), batch (section 4.1), first and last sigma in pixels of the heatmap (the authors' later public code).
VARIANTS: Mapping[str, tuple[int, int, float, float]] = {
    "RT": (224, 20, 3.1, 1.1),
    "I": (256, 20, 3.5, 1.25),
    "II": (368, 20, 5.0, 1.797),
    "III": (480, 10, 6.6, 2.344),
    "IV": (600, 5, 8.2, 2.93),
}
_STARTS = {"imagenet": "reproductions.efficientpose.imagenet:from_imagenet"}
_INSTALLED = {
    "fna-lite0": "reproductions.efficientpose.imagenet:from_lite0",
    "fna-lite0-empty": "reproductions.efficientpose.imagenet:from_lite0_to_empty_maps",
}
_TARGET = Target(
    style="efficientpose",
    stride=8,
    sigma_schedule="reproductions.efficientpose.sigma_schedule:target_widths",
    fields="reproductions.efficientpose.targets:draw_fields",
)
_LATER = "the authors' later public code for MPII"
_OPEN = (
    Assumption(
        unspecified="the people: 26,000 to train and 3,000 to validate on, split at random",
        choice="22,246 and 2,958, the split of Tompson et al. (CVPR 2015)",
        source="the only published split; the crops are by MPII's centre and scale, according to the authors when asked",
    ),
    Assumption(
        unspecified="the largest learning rate, shown in Figure 6 for one network",
        choice="found with --find-lr: halved from 16 until the first cycle does not diverge",
        source="appendix B: the largest rate with which the first cycle does not diverge",
    ),
    Assumption(
        unspecified="how the cycle's bounds approach the last rate",
        choice="by equal ratios",
        source="appendix B gives the cycle, the first bounds and the last rate",
    ),
    Assumption(
        unspecified="sigma, shown in Figure 6 for one network, and the width of affinity fields",
        choice="nine steps by the size of the heatmap, stretched to the number of epochs",
        source=f"{_LATER}: for 100 epochs; the authors say that other sizes are scaled",
    ),
    Assumption(
        unspecified="the pixels in which Equation 5 measures sigma",
        choice="pixels of this network's heatmap",
        source="appendix B: sigma depends on the output's resolution",
    ),
    Assumption(unspecified="weights of the passes' losses", choice="equal, none for up-scaled heatmaps", source=_LATER),
    Assumption(unspecified="joints that are not annotated", choice="empty heatmaps, and no mask", source=_LATER),
    Assumption(unspecified="the distributions of scale and rotation", choice="uniform, on every image", source=_LATER),
    Assumption(unspecified="weight decay", choice="none", source="none is stated"),
    Assumption(
        unspecified="whether the backbone's batch norms are trained",
        choice="they are",
        source="the paper does not mention frozen ones",
    ),
    Assumption(
        unspecified="ImageNet weights",
        choice="torchvision's, whose strided convolutions are padded on both sides",
        source="the paper names none; TensorFlow's are padded below and right",
    ),
    Assumption(
        unspecified="the scales of testing",
        choice="one, the crop as it is",
        source="the paper tests several, without naming them",
    ),
    Assumption(
        unspecified="which epoch's weights are reported", choice="the last", source="the paper does not mention a choice"
    ),
)


def cycle_final_lr_ratio(lowest: float, sigma_first: float, sigma_last: float) -> float:
    """Return Equation 5 over the largest rate: the bounds' geometric mean, doubled for each pixel by which sigma shrinks."""
    return math.sqrt(lowest) * 2 ** (sigma_first - sigma_last)


def _recipe(variant: str, side: int, batch: int, first: float, last: float) -> Recipe:
    return Recipe(
        name=f"mpii-{variant}",
        source="section 4.1, appendix B",
        train=(("mpii", "train"),),
        test=("mpii", "val"),
        num_people=22246,
        input=f"{side}x{side}",
        batch=batch,
        epochs=200,
        optimizer=Optimizer(name="sgd", lr=None, momentum=0.9),
        schedule=Schedule(
            kind="triangular", cycle=3, min_lr_ratio=LOWEST, final_lr_ratio=cycle_final_lr_ratio(LOWEST, first, last)
        ),
        augmentation="efficientpose",
        crop="efficientpose",
        target=_TARGET,
        loss="reproductions.efficientpose.losses:passes",
        start="imagenet",
        starts=_STARTS,
        protocol="efficientpose",
        models=(f"efficientpose/{variant}",),
        assumptions=_OPEN,
    )


_FULL = {variant: _recipe(variant, *numbers) for variant, numbers in VARIANTS.items()}
_OPENPOSE = replace(
    _FULL["II"],
    name="mpii-openpose",
    source="section 4.1, Table 5, appendix B",
    epochs=400,
    models=("efficientpose/openpose",),
    assumptions=(
        *_OPEN,
        Assumption(
            unspecified="the decoding of OpenPose's heatmaps, which are not up-scaled",
            choice="as EfficientPose's: Gaussian of one pixel, highest pixel",
            source="the paper does not mention a difference",
        ),
    ),
)
_ABLATIONS = (
    replace(_FULL[variant], name=f"mpii-ablation-{variant}", source="appendix A (Tables 6 to 9), appendix B", epochs=100)
    for variant in ("I", "II")
)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *_FULL.values(),
        _OPENPOSE,
        *_ABLATIONS,
        *(
            replace(
                GENERAL_RECIPES[name],
                crop="efficientpose",
                target=_TARGET,
                loss="reproductions.efficientpose.losses:passes",
                starts=starts,
                protocol="efficientpose",
            )
            for name, starts in (("lsp", _STARTS | _INSTALLED), ("synthetic", _STARTS))
        ),
    )
}
