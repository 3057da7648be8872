"""Training views of persons: flip, scale, rotation and half-body, as each public code draws them.

One call draws the views of all persons for a whole epoch from one generator, so that a person's view depends on the seed and
the epoch alone: not on the batch size, on the number of processes, or on where an interrupted run resumed.
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

AUGMENT_VERSION = 1

# P(z < 0.5) of a standard normal number: how often the upper half is preferred.
UPPER_HALF = 0.6914624612740131


@dataclass(frozen=True, kw_only=True)
class Views:
    """What of each photograph a network is shown: the columns of N persons."""

    centers: np.ndarray  # float64 [N, 2] pixels of the photograph
    sizes: np.ndarray  # float64 [N, 2] width and height of the box, before aspect and zoom
    zooms: np.ndarray  # float64 [N] padding times scale
    rotations: np.ndarray  # float64 [N] degrees
    flips: np.ndarray  # bool [N]
    alignment: Literal["corner", "center"] = "corner"

    def __len__(self) -> int:
        return len(self.flips)

    def select(self, rows: Sequence[int] | np.ndarray) -> Views:
        """The views at ``rows``, in that order."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return Views(**{name: column if name == "alignment" else column[rows] for name, column in columns.items()})

    def matrices(self, output_hw: tuple[int, int]) -> np.ndarray:
        """Photograph to input, float64 ``[N, 2, 3]``."""
        sizes = fit_aspect(self.sizes, output_hw) * self.zooms[:, None]
        return box_transform(
            self.centers, sizes, self.rotations, output_hw=output_hw, flips=self.flips, alignment=self.alignment
        )


def epoch_generator(seed: int, epoch: int) -> np.random.Generator:
    """The generator of an epoch's views; epochs are independent, and any of them can be drawn without the ones before."""
    return np.random.default_rng([seed, epoch])


def draw_views(
    people: People, names: tuple[str, ...], augmentation: Augmentation, rule: str, generator: np.random.Generator
) -> Views:
    """One view of each person.

    The numbers drawn do not depend on the augmentation, so that two augmentations can be compared on the same draws.

    Args:
        names: of the joints, in the order of ``people.joints``.
        rule: one of :data:`benchmark.config.pipeline.CROP_RULES`.

    Raises:
        InputError: an unknown rule or an impossible box.
    """
    found = find_crop_rule(rule)
    check_boxes(people)
    centers, sizes = trim_boxes(people, found)
    flip, turn, halve, upper = generator.random((4, len(people)))
    if augmentation.distribution == "normal":
        zoom, angle = generator.standard_normal((2, len(people)))
        zoom, angle = zoom.clip(-1, 1), angle.clip(-2, 2)
    else:
        zoom, angle = generator.uniform(-1, 1, (2, len(people)))
    paddings = np.full(len(people), found.padding)

    half_centers, half_sizes, counts = half_bodies(people, names)
    # The preferred half needs three joints; failing that the lower one, if it has them; failing that the upper one.
    takes_upper = ((upper < UPPER_HALF) & (counts[:, 0] > 2)) | (counts[:, 1] <= 2)
    which = np.where(takes_upper, 0, 1)
    rows = np.arange(len(people))
    halved = (halve < augmentation.half_body) & (counts.sum(1) > augmentation.half_body_joints) & (counts[rows, which] >= 2)
    chosen_centers, chosen_sizes = half_centers[rows, which], half_sizes[rows, which]
    return Views(
        centers=np.where(halved[:, None], chosen_centers, centers),
        sizes=np.where(halved[:, None], chosen_sizes, sizes),
        zooms=np.where(halved, augmentation.half_body_padding, paddings) * (1 + augmentation.scale * zoom),
        rotations=np.where(turn <= augmentation.rotation_probability, augmentation.rotation * angle, 0.0),
        flips=flip < augmentation.flip,
        alignment=found.alignment,
    )


def half_bodies(people: People, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper and lower half of each person, as half-body augmentation sees them.

    Returns:
        Means of the annotated joints ``[N, 2, 2]``, sizes of their boxes ``[N, 2, 2]`` and their numbers ``[N, 2]``; the
        second axis is upper, lower. A half without joints has zeros, and no box is smaller than a pixel.
    """
    upper = np.isin(np.arange(len(names)), upper_body_indices(names))
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
    people: People, names: tuple[str, ...], augmentation: Augmentation, rule: str, output_hw: tuple[int, int]
) -> np.ndarray:
    """The part of its photograph that any view of a person can show: left, top, right, bottom, pixels ``[N, 4]``.

    A cache of these parts loses nothing to any augmentation drawn later.
    """
    found = find_crop_rule(rule)
    check_boxes(people)
    largest = 1 + augmentation.scale
    boxes = [(*trim_boxes(people, found), found.padding, np.ones(len(people), bool))]
    if augmentation.half_body:
        centers, sizes, counts = half_bodies(people, names)
        eligible = (counts.sum(1) > augmentation.half_body_joints)[:, None] & (counts >= 2)
        for half in (0, 1):
            boxes.append((centers[:, half], sizes[:, half], augmentation.half_body_padding, eligible[:, half]))
    corners = []
    for centers, sizes, padding, shown in boxes:
        extent = _turned(fit_aspect(sizes, output_hw) * padding * largest, augmentation.largest_rotation) / 2
        corners.append(np.where(shown[:, None], np.concatenate([extent - centers, centers + extent], 1), -np.inf))
    farthest = np.max(corners, axis=0)
    return farthest * np.array([-1, -1, 1, 1])


def _turned(sizes: np.ndarray, degrees: float) -> np.ndarray:
    """Width and height ``[..., 2]`` of the upright box around boxes turned by up to ``degrees`` either way."""
    limit = np.deg2rad(min(degrees, 90.0))
    width, height = sizes[..., 0], sizes[..., 1]

    def extent(along: np.ndarray, across: np.ndarray) -> np.ndarray:
        angle = np.minimum(limit, np.arctan2(across, along))  # along cos a + across sin a is largest at atan(across / along)
        return along * np.cos(angle) + across * np.sin(angle)

    return np.stack([extent(width, height), extent(height, width)], -1)


def view_joints(
    people: People, names: tuple[str, ...], rows: np.ndarray, views: Views, matrices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the joints of some persons lie in their views; in mirrored ones left and right are swapped.

    Args:
        rows: the persons, ``[B]``.
        views: of these persons, B long.
        matrices: photograph to input ``[B, 2, 3]``.

    Returns:
        Pixels of the input, float64 ``[B, K, 2]``, and visibility as in :class:`People`, ``[B, K]``.
    """
    positions, visible = transform_points(matrices, people.joints[rows]), people.visible[rows]
    order = np.where(views.flips[:, None], mirrored_indices(names), np.arange(len(names)))
    return np.take_along_axis(positions, order[..., None], 1), np.take_along_axis(visible, order, 1)
