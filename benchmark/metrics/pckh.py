"""Compute PCKh: the share of joints predicted within a fraction of the head size (Andriluka et al., CVPR 2014, section 5).

Four public evaluation codes report PCKh and differ in the details; :data:`benchmark.config.conventions.PCKH_PRESETS` lists
these. All of them take 0.6 times the diagonal of the annotated head box as the head size:
:func:`benchmark.core.keypoints.compute_head_sizes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from benchmark.config.conventions import PCKH_THRESHOLDS, PckhPreset
from benchmark.core.errors import InputError
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.core.statistics import resample_sums

MEAN_COLUMN = "Mean"  # key of the mean, next to the names of the parts


class PckhEstimate(NamedTuple):
    """Parts and mean in percent: their values, and their values in each bootstrap replicate ([R])."""

    value: dict[str, float]
    replicates: dict[str, np.ndarray]


def bootstrap_pckh(
    files: Mapping[str, tuple[np.ndarray, Literal[0, 1]]],
    truth: np.ndarray,
    head_size: np.ndarray,
    visible: np.ndarray,
    presets: Mapping[str, PckhPreset],
    thresholds: Sequence[float] = PCKH_THRESHOLDS,
) -> dict[tuple[str, str, float], PckhEstimate]:
    """Compute PCKh of several sets of predictions under several presets, with bootstrap replicates over people.

    All replicates are paired: the difference of two estimates' replicates is a paired difference.

    Args:
        files: name -> ([N, 16, 2] predictions in pixels, coordinate of the centre of their top-left pixel).
        truth: [N, 16, 2] pixels, counted from 1.
        head_size: [N] pixels.
        visible: [N, 16], true where the joint is annotated; other joints do not count.
        presets: name -> convention.
        thresholds: as printed in tables; a preset may use others: :meth:`PckhPreset.effective`.

    Returns:
        (file, preset, threshold) -> estimate.

    Raises:
        InputError: shapes disagree, a value is not finite, a head size is not positive, or a scored joint is never annotated.
    """
    visible = np.asarray(visible, dtype=bool)
    scored = sorted({joint for preset in presets.values() for joint in preset.joints})
    hits: dict[tuple[str, str, float], np.ndarray] = {}
    for file, (predictions, origin) in files.items():
        _check_inputs(predictions, truth, head_size, visible, scored, file)
        points = predictions.astype(np.float64)
        offsets = {preset.offset * (origin == 0) for preset in presets.values()}
        distances = {offset: _normalised_distances(points + offset, truth, head_size) for offset in offsets}
        for name, preset in presets.items():
            distance = distances[preset.offset * (origin == 0)]
            for threshold in thresholds:
                limit = preset.effective(threshold)
                within = distance <= limit if preset.comparison == "<=" else distance < limit
                hits[file, name, threshold] = within & visible

    columns = np.concatenate([*hits.values(), visible], axis=1)  # one matrix product resamples everything
    *resampled_hits, resampled_visible = np.split(resample_sums(columns), len(hits) + 1, axis=1)
    estimates = {}
    for (key, hit), resampled in zip(hits.items(), resampled_hits, strict=True):
        value = _percentages(hit.sum(0), visible.sum(0), presets[key[1]])
        replicates = _percentages(resampled, resampled_visible, presets[key[1]])
        estimates[key] = PckhEstimate({part: float(percent) for part, percent in value.items()}, replicates)
    return estimates


def _normalised_distances(points: np.ndarray, truth: np.ndarray, head_size: np.ndarray) -> np.ndarray:
    """Return the distances [N, 16] of predicted to annotated joints in head sizes."""
    with np.errstate(over="ignore"):  # a finite prediction at a huge distance is infinitely far: a miss
        return np.linalg.norm(points - truth, axis=-1) / head_size[:, None]


def _percentages(hits: np.ndarray, annotated: np.ndarray, preset: PckhPreset) -> dict[str, np.ndarray]:
    """Compute parts and mean [...] in percent from the numbers of joints hit and annotated, [..., 16] each.

    A value that needs a joint that is never annotated is NaN.
    """
    with np.errstate(invalid="ignore"):
        joint = 100.0 * hits / annotated
        values = {part: joint[..., list(members)].mean(-1) for part, members in preset.parts.items()}
        scored = list(preset.joints)
        if preset.mean == "visible":
            mean = 100.0 * hits[..., scored].sum(-1) / annotated[..., scored].sum(-1)
        elif preset.mean == "joints":
            mean = joint[..., scored].mean(-1)
        else:
            mean = np.mean(list(values.values()), axis=0)
    return values | {MEAN_COLUMN: mean}


def _check_inputs(
    predictions: np.ndarray,
    truth: np.ndarray,
    head_size: np.ndarray,
    visible: np.ndarray,
    scored: Sequence[int],
    source: str,
) -> None:
    """Raise InputError for arrays that would silently give a wrong score: a comparison with NaN, for example, is false."""
    if predictions.shape != truth.shape or truth.shape[1:] != (len(MPII_JOINTS), 2) or not len(truth):
        raise InputError(f"{source}: shape {predictions.shape}, but the annotated joints have shape {truth.shape}")
    if head_size.shape != truth.shape[:1] or visible.shape != truth.shape[:2]:
        shapes = f"head sizes have shape {head_size.shape} and visibilities {visible.shape}"
        raise InputError(f"annotations: {len(truth)} people, but {shapes}")
    check_finite(predictions, source)
    check_truth(truth, head_size, visible)
    for joint in scored:
        if not visible[:, joint].any():
            raise InputError(f"annotations: joint {MPII_JOINTS[joint]} is never annotated, so its PCKh is undefined")


def check_truth(truth: np.ndarray, head_size: np.ndarray, visible: np.ndarray, source: str = "annotations") -> None:
    """Raise InputError for the first visible joint that is not finite, or head size that is not positive."""
    check_finite(np.where(visible[..., None], truth, 0.0), source)
    bad = np.flatnonzero(~(np.isfinite(head_size) & (head_size > 0)))
    if len(bad):
        raise InputError(f"{source}: person {bad[0]}: head size is {head_size[bad[0]]:g}, must be positive")


def check_finite(points: np.ndarray, source: str) -> None:
    """Raise InputError for the first NaN or infinity in points [N, K, 2], naming person and joint."""
    finite = np.isfinite(points)
    if not finite.all():
        person, joint, axis = np.argwhere(~finite)[0]
        where = f"person {person}, joint {joint} ({MPII_JOINTS[joint]})"
        raise InputError(f"{source}: {where}: {'xy'[axis]} is {points[person, joint, axis]:g}, must be finite")
