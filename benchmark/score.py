"""``python -m benchmark.score``: evaluate a file of predictions under every convention, with intervals."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from benchmark import average_precision, bootstrap, coco_files, errors, oks, pckh
from benchmark.average_precision import FIGURES, UNDEFINED
from benchmark.errors import InputError
from benchmark.predictions import default_origin, read_annotations, read_predictions

DESCRIPTION = """Score predicted joints under the public evaluation conventions, with 95 % intervals.

MPII: PCKh@0.5 and @0.1 of each part and the mean, percent; intervals by a bootstrap over persons.
COCO: the ten keypoint figures as pycocotools computes them, fractions from 0 to 1; intervals by a bootstrap over images.

examples:
  python -m benchmark.score --annotations gt_valid.mat --predictions mine.mat --against theirs.mat
  python -m benchmark.score --dataset coco --annotations person_keypoints_val2017.json --predictions mine.json --json
"""
Scores = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Arguments:
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
    preset: tuple[str, ...] = tuple(pckh.PRESETS)
    """MPII: which conventions."""
    origin: Literal[0, 1] | None = None
    """MPII: where all given predictions put the top-left pixel's centre: (0,0) or (1,1). If not given, 1 for .mat and .h5,
    else 0."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON instead of tables; benchmark/schemas/score.schema.json describes it."""


def score_mpii(arguments: Arguments) -> Scores:
    """PCKh of one file, and its paired differences to another, as ``--json`` prints them.

    Raises:
        InputError: a file is missing, broken, or does not fit the annotations.
    """
    unknown = [name for name in arguments.preset if name not in pckh.PRESETS]
    if unknown or not arguments.preset:
        raise InputError(f"--preset {' '.join(unknown) or 'needs a name'}: known are {', '.join(pckh.PRESETS)}")
    annotations = read_annotations(arguments.annotations)
    persons = len(annotations.joints)
    paths = [arguments.predictions] + ([arguments.against] if arguments.against else [])
    files = {str(path): (read_predictions(path, persons), _origin(arguments, path)) for path in paths}
    presets = {name: pckh.PRESETS[name] for name in arguments.preset}
    estimates = pckh.bootstrapped(files, *annotations, presets)
    scores: Scores = {"dataset": "mpii", "n": persons, "presets": {}, "against": {}}
    for name in presets:
        ours = {threshold: estimates[str(paths[0]), name, threshold] for threshold in pckh.THRESHOLDS}
        scores["presets"][name] = {str(threshold): _score(estimate) for threshold, estimate in ours.items()}
        if arguments.against:
            theirs = {threshold: estimates[str(paths[1]), name, threshold] for threshold in pckh.THRESHOLDS}
            scores["against"][name] = {str(t): _comparison(ours[t], theirs[t]) for t in pckh.THRESHOLDS}
    return scores


def _origin(arguments: Arguments, path: Path) -> Literal[0, 1]:
    return default_origin(path) if arguments.origin is None else arguments.origin


def _score(estimate: pckh.Estimate) -> Scores:
    joints = {part: percent for part, percent in estimate.value.items() if part != pckh.MEAN}
    ci95 = bootstrap.interval(estimate.replicates[pckh.MEAN])
    return {"mean": estimate.value[pckh.MEAN], "ci95": list(ci95), "joints": joints}


def _comparison(ours: pckh.Estimate, theirs: pckh.Estimate) -> Scores:
    differences = {
        part: {
            "difference": ours.value[part] - theirs.value[part],
            "ci95": list(bootstrap.interval(ours.replicates[part] - theirs.replicates[part])),
        }
        for part in ours.value
    }
    return differences.pop(pckh.MEAN) | {"joints": differences}


