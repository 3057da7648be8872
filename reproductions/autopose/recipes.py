"""How AutoPose's network is trained once it is found (sections 4.1 and 4.2), and what the paper leaves open.

Several numbers, and all ranges, are missing from the text that is public in machine-readable form.
"""

from collections.abc import Mapping
from dataclasses import replace

from benchmark.recipes import Gap, Recipe, Schedule

_HRNET = "as HRNet, which the paper compares with"
_OPEN = (
    Gap(what="how far images are rotated", instead="normal, 45 degrees, clipped at 90, with probability 0.6", source=_HRNET),
    Gap(what="whether images are scaled or halved", instead="neither", source="the text names flips and rotations alone"),
    Gap(what="Adam's betas, missing from the text", instead="0.9 and 0.999", source="PyTorch's defaults"),
    Gap(what="weight decay", instead="none", source="none is stated"),
    Gap(what="loss of the final training", instead="mean squared error times a half", source="the text has it for the search"),
    Gap(what="targets", instead="Gaussians of 2 pixels, drawn as HRNet's code does", source=_HRNET),
    Gap(what="which epoch's weights are reported", instead="the last", source="nothing is said of choosing one"),
    Gap(what="how it is tested", instead="flip test with the one-pixel shift, quarter shift", source=_HRNET),
)


def _size(shown: str, source: str) -> Gap:
    return Gap(what="input size, missing from the text", instead=shown, source=source)


_BOXES = Gap(what="persons' boxes in COCO's validation images", instead="annotated boxes", source="the text names no detector")
_COCO = Recipe(
    name="coco",
    source="sections 4.1 and 4.2: architecture found on COCO",
    train=(("coco", "train"),),
    test=("coco", "val"),
    persons=149813,
    input="256x192",
    batch=128,
    epochs=210,
    schedule=Schedule(milestones=(170, 200)),
    augmentation="flip_rotation",
    crop="hrnet_annotated",
    protocol="hrnet-annotated",
    gaps=(_size("256x192", "the compared networks' in Table 2"), *_OPEN, _BOXES),
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
            persons=22246,
            input="256x256",
            crop="mpii",
            protocol="hrnet",
            gaps=(
                _size("256x256", "usual for MPII; the text says that it is larger than COCO's"),
                *_OPEN,
                Gap(
                    what="epochs, rate and batch on MPII",
                    instead="as on COCO",
                    source="the text states them once for the network",
                ),
            ),
        ),
    )
}
