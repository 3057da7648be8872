"""Score prediction files of MPII, LSP and COCO."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal, NotRequired, TypeVar, cast, get_args

import numpy as np
import tyro
from pydantic import Field
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.config.conventions import PCK_PRESETS, PCK_THRESHOLDS, PCKH_PRESETS, PCKH_THRESHOLDS, Sides
from benchmark.core.errors import InputError
from benchmark.core.statistics import REPLICATES, draw_counts, percentile_interval
from benchmark.data import find_annotations
from benchmark.data.lsp import read_lsp_test
from benchmark.metrics.array_files import default_origin
from benchmark.metrics.average_precision import (
    UNDEFINED,
    ApMetric,
    ap_interval,
    compute_average_precision,
    resample_average_precision,
)
from benchmark.metrics.coco_files import read_coco_annotations, read_coco_detections
from benchmark.metrics.mpii_files import read_mpii_annotations, read_mpii_predictions
from benchmark.metrics.oks import match_detections
from benchmark.metrics.pck import bootstrap_pck
from benchmark.metrics.pckh import MEAN_COLUMN, PckhEstimate, bootstrap_pckh
from benchmark.metrics.point_files import read_points

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
METRIC_NAMES: tuple[ApMetric, ...] = get_args(ApMetric)
DEFAULT_PCK = "default"  # LSP's preset without a name
Preset = TypeVar("Preset")


class PckhScore(TypedDict):
    """PCKh or PCK in percent: the mean and each part, with their 95 % intervals."""

    mean: Percent
    ci95: tuple[Percent, Percent]
    joints: Annotated[dict[PartName, Percent], Field(min_length=7)]
    joints_ci95: Annotated[dict[PartName, tuple[Percent, Percent]], Field(min_length=7)]


class PartDifference(TypedDict):
    """Paired difference of a part's PCKh or PCK, in percentage points."""

    difference: Points
    ci95: tuple[Points, Points]


class PckhDifference(PartDifference):
    """Paired difference of the mean PCKh or PCK, and of each part, in percentage points."""

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


class LspScores(TypedDict):
    """Scores of a file of LSP predictions.

    Attributes:
        n: Number of people.
        missing: By file, the number of joints without a prediction, which count as missed.
        presets: PCK by preset and threshold.
        against: Predictions minus those of ``--against``, by preset and threshold; empty without such a file.
    """

    dataset: Literal["lsp"]
    n: Annotated[int, Field(ge=1)]
    missing: dict[str, Annotated[int, Field(ge=0)]]
    presets: Annotated[dict[str, Annotated[dict[str, PckhScore], Field(min_length=1)]], Field(min_length=1)]
    against: dict[str, Annotated[dict[str, PckhDifference], Field(min_length=1)]]


class MetricDifference(TypedDict):
    """Paired difference of a COCO metric; null if there is no person to find, and no interval if none was asked for."""

    difference: SignedFraction | None
    ci95: tuple[SignedFraction, SignedFraction] | None


