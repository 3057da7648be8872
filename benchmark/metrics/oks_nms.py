"""Rescore detected people and suppress duplicates among them, as HRNet and mmpose 0.x do before COCO's evaluation."""

from __future__ import annotations

import numpy as np

from benchmark.core.errors import InputError
from benchmark.metrics.oks import OKS_SIGMAS


def rescore_people(box_scores: np.ndarray, joint_scores: np.ndarray, threshold: float = 0.2) -> np.ndarray:
    """Return each person's score [N]: the box score times the mean of the joint scores above ``threshold``.

    A person without a joint score above the threshold gets 0.

    Args:
        box_scores: [N], from the person detector.
        joint_scores: [N, K], heights of the heatmaps' peaks.
    """
    counted = joint_scores > threshold
    total = np.where(counted, joint_scores, 0).sum(1)
    return box_scores * total / np.maximum(counted.sum(1), 1)


def keypoint_similarity(joints: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Return the similarities [N, N] of the people in one image: COCO's OKS over all joints, with the mean of both areas.

    Args:
        joints: [N, 17, 2] pixels.
        areas: [N] square pixels; HRNet uses those of the padded crops.
    """
    squared = np.square(joints[:, None] - joints[None]).sum(-1)  # [N, N, 17]
    area = (areas[:, None] + areas[None]) / 2 + np.spacing(1)
    return np.exp(-squared / (2 * (2 * OKS_SIGMAS) ** 2) / area[..., None]).mean(-1)


def keep_distinct(joints: np.ndarray, areas: np.ndarray, scores: np.ndarray, threshold: float = 0.9) -> np.ndarray:
    """Return the indices of the people in one image that remain, best first.

    The best person remains, everyone more similar to them than ``threshold`` is removed, and so on with the rest.

    Args:
        joints: [N, 17, 2] pixels.
        areas: [N] square pixels.
        scores: [N]; among equal scores, the earlier person comes first.
    """
    similar = keypoint_similarity(joints, areas) > threshold
    removed = np.zeros(len(scores), bool)
    remaining = []
    for person in np.argsort(-scores, kind="stable"):
        if not removed[person]:
            remaining.append(int(person))
            removed |= similar[person]
    return np.array(remaining, dtype=np.int64)


def suppress_duplicates(
    image_ids: np.ndarray, joints: np.ndarray, areas: np.ndarray, scores: np.ndarray, threshold: float = 0.9
) -> np.ndarray:
    """Apply :func:`keep_distinct` to each image and return the indices of the people that remain, in ascending order.

    Raises:
        InputError: the arrays differ in length, or a value is not finite.
    """
    for name, column in (("joints", joints), ("areas", areas), ("scores", scores)):
        if len(column) != len(image_ids):
            raise InputError(f"{len(column)} {name} for {len(image_ids)} people")
        if not np.isfinite(column).all():
            person = int(np.argmax(~np.isfinite(column.reshape(len(column), -1)).all(1)))
            raise InputError(f"{name} of person {person} in image {image_ids[person]} are not finite")
    order = np.argsort(image_ids, kind="stable")
    borders = np.flatnonzero(np.diff(image_ids[order])) + 1
    remaining = [rows[keep_distinct(joints[rows], areas[rows], scores[rows], threshold)] for rows in np.split(order, borders)]
    return np.sort(np.concatenate(remaining)) if len(image_ids) else order
