"""Compute PCK on Leeds Sports Pose: the share of joints predicted within a fraction of the torso's length.

By default the torso reaches from the left shoulder to the right hip, and all 14 joints count, occluded ones too: the definition
of the benchmark's own evaluation (MPI Informatics, evalLSP; Yang and Ramanan, 2013). The definitions in use are
:data:`benchmark.config.conventions.PCK_PRESETS`. LSP has no head boxes, so PCKh cannot be computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmark.config.conventions import PCK_PRESETS, PCK_THRESHOLDS, PckPreset, Sides
from benchmark.core.errors import InputError
from benchmark.core.keypoints import LSP_JOINTS, LSP_PARTS, joint_indices
from benchmark.core.statistics import resample_sums
from benchmark.metrics.pckh import MEAN_COLUMN, PckhEstimate

NOT_OCCLUDED = 2  # as in People, where 1 marks an annotated but occluded joint
PARTS = {part: joint_indices(LSP_JOINTS, names) for part, names in LSP_PARTS.items()}


class _Annotations(NamedTuple):
    """Annotated joints ``[N, 14, 2]`` and visibilities ``[N, 14]``, named by the sides of a preset."""

    joints: np.ndarray
    visible: np.ndarray

    @classmethod
    def of(cls, joints: np.ndarray, visible: np.ndarray, sides: Sides) -> _Annotations:
        if sides == "person":
            return cls(joints, visible)
        order = observer_order(joints)
        return cls(_reorder(joints, order), np.take_along_axis(visible, order, axis=1))


def bootstrap_pck(
    files: Mapping[str, np.ndarray],
    truth: np.ndarray,
    visible: np.ndarray,
    thresholds: Sequence[float] = PCK_THRESHOLDS,
    presets: Mapping[str, PckPreset] = PCK_PRESETS,
    *,
    sides: Sides = "person",
    allow_missing: bool = False,
) -> dict[tuple[str, str, float], PckhEstimate]:
    """Compute PCK of several sets of predictions under several presets, with paired bootstrap replicates over people.

    Args:
        files: name -> predictions [N, 14, 2] in pixels.
        truth: [N, 14, 2] pixels, counted from the same origin, person-centric.
        visible: [N, 14] as in People: 0 for a joint that is not annotated and never counts, 1 occluded, 2 visible.
        thresholds: fractions of the torso; a joint at exactly this distance counts.
        presets: name -> definition.
        sides: Whose left and right the predictions are named by. Person-centric ones are converted for an observer-centric
            preset by :func:`observer_order`; the reverse is impossible.
        allow_missing: A predicted joint whose coordinates are NaN is missed, as in evalLSP; otherwise it is an error.

    Returns:
        (file, preset, threshold) -> estimate.

    Raises:
        InputError: shapes disagree, a value is not finite, a torso cannot be measured, or a preset does not fit ``sides``.
    """
    _check_predictions(files, truth, visible, allow_missing)
    annotations, counted = {}, {}
    for name, preset in presets.items():
        if sides == "observer" and preset.sides == "person":
            raise InputError(f"PCK ({preset.description}) names joints by the person's left and right, the predictions do not")
        annotations[name] = _Annotations.of(truth, visible, preset.sides)
        _check_annotations(annotations[name], preset)
        counted[name] = annotations[name].visible > 0 if preset.occluded else annotations[name].visible == NOT_OCCLUDED
    hits = {}
    for file, points in files.items():
        for name, preset in presets.items():
            named = points if preset.sides == sides else _reorder(points, observer_order(points))
            for threshold in thresholds:
                hits[file, name, threshold] = _hits(named, annotations[name].joints, preset, threshold) & counted[name]
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


def observer_order(joints: np.ndarray) -> np.ndarray:
    """Return for each person the joint that takes each place when sides are the observer's, as indices ``[N, 14]``.

    The body is thought upright, its torso pointing down. The legs change places if the right hip is then on the right of the
    left one, and the arms if the right shoulder is on the right of the left one (Eichner and Ferrari, ACCV 2012). For LSP's
    annotations this gives the observer-centric annotations of its benchmark, for all 2,000 people.

    Args:
        joints: ``[N, 14, 2]`` pixels, person-centric.
    """
    at = {name: joints[:, index] for index, name in enumerate(LSP_JOINTS)}
    torso = (at["right_hip"] + at["left_hip"] - at["right_shoulder"] - at["left_shoulder"]) / 2
    to_the_right = np.stack([torso[:, 1], -torso[:, 0]], axis=1)  # of an upright body, in the image
    order = np.tile(np.arange(len(LSP_JOINTS)), (len(joints), 1))
    for end, limb in (("hip", ("ankle", "knee", "hip")), ("shoulder", ("wrist", "elbow", "shoulder"))):
        crossed = ((at[f"right_{end}"] - at[f"left_{end}"]) * to_the_right).sum(1) > 0
        right, left = (joint_indices(LSP_JOINTS, (f"{side}_{name}" for name in limb)) for side in ("right", "left"))
        order[np.ix_(crossed, right + left)] = left + right
    return order


def _reorder(joints: np.ndarray, order: np.ndarray) -> np.ndarray:
    return np.take_along_axis(joints, order[..., None], axis=1)


def _hits(points: np.ndarray, truth: np.ndarray, preset: PckPreset, threshold: float) -> np.ndarray:
    with np.errstate(over="ignore"):  # a finite prediction at a huge distance is infinitely far: a miss
        distance = np.linalg.norm(points - (truth + preset.offset), axis=-1)
    return distance <= threshold * preset.lengths(truth)[:, None]  # False for NaN


def _percentages(hits: np.ndarray, counted: np.ndarray) -> dict[str, np.ndarray]:
    """Compute parts and mean [...] in percent from the numbers of joints hit and counted, [..., 14] each; NaN for 0 of 0."""
    with np.errstate(invalid="ignore"):
        parts = {
            part: 100.0 * hits[..., list(members)].sum(-1) / counted[..., list(members)].sum(-1)
            for part, members in PARTS.items()
        }
        return parts | {MEAN_COLUMN: 100.0 * hits.sum(-1) / counted.sum(-1)}


def _check_annotations(annotations: _Annotations, preset: PckPreset) -> None:
    joints, visible = annotations
    for pair in preset.torsos:
        unmarked = np.flatnonzero(~(visible[:, joint_indices(LSP_JOINTS, pair)] > 0).all(1))
        if len(unmarked):
            ends = " or ".join(pair).replace("_", " ")
            raise InputError(f"annotations: person {unmarked[0]}: {ends} is missing, so PCK is undefined")
    empty = np.flatnonzero(~(preset.lengths(joints) > 0))
    if len(empty):
        raise InputError(f"annotations: person {empty[0]}: the torso has no length, so PCK is undefined")
    if not preset.occluded and not (visible == NOT_OCCLUDED).any():
        raise InputError(f"annotations: no joint is visible, so PCK ({preset.description}) is undefined")


def _check_predictions(files: Mapping[str, np.ndarray], truth: np.ndarray, visible: np.ndarray, allow_missing: bool) -> None:
    shape = (len(truth), len(LSP_JOINTS), 2)
    if truth.shape != shape or visible.shape != shape[:2] or not len(truth):
        shapes = f"joints have shape {truth.shape} and visibilities {visible.shape}"
        raise InputError(f"annotations: {shapes}, expected (N, 14, 2) and (N, 14)")
    for name, points in files.items():
        if points.shape != shape:
            raise InputError(f"{name}: shape {points.shape}, but the annotated joints have shape {shape}")
        missing = np.isnan(points).all(-1, keepdims=True) if allow_missing else False
        bad = ~(np.isfinite(points) | missing)
        if bad.any():
            person, joint, _ = np.argwhere(bad)[0]
            raise InputError(f"{name}: person {person}: {LSP_JOINTS[joint]} is not finite")
