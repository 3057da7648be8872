"""PCKh: the share of joints predicted within a fraction of the head size (Andriluka et al., CVPR 2014, section 5).

Four public evaluation codes call their figure PCKh and mean different things; ``PRESETS`` names the differences. The
head size is ``HEAD_FACTOR`` times the diagonal of the annotated head box in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.keypoints import MPII_JOINTS, MPII_PARTS, joint_indices
from benchmark.core.statistics import resample_sums

PCKH_VERSION = 1
PCKH_THRESHOLDS = (0.5, 0.1)  # as tables print them
MEAN_COLUMN = "Mean"  # the key that stands beside the part names


@dataclass(frozen=True, kw_only=True)
class PckhPreset:
    """One convention: everything in which public PCKh codes differ.

    ``mean``: "visible" pools all annotated joints, so that each joint weighs as often as it was annotated; "joints" is the
    plain average over ``joints``; "parts" the plain average over the printed parts. ``offset`` brings predictions counted
    from pixel (0, 0) into the annotations' frame, which counts from (1, 1). ``thresholds``: printed -> really compared with.
    A part of several joints is their plain average in every convention.
    """

    mean: Literal["visible", "joints", "parts"]
    joints: tuple[int, ...]
    parts: Mapping[str, tuple[int, ...]]
    comparison: Literal["<=", "<"]
    offset: float
    thresholds: Mapping[float, float]
    source: str

    def effective(self, threshold: float) -> float:
        """What distances are really compared with when a table prints ``threshold``."""
        return self.thresholds.get(threshold, threshold)


# Pelvis and thorax (6 and 7) count in none of the four.
SCORED = tuple(joint for joint in range(len(MPII_JOINTS)) if MPII_JOINTS[joint] not in ("pelvis", "thorax"))
PARTS = {part: joint_indices(MPII_JOINTS, names) for part, names in MPII_PARTS.items()}
HEAD_AND_NECK = joint_indices(MPII_JOINTS, ("upper_neck", "head_top"))

PCKH_PRESETS: Mapping[str, PckhPreset] = {
    "mpii_official": PckhPreset(
        mean="visible",
        joints=SCORED,
        parts=PARTS | {"Head": HEAD_AND_NECK},
        comparison="<=",
        offset=1.0,
        thresholds={0.5: 0.5, 0.1: 0.1},
        source="MPII toolkit: evaluatePCKh.m, computePCK.m (total over all 14 joints), genTablePCK.m (head with upper neck)",
    ),
    "hrnet": PckhPreset(
        mean="visible",
        joints=SCORED,
        parts=PARTS,
        comparison="<=",
        offset=1.0,
        thresholds={0.5: 0.5, 0.1: 0.11},  # entry 11 of a sweep that starts at 0 and steps by 0.01
        source="HRNet and SimpleBaseline: lib/dataset/mpii.py",
    ),
    "mmpose": PckhPreset(
        mean="visible",
        joints=SCORED,
        parts=PARTS,
        comparison="<=",  # "<" since release 1.0
        offset=1.0,
        thresholds={0.5: 0.5, 0.1: 0.1},  # entry 10 of the same sweep; early releases took entry 11 too
        source="mmpose 0.x: TopDownMpiiDataset.evaluate",
    ),
    "pytorch_pose": PckhPreset(
        mean="joints",
        joints=SCORED,
        parts=PARTS,
        comparison="<",
        offset=1.0,
        thresholds={0.5: 0.5, 0.1: 0.1},
        source="pytorch-pose: evaluation/eval_PCKh.py",
    ),
}


class PckhEstimate(NamedTuple):
    """Parts and mean in percent: the value, and the same of each bootstrap replicate ([R])."""

    value: dict[str, float]
    replicates: dict[str, np.ndarray]


def compute_pckh(
    predictions: np.ndarray,
    truth: np.ndarray,
    head_size: np.ndarray,
    visible: np.ndarray,
    preset: PckhPreset,
    threshold: float = 0.5,
    *,
    origin: Literal[0, 1] = 1,
) -> dict[str, float]:
    """PCKh of each part and the mean ("Mean"), percent.

    Args:
        predictions: [N, 16, 2] pixels.
        truth: [N, 16, 2] pixels, the top-left pixel's centre being (1, 1).
        head_size: [N] pixels.
        visible: [N, 16], true where the joint is annotated; all others count nowhere.
        threshold: as tables print it; ``preset`` says what that really is.
        origin: the top-left pixel's centre in ``predictions``: 1 as in ``truth``, or 0.

    Raises:
        InputError: shapes disagree, a value is not finite, a head size is not positive, or nobody shows a scored joint.
    """
    visible = np.asarray(visible, dtype=bool)
    check_pckh_inputs(predictions, truth, head_size, visible, preset.joints)
    distance = _distances(predictions, truth, head_size, preset.offset * (origin == 0))
    hit = _hits(distance, visible, preset, threshold)
    return {name: float(value) for name, value in percentages_from_counts(hit.sum(0), visible.sum(0), preset).items()}


def bootstrap_pckh(
    files: Mapping[str, tuple[np.ndarray, Literal[0, 1]]],
    truth: np.ndarray,
    head_size: np.ndarray,
    visible: np.ndarray,
    presets: Mapping[str, PckhPreset],
    thresholds: Sequence[float] = PCKH_THRESHOLDS,
) -> dict[tuple[str, str, float], PckhEstimate]:
    """PCKh of several sets of predictions under several presets, with replicates that are paired throughout.

    Args:
        files: name -> ([N, 16, 2] predictions in pixels, their origin); the other arguments are those of :func:`pckh`.

    Returns:
        (file, preset, threshold) -> its estimate. The difference of two estimates' replicates is a paired one.

    Raises:
        InputError: as in :func:`pckh`.
    """
    visible = np.asarray(visible, dtype=bool)
    scored = sorted({joint for preset in presets.values() for joint in preset.joints})
    hits: dict[tuple[str, str, float], np.ndarray] = {}
    for file, (predictions, origin) in files.items():
        check_pckh_inputs(predictions, truth, head_size, visible, scored, file)
        offsets = {preset.offset * (origin == 0) for preset in presets.values()}
        distances = {offset: _distances(predictions, truth, head_size, offset) for offset in offsets}
        for name, preset in presets.items():
            for threshold in thresholds:
                distance = distances[preset.offset * (origin == 0)]
                hits[file, name, threshold] = _hits(distance, visible, preset, threshold)
    columns = np.concatenate([*hits.values(), visible], axis=1)  # one product resamples everything
    *sums, seen = np.split(resample_sums(columns), len(hits) + 1, axis=1)
    estimates = {}
    for (key, hit), resampled in zip(hits.items(), sums, strict=True):
        value = percentages_from_counts(hit.sum(0), visible.sum(0), presets[key[1]])
        replicates = percentages_from_counts(resampled, seen, presets[key[1]])
        estimates[key] = PckhEstimate({part: float(percent) for part, percent in value.items()}, replicates)
    return estimates


def percentages_from_counts(hits: np.ndarray, seen: np.ndarray, preset: PckhPreset) -> dict[str, np.ndarray]:
    """Parts and mean from counts over persons: [..., 16] joints hit and joints annotated -> [...] percent.

    Where nobody shows a joint, what is made of it is NaN.
    """
    with np.errstate(invalid="ignore"):
        joint = 100.0 * hits / seen
        result = {part: joint[..., list(members)].mean(-1) for part, members in preset.parts.items()}
        scored = list(preset.joints)
        if preset.mean == "visible":
            mean = 100.0 * hits[..., scored].sum(-1) / seen[..., scored].sum(-1)
        elif preset.mean == "joints":
            mean = joint[..., scored].mean(-1)
        else:
            mean = np.mean(list(result.values()), axis=0)
    return result | {MEAN_COLUMN: mean}


def check_pckh_inputs(
    predictions: np.ndarray,
    truth: np.ndarray,
    head_size: np.ndarray,
    visible: np.ndarray,
    scored: Sequence[int],
    source: str = "predictions",
) -> None:
    """Refuse what would quietly be counted wrong (a comparison with NaN is false, so NaN would pass for a miss).

    Raises:
        InputError: names the person, counted from 0, and the joint.
    """
    if predictions.shape != truth.shape or truth.shape[1:] != (len(MPII_JOINTS), 2) or not len(truth):
        raise InputError(f"{source}: shape {predictions.shape}, but the annotated joints have {truth.shape}")
    if head_size.shape != truth.shape[:1] or visible.shape != truth.shape[:2]:
        raise InputError(f"{len(truth)} persons, but head sizes {head_size.shape} and visibilities {visible.shape}")
    check_finite(predictions, source)
    check_truth(truth, head_size, visible)
    for joint in scored:
        if not visible[:, joint].any():
            raise InputError(f"annotations: no person shows joint {MPII_JOINTS[joint]}, so its PCKh is undefined")


def check_truth(truth: np.ndarray, head_size: np.ndarray, visible: np.ndarray, source: str = "annotations") -> None:
    """Raise InputError for a visible joint that is not finite, or a head size that is not positive, naming the person."""
    check_finite(np.where(visible[..., None], truth, 0.0), source)
    bad = np.flatnonzero(~(np.isfinite(head_size) & (head_size > 0)))
    if len(bad):
        raise InputError(f"{source}: person {bad[0]}: head size {head_size[bad[0]]:g}, must be positive")


def check_finite(points: np.ndarray, source: str) -> None:
    """Raise InputError for the first NaN or infinity in [N, K, 2] points, naming person and joint."""
    finite = np.isfinite(points)
    if not finite.all():
        person, joint, axis = np.argwhere(~finite)[0]
        where = f"person {person}, joint {joint} ({MPII_JOINTS[joint]})"
        raise InputError(f"{source}: {where}: {'xy'[axis]} is {points[person, joint, axis]:g}")


def _distances(predictions: np.ndarray, truth: np.ndarray, head_size: np.ndarray, offset: float) -> np.ndarray:
    with np.errstate(over="ignore"):  # a finite prediction light years away is an infinite distance: a miss
        return np.linalg.norm(predictions.astype(np.float64) + offset - truth, axis=-1) / head_size[:, None]


def _hits(distance: np.ndarray, visible: np.ndarray, preset: PckhPreset, threshold: float) -> np.ndarray:
    limit = preset.effective(threshold)
    return (distance <= limit if preset.comparison == "<=" else distance < limit) & visible
