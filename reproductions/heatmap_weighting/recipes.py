"""How the lightweight network is trained with the heatmap-weighting loss (section IV-A), and what the paper leaves open.

Table IV's other weightings are ``loss_options`` of the same recipes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.recipes import GENERAL_RECIPES, Assumption, Optimizer, Recipe, Schedule

_LOSS = "reproductions.heatmap_weighting.losses:weighted"
_RELEASED = "released configuration, github.com/HAIV-Lab/ICPR22w"
_OPEN = (
    Assumption(unspecified="what the weights start from", choice="from scratch", source=_RELEASED),
    Assumption(
        unspecified="how scales and rotations are spread over the ranges in the text",
        choice="normal, clipped at the ends of the ranges; turned with probability 0.6",
        source=f"{_RELEASED}, whose factors mmpose reads so",
    ),
    Assumption(unspecified="weight decay", choice="none", source=_RELEASED),
    Assumption(unspecified="sigma of the targets", choice="2 pixels at either input size", source=_RELEASED),
    Assumption(
        unspecified="which epoch's weights are reported",
        choice="the best of those tested, every tenth",
        source=f"{_RELEASED}, which keeps the best",
    ),
)
_BOXES = Assumption(
    unspecified="persons' boxes in COCO's validation images: those of a detector with 56.4 AP, by the released configuration",
    choice="annotated boxes; python -m benchmark.evaluate --detections FILE tests the weights on a detector's",
    source="a detector's boxes are not part of COCO",
)

_MPII = Recipe(
    name="mpii",
    source=f"section IV-A; {_RELEASED}",
    train=(("mpii", "train"),),
    test=("mpii", "val"),
    num_people=22246,
    input="256x256",
    batch=64,
    epochs=210,
    optimizer=Optimizer(lr=5e-4),
    schedule=Schedule(milestones=(170, 200), warmup=500, warmup_factor=0.001),
    augmentation="mmpose_mpii",
    crop="mpii",
    loss=_LOSS,
    loss_options={"weighting": "x"},
    reports="best",
    assumptions=_OPEN,
)
_COCO = replace(
    _MPII,
    name="coco",
    train=(("coco", "train"),),
    test=("coco", "val"),
    num_people=149813,
    input="256x192",
    augmentation="mmpose_coco",
    crop="hrnet_annotated",
    protocol="hrnet-annotated",
    assumptions=(*_OPEN, _BOXES),
)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _MPII,
        _COCO,
        replace(_COCO, name="coco-384x288", input="384x288"),
        *(replace(GENERAL_RECIPES[name], loss=_LOSS, loss_options={"weighting": "x"}) for name in ("lsp", "synthetic")),
    )
}
