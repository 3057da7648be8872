"""How AutoPose's network is trained once it is found (sections 4.1 and 4.2), and what the paper leaves open.

Several numbers, and all ranges, are missing from the text that is public in machine-readable form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark.config.recipes import Assumption, Recipe, Schedule

_HRNET = "as HRNet, which the paper compares with"
_OPEN = (
    Assumption(
        unspecified="how far images are rotated",
        choice="normal, 45 degrees, clipped at 90, with probability 0.6",
        source=_HRNET,
    ),
    Assumption(
        unspecified="whether images are scaled or halved", choice="neither", source="the text names flips and rotations alone"
    ),
    Assumption(unspecified="Adam's betas, missing from the text", choice="0.9 and 0.999", source="PyTorch's defaults"),
    Assumption(unspecified="weight decay", choice="none", source="none is stated"),
    Assumption(
        unspecified="loss of the final training",
        choice="mean squared error times a half",
        source="the text has it for the search",
    ),
    Assumption(unspecified="targets", choice="Gaussians of 2 pixels, drawn as HRNet's code does", source=_HRNET),
    Assumption(unspecified="which epoch's weights are reported", choice="the last", source="nothing is said of choosing one"),
    Assumption(unspecified="how it is tested", choice="flip test with the one-pixel shift, quarter shift", source=_HRNET),
)


def _size(shown: str, source: str) -> Assumption:
    return Assumption(unspecified="input size, missing from the text", choice=shown, source=source)


_BOXES = Assumption(
    unspecified="persons' boxes in COCO's validation images", choice="annotated boxes", source="the text names no detector"
)
_COCO = Recipe(
    name="coco",
    source="sections 4.1 and 4.2: architecture found on COCO",
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
    assumptions=(_size("256x192", "the compared networks' in Table 2"), *_OPEN, _BOXES),
)

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _COCO,
        replace(
            _COCO,
            name="mpii",
            source="sections 4.1 to 4.3: the architecture found on COCO, trained anew on MPII",
            train=(("mpii", "train"),),
            test=("mpii", "val"),
            num_people=22246,
            input="256x256",
            crop="mpii",
            protocol="hrnet",
            assumptions=(
                _size("256x256", "usual for MPII; the text says that it is larger than COCO's"),
                *_OPEN,
                Assumption(
                    unspecified="epochs, rate and batch on MPII",
                    choice="as on COCO",
                    source="the text states them once for the network",
                ),
            ),
        ),
    )
}
