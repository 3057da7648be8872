"""Training recipes of EfficientPose A, B and C (sections 4.1 and 4.2), with what the paper leaves open.

The public configurations in github.com/hustvl/EfficientPose differ in the order of colours (``DATASET.COLOR_RGB``):

==========  =========================  ======================
network     MPII                       COCO
==========  =========================  ======================
A           not public                 blue first
B           blue first                 red first
C           red first                  red first
==========  =========================  ======================

Each order has its own recipe. By the authors' logs in the history of that repository, testing with the wrong order costs about
3.5 points on MPII.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.recipes import GENERAL_RECIPES, Assumption, Recipe, Schedule

_FNA = "reproductions.efficientpose_nas.fna"
_STARTS = {
    "fna-mobilenet_v2": f"{_FNA}:from_mobilenet_v2",
    "fna-lite0": f"{_FNA}:from_lite0",
    "fna-lite0-empty": f"{_FNA}:from_lite0_to_empty_maps",
    "fna-lite0-prior": f"{_FNA}:from_lite0_with_prior",
}
_A, _B, _C = _SEARCHED = ("efficientpose_nas/A", "efficientpose_nas/B", "efficientpose_nas/C")

_SEED = Assumption(
    unspecified="the ImageNet network that weights are adapted from",
    choice="torchvision's MobileNetV2",
    source="MobileNetV2 is the seed in the paper on the adaptation (FNA)",
)
_HEAD = Assumption(
    unspecified="the initial values of the head, which the ImageNet network does not have",
    choice="PyTorch's own; +head_init=simple_baseline has SimpleBaseline's",
    source="released code, where the only call of the function that would draw others is commented out",
)
_DECAY = Assumption(
    unspecified="weight decay of the final training", choice="none", source="the paper states one only for the search"
)
_BATCH = Assumption(
    unspecified="batch: the text has 32, the released configuration 64 on each GPU",
    choice="32",
    source="section 4.1",
)
_BLUE_FIRST = Assumption(
    unspecified="how blue-first images and an ImageNet network go together",
    choice="the network's first convolution is adapted as it is, although it was trained with red first",
    source="the paper does not mention a change",
)
_ORDER_OF_A = Assumption(
    unspecified="the order of colours for A on MPII",
    choice="blue first",
    source="default of the released code, and the released order of A on COCO and of B on MPII",
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
    bgr=True,
    start="fna-mobilenet_v2",
    starts=_STARTS,
    protocol="hrnet-bgr",
    models=(_A, _B),
    assumptions=(_SEED, _HEAD, _DECAY, _BATCH, _ORDER_OF_A, _BLUE_FIRST),
)
_COCO = replace(
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
    protocol="hrnet-bgr-annotated",
    models=(_A,),
    assumptions=(
        _SEED,
        _HEAD,
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
        _BLUE_FIRST,
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
        Assumption(
            unspecified="what the compared backbones start from",
            choice="from scratch",
            source="the paper says nothing about it",
        ),
        _DECAY,
        _BATCH,
        Assumption(
            unspecified="the order of colours for the compared backbones",
            choice="blue first, as for A, which they are compared with",
            source="default of the released code",
        ),
    ),
)


def _red_first(recipe: Recipe, *models: str, protocol: str) -> Recipe:
    """Return the same recipe for the networks that read red first."""
    others = tuple(assumption for assumption in recipe.assumptions if assumption not in (_ORDER_OF_A, _BLUE_FIRST))
    return replace(recipe, name=f"{recipe.name}-rgb", bgr=False, protocol=protocol, models=models, assumptions=others)


RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _MPII,
        _red_first(_MPII, _C, protocol="hrnet"),
        _COMPARED,
        _COCO,
        _red_first(_COCO, _B, _C, protocol="hrnet-annotated"),
        replace(GENERAL_RECIPES["lsp"], starts=_STARTS, models=_SEARCHED),
    )
}