class CocoScores(TypedDict):
    """Scores of a file of COCO predictions, as fractions of 1; a metric without any person to find is -1.

    Attributes:
        n: Number of images.
        ci95: 95 % interval of each metric; null if there is no person to find, or with ``--intervals none``.
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


Scores = MpiiScores | LspScores | CocoScores

# --- scoring -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ScoreArguments:
    """Arguments of the score command."""

    predictions: Path | None = None
    """Predicted joints in image pixels. MPII and LSP: a .mat, .h5, .npy or .json file with an array of people, joints and
    coordinates in any axis order, in the order of the annotations; x and y may be followed by a score, as in [N, 16, 3], or be
    columns 3 and 4 of 5, as in the Hourglass's preds.h5. COCO: a results file, a .json list of detections. gzip and zip are
    allowed."""
    annotations: Path | None = None
    """Ground truth. MPII: gt_valid.mat or valid.h5; LSP: joints.mat; COCO: person_keypoints_*.json. If not given, that of the
    validation split (LSP: test) below the data root."""
    against: Path | None = None
    """Predictions to compare with; adds the paired differences (predictions minus these)."""
    dataset: Literal["mpii", "lsp", "coco"] = "mpii"
    """Dataset, which decides the metric and the file formats."""
    preset: tuple[str, ...] | None = None
    """MPII, LSP: evaluation conventions to apply. If not given, all that fit."""
    threshold: tuple[float, ...] | None = None
    """LSP: fractions of the torso's length. If not given, 0.2, 0.1 and 0.05."""
    sides: Sides = "person"
    """LSP: whose left and right the predictions are named by. Person-centric ones are also converted and scored under the
    observer-centric convention."""
    origin: Literal[0, 1] | None = None
    """MPII: coordinate of the centre of the top-left pixel, in x and y, in all prediction files. If not given, 1 for .mat and
    .h5, else 0."""
    intervals: Literal["bootstrap", "none"] = "bootstrap"
    """COCO: 95 % intervals from 1,000 bootstrap replicates, or none, which is three times as fast."""
    published: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """MPII, LSP: score all published predictions that the project lists, as far as they are below the data root."""
    keep: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """With --published: store the results as records under reports/records."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON instead of tables."""

    @property
    def prediction_files(self) -> list[Path]:
        """Return the file to score and, if given, the file to compare with."""
        return [path for path in (self.predictions, self.against) if path is not None]

    @property
    def annotation_file(self) -> Path:
        """Return the ground truth: as given, or that of the data root.

        Raises:
            InputError: it is not given, and the data root has none.
        """
        return self.annotations or find_annotations(self.dataset)

    def origin_of(self, path: Path) -> Literal[0, 1]:
        """Return the coordinate of the top-left pixel's centre in a prediction file: as given, or usual for its format."""
        return default_origin(path) if self.origin is None else self.origin

    def choose_presets(self, known: Mapping[str, Preset]) -> dict[str, Preset]:
        """Return the presets of ``--preset``, or all.

        Raises:
            InputError: one of them is unknown, or none is given.
        """
        names = tuple(known) if self.preset is None else self.preset
        if unknown := [name for name in names if name not in known]:
            raise InputError(f"--preset {' '.join(unknown)}: unknown, choose from {', '.join(known)}")
        if not names:
            raise InputError(f"--preset: give at least one of {', '.join(known)}")
        return {name: known[name] for name in names}

    def refuse(self, reason: str, *options: str) -> None:
        """Check that none of these options, named as the fields are, was given.

        Raises:
            InputError: one was given; the reason says where it applies.
        """
        defaults = {option.name: option.default for option in fields(self)}
        if given := [f"--{name}" for name in options if getattr(self, name) != defaults[name]]:
            raise InputError(f"{' and '.join(given)}: {reason}")


def score_file(arguments: ScoreArguments) -> Scores:
    """Score a file of predictions as its dataset does.

    Raises:
        InputError: no predictions are given, or see :func:`score_mpii`, :func:`score_lsp` and :func:`score_coco`.
    """
    if arguments.predictions is None:
        raise InputError("--predictions: give the file to score, or --published")
    arguments.refuse("only applies to --published", "keep")
    return SCORERS[arguments.dataset](arguments)


def score_mpii(arguments: ScoreArguments) -> MpiiScores:
    """Compute the PCKh of a file and its paired differences to another file, as printed by ``--json``.

    Raises:
        InputError: a file is missing, broken, or does not fit the annotations; or a preset is unknown.
    """
    arguments.refuse("only applies to LSP", "threshold", "sides")
    arguments.refuse("only applies to COCO", "intervals")
    presets = arguments.choose_presets(PCKH_PRESETS)
    annotations = read_mpii_annotations(arguments.annotation_file)
    people = len(annotations.joints)
    files = {str(path): (read_mpii_predictions(path, people), arguments.origin_of(path)) for path in arguments.prediction_files}
    estimates = bootstrap_pckh(files, *annotations, presets)
    scores, against = _by_preset(arguments, estimates, presets, PCKH_THRESHOLDS)
    return cast(MpiiScores, {"dataset": "mpii", "n": people, "presets": scores, "against": against})


