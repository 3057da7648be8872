"""How EfficientPose A, B and C are trained (sections 4.1 and 4.2), and what the paper leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.recipes import GENERAL_RECIPES, Assumption, Recipe, Schedule

_FNA = "reproductions.efficientpose_nas.fna"
_STARTS = {
    "fna-mobilenet_v2": f"{_FNA}:from_mobilenet_v2",
    "fna-lite0": f"{_FNA}:from_lite0",
    "fna-lite0-prior": f"{_FNA}:from_lite0_with_prior",
}
_SEARCHED = ("efficientpose_nas/A", "efficientpose_nas/B", "efficientpose_nas/C")
_SEED = Assumption(
    unspecified="the ImageNet network that weights are adapted from",
    choice="torchvision's MobileNetV2",
    source="MobileNetV2 is the seed in the paper on the adaptation (FNA)",
)

_MPII = Recipe(
    name="mpii",
    source="section 4.1; released configuration",
    train=(("mpii", "train"),),
    test=("mpii", "val"),
    num_people=22246,
    epochs=200,
    schedule=Schedule(milestones=(150, 170)),
    crop="mpii",
    start="fna-mobilenet_v2",
    starts=_STARTS,
    models=_SEARCHED,
    assumptions=(
        _SEED,
        Assumption(
            unspecified="weight decay of the final training", choice="none", source="the paper states one for the search alone"
        ),
        Assumption(
            unspecified="batch: the text has 32, the released configuration 64 on each GPU",
            choice="32",
            source="section 4.1",
        ),
    ),
)

_COMPARED = replace(
    _MPII,
    name="mpii-backbones",
    source="section 4.1, Table 3: the compared backbones, trained like the searched ones",
    start="scratch",
    starts={},
    models=tuple(
        f"efficientpose_nas/{name}"
        for name in ("mobilenet_v2", "resnet50", "proxyless_gpu", "proxyless_cpu", "proxyless_mobile")
    ),
    assumptions=(
        Assumption(unspecified="what the compared backbones start from", choice="from scratch", source="nothing is said of it"),
        *_MPII.assumptions[1:],
    ),
)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _MPII,
        _COMPARED,
        replace(
            _MPII,
            name="coco",
            source="section 4.2: architectures found on MPII, trained on COCO; released configuration",
            train=(("coco", "train"),),
            test=("coco", "val"),
            num_people=149813,
            input="256x192",
            batch=128,
            epochs=240,
            schedule=Schedule(milestones=(200_000, 240_000), unit="steps", warmup=500, warmup_factor=0.002),
            augmentation="hrnet_coco",
            crop="hrnet_annotated",
            protocol="hrnet-annotated",
            assumptions=(
                _SEED,
                Assumption(
                    unspecified="weight decay",
                    choice="none",
                    source="the released configuration names 1e-4, which the released optimizer is never given",
                ),
                Assumption(
                    unspecified="what the weights start from on COCO",
                    choice="ImageNet weights, as on MPII",
                    source="the paper does not say otherwise",
                ),
            ),
        ),
        replace(GENERAL_RECIPES["lsp"], starts=_STARTS, models=_SEARCHED),
    )
}
