"""Training recipes of AutoPose's searched network (Secs. 4.1 and 4.2), and their assumptions.

Several numbers, and all ranges, are missing from the paper's public machine-readable text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.recipes import Assumption, Recipe, Schedule

_HRNET = "HRNet, which the paper compares with"
_ASSUMPTIONS = (
    Assumption(
        unspecified="range of rotations",
        choice="normal with a standard deviation of 45 degrees, clipped at 90, with probability 0.6",
        source=_HRNET,
    ),
    Assumption(
        unspecified="scale and half-body augmentation", choice="neither", source="the text names only flips and rotations"
    ),
    Assumption(unspecified="Adam's betas, missing from the text", choice="0.9 and 0.999", source="PyTorch's defaults"),
    Assumption(unspecified="weight decay", choice="none", source="the text states none"),
    Assumption(
        unspecified="loss of the final training",
        choice="half the mean squared error",
        source="the text states it for the search",
    ),
    Assumption(unspecified="targets", choice="Gaussians with a sigma of 2 pixels, as drawn by HRNet's code", source=_HRNET),
    Assumption(unspecified="epoch whose weights are reported", choice="the last", source="the text mentions no selection"),
    Assumption(unspecified="test protocol", choice="flip test with the one-pixel shift, quarter shift", source=_HRNET),
)


def _input_size(size: str, source: str) -> Assumption:
    return Assumption(unspecified="input size, missing from the text", choice=size, source=source)


_BOXES = Assumption(
    unspecified="boxes of people in COCO's validation images",
    choice="the annotated boxes",
    source="the text names no detector",
)
_COCO = Recipe(
    name="coco",
    source="Secs. 4.1 and 4.2: the architecture found on COCO",
    train=(("coco", "train"),),
    test=("coco", "val"),
    num_people=149813,
    input="256x192",
    batch=128,
    epochs=210,
    schedule=Schedule(milestones=(170, 200)),
    augmentation="flip_rotation",
    crop="hrnet_annotated",
    protocol="hrnet-annotated",
    assumptions=(_input_size("256x192", "that of the compared networks in Table 2"), *_ASSUMPTIONS, _BOXES),
)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _COCO,
        replace(
            _COCO,
            name="mpii",
            source="Secs. 4.1 to 4.3: the architecture found on COCO, trained from scratch on MPII",
            train=(("mpii", "train"),),
            test=("mpii", "val"),
            num_people=22246,
            input="256x256",
            crop="mpii",
            protocol="hrnet",
            assumptions=(
                _input_size("256x256", "the usual one for MPII; the text says that it is larger than COCO's"),
                *_ASSUMPTIONS,
                Assumption(
                    unspecified="epochs, learning rate and batch size on MPII",
                    choice="as on COCO",
                    source="the text states them once, for the network",
                ),
            ),
        ),
    )
}
