"""Crops: the affine transform from an image to a network's input as each public code computes it, and its application.

All points are pixels (x, y), and (0, 0) is the centre of the top-left pixel. A crop is a ``[2, 3]`` matrix that maps pixels of
the image to pixels of the input; the functions here work on many of them at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np

from benchmark.config.pipeline import CropRule, find_crop_rule
from benchmark.config.protocols import WHOLE_IMAGE, Protocol
from benchmark.core.errors import InputError
from benchmark.data.people import People


def fit_aspect(sizes: np.ndarray, output_hw: tuple[int, int]) -> np.ndarray:
    """Enlarge the shorter side of boxes to the aspect of the input, ``[..., 2]`` (width, height)."""
    aspect = output_hw[1] / output_hw[0]
    width, height = sizes[..., 0], sizes[..., 1]
    return np.stack([np.maximum(width, height * aspect), np.maximum(height, width / aspect)], axis=-1)


def box_transform(
    centers: np.ndarray,
    sizes: np.ndarray,
    rotations: np.ndarray | float = 0.0,
    *,
    output_hw: tuple[int, int],
    flips: np.ndarray | bool = False,
    alignment: Literal["corner", "center"] = "corner",
) -> np.ndarray:
    """Compute the similarity transforms that fill the width of the input with the width of a box.

    Args:
        centers: of the boxes, ``[..., 2]``.
        sizes: of the boxes, ``[..., 2]`` (width, height), already of the input's aspect; only the width is used.
        rotations: by how many degrees the box is rotated clockwise; it is upright in the input, ``[...]``.
        output_hw: height and width of the input.
        flips: whether the image is mirrored (left to right) before the other steps, ``[...]``.
        alignment: see :class:`CropRule`.

    Returns:
        Transforms from image to input, float64 ``[..., 2, 3]``.
    """
    height, width = output_hw
    scale = width / sizes[..., 0]
    radians = np.deg2rad(np.broadcast_to(rotations, scale.shape))
    cosine, sine = scale * np.cos(radians), scale * np.sin(radians)
    mirror = np.where(flips, -1.0, 1.0)
    linear = np.stack([np.stack([cosine * mirror, sine], -1), np.stack([-sine * mirror, cosine], -1)], -2)
    target = np.array([width, height]) / 2 - (0.5 if alignment == "center" else 0.0)
    offset = target - (linear @ centers[..., None])[..., 0]
    return np.concatenate([linear, offset[..., None]], axis=-1)


def trim_boxes(people: People, rule: CropRule) -> tuple[np.ndarray, np.ndarray]:
    """Return centers and sizes ``[N, 2]`` of the people's boxes after the rule's ``trim``; a box keeps at least one pixel."""
    trimmed = np.maximum(people.sizes - rule.trim, 1.0)
    return people.centers - (people.sizes - trimmed) / 2, trimmed


def crop_transforms(people: People, rule: str, output_hw: tuple[int, int]) -> np.ndarray:
    """Compute the evaluation crop of each person: transforms from image to input, float64 ``[N, 2, 3]``.

    Raises:
        InputError: the rule is unknown, or a box has no extent or a value that is not finite.
    """
    crop_rule = find_crop_rule(rule)
    check_boxes(people)
    centers, sizes = trim_boxes(people, crop_rule)
    sizes = fit_aspect(sizes, output_hw) * crop_rule.padding
    return box_transform(centers, sizes, output_hw=output_hw, alignment=crop_rule.alignment)


def letterbox_transform(image_hw: tuple[int, int], output_hw: tuple[int, int]) -> np.ndarray:
    """Compute the transform that centres a whole image in the input and keeps its aspect, float64 ``[2, 3]``.

    The borders of the image's pixels lie on borders of the input's pixels. This is EfficientPose's crop for an image of one
    person. Its released code blurs before it shrinks and rounds the margins to whole pixels, which an affine transform cannot
    express: on the same image the two differ by at most half a pixel.
    """
    (image_height, image_width), (height, width) = image_hw, output_hw
    scale = min(height / image_height, width / image_width)
    offset = (np.array([width, height]) - 1) / 2 - scale * (np.array([image_width, image_height]) - 1) / 2
    return np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]]])


def check_boxes(people: People) -> None:
    """Check that a crop can be made from every box.

    Raises:
        InputError: a box has no extent or a value that is not finite; the first such person is named.
    """
    bad = ~(np.isfinite(people.centers).all(1) & np.isfinite(people.sizes).all(1) & (people.sizes > 0).all(1))
    if bad.any():
        row = int(np.argmax(bad))
        size = " x ".join(f"{side:g}" for side in people.sizes[row])
        raise InputError(f"{people.images[row]}: person {people.ids[row]} has a box of {size} pixels")


def transform_points(transform: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply one transform ``[2, 3]`` to points ``[..., 2]``, or one of ``[N, 2, 3]`` to each row of points ``[N, ..., 2]``."""
    extra = points.ndim - (transform.ndim - 1)  # axes of the points that the transforms lack
    linear = transform[..., :2].reshape(*transform.shape[:-2], *(1,) * extra, 2, 2)
    offset = transform[..., 2].reshape(*transform.shape[:-2], *(1,) * extra, 2)
    return (linear @ points[..., None])[..., 0] + offset


