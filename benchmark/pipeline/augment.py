"""Training views of people: flip, scale, rotation and half-body augmentation, as each public code draws them.

One call draws the views of all people for a whole epoch from one generator. A person's view therefore depends on the seed and
the epoch alone, not on the batch size, on the number of processes, or on where an interrupted run resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from benchmark.config.pipeline import Augmentation, find_crop_rule
from benchmark.core.keypoints import mirrored_indices, upper_body_indices
from benchmark.data.people import People
from benchmark.pipeline.crops import box_transform, check_boxes, fit_aspect, transform_points, trim_boxes

# P(z < 0.5) of a standard normal number: how often the upper half is preferred.
UPPER_HALF = 0.6914624612740131


@dataclass(frozen=True, kw_only=True)
class Views:
    """One view of each person, as columns of N people.

    Attributes:
        centers: centres of the boxes, float64 ``[N, 2]`` pixels of the image.
        sizes: width and height of the boxes before aspect and zoom, float64 ``[N, 2]`` pixels of the image.
        zooms: padding times scale, float64 ``[N]``.
        rotations: float64 ``[N]`` degrees.
        flips: whether the image is mirrored, bool ``[N]``.
        alignment: see :class:`benchmark.config.pipeline.CropRule`.
    """

    centers: np.ndarray
    sizes: np.ndarray
    zooms: np.ndarray
    rotations: np.ndarray
    flips: np.ndarray
    alignment: Literal["corner", "center"] = "corner"

    def __len__(self) -> int:
        return len(self.flips)

    def select(self, rows: Sequence[int] | np.ndarray) -> Views:
        """Return the views at ``rows``, in that order."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return Views(**{name: column if name == "alignment" else column[rows] for name, column in columns.items()})

    def transforms(self, output_hw: tuple[int, int]) -> np.ndarray:
        """Compute the transforms from image to input, float64 ``[N, 2, 3]``."""
        sizes = fit_aspect(self.sizes, output_hw) * self.zooms[:, None]
        return box_transform(
            self.centers, sizes, self.rotations, output_hw=output_hw, flips=self.flips, alignment=self.alignment
        )


def epoch_generator(seed: int, epoch: int) -> np.random.Generator:
    """Return the generator of an epoch's views; epochs are independent, so that each can be drawn without those before it."""
    return np.random.default_rng([seed, epoch])


def draw_views(
    people: People, joint_names: tuple[str, ...], augmentation: Augmentation, rule: str, generator: np.random.Generator
) -> Views:
    """Draw one view of each person.

    The random numbers do not depend on the augmentation, so that two augmentations can be compared on the same draws.

    Args:
        joint_names: in the order of ``people.joints``.
        rule: a name in :data:`benchmark.config.pipeline.CROP_RULES`.

    Raises:
        InputError: the rule is unknown, or a crop cannot be made from a box.
    """
    crop_rule = find_crop_rule(rule)
    check_boxes(people)
    centers, sizes = trim_boxes(people, crop_rule)

    # All random numbers, in an order that must stay: other draws would be other views for the same seed.
    flip, rotate, halve, upper = generator.random((4, len(people)))
    if augmentation.distribution == "normal":
        zoom, angle = generator.standard_normal((2, len(people)))
        zoom, angle = zoom.clip(-1, 1), angle.clip(-2, 2)
    else:
        zoom, angle = generator.uniform(-1, 1, (2, len(people)))
    paddings = np.full(len(people), crop_rule.padding)

    # The preferred half needs three joints. If it has fewer, take the lower half if it has three, and the upper half if not.
    half_centers, half_sizes, counts = half_bodies(people, joint_names)
    takes_upper = ((upper < UPPER_HALF) & (counts[:, 0] > 2)) | (counts[:, 1] <= 2)
    half = np.where(takes_upper, 0, 1)
    rows = np.arange(len(people))
    halved = (halve < augmentation.half_body) & (counts.sum(1) > augmentation.half_body_joints) & (counts[rows, half] >= 2)
    return Views(
        centers=np.where(halved[:, None], half_centers[rows, half], centers),
        sizes=np.where(halved[:, None], half_sizes[rows, half], sizes),
        zooms=np.where(halved, augmentation.half_body_padding, paddings) * (1 + augmentation.scale * zoom),
        rotations=np.where(rotate <= augmentation.rotation_probability, augmentation.rotation * angle, 0.0),
        flips=flip < augmentation.flip,
        alignment=crop_rule.alignment,
    )


