"""Crop rules and augmentations, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmark.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class CropRule:
    """From a person's box to the part of the photograph that fills the input.

    The shorter side of the box grows until the box has the input's aspect, then both sides are multiplied by ``padding``.

    ``trim``: pixels taken off the box first, at the right and below. ``alignment`` says where the box's centre goes in an
    input of W x H: ``corner`` to pixel (W / 2, H / 2), which is half a pixel off; ``center`` to ((W - 1) / 2, (H - 1) / 2).
    """

    padding: float = 1.25
    trim: float = 0.0
    alignment: Literal["corner", "center"] = "corner"
    source: str


CROP_RULES = {
    "hrnet": CropRule(source="HRNet, SimpleBaseline, mmpose 0.x: boxes from a detector"),
    "hrnet_annotated": CropRule(trim=1.0, source="the same: COCO's annotated boxes, taken to end on their last pixel"),
    "mpii": CropRule(source="HRNet, SimpleBaseline, mmpose 0.x: square of 200 x scale about the lowered centre"),
    "lsp": CropRule(source="box of the annotated joints"),
    "efficientpose": CropRule(
        alignment="center", source="EfficientPose: single persons cut out by MPII's centre and scale, then resized"
    ),
}


def find_crop_rule(name: str) -> CropRule:
    """The rule of that name.

    Raises:
        InputError: no rule is called so.
    """
    if name not in CROP_RULES:
        raise InputError(f"no crop rule {name!r}; known: {', '.join(CROP_RULES)}")
    return CROP_RULES[name]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """From which distributions views are drawn.

    With ``normal``, scale is 1 + ``scale`` z clipped at one deviation and rotation is ``rotation`` z degrees clipped at two,
    z being standard normal. With ``uniform``, they are even over 1 +- ``scale`` and +- ``rotation``.

    Half-body: with probability ``half_body``, a person of more than ``half_body_joints`` annotated joints is replaced by the
    upper or lower half: the box of its joints, ``half_body_padding`` times as large, about the joints' mean. The public code
    asks whether a *normal* number is below a half, so the upper half is taken 69 % of the time, not 50 %.
    """

    flip: float = 0.5
    scale: float = 0.25
    rotation: float = 30.0
    rotation_probability: float = 0.6
    distribution: Literal["normal", "uniform"] = "normal"
    half_body: float = 0.0
    half_body_joints: int = 8
    half_body_padding: float = 1.5

    @property
    def largest_rotation(self) -> float:
        """Degrees."""
        return self.rotation * (2 if self.distribution == "normal" else 1)


AUGMENTATIONS = {
    "none": Augmentation(flip=0.0, scale=0.0, rotation=0.0),
    "hrnet_mpii": Augmentation(),  # SimpleBaseline's, too; EfficientPose-NAS
    "hrnet_coco": Augmentation(scale=0.35, rotation=45.0, half_body=0.3),  # EfficientPose-NAS
    "simple_baseline_coco": Augmentation(scale=0.3, rotation=40.0),
    "mmpose_coco": Augmentation(scale=0.5, rotation=40.0, half_body=0.3),  # heatmap weighting
    "mmpose_mpii": Augmentation(scale=0.5, rotation=40.0),  # heatmap weighting
    "lite_hrnet_coco": Augmentation(half_body=0.3),  # ViPNAS's, too
    "flip_rotation": Augmentation(scale=0.0, rotation=45.0),  # AutoPose, whose range is not known
    "efficientpose": Augmentation(rotation=45.0, rotation_probability=1.0, distribution="uniform"),
}
