"""PCK on Leeds Sports Pose: the share of joints predicted within a fraction of the torso's length.

By default the torso reaches from the left shoulder to the right hip (Yang and Ramanan, 2013; on LSP with person-centric joints
since Pishchulin et al.), and all 14 joints count; ``PRESETS`` names what else goes by the name of PCK. There are no head boxes,
hence no PCKh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.config.conventions import PCK_PRESETS, PCK_THRESHOLDS, PckPreset
from benchmark.core.errors import InputError
from benchmark.core.keypoints import LSP_JOINTS, LSP_PARTS, joint_indices
from benchmark.core.statistics import resample_sums
from benchmark.metrics.pckh import MEAN_COLUMN, PckhEstimate

PCK_VERSION = 1
NOT_OCCLUDED = 2  # as in People: 1 is a joint that is annotated, but occluded
PARTS = {part: joint_indices(LSP_JOINTS, names) for part, names in LSP_PARTS.items()}


def compute_pck(
    predictions: np.ndarray, truth: np.ndarray, visible: np.ndarray, threshold: float = 0.2, preset: str = ""
) -> dict[str, float]:
    """PCK of each part and the mean ("Mean"), percent.

    Args:
        predictions, truth: [N, 14, 2] pixels, counted from the same origin.
        visible: [N, 14] as in People: 0 for a joint that is not annotated, which counts nowhere, 1 for an occluded one, 2 for
            one that is shown.
        threshold: fraction of the torso; a joint at that very distance counts.
        preset: a name in :data:`PRESETS`.

    Raises:
        InputError: shapes disagree, a value is not finite, or a torso cannot be measured.
    """
    return bootstrap_pck({"": predictions}, truth, visible, (threshold,), {preset: PCK_PRESETS[preset]})[
        "", preset, threshold
    ].value


def bootstrap_pck(
    files: Mapping[str, np.ndarray],
    truth: np.ndarray,
    visible: np.ndarray,
    thresholds: Sequence[float] = PCK_THRESHOLDS,
    presets: Mapping[str, PckPreset] = PCK_PRESETS,
) -> dict[tuple[str, str, float], PckhEstimate]:
    """PCK of several sets of predictions by (name, preset, threshold), with replicates over persons that are paired throughout.

    Raises:
        InputError: as in :func:`pck`.
    """
    _check(files, truth, visible, presets)
    counted = {preset: visible > 0 if rule.occluded else visible == NOT_OCCLUDED for preset, rule in presets.items()}
    hits = {
        (name, preset, threshold): _hits(points, truth, rule, threshold) & counted[preset]
        for name, points in files.items()
        for preset, rule in presets.items()
        for threshold in thresholds
    }
    columns = [*hits.values(), *counted.values()]
    sums = np.split(resample_sums(np.concatenate(columns, axis=1)), len(columns), axis=1)
    seen = dict(zip(counted, sums[len(hits) :], strict=True))
    return {
        key: PckhEstimate(
            {part: float(percent) for part, percent in _percentages(hit.sum(0), counted[key[1]].sum(0)).items()},
            _percentages(resampled, seen[key[1]]),
        )
        for (key, hit), resampled in zip(hits.items(), sums, strict=False)
    }


def _hits(points: np.ndarray, truth: np.ndarray, preset: PckPreset, threshold: float) -> np.ndarray:
    distance = np.linalg.norm(points - (truth + preset.offset), axis=-1)
    return distance <= threshold * preset.lengths(truth)[:, None]


def _percentages(hits: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Parts and mean from counts [..., 14]: joints hit and joints annotated -> [...] percent; NaN where none is."""
    with np.errstate(invalid="ignore"):
        parts = {part: 100.0 * hits[..., list(own)].sum(-1) / seen[..., list(own)].sum(-1) for part, own in PARTS.items()}
        return parts | {MEAN_COLUMN: 100.0 * hits.sum(-1) / seen.sum(-1)}


def _check(files: Mapping[str, np.ndarray], truth: np.ndarray, visible: np.ndarray, presets: Mapping[str, PckPreset]) -> None:
    shape = (len(truth), len(LSP_JOINTS), 2)
    if truth.shape != shape or visible.shape != shape[:2] or not len(truth):
        raise InputError(f"annotations: joints {truth.shape} and visibilities {visible.shape}, expected (N, 14, 2) and (N, 14)")
    for rule in presets.values():
        for pair in rule.torsos:
            if unmarked := np.flatnonzero(~(visible[:, joint_indices(LSP_JOINTS, pair)] > 0).all(1)).tolist():
                ends = " or ".join(pair).replace("_", " ")
                raise InputError(f"annotations: person {unmarked[0]}: {ends} is missing, so PCK is undefined")
        if short := np.flatnonzero(~(rule.lengths(truth) > 0)).tolist():
            raise InputError(f"annotations: person {short[0]}: the torso has no length, so PCK is undefined")
        if not rule.occluded and not (visible == NOT_OCCLUDED).any():
            raise InputError(f"annotations: no joint is shown, so PCK ({rule.description}) is undefined")
    for name, points in files.items():
        if points.shape != shape:
            raise InputError(f"{name or 'predictions'}: shape {points.shape}, but the annotated joints have {shape}")
        if not np.isfinite(points).all():
            person, joint, _ = np.argwhere(~np.isfinite(points))[0]
            raise InputError(f"{name or 'predictions'}: person {person}: {LSP_JOINTS[joint]} is not finite")