def score_lsp(arguments: ScoreArguments) -> LspScores:
    """Compute the PCK of a file and its paired differences to another file, as printed by ``--json``.

    Raises:
        InputError: a file is missing, broken, or does not fit the annotations; a preset is unknown or does not fit the sides;
            or an option only applies to MPII.
    """
    arguments.refuse("only applies to MPII", "origin")
    arguments.refuse("only applies to COCO", "intervals")
    known = {name or DEFAULT_PCK: preset for name, preset in PCK_PRESETS.items()}
    presets = arguments.choose_presets(known)
    if arguments.preset is None and arguments.sides == "observer":
        presets = {name: preset for name, preset in presets.items() if preset.sides == "observer"}
    thresholds = PCK_THRESHOLDS if arguments.threshold is None else tuple(dict.fromkeys(arguments.threshold))
    if not thresholds or not all(np.isfinite(threshold) and threshold > 0 for threshold in thresholds):
        raise InputError(f"--threshold {' '.join(map(str, thresholds))}: give positive fractions of the torso's length")
    joints, visible = read_lsp_test(arguments.annotation_file)
    files = {str(path): read_points(path, len(joints), "lsp") for path in arguments.prediction_files}
    estimates = bootstrap_pck(files, joints, visible, thresholds, presets, sides=arguments.sides, allow_missing=True)
    scores, against = _by_preset(arguments, estimates, presets, thresholds)
    missing = {file: int(np.isnan(points).any(-1).sum()) for file, points in files.items()}
    return {"dataset": "lsp", "n": len(joints), "missing": missing, "presets": scores, "against": against}


def _by_preset(
    arguments: ScoreArguments,
    estimates: Mapping[tuple[str, str, float], PckhEstimate],
    presets: Iterable[str],
    thresholds: Sequence[float],
) -> tuple[dict[str, dict[str, PckhScore]], dict[str, dict[str, PckhDifference]]]:
    """Return the scores, and the paired differences if there is a second file, by preset and threshold."""

    def estimate(path: Path | None, preset: str, threshold: float) -> PckhEstimate:
        return estimates[str(path), preset, threshold]

    scores, against = {}, {}
    for name in presets:
        results = {threshold: estimate(arguments.predictions, name, threshold) for threshold in thresholds}
        scores[name] = {f"{threshold:g}": _to_score(result) for threshold, result in results.items()}
        if arguments.against:
            against[name] = {
                f"{threshold:g}": _to_difference(result, estimate(arguments.against, name, threshold))
                for threshold, result in results.items()
            }
    return scores, against


def _to_score(estimate: PckhEstimate) -> PckhScore:
    return {
        "mean": estimate.value[MEAN_COLUMN],
        "ci95": percentile_interval(estimate.replicates[MEAN_COLUMN]),
        "joints": {part: estimate.value[part] for part in PART_NAMES},
        "joints_ci95": {part: percentile_interval(estimate.replicates[part]) for part in PART_NAMES},
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
    arguments.refuse("does not apply to COCO", "preset", "threshold", "sides", "origin")
    people = read_coco_annotations(arguments.annotation_file)
    matches = [match_detections(people, read_coco_detections(path, people)) for path in arguments.prediction_files]
    replicates = 0 if arguments.intervals == "none" else REPLICATES
    counts = draw_counts(len(people.images), replicates)  # the same for both files, so that differences are paired
    values = [compute_average_precision(matched) for matched in matches]
    resampled = [resample_average_precision(matched, counts) for matched in matches]
    ci95 = {name: ap_interval(resampled[0][name]) for name in METRIC_NAMES}
    scores = {"dataset": "coco", "n": len(people.images), **values[0], "ci95": ci95}
    if arguments.against:
        scores["against"] = {
            name: {
                "difference": None if values[0][name] == UNDEFINED else values[0][name] - values[1][name],
                "ci95": ap_interval(resampled[0][name] - resampled[1][name]),
            }
            for name in METRIC_NAMES
        }
    return cast(CocoScores, scores)


SCORERS: Mapping[str, Callable[[ScoreArguments], Scores]] = {"mpii": score_mpii, "lsp": score_lsp, "coco": score_coco}
