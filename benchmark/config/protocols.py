"""How a network is tested, as data: crop, pre-processing, test-time averaging and decoding of each public code, by name.

A package under ``reproductions`` may add to what is here, without importing torch: ``PROTOCOLS``, a mapping of its own
protocols whose first is its default, and ``WEIGHTS``, the weight files that only it can read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from benchmark.core.errors import InputError
from benchmark.core.keypoints import LSP_FROM_MPII

WHOLE_IMAGE = "picture"  # the crop that is no crop: the whole photograph, its aspect kept, centred on black


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything between a photograph with a person's box and that person's joints.

    ``crop``: a name in :data:`benchmark.config.pipeline.CROP_RULES`, or ``picture``. ``padding``: instead of the rule's.
    ``lowered``: the crop's centre is this much of the box's longer side lower than the box's.
    ``antialias``: a photograph that shrinks by a factor f is blurred first, by a Gaussian of (f - 1) / 2 pixels.
    ``output``: which of the network's maps, counted from the last (-1). ``activation``: what is applied to the maps before they
    are averaged and decoded. ``decoding``: a name in :data:`benchmark.pipeline.decode.DECODERS`; ``convention`` says how maps
    and input
    lie, see there. ``flip``: the mean with the mirrored image's maps, as they are or moved by a pixel. ``scales``: the mean
    over the image enlarged by each of these.

    For COCO: ``counted_above``: a person's score is the box's times the mean height of the peaks above this;
    ``alike``: of two detections of an image whose keypoint similarity is above this, the lower scored one goes.
    """

    crop: str = "hrnet"
    padding: float | None = None
    center_shift: float = 0.0
    antialias: bool = False
    bgr: bool = False
    output: int = -1
    activation: Literal["none", "sigmoid"] = "none"
    decoding: str = "quarter"
    convention: Literal["corner", "center"] = "corner"
    flip: Literal["off", "plain", "shifted"] = "off"
    scales: tuple[float, ...] = (1.0,)
    keypoint_score_threshold: float = 0.2
    oks_nms_threshold: float = 0.9
    description: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """A kind of weight file, by its suffix: the joints of the network in it, and ``module:function`` taking
    ``(network, path)`` that loads it; none for a file that its own runtime executes."""

    joints: tuple[str, ...]
    load: str = ""


_HRNET = Protocol(flip="shifted", description="HRNet and SimpleBaseline: flip test with the one-pixel shift, quarter shift")

PROTOCOLS: Mapping[str, Protocol] = {
    "hrnet": _HRNET,
    "lsp": replace(_HRNET, crop="lsp", description="HRNet's, about the box of the joints"),
    "lsp-sigmoid": replace(_HRNET, crop="lsp", activation="sigmoid", description="lsp, of a network trained on logits"),
    "hrnet-annotated": replace(_HRNET, crop="hrnet_annotated", description="the same with COCO's annotated boxes"),
    "hrnet-single": replace(_HRNET, flip="off", description="hrnet without the flip test"),
    "hrnet-unshifted": replace(_HRNET, flip="plain", description="hrnet without the one-pixel shift"),
    "hrnet-argmax": replace(_HRNET, decoding="argmax", description="hrnet without the quarter shift"),
    "hrnet-dark": replace(_HRNET, decoding="dark", description="hrnet, decoded by DARK"),
}


def joint_mapping(joints: tuple[str, ...], wanted: tuple[str, ...]) -> list[int]:
    """For each wanted joint, which of a network's joints answers for it: the same name, or LSP's neck from MPII's upper neck.

    Raises:
        InputError: none does.
    """
    found = [name if name in joints else LSP_FROM_MPII.get(name, name) for name in wanted]
    for name, joint in zip(wanted, found, strict=True):
        if joint not in joints:
            raise InputError(f"the network has no joint {name}; it has {', '.join(joints)}")
    return [joints.index(joint) for joint in found]
