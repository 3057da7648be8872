"""How FasterPose might be trained: no part of its recipe is public, so that SimpleBaseline's stands in for all of it."""

from collections.abc import Mapping
from dataclasses import replace

from benchmark.recipes import GENERAL, Gap, Recipe, Schedule

_LOSS = "reproductions.fasterpose.losses:regressive"
_STARTS = {"imagenet": "reproductions.baselines.imagenet:from_imagenet"}
_CODE = "SimpleBaseline's, github.com/microsoft/human-pose-estimation.pytorch, which the title refers to"
_OPEN = (
    Gap(
        what="the loss's equation",
        instead="cross-entropy between the sigmoid and a Gaussian, no modulating factor",
        source="what the abstract says of it, read literally",
    ),
    Gap(what="optimizer, rate and its steps, epochs", instead="Adam 1e-3, a tenth at 90 and 120, 140 epochs", source=_CODE),
    Gap(what="augmentation, crops, targets, input size", instead="SimpleBaseline's", source=_CODE),
    Gap(what="what the weights start from", instead="torchvision's ImageNet weights", source="as SimpleBaseline"),
    Gap(
        what="how it is tested",
        instead="sigmoid, flip test with the one-pixel shift, quarter shift",
        source="as SimpleBaseline; the abstract has a sigmoid in training",
    ),
    Gap(what="which epoch's weights are reported", instead="the last", source="nothing is public"),
)

_COCO = Recipe(
    name="coco",
    source="the abstract, which has the loss alone",
    train=(("coco", "train"),),
    test=("coco", "val"),
    persons=149813,
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
    gaps=(
        *_OPEN,
        Gap(what="batch", instead="128", source="section 3 of SimpleBaseline: 32 on each of four GPUs"),
        Gap(what="persons' boxes in COCO's validation images", instead="annotated boxes", source="nothing is public"),
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
            persons=22246,
            input="256x256",
            batch=32,
            augmentation="hrnet_mpii",
            crop="mpii",
            protocol="fasterpose",
            gaps=(*_OPEN, Gap(what="batch", instead="32", source=f"{_CODE}: one GPU")),
        ),
        replace(GENERAL["lsp"], loss=_LOSS, starts=_STARTS, protocol="fasterpose-lsp"),
        replace(GENERAL["synthetic"], loss=_LOSS, starts=_STARTS, protocol="fasterpose"),
    )
}
