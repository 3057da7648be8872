"""Training recipes for FasterPose: its own are not public, so SimpleBaseline's are used, with the abstract's loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.recipes import GENERAL_RECIPES, Assumption, Recipe, Schedule

_LOSS = "reproductions.fasterpose.losses:regressive"
_STARTS = {"imagenet": "reproductions.baselines.imagenet:from_imagenet"}
_CODE = "SimpleBaseline (github.com/microsoft/human-pose-estimation.pytorch), which the title refers to"
_ASSUMPTIONS = (
    Assumption(
        unspecified="equation of the loss",
        choice="cross-entropy between the sigmoid and a Gaussian target, without a modulating factor",
        source="the abstract's description, read literally",
    ),
    Assumption(
        unspecified="optimizer, learning rate and its schedule, epochs",
        choice="Adam at 1e-3, times 0.1 at epochs 90 and 120, 140 epochs",
        source=_CODE,
    ),
    Assumption(unspecified="augmentation, crops, targets, input size", choice="those of SimpleBaseline", source=_CODE),
    Assumption(unspecified="initial weights", choice="torchvision's ImageNet weights", source="as SimpleBaseline"),
    Assumption(
        unspecified="test protocol",
        choice="sigmoid, flip test with the one-pixel shift, quarter shift",
        source="as SimpleBaseline; the abstract mentions the sigmoid in training",
    ),
    Assumption(unspecified="epoch whose weights are reported", choice="the last", source="this project: nothing is public"),
)

_COCO = Recipe(
    name="coco",
    source="the abstract, which describes only the loss",
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
        *_ASSUMPTIONS,
        Assumption(unspecified="batch size", choice="128", source="SimpleBaseline, section 3: 32 on each of four GPUs"),
        Assumption(
            unspecified="boxes of people in COCO's validation images",
            choice="the annotated boxes",
            source="this project: nothing is public",
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
            assumptions=(*_ASSUMPTIONS, Assumption(unspecified="batch size", choice="32", source=f"{_CODE}; 32 on one GPU")),
        ),
        replace(GENERAL_RECIPES["lsp"], loss=_LOSS, starts=_STARTS, protocol="fasterpose-lsp"),
        replace(GENERAL_RECIPES["synthetic"], loss=_LOSS, starts=_STARTS, protocol="fasterpose"),
    )
}
