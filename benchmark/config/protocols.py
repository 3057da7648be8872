"""Test protocols as data: crop, pre-processing, test-time averaging and decoding of each public code.

A package under ``reproductions`` may declare further protocols in :class:`benchmark.config.packages.PaperPackage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from benchmark.core.errors import InputError
from benchmark.core.keypoints import LSP_FROM_MPII

WHOLE_IMAGE = "picture"  # a protocol's ``crop`` that keeps the whole image: aspect unchanged, centred, padded with black


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything between an image with a person's box and the predicted joints of that person.

    Attributes:
        crop: Name in :data:`benchmark.config.pipeline.CROP_RULES`, or :data:`WHOLE_IMAGE`.
        padding: Factor by which both sides of the box grow; None for the crop rule's.
        center_shift: Downward shift of the crop's centre, as a fraction of the box's longer side.
        antialias: Blur an image before it is reduced by a factor f, by a Gaussian with a sigma of (f - 1) / 2 pixels.
        bgr: The channels of an input are blue, green and red instead of red, green and blue.
        output: Which of the network's heatmaps to use, counted from the last (-1).
        activation: Function applied to the heatmaps before they are averaged and decoded.
        decoding: Name in :data:`benchmark.pipeline.decode.DECODERS`.
        convention: How heatmap pixels lie in the input; see :data:`benchmark.pipeline.decode.MapConvention`.
        flip: Average the heatmaps with those of the mirrored image: not at all (``off``), as they are (``plain``), or moved by
            one pixel (``shifted``).
        scales: Factors by which the image is enlarged; the heatmaps of all of them are averaged.
        keypoint_score_threshold: COCO: a person's score is the box's score times the mean score of the keypoints above this.
        oks_nms_threshold: COCO: of two detections in an image whose OKS is above this, the one with the lower score is removed.
        description: One line for the user.
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


_HRNET = Protocol(flip="shifted", description="HRNet and SimpleBaseline: flip test with the one-pixel shift, quarter shift")

PROTOCOLS: Mapping[str, Protocol] = {
    "hrnet": _HRNET,
    "lsp": replace(_HRNET, crop="lsp", description="hrnet, cropped by the box of the joints"),
    "lsp-sigmoid": replace(_HRNET, crop="lsp", activation="sigmoid", description="lsp, for a network that predicts logits"),
    "hrnet-annotated": replace(_HRNET, crop="hrnet_annotated", description="hrnet, with COCO's annotated boxes"),
    "hrnet-single": replace(_HRNET, flip="off", description="hrnet without the flip test"),
    "hrnet-unshifted": replace(_HRNET, flip="plain", description="hrnet without the one-pixel shift"),
    "hrnet-argmax": replace(_HRNET, decoding="argmax", description="hrnet without the quarter shift"),
    "hrnet-dark": replace(_HRNET, decoding="dark", description="hrnet, decoded by DARK"),
}


def joint_mapping(joints: tuple[str, ...], dataset_joints: tuple[str, ...]) -> list[int]:
    """Return for each joint of a dataset the index of the network's joint that predicts it.

    This is the joint of the same name; for LSP's neck, MPII's upper neck.

    Args:
        joints: Joints of the network.
        dataset_joints: Joints of the dataset that it is tested on.

    Raises:
        InputError: the network does not predict one of the joints.
    """
    names = [name if name in joints else LSP_FROM_MPII.get(name, name) for name in dataset_joints]
    for name, dataset_joint in zip(names, dataset_joints, strict=True):
        if name not in joints:
            raise InputError(f"the network has no joint {dataset_joint}; it has {', '.join(joints)}")
    return [joints.index(name) for name in names]
