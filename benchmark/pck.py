"""PCK on Leeds Sports Pose: the share of joints predicted within a fraction of the torso's length.

The torso reaches from the left shoulder to the right hip (Yang and Ramanan, 2013; on LSP with person-centric joints since
Pishchulin et al.), and all 14 joints count. There are no head boxes, hence no PCKh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark import bootstrap
from benchmark.errors import InputError
from benchmark.joints import LSP_JOINTS, LSP_PARTS, indices
from benchmark.pckh import MEAN, Estimate

VERSION = 1
THRESHOLDS = (0.2, 0.1, 0.05)  # fractions of the torso
TORSO = indices(LSP_JOINTS, ("left_shoulder", "right_hip"))
PARTS = {part: indices(LSP_JOINTS, names) for part, names in LSP_PARTS.items()}


def torso_lengths(truth: np.ndarray) -> np.ndarray:
    """[N] pixels from the left shoulder to the right hip of annotated joints [N, 14, 2]."""
    shoulder, hip = TORSO
    return np.linalg.norm(truth[:, shoulder] - truth[:, hip], axis=-1)


def pck(predictions: np.ndarray, truth: np.ndarray, visible: np.ndarray, threshold: float = 0.2) -> dict[str, float]:
    """PCK of each part and the mean ("Mean"), percent.

    Args:
        predictions, truth: [N, 14, 2] pixels, counted from the same origin.
        visible: [N, 14], true where a joint is annotated; occluded joints are, and all others count nowhere.
        threshold: fraction of the torso; a joint at that very distance counts.

    Raises:
        InputError: shapes disagree, a value is not finite, or a torso cannot be measured.
    """
    return bootstrapped({"": predictions}, truth, visible, (threshold,))["", threshold].value


def bootstrapped(
    files: Mapping[str, np.ndarray], truth: np.ndarray, visible: np.ndarray, thresholds: Sequence[float] = THRESHOLDS
) -> dict[tuple[str, float], Estimate]:
    """PCK of several sets of predictions by (name, threshold), with replicates over persons that are paired throughout.

    Raises:
        InputError: as in :func:`pck`.
    """
    visible = np.asarray(visible, bool)
    _check(files, truth, visible)
    torso = torso_lengths(truth)[:, None]
    hits = {
        (name, threshold): (np.linalg.norm(points - truth, axis=-1) <= threshold * torso) & visible
        for name, points in files.items()
        for threshold in thresholds
    }
    *sums, seen = np.split(bootstrap.resampled_sums(np.concatenate([*hits.values(), visible], axis=1)), len(hits) + 1, axis=1)
    return {
        key: Estimate(
            {part: float(percent) for part, percent in _percentages(hit.sum(0), visible.sum(0)).items()},
            _percentages(resampled, seen),
        )
        for (key, hit), resampled in zip(hits.items(), sums, strict=True)
    }


def _percentages(hits: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Parts and mean from counts [..., 14]: joints hit and joints annotated -> [...] percent."""
    with np.errstate(invalid="ignore"):
        parts = {part: 100.0 * hits[..., list(own)].sum(-1) / seen[..., list(own)].sum(-1) for part, own in PARTS.items()}
        return parts | {MEAN: 100.0 * hits.sum(-1) / seen.sum(-1)}


def _check(files: Mapping[str, np.ndarray], truth: np.ndarray, visible: np.ndarray) -> None:
    shape = (len(truth), len(LSP_JOINTS), 2)
    if truth.shape != shape or visible.shape != shape[:2] or not len(truth):
        raise InputError(f"annotations: joints {truth.shape} and visibilities {visible.shape}, expected (N, 14, 2) and (N, 14)")
    if unmarked := np.flatnonzero(~visible[:, TORSO].all(1)).tolist():
        raise InputError(f"annotations: person {unmarked[0]}: left shoulder or right hip is missing, so PCK is undefined")
    if short := np.flatnonzero(~(torso_lengths(truth) > 0)).tolist():
        raise InputError(f"annotations: person {short[0]}: the torso has no length, so PCK is undefined")
    for name, points in files.items():
        if points.shape != shape:
            raise InputError(f"{name or 'predictions'}: shape {points.shape}, but the annotated joints have {shape}")
        if not np.isfinite(points).all():
            person, joint, _ = np.argwhere(~np.isfinite(points))[0]
            raise InputError(f"{name or 'predictions'}: person {person}: {LSP_JOINTS[joint]} is not finite")