def half_bodies(people: People, joint_names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the upper and the lower half of each person for half-body augmentation.

    Returns:
        Means of the annotated joints ``[N, 2, 2]``, sizes of their boxes ``[N, 2, 2]`` and their numbers ``[N, 2]``; the
        second axis is upper, lower. A half without joints has zeros, and no other box is smaller than a pixel.
    """
    upper = np.isin(np.arange(len(joint_names)), upper_body_indices(joint_names))
    member = np.stack([upper, ~upper]) & (people.visible > 0)[:, None]  # [N, 2, K]
    counts = member.sum(-1)
    points = people.joints[:, None]  # [N, 1, K, 2]
    inside = member[..., None]
    means = np.where(inside, points, 0.0).sum(2) / np.maximum(counts, 1)[..., None]
    low = np.where(inside, points, np.inf).min(2)
    high = np.where(inside, points, -np.inf).max(2)
    sizes = np.where((counts > 0)[..., None], np.maximum(high - low, 1.0), 0.0)
    return means, sizes, counts


def visible_region(
    people: People, joint_names: tuple[str, ...], augmentation: Augmentation, rule: str, output_hw: tuple[int, int]
) -> np.ndarray:
    """Compute the region of the image that views of a person can show: left, top, right, bottom, pixels ``[N, 4]``.

    A cache of these regions holds all that an augmentation drawn later can need.
    """
    crop_rule = find_crop_rule(rule)
    check_boxes(people)
    largest = 1 + augmentation.scale
    boxes = [(*trim_boxes(people, crop_rule), crop_rule.padding, np.ones(len(people), bool))]
    if augmentation.half_body:
        centers, sizes, counts = half_bodies(people, joint_names)
        eligible = (counts.sum(1) > augmentation.half_body_joints)[:, None] & (counts >= 2)
        for half in (0, 1):
            boxes.append((centers[:, half], sizes[:, half], augmentation.half_body_padding, eligible[:, half]))
    corners = []
    for centers, sizes, padding, shown in boxes:
        extent = _rotated_extent(fit_aspect(sizes, output_hw) * padding * largest, augmentation.largest_rotation) / 2
        corners.append(np.where(shown[:, None], np.concatenate([extent - centers, centers + extent], 1), -np.inf))
    farthest = np.max(corners, axis=0)
    return farthest * np.array([-1, -1, 1, 1])


def _rotated_extent(sizes: np.ndarray, degrees: float) -> np.ndarray:
    """Return width and height ``[..., 2]`` of the upright box around boxes rotated by up to ``degrees`` either way."""
    limit = np.deg2rad(min(degrees, 90.0))
    width, height = sizes[..., 0], sizes[..., 1]

    def extent(along: np.ndarray, across: np.ndarray) -> np.ndarray:
        angle = np.minimum(limit, np.arctan2(across, along))  # along cos a + across sin a is largest at atan(across / along)
        return along * np.cos(angle) + across * np.sin(angle)

    return np.stack([extent(width, height), extent(height, width)], -1)


def view_joints(
    people: People, joint_names: tuple[str, ...], rows: np.ndarray, views: Views, transforms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the joints of some people in their views; in mirrored views left and right are swapped.

    Args:
        joint_names: in the order of ``people.joints``.
        rows: of the people, ``[B]``.
        views: of these people only, B of them.
        transforms: from image to input, ``[B, 2, 3]``.

    Returns:
        Pixels of the input, float64 ``[B, K, 2]``, and visibility as in :class:`People`, ``[B, K]``.
    """
    positions, visible = transform_points(transforms, people.joints[rows]), people.visible[rows]
    order = np.where(views.flips[:, None], mirrored_indices(joint_names), np.arange(len(joint_names)))
    return np.take_along_axis(positions, order[..., None], 1), np.take_along_axis(visible, order, 1)
