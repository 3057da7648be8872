"""Training recipes of the lightweight network with the heatmap-weighting loss (Sec. IV-A), and their assumptions.

The other weightings of Table IV are ``loss_options`` of the same recipes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.recipes import GENERAL_RECIPES, Assumption, Optimizer, Recipe, Schedule

_LOSS = "reproductions.heatmap_weighting.losses:weighted"
_RELEASED = "the authors' released config, github.com/HAIV-Lab/ICPR22w"
_ASSUMPTIONS = (
    Assumption(unspecified="initial weights", choice="random (from scratch)", source=_RELEASED),
    Assumption(
        unspecified="distribution of scales and rotations over the ranges in the text",
        choice="normal, clipped to the ranges; rotated with probability 0.6",
        source=f"{_RELEASED}, as mmpose interprets its factors",
    ),
    Assumption(unspecified="weight decay", choice="none", source=_RELEASED),
    Assumption(unspecified="sigma of the targets", choice="2 pixels at both input sizes", source=_RELEASED),
    Assumption(
        unspecified="epoch whose weights are reported",
        choice="the best of every tenth epoch",
        source=f"{_RELEASED}, which tests every tenth epoch and keeps the best",
    ),
)
_BOXES = Assumption(
    unspecified="boxes of people in COCO's validation images; the released config names those of a detector with 56.4 AP",
    choice="the annotated boxes; python -m benchmark.evaluate --detections FILE tests the weights on a detector's boxes",
    source="this project: a detector's boxes are not part of COCO",
)

_MPII = Recipe(
    name="mpii",
    source=f"Sec. IV-A; {_RELEASED}",
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
    assumptions=_ASSUMPTIONS,
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
    assumptions=(*_ASSUMPTIONS, _BOXES),
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
