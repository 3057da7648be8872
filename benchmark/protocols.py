"""How a network is tested, as data: crop, pre-processing, test-time averaging and decoding of each public code, by name.

A package under ``reproductions`` may add to what is here, without importing torch: ``PROTOCOLS``, a mapping of its own
protocols whose first is its default, and ``WEIGHTS``, the weight files that only it can read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Literal

from benchmark import models
from benchmark.errors import InputError
from benchmark.joints import COCO_JOINTS, LSP_FROM_MPII, LSP_JOINTS, MPII_JOINTS

VERSION = 1  # goes up when the meaning of a name below changes
PICTURE = "picture"  # the crop that is no crop: the whole photograph, its aspect kept, centred on black
HEADS: Mapping[str, tuple[str, ...]] = {"mpii": MPII_JOINTS, "coco": COCO_JOINTS, "lsp": LSP_JOINTS}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything between a photograph with a person's box and that person's joints.

    ``crop``: a name in :data:`benchmark.crops.CROP_RULES`, or ``picture``. ``padding``: instead of the rule's.
    ``lowered``: the crop's centre is this much of the box's longer side lower than the box's.
    ``antialias``: a photograph that shrinks by a factor f is blurred first, by a Gaussian of (f - 1) / 2 pixels.
    ``output``: which of the network's maps, counted from the last (-1). ``activation``: what is applied to the maps before they
    are averaged and decoded. ``decoding``: a name in :data:`benchmark.decode.METHODS`; ``convention`` says how maps and input
    lie, see there. ``flip``: the mean with the mirrored image's maps, as they are or moved by a pixel. ``scales``: the mean
    over the image enlarged by each of these.

    For COCO: ``counted_above``: a person's score is the box's times the mean height of the peaks above this;
    ``alike``: of two detections of an image whose keypoint similarity is above this, the lower scored one goes.
    """

    crop: str = "hrnet"
    padding: float | None = None
    lowered: float = 0.0
    antialias: bool = False
    bgr: bool = False
    output: int = -1
    activation: Literal["none", "sigmoid"] = "none"
    decoding: str = "quarter"
    convention: Literal["corner", "center"] = "corner"
    flip: Literal["off", "plain", "shifted"] = "off"
    scales: tuple[float, ...] = (1.0,)
    counted_above: float = 0.2
    alike: float = 0.9
    says: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """A kind of weight file, by its suffix: the joints of the network in it, and ``module:function`` taking
    ``(network, path)`` that loads it; none for a file that its own runtime executes."""

    joints: tuple[str, ...]
    load: str = ""


_HRNET = Protocol(flip="shifted", says="HRNet and SimpleBaseline: flip test with the one-pixel shift, quarter shift")

PROTOCOLS: Mapping[str, Protocol] = {
    "hrnet": _HRNET,
    "lsp": replace(_HRNET, crop="lsp", says="HRNet's, about the box of the joints"),
    "lsp-sigmoid": replace(_HRNET, crop="lsp", activation="sigmoid", says="lsp, of a network trained on logits"),
    "hrnet-annotated": replace(_HRNET, crop="hrnet_annotated", says="the same with COCO's annotated boxes"),
    "hrnet-single": replace(_HRNET, flip="off", says="hrnet without the flip test"),
    "hrnet-unshifted": replace(_HRNET, flip="plain", says="hrnet without the one-pixel shift"),
    "hrnet-argmax": replace(_HRNET, decoding="argmax", says="hrnet without the quarter shift"),
    "hrnet-dark": replace(_HRNET, decoding="dark", says="hrnet, decoded by DARK"),
}


def package(model: str) -> ModuleType:
    """The package of a model's id.

    Raises:
        InputError: an unknown model.
    """
    return models.packages()[models.find(model).id.split("/")[0]]


def known(model: str) -> Mapping[str, Protocol]:
    """All protocols that a model can be tested under: its package's, then the general ones.

    Raises:
        InputError: an unknown model.
    """
    return {**getattr(package(model), "PROTOCOLS", {}), **PROTOCOLS}


def find(model: str, name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        InputError: an unknown model, or no protocol is called so.
    """
    protocols = known(model)
    if name not in protocols:
        raise InputError(f"no protocol {name!r} for {model}; known: {', '.join(protocols)}")
    return protocols[name]


def default(model: str, dataset: str, *, detected: bool = False) -> str:
    """The first protocol of the model's package, or else HRNet's; for COCO's annotated boxes its ``-annotated`` if it has one.

    Args:
        detected: the boxes come from a detector, not from COCO's annotations.
    """
    first = next(iter(getattr(package(model), "PROTOCOLS", {})), "hrnet")
    annotated = f"{first}-annotated"
    return annotated if dataset.endswith("coco") and not detected and annotated in known(model) else first


def answering(joints: tuple[str, ...], wanted: tuple[str, ...]) -> list[int]:
    """For each wanted joint, which of a network's joints answers for it: the same name, or LSP's neck from MPII's upper neck.

    Raises:
        InputError: none does.
    """
    found = [name if name in joints else LSP_FROM_MPII.get(name, name) for name in wanted]
    for name, joint in zip(wanted, found, strict=True):
        if joint not in joints:
            raise InputError(f"the network has no joint {name}; it has {', '.join(joints)}")
    return [joints.index(joint) for joint in found]
