"""Scores of detected persons, and which of two that are the same person stays: as HRNet and mmpose 0.x hand them to COCO."""

from __future__ import annotations

import numpy as np

from benchmark.core.errors import InputError
from benchmark.metrics.oks import OKS_SIGMAS

OKS_NMS_VERSION = 1


def rescore_persons(box_scores: np.ndarray, joint_scores: np.ndarray, threshold: float = 0.2) -> np.ndarray:
    """A person's score: the detector's times the mean of the joint scores above ``threshold``; 0 where there are none.

    Args:
        box_scores: ``[N]``.
        joint_scores: heights of the heatmaps, ``[N, K]``.

    Returns:
        ``[N]``.
    """
    counted = joint_scores > threshold
    total = np.where(counted, joint_scores, 0).sum(1)
    return box_scores * total / np.maximum(counted.sum(1), 1)


def keypoint_similarity(joints: np.ndarray, areas: np.ndarray, sigmas: np.ndarray = OKS_SIGMAS) -> np.ndarray:
    """How alike the persons of one image are, ``[N, N]``: COCO's similarity over all joints, with the mean of both areas.

    Args:
        joints: ``[N, K, 2]`` pixels.
        areas: square pixels ``[N]``; HRNet takes those of the padded crops.
        sigmas: ``[K]``.
    """
    squared = np.square(joints[:, None] - joints[None]).sum(-1)  # [N, N, K]
    area = (areas[:, None] + areas[None]) / 2 + np.spacing(1)
    return np.exp(-squared / (2 * (2 * sigmas) ** 2) / area[..., None]).mean(-1)


def keep_distinct(
    joints: np.ndarray, areas: np.ndarray, scores: np.ndarray, threshold: float = 0.9, sigmas: np.ndarray = OKS_SIGMAS
) -> np.ndarray:
    """The persons of one image that stay: best first, all that are more alike than ``threshold`` to a kept one go.

    Args:
        joints: ``[N, K, 2]`` pixels.
        areas: square pixels ``[N]``.
        scores: ``[N]``; among equal scores the earlier person comes first.

    Returns:
        Their positions, best first.
    """
    similar = keypoint_similarity(joints, areas, sigmas) > threshold
    gone = np.zeros(len(scores), bool)
    kept = []
    for person in np.argsort(-scores, kind="stable"):
        if not gone[person]:
            kept.append(int(person))
            gone |= similar[person]
    return np.array(kept, dtype=np.int64)


def suppress_duplicates(
    image_ids: np.ndarray,
    joints: np.ndarray,
    areas: np.ndarray,
    scores: np.ndarray,
    threshold: float = 0.9,
    sigmas: np.ndarray = OKS_SIGMAS,
) -> np.ndarray:
    """:func:`keep` within each image: positions of the N persons that stay, in their old order.

    Raises:
        InputError: a length differs, or a value is not finite.
    """
    for name, column in (("joints", joints), ("areas", areas), ("scores", scores)):
        if len(column) != len(image_ids):
            raise InputError(f"{len(column)} {name} for {len(image_ids)} persons")
        if not np.isfinite(column).all():
            person = int(np.argmax(~np.isfinite(column.reshape(len(column), -1)).all(1)))
            raise InputError(f"{name} of person {person} in image {image_ids[person]} are not finite")
    order = np.argsort(image_ids, kind="stable")
    borders = np.flatnonzero(np.diff(image_ids[order])) + 1
    kept = [
        rows[keep_distinct(joints[rows], areas[rows], scores[rows], threshold, sigmas)] for rows in np.split(order, borders)
    ]
    return np.sort(np.concatenate(kept)) if len(image_ids) else order
