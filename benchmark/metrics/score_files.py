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
    """Arguments of the score command."""

    annotations: Path
    """Ground truth. MPII: gt_valid.mat or valid.h5; COCO: person_keypoints_*.json."""
    predictions: Path
    """Predicted joints in image pixels. MPII: a .mat, .h5, .npy or .json file with an array [N, 16, 2] or [16, 2, N], in the
    order of the annotations; COCO: a results file, a .json list of detections."""
    against: Path | None = None
    """Predictions to compare with; adds the paired differences (predictions minus these)."""
    dataset: Literal["mpii", "coco"] = "mpii"
    """Dataset, which decides the metric and the file formats."""
    preset: tuple[str, ...] = tuple(PCKH_PRESETS)
    """MPII: evaluation conventions to apply."""
    origin: Literal[0, 1] | None = None
    """MPII: coordinate of the centre of the top-left pixel, in x and y, in all prediction files. If not given, 1 for .mat and
    .h5, else 0."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON instead of tables, as described by benchmark/schemas/score.schema.json."""

    @property
    def prediction_files(self) -> list[Path]:
        """Return the file to score and, if given, the file to compare with."""
        return [self.predictions] if self.against is None else [self.predictions, self.against]

    def origin_of(self, path: Path) -> Literal[0, 1]:
        """Return the coordinate of the top-left pixel's centre in a prediction file: as given, or usual for its format."""
        return default_origin(path) if self.origin is None else self.origin


def score_mpii(arguments: ScoreArguments) -> Scores:
    """Compute the PCKh of a file and its paired differences to another file, as printed by ``--json``.

    Raises:
        InputError: a file is missing, broken, or does not fit the annotations; or a preset is unknown.
    """
    if unknown := [name for name in arguments.preset if name not in PCKH_PRESETS]:
        raise InputError(f"--preset {' '.join(unknown)}: unknown, choose from {', '.join(PCKH_PRESETS)}")
    if not arguments.preset:
        raise InputError(f"--preset: give at least one of {', '.join(PCKH_PRESETS)}")
    annotations = read_mpii_annotations(arguments.annotations)
    people = len(annotations.joints)
    files = {str(path): (read_mpii_predictions(path, people), arguments.origin_of(path)) for path in arguments.prediction_files}
    presets = {name: PCKH_PRESETS[name] for name in arguments.preset}
    estimates = bootstrap_pckh(files, *annotations, presets)
    scores: Scores = {"dataset": "mpii", "n": people, "presets": {}, "against": {}}
    for name in presets:
        results = {threshold: estimates[str(arguments.predictions), name, threshold] for threshold in PCKH_THRESHOLDS}
        scores["presets"][name] = {str(threshold): _to_score(result) for threshold, result in results.items()}
        if arguments.against:
            scores["against"][name] = {
                str(threshold): _to_difference(result, estimates[str(arguments.against), name, threshold])
                for threshold, result in results.items()
            }
    return scores


def _to_score(estimate: PckhEstimate) -> Scores:
    joints = {part: percent for part, percent in estimate.value.items() if part != MEAN_COLUMN}
    ci95 = percentile_interval(estimate.replicates[MEAN_COLUMN])
    return {"mean": estimate.value[MEAN_COLUMN], "ci95": list(ci95), "joints": joints}


def _to_difference(estimate: PckhEstimate, baseline: PckhEstimate) -> Scores:
    differences = {
        part: {
            "difference": estimate.value[part] - baseline.value[part],
            "ci95": list(percentile_interval(estimate.replicates[part] - baseline.replicates[part])),
        }
        for part in estimate.value
    }
    return differences.pop(MEAN_COLUMN) | {"joints": differences}


def score_coco(arguments: ScoreArguments) -> Scores:
    """Compute the ten keypoint metrics of a file and its paired differences to another file, as printed by ``--json``.

    A metric without any person to find is -1, as in pycocotools, and has neither an interval nor a difference (None).

    Raises:
        InputError: a file is missing, broken, or does not fit the annotations; or an option only applies to MPII.
    """
    if arguments.preset != tuple(PCKH_PRESETS) or arguments.origin is not None:
        raise InputError("--preset and --origin only apply to MPII; leave them out for COCO")
    persons = read_coco_annotations(arguments.annotations)
    matches = [match_detections(persons, read_coco_detections(path, persons)) for path in arguments.prediction_files]
    counts = draw_counts(len(persons.images))  # the same for both files, so that differences are paired
    values = [compute_average_precision(matched) for matched in matches]
    replicates = [resample_average_precision(matched, counts) for matched in matches]
    scores: Scores = {"dataset": "coco", "n": len(persons.images), **values[0]}
    scores["ci95"] = {name: ap_interval(replicates[0][name]) for name in AP_METRICS}
    if arguments.against:
        scores["against"] = {
            name: {
                "difference": None if values[0][name] == UNDEFINED else values[0][name] - values[1][name],
                "ci95": ap_interval(replicates[0][name] - replicates[1][name]),
            }
            for name in AP_METRICS
        }
    return scores


SCORERS: Mapping[str, Callable[[ScoreArguments], Scores]] = {"mpii": score_mpii, "coco": score_coco}
