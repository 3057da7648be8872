"""Score prediction files of MPII and COCO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from benchmark.core.errors import InputError
from benchmark.core.statistics import draw_counts, percentile_interval
from benchmark.metrics.average_precision import (
    AP_METRICS,
    UNDEFINED,
    ap_interval,
    compute_average_precision,
    resample_average_precision,
)
from benchmark.metrics.coco_files import read_coco_annotations, read_coco_detections
from benchmark.metrics.mpii_files import default_origin, read_mpii_annotations, read_mpii_predictions
from benchmark.metrics.oks import match_detections
from benchmark.metrics.pckh import MEAN_COLUMN, PCKH_PRESETS, PCKH_THRESHOLDS, PckhEstimate, bootstrap_pckh

Scores = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ScoreArguments:
    """What to score, and how to print it."""

    annotations: Path
    """Ground truth: gt_valid.mat or valid.h5; COCO: person_keypoints_*.json."""
    predictions: Path
    """Predicted joints in image pixels, in the order of the annotations: .mat, .h5, .npy or .json, [N, 16, 2] or [16, 2, N];
    COCO: a results file, a .json list of detections."""
    against: Path | None = None
    """Predictions to compare with: paired differences (predictions minus these) are added."""
    dataset: Literal["mpii", "coco"] = "mpii"
    """Which dataset's metric and file formats."""
    preset: tuple[str, ...] = tuple(PCKH_PRESETS)
    """MPII: which conventions."""
    origin: Literal[0, 1] | None = None
    """MPII: where all given predictions put the top-left pixel's centre: (0,0) or (1,1). If not given, 1 for .mat and .h5,
    else 0."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON instead of tables; benchmark/schemas/score.schema.json describes it."""


def score_mpii(arguments: ScoreArguments) -> Scores:
    """PCKh of one file, and its paired differences to another, as ``--json`` prints them.

    Raises:
        InputError: a file is missing, broken, or does not fit the annotations.
    """
    unknown = [name for name in arguments.preset if name not in PCKH_PRESETS]
    if unknown or not arguments.preset:
        raise InputError(f"--preset {' '.join(unknown) or 'needs a name'}: known are {', '.join(PCKH_PRESETS)}")
    annotations = read_mpii_annotations(arguments.annotations)
    persons = len(annotations.joints)
    paths = [arguments.predictions] + ([arguments.against] if arguments.against else [])
    files = {str(path): (read_mpii_predictions(path, persons), _origin(arguments, path)) for path in paths}
    presets = {name: PCKH_PRESETS[name] for name in arguments.preset}
    estimates = bootstrap_pckh(files, *annotations, presets)
    scores: Scores = {"dataset": "mpii", "n": persons, "presets": {}, "against": {}}
    for name in presets:
        ours = {threshold: estimates[str(paths[0]), name, threshold] for threshold in PCKH_THRESHOLDS}
        scores["presets"][name] = {str(threshold): _score(estimate) for threshold, estimate in ours.items()}
        if arguments.against:
            theirs = {threshold: estimates[str(paths[1]), name, threshold] for threshold in PCKH_THRESHOLDS}
            scores["against"][name] = {str(t): _comparison(ours[t], theirs[t]) for t in PCKH_THRESHOLDS}
    return scores


def _origin(arguments: ScoreArguments, path: Path) -> Literal[0, 1]:
    return default_origin(path) if arguments.origin is None else arguments.origin


def _score(estimate: PckhEstimate) -> Scores:
    joints = {part: percent for part, percent in estimate.value.items() if part != MEAN_COLUMN}
    ci95 = percentile_interval(estimate.replicates[MEAN_COLUMN])
    return {"mean": estimate.value[MEAN_COLUMN], "ci95": list(ci95), "joints": joints}


def _comparison(ours: PckhEstimate, theirs: PckhEstimate) -> Scores:
    differences = {
        part: {
            "difference": ours.value[part] - theirs.value[part],
            "ci95": list(percentile_interval(ours.replicates[part] - theirs.replicates[part])),
        }
        for part in ours.value
    }
    return differences.pop(MEAN_COLUMN) | {"joints": differences}


def score_coco(arguments: ScoreArguments) -> Scores:
    """The ten keypoint figures of one file, and its paired differences to another, as ``--json`` prints them.

    A figure for which no person counts is -1, as in pycocotools, and has no interval and no difference (None).

    Raises:
        InputError: a file is missing, broken, or does not fit the annotations; an option is MPII's.
    """
    if arguments.preset != tuple(PCKH_PRESETS) or arguments.origin is not None:
        raise InputError("--preset and --origin are for MPII: COCO has one convention")
    persons = read_coco_annotations(arguments.annotations)
    paths = [arguments.predictions] + ([arguments.against] if arguments.against else [])
    matches = [match_detections(persons, read_coco_detections(path, persons)) for path in paths]
    counts = draw_counts(len(persons.images))  # the same for both files, so that differences are paired
    values = [compute_average_precision(matched) for matched in matches]
    replicates = [resample_average_precision(matched, counts) for matched in matches]
    scores: Scores = {"dataset": "coco", "n": len(persons.images), **values[0]}
    scores["ci95"] = {name: ap_interval(replicates[0][name]) for name in AP_METRICS}
    if arguments.against:
        defined = {name: values[0][name] != UNDEFINED for name in AP_METRICS}
        scores["against"] = {
            name: {
                "difference": values[0][name] - values[1][name] if defined[name] else None,
                "ci95": ap_interval(replicates[0][name] - replicates[1][name]),
            }
            for name in AP_METRICS
        }
    return scores


SCORERS: Mapping[str, Callable[[ScoreArguments], Scores]] = {"mpii": score_mpii, "coco": score_coco}
