"""Crop rules and augmentations, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmark.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class CropRule:
    """The rule that turns a person's box into the part of the image that fills the network's input.

    The shorter side of the box grows until the box has the input's aspect, then both sides are multiplied by ``padding``.

    Attributes:
        padding: factor by which both sides of the box grow.
        trim: pixels taken off the box first, at the right and at the bottom.
        alignment: where the box's centre lies in an input of W x H pixels: ``corner`` means pixel (W / 2, H / 2), which is
            half a pixel off; ``center`` means ((W - 1) / 2, (H - 1) / 2).
        source: the public code or paper that uses the rule.
    """

    padding: float = 1.25
    trim: float = 0.0
    alignment: Literal["corner", "center"] = "corner"
    source: str


CROP_RULES = {
    "hrnet": CropRule(source="HRNet, SimpleBaseline, mmpose 0.x: boxes from a detector"),
    "hrnet_annotated": CropRule(trim=1.0, source="the same: COCO's annotated boxes, taken to end on their last pixel"),
    "mpii": CropRule(source="HRNet, SimpleBaseline, mmpose 0.x: square of 200 x scale about MPII's centre shifted down"),
    "lsp": CropRule(source="box of the annotated joints"),
    "efficientpose": CropRule(
        alignment="center", source="EfficientPose: single people cropped by MPII's centre and scale, then resized"
    ),
}


def find_crop_rule(name: str) -> CropRule:
    """Return the crop rule of this name.

    Raises:
        InputError: no crop rule has this name.
    """
    if name not in CROP_RULES:
        raise InputError(f"no crop rule {name!r}; known: {', '.join(CROP_RULES)}")
    return CROP_RULES[name]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The distributions from which training views are drawn.

    In half-body augmentation, a person with enough annotated joints is replaced by the upper or the lower half: the box of
    its joints, enlarged, about the mean of these joints. The public code tests whether a *normal* number is below a half, so
    the upper half is taken 69 % of the time, not 50 %.

    Attributes:
        flip: probability of mirroring the image.
        scale: spread of the scale: 1 + ``scale`` z, with z as ``distribution`` says.
        rotation: spread of the rotation: ``rotation`` z degrees.
        rotation_probability: probability of rotating at all.
        distribution: ``normal``: z is standard normal, clipped at one deviation for the scale and at two for the rotation;
            ``uniform``: z is uniform between -1 and 1.
        half_body: probability of half-body augmentation.
        half_body_joints: a person needs more annotated joints than this for half-body augmentation.
        half_body_padding: factor by which the box of the half's joints grows.
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
        """Return the largest rotation that can be drawn, in degrees."""
        return self.rotation * (2 if self.distribution == "normal" else 1)


AUGMENTATIONS = {
    "none": Augmentation(flip=0.0, scale=0.0, rotation=0.0),
    "hrnet_mpii": Augmentation(),  # also SimpleBaseline and EfficientPose-NAS
    "hrnet_coco": Augmentation(scale=0.35, rotation=45.0, half_body=0.3),  # EfficientPose-NAS
    "simple_baseline_coco": Augmentation(scale=0.3, rotation=40.0),
    "mmpose_coco": Augmentation(scale=0.5, rotation=40.0, half_body=0.3),  # heatmap weighting
    "mmpose_mpii": Augmentation(scale=0.5, rotation=40.0),  # heatmap weighting
    "lite_hrnet_coco": Augmentation(half_body=0.3),  # also ViPNAS
    "flip_rotation": Augmentation(scale=0.0, rotation=45.0),  # AutoPose, which does not state its range
    "efficientpose": Augmentation(rotation=45.0, rotation_probability=1.0, distribution="uniform"),
}
