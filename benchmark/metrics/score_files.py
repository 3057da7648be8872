"""Score prediction files of MPII and COCO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NotRequired, cast, get_args

import tyro
from pydantic import Field
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.config.conventions import PCKH_PRESETS
from benchmark.core.errors import InputError
from benchmark.core.statistics import draw_counts, percentile_interval
from benchmark.metrics.average_precision import (
    UNDEFINED,
    ApMetric,
    ap_interval,
    compute_average_precision,
    resample_average_precision,
)
from benchmark.metrics.coco_files import read_coco_annotations, read_coco_detections
from benchmark.metrics.mpii_files import default_origin, read_mpii_annotations, read_mpii_predictions
from benchmark.metrics.oks import match_detections
from benchmark.metrics.pckh import MEAN_COLUMN, PckhEstimate, bootstrap_pckh

# --- output of python -m benchmark.score --json ------------------------------------------------------------------------------

Percent = Annotated[float, Field(ge=0, le=100)]
Points = Annotated[float, Field(ge=-100, le=100)]  # percentage points
Fraction = Annotated[float, Field(ge=0, le=1)]
Undefined = Annotated[float, Field(ge=UNDEFINED, le=UNDEFINED)]  # there is no person to find
SignedFraction = Annotated[float, Field(ge=-1, le=1)]
# A dictionary whose keys are one of these has all of them, which its minimum length expresses.
PartName = Literal["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle"]
PckhThreshold = Literal["0.5", "0.1"]  # as printed in tables
PART_NAMES: tuple[PartName, ...] = get_args(PartName)
THRESHOLD_NAMES: tuple[PckhThreshold, ...] = get_args(PckhThreshold)
METRIC_NAMES: tuple[ApMetric, ...] = get_args(ApMetric)


class PckhScore(TypedDict):
    """PCKh in percent: the mean with its 95 % interval, and each part."""

    mean: Percent
    ci95: tuple[Percent, Percent]
    joints: Annotated[dict[PartName, Percent], Field(min_length=7)]


class PartDifference(TypedDict):
    """Paired difference of a part's PCKh, in percentage points."""

    difference: Points
    ci95: tuple[Points, Points]


class PckhDifference(PartDifference):
    """Paired difference of the mean PCKh, and of each part, in percentage points."""

    joints: Annotated[dict[PartName, PartDifference], Field(min_length=7)]


class MpiiScores(TypedDict):
    """Scores of a file of MPII predictions.

    Attributes:
        n: Number of people.
        presets: PCKh by preset and threshold.
        against: Predictions minus those of ``--against``, by preset and threshold; empty without such a file.
    """

    dataset: Literal["mpii"]
    n: Annotated[int, Field(ge=1)]
    presets: Annotated[dict[str, Annotated[dict[PckhThreshold, PckhScore], Field(min_length=2)]], Field(min_length=1)]
    against: dict[str, Annotated[dict[PckhThreshold, PckhDifference], Field(min_length=2)]]


class MetricDifference(TypedDict):
    """Paired difference of a COCO metric; null if there is no person to find."""

    difference: SignedFraction | None
    ci95: tuple[SignedFraction, SignedFraction] | None


class CocoScores(TypedDict):
    """Scores of a file of COCO predictions, as fractions of 1; a metric without any person to find is -1.

    Attributes:
        n: Number of images.
        ci95: 95 % interval of each metric; null if there is no person to find.
        against: Predictions minus those of ``--against``; absent without such a file.
    """

    dataset: Literal["coco"]
    n: Annotated[int, Field(ge=1)]
    AP: Fraction | Undefined
    AP50: Fraction | Undefined
    AP75: Fraction | Undefined
    APM: Fraction | Undefined
    APL: Fraction | Undefined
    AR: Fraction | Undefined
    AR50: Fraction | Undefined
    AR75: Fraction | Undefined
    ARM: Fraction | Undefined
    ARL: Fraction | Undefined
    ci95: Annotated[dict[ApMetric, tuple[SignedFraction, SignedFraction] | None], Field(min_length=10)]
    against: NotRequired[Annotated[dict[ApMetric, MetricDifference], Field(min_length=10)]]


Scores = MpiiScores | CocoScores

# --- scoring -----------------------------------------------------------------------------------------------------------------


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
    """Print JSON instead of tables."""

    @property
    def prediction_files(self) -> list[Path]:
        """Return the file to score and, if given, the file to compare with."""
        return [self.predictions] if self.against is None else [self.predictions, self.against]

    def origin_of(self, path: Path) -> Literal[0, 1]:
        """Return the coordinate of the top-left pixel's centre in a prediction file: as given, or usual for its format."""
        return default_origin(path) if self.origin is None else self.origin


def score_mpii(arguments: ScoreArguments) -> MpiiScores:
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
    scores: MpiiScores = {"dataset": "mpii", "n": people, "presets": {}, "against": {}}
    for name in presets:
        results = {threshold: estimates[str(arguments.predictions), name, float(threshold)] for threshold in THRESHOLD_NAMES}
        scores["presets"][name] = {threshold: _to_score(result) for threshold, result in results.items()}
        if arguments.against:
            scores["against"][name] = {
                threshold: _to_difference(result, estimates[str(arguments.against), name, float(threshold)])
                for threshold, result in results.items()
            }
    return scores


def _to_score(estimate: PckhEstimate) -> PckhScore:
    joints = {part: estimate.value[part] for part in PART_NAMES}
    return {
        "mean": estimate.value[MEAN_COLUMN],
        "ci95": percentile_interval(estimate.replicates[MEAN_COLUMN]),
        "joints": joints,
    }


def _to_difference(estimate: PckhEstimate, baseline: PckhEstimate) -> PckhDifference:
    def subtract(column: str) -> PartDifference:
        return {
            "difference": estimate.value[column] - baseline.value[column],
            "ci95": percentile_interval(estimate.replicates[column] - baseline.replicates[column]),
        }

    return {**subtract(MEAN_COLUMN), "joints": {part: subtract(part) for part in PART_NAMES}}


def score_coco(arguments: ScoreArguments) -> CocoScores:
    """Compute the ten keypoint metrics of a file and its paired differences to another file, as printed by ``--json``.

    A metric without any person to find is -1, as in pycocotools, and has neither an interval nor a difference (None).

    Raises:
        InputError: a file is missing, broken, or does not fit the annotations; or an option only applies to MPII.
    """
    if arguments.preset != tuple(PCKH_PRESETS) or arguments.origin is not None:
        raise InputError("--preset and --origin only apply to MPII; leave them out for COCO")
    people = read_coco_annotations(arguments.annotations)
    matches = [match_detections(people, read_coco_detections(path, people)) for path in arguments.prediction_files]
    counts = draw_counts(len(people.images))  # the same for both files, so that differences are paired
    values = [compute_average_precision(matched) for matched in matches]
    replicates = [resample_average_precision(matched, counts) for matched in matches]
    ci95 = {name: ap_interval(replicates[0][name]) for name in METRIC_NAMES}
    scores = {"dataset": "coco", "n": len(people.images), **values[0], "ci95": ci95}
    if arguments.against:
        scores["against"] = {
            name: {
                "difference": None if values[0][name] == UNDEFINED else values[0][name] - values[1][name],
                "ci95": ap_interval(replicates[0][name] - replicates[1][name]),
            }
            for name in METRIC_NAMES
        }
    return cast(CocoScores, scores)


SCORERS: Mapping[str, Callable[[ScoreArguments], Scores]] = {"mpii": score_mpii, "coco": score_coco}