def invert_transforms(transform: np.ndarray) -> np.ndarray:
    """Return the inverse transforms, ``[..., 2, 3]``."""
    linear = np.linalg.inv(transform[..., :2])
    return np.concatenate([linear, -linear @ transform[..., 2:]], axis=-1)


def compose_transforms(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return the transforms that apply ``before`` and then ``after``, ``[..., 2, 3]``."""
    linear = after[..., :2] @ before[..., :2]
    return np.concatenate([linear, after[..., :2] @ before[..., 2:] + after[..., 2:]], axis=-1)


def warp_image(
    image: np.ndarray, transform: np.ndarray, output_hw: tuple[int, int], out: np.ndarray | None = None
) -> np.ndarray:
    """Warp an image into the input by ``cv2.warpAffine``: linear interpolation, black outside, uint8 ``[H, W, 3]``.

    Args:
        image: uint8 ``[h, w, 3]``.
        transform: from image to input, ``[2, 3]``.
        out: array to write the result to, uint8 ``[H, W, 3]``.
    """
    height, width = output_hw
    return cv2.warpAffine(
        image, transform, (width, height), dst=out, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )


def person_transforms(
    people: People, images: Sequence[np.ndarray], protocol: Protocol, input_hw: tuple[int, int]
) -> np.ndarray:
    """Compute each person's crop under a protocol: transforms from image to input, float64 ``[N, 2, 3]``.

    Raises:
        InputError: the crop rule is unknown, or a crop cannot be made from a box.
    """
    if protocol.crop == WHOLE_IMAGE:
        return np.stack([letterbox_transform(image.shape[:2], input_hw) for image in images])
    check_boxes(people)
    rule = find_crop_rule(protocol.crop)
    centers, sizes = trim_boxes(people, rule)
    centers = centers + protocol.center_shift * sizes.max(1, keepdims=True) * [0, 1]
    sizes = fit_aspect(sizes, input_hw) * (rule.padding if protocol.padding is None else protocol.padding)
    return box_transform(centers, sizes, output_hw=input_hw, alignment=rule.alignment)


def sample_inputs(
    images: Sequence[np.ndarray], transforms: np.ndarray, input_hw: tuple[int, int], *, antialias: bool
) -> np.ndarray:
    """Warp each image into its input, uint8 ``[N, H, W, 3]``.

    Args:
        images: uint8 ``[h, w, 3]`` each.
        transforms: from image to input, ``[N, 2, 3]``.
        antialias: blur an image that shrinks first; see :class:`Protocol`.
    """
    inputs = np.empty((len(images), *input_hw, 3), np.uint8)
    for image, transform, out in zip(images, transforms, inputs, strict=True):
        shrink = 1 / float(np.linalg.norm(transform[0, :2]))
        if antialias and shrink > 1:
            image = cv2.GaussianBlur(image, (0, 0), (shrink - 1) / 2, borderType=cv2.BORDER_REFLECT_101)
        warp_image(image, transform, input_hw, out)
    return inputs
