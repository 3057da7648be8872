"""How FasterPose might be trained: no part of its recipe is public, so that SimpleBaseline's stands in for all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.recipes import GENERAL_RECIPES, Assumption, Recipe, Schedule

_LOSS = "reproductions.fasterpose.losses:regressive"
_STARTS = {"imagenet": "reproductions.baselines.imagenet:from_imagenet"}
_CODE = "SimpleBaseline's, github.com/microsoft/human-pose-estimation.pytorch, which the title refers to"
_OPEN = (
    Assumption(
        unspecified="the loss's equation",
        choice="cross-entropy between the sigmoid and a Gaussian, no modulating factor",
        source="what the abstract says of it, read literally",
    ),
    Assumption(
        unspecified="optimizer, rate and its steps, epochs", choice="Adam 1e-3, a tenth at 90 and 120, 140 epochs", source=_CODE
    ),
    Assumption(unspecified="augmentation, crops, targets, input size", choice="SimpleBaseline's", source=_CODE),
    Assumption(unspecified="what the weights start from", choice="torchvision's ImageNet weights", source="as SimpleBaseline"),
    Assumption(
        unspecified="how it is tested",
        choice="sigmoid, flip test with the one-pixel shift, quarter shift",
        source="as SimpleBaseline; the abstract has a sigmoid in training",
    ),
    Assumption(unspecified="which epoch's weights are reported", choice="the last", source="nothing is public"),
)

_COCO = Recipe(
    name="coco",
    source="the abstract, which has the loss alone",
    train=(("coco", "train"),),
    test=("coco", "val"),
    num_people=149813,
    input="256x192",
    batch=128,
    epochs=140,
    schedule=Schedule(milestones=(90, 120)),
    augmentation="simple_baseline_coco",
    crop="hrnet_annotated",
    loss=_LOSS,
    start="imagenet",
    starts=_STARTS,
    protocol="fasterpose-annotated",
    assumptions=(
        *_OPEN,
        Assumption(unspecified="batch", choice="128", source="section 3 of SimpleBaseline: 32 on each of four GPUs"),
        Assumption(
            unspecified="persons' boxes in COCO's validation images", choice="annotated boxes", source="nothing is public"
        ),
    ),
)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _COCO,
        replace(
            _COCO,
            name="mpii",
            train=(("mpii", "train"),),
            test=("mpii", "val"),
            num_people=22246,
            input="256x256",
            batch=32,
            augmentation="hrnet_mpii",
            crop="mpii",
            protocol="fasterpose",
            assumptions=(*_OPEN, Assumption(unspecified="batch", choice="32", source=f"{_CODE}: one GPU")),
        ),
        replace(GENERAL_RECIPES["lsp"], loss=_LOSS, starts=_STARTS, protocol="fasterpose-lsp"),
        replace(GENERAL_RECIPES["synthetic"], loss=_LOSS, starts=_STARTS, protocol="fasterpose"),
    )
}
