"""Compute PCK on Leeds Sports Pose: the share of joints predicted within a fraction of the torso's length.

By default the torso reaches from the left shoulder to the right hip (Yang and Ramanan, 2013; on LSP with person-centric joints
since Pishchulin et al.), and all 14 joints count; :data:`benchmark.config.conventions.PCK_PRESETS` lists the other definitions
in use. LSP has no head boxes, so PCKh cannot be computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.config.conventions import PCK_PRESETS, PCK_THRESHOLDS, PckPreset
from benchmark.core.errors import InputError
from benchmark.core.keypoints import LSP_JOINTS, LSP_PARTS, joint_indices
from benchmark.core.statistics import resample_sums
from benchmark.metrics.pckh import MEAN_COLUMN, PckhEstimate

NOT_OCCLUDED = 2  # as in People, where 1 marks an annotated but occluded joint
PARTS = {part: joint_indices(LSP_JOINTS, names) for part, names in LSP_PARTS.items()}


def bootstrap_pck(
    files: Mapping[str, np.ndarray],
    truth: np.ndarray,
    visible: np.ndarray,
    thresholds: Sequence[float] = PCK_THRESHOLDS,
    presets: Mapping[str, PckPreset] = PCK_PRESETS,
) -> dict[tuple[str, str, float], PckhEstimate]:
    """Compute PCK of several sets of predictions under several presets, with paired bootstrap replicates over people.

    Args:
        files: name -> predictions [N, 14, 2] in pixels.
        truth: [N, 14, 2] pixels, counted from the same origin.
        visible: [N, 14] as in People: 0 for a joint that is not annotated and never counts, 1 occluded, 2 visible.
        thresholds: fractions of the torso; a joint at exactly this distance counts.
        presets: name -> definition.

    Returns:
        (file, preset, threshold) -> estimate.

    Raises:
        InputError: shapes disagree, a value is not finite, or a torso cannot be measured.
    """
    _check_inputs(files, truth, visible, presets)
    counted = {name: visible > 0 if preset.occluded else visible == NOT_OCCLUDED for name, preset in presets.items()}
    hits = {
        (file, name, threshold): _hits(points, truth, preset, threshold) & counted[name]
        for file, points in files.items()
        for name, preset in presets.items()
        for threshold in thresholds
    }
    columns = [*hits.values(), *counted.values()]  # one matrix product resamples everything
    sums = np.split(resample_sums(np.concatenate(columns, axis=1)), len(columns), axis=1)
    resampled_counted = dict(zip(counted, sums[len(hits) :], strict=True))
    return {
        key: PckhEstimate(
            {part: float(percent) for part, percent in _percentages(hit.sum(0), counted[key[1]].sum(0)).items()},
            _percentages(resampled, resampled_counted[key[1]]),
        )
        for (key, hit), resampled in zip(hits.items(), sums, strict=False)
    }


def _hits(points: np.ndarray, truth: np.ndarray, preset: PckPreset, threshold: float) -> np.ndarray:
    distance = np.linalg.norm(points - (truth + preset.offset), axis=-1)
    return distance <= threshold * preset.lengths(truth)[:, None]


def _percentages(hits: np.ndarray, counted: np.ndarray) -> dict[str, np.ndarray]:
    """Compute parts and mean [...] in percent from the numbers of joints hit and counted, [..., 14] each; NaN for 0 of 0."""
    with np.errstate(invalid="ignore"):
        parts = {
            part: 100.0 * hits[..., list(members)].sum(-1) / counted[..., list(members)].sum(-1)
            for part, members in PARTS.items()
        }
        return parts | {MEAN_COLUMN: 100.0 * hits.sum(-1) / counted.sum(-1)}


def _check_inputs(
    files: Mapping[str, np.ndarray], truth: np.ndarray, visible: np.ndarray, presets: Mapping[str, PckPreset]
) -> None:
    shape = (len(truth), len(LSP_JOINTS), 2)
    if truth.shape != shape or visible.shape != shape[:2] or not len(truth):
        shapes = f"joints have shape {truth.shape} and visibilities {visible.shape}"
        raise InputError(f"annotations: {shapes}, expected (N, 14, 2) and (N, 14)")
    for preset in presets.values():
        for pair in preset.torsos:
            unmarked = np.flatnonzero(~(visible[:, joint_indices(LSP_JOINTS, pair)] > 0).all(1))
            if len(unmarked):
                ends = " or ".join(pair).replace("_", " ")
                raise InputError(f"annotations: person {unmarked[0]}: {ends} is missing, so PCK is undefined")
        empty = np.flatnonzero(~(preset.lengths(truth) > 0))
        if len(empty):
            raise InputError(f"annotations: person {empty[0]}: the torso has no length, so PCK is undefined")
        if not preset.occluded and not (visible == NOT_OCCLUDED).any():
            raise InputError(f"annotations: no joint is visible, so PCK ({preset.description}) is undefined")
    for name, points in files.items():
        if points.shape != shape:
            raise InputError(f"{name}: shape {points.shape}, but the annotated joints have shape {shape}")
        if not np.isfinite(points).all():
            person, joint, _ = np.argwhere(~np.isfinite(points))[0]
            raise InputError(f"{name}: person {person}: {LSP_JOINTS[joint]} is not finite")