def show_mpii(arguments: Arguments, scores: Scores) -> str:
    """The same figures as tables for reading."""
    lines = [f"MPII, {scores['n']} persons, PCKh in percent; 95 % intervals of the mean over persons"]
    for path in [arguments.predictions] + ([arguments.against] if arguments.against else []):
        origin = _origin(arguments, path)
        lines.append(f"{path}: centre of the top-left pixel at ({origin}, {origin})")
    parts = list(next(iter(scores["presets"].values()))["0.5"]["joints"])
    heading = " " * 22 + "".join(f"{part:>10}" for part in [*parts, pckh.MEAN]) + "    95 % interval"
    lines += ["", heading]
    for name, rows in scores["presets"].items():
        for threshold, row in rows.items():
            figures = "".join(f"{percent:10.2f}" for percent in [*row["joints"].values(), row["mean"]])
            lines.append(f"{_label(name, threshold):22}{figures}    [{row['ci95'][0]:.2f}, {row['ci95'][1]:.2f}]")
    if scores["against"]:
        lines += ["", f"{arguments.predictions} minus {arguments.against}, paired", heading]
    for name, rows in scores["against"].items():
        for threshold, row in rows.items():
            cells = [*row["joints"].values(), row]
            figures = "".join(f"{cell['difference']:+10.2f}" for cell in cells)
            low, high = row["ci95"]
            lines.append(f"{_label(name, threshold):22}{figures}    [{low:+.2f}, {high:+.2f}]")
            for side, end in enumerate(("low", "high")):
                lines.append(f"{end:>21} " + "".join(f"{cell['ci95'][side]:+10.2f}" for cell in cells))
    return "\n".join(lines)


def _label(name: str, threshold: str) -> str:
    effective = pckh.PRESETS[name].effective(float(threshold))
    return f"{name} @{threshold}" + ("" if effective == float(threshold) else f" (={effective})")


def score_coco(arguments: Arguments) -> Scores:
    """The ten keypoint figures of one file, and its paired differences to another, as ``--json`` prints them.

    A figure for which no person counts is -1, as in pycocotools, and has no interval and no difference (None).

    Raises:
        InputError: a file is missing, broken, or does not fit the annotations; an option is MPII's.
    """
    if arguments.preset != tuple(pckh.PRESETS) or arguments.origin is not None:
        raise InputError("--preset and --origin are for MPII: COCO has one convention")
    persons = coco_files.read_annotations(arguments.annotations)
    paths = [arguments.predictions] + ([arguments.against] if arguments.against else [])
    matches = [oks.match(persons, coco_files.read_detections(path, persons)) for path in paths]
    counts = bootstrap.draw_counts(len(persons.images))  # the same for both files, so that differences are paired
    values = [average_precision.figures(matched) for matched in matches]
    replicates = [average_precision.replicated(matched, counts) for matched in matches]
    scores: Scores = {"dataset": "coco", "n": len(persons.images), **values[0]}
    scores["ci95"] = {name: average_precision.interval(replicates[0][name]) for name in FIGURES}
    if arguments.against:
        defined = {name: values[0][name] != UNDEFINED for name in FIGURES}
        scores["against"] = {
            name: {
                "difference": values[0][name] - values[1][name] if defined[name] else None,
                "ci95": average_precision.interval(replicates[0][name] - replicates[1][name]),
            }
            for name in FIGURES
        }
    return scores


def show_coco(arguments: Arguments, scores: Scores) -> str:
    """The same figures as a table for reading."""
    lines = [f"COCO, images: {scores['n']}; fractions of 1, 95 % intervals over images", "", f"{arguments.predictions}"]
    lines += _figure_lines([(name, scores[name], scores["ci95"][name]) for name in FIGURES], "")
    if "against" in scores:
        lines += ["", f"{arguments.predictions} minus {arguments.against}, paired"]
        lines += _figure_lines([(name, row["difference"], row["ci95"]) for name, row in scores["against"].items()], "+")
    return "\n".join(lines)


def _figure_lines(rows: Sequence[tuple[str, float | None, Sequence[float] | None]], sign: str) -> list[str]:
    return [
        f"  {name:5}" + (f"{value:{sign}8.4f}    [{ci95[0]:{sign}.4f}, {ci95[1]:{sign}.4f}]" if ci95 else "   no person counts")
        for name, value, ci95 in rows
    ]


# A dataset is a function from the arguments to what --json prints, and one that shows it.
DATASETS: dict[str, tuple[Callable[[Arguments], Scores], Callable[[Arguments, Scores], str]]] = {
    "mpii": (score_mpii, show_mpii),
    "coco": (score_coco, show_coco),
}


def run(arguments: Arguments) -> None:
    """Score and print.

    Raises:
        InputError: see :func:`score_mpii` and :func:`score_coco`.
    """
    score, show = DATASETS[arguments.dataset]
    scores = score(arguments)
    print(json.dumps(scores, allow_nan=False) if arguments.as_json else show(arguments, scores))


def main(args: Sequence[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=args, description=DESCRIPTION, prog="python -m benchmark.score")
    errors.run(lambda: run(arguments))


if __name__ == "__main__":
    main()
