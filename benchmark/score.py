"""``python -m benchmark.score``: evaluate a file of predictions under every convention, with intervals."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import tyro

from benchmark.core.errors import run_command
from benchmark.metrics.average_precision import AP_METRICS
from benchmark.metrics.pckh import MEAN_COLUMN, PCKH_PRESETS
from benchmark.metrics.score_files import SCORERS, ScoreArguments, Scores, _origin

DESCRIPTION = """Score predicted joints under the public evaluation conventions, with 95 % intervals.

MPII: PCKh@0.5 and @0.1 of each part and the mean, percent; intervals by a bootstrap over persons.
COCO: the ten keypoint figures as pycocotools computes them, fractions from 0 to 1; intervals by a bootstrap over images.

examples:
  python -m benchmark.score --annotations gt_valid.mat --predictions mine.mat --against theirs.mat
  python -m benchmark.score --dataset coco --annotations person_keypoints_val2017.json --predictions mine.json --json
"""


def show_mpii(arguments: ScoreArguments, scores: Scores) -> str:
    """The same figures as tables for reading."""
    lines = [f"MPII, {scores['n']} persons, PCKh in percent; 95 % intervals of the mean over persons"]
    for path in [arguments.predictions] + ([arguments.against] if arguments.against else []):
        origin = _origin(arguments, path)
        lines.append(f"{path}: centre of the top-left pixel at ({origin}, {origin})")
    parts = list(next(iter(scores["presets"].values()))["0.5"]["joints"])
    heading = " " * 22 + "".join(f"{part:>10}" for part in [*parts, MEAN_COLUMN]) + "    95 % interval"
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
    effective = PCKH_PRESETS[name].effective(float(threshold))
    return f"{name} @{threshold}" + ("" if effective == float(threshold) else f" (={effective})")


def show_coco(arguments: ScoreArguments, scores: Scores) -> str:
    """The same figures as a table for reading."""
    lines = [f"COCO, images: {scores['n']}; fractions of 1, 95 % intervals over images", "", f"{arguments.predictions}"]
    lines += _figure_lines([(name, scores[name], scores["ci95"][name]) for name in AP_METRICS], "")
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
FORMATS: dict[str, Callable[[ScoreArguments, Scores], str]] = {"mpii": show_mpii, "coco": show_coco}


def score_command(arguments: ScoreArguments) -> None:
    """Score and print.

    Raises:
        InputError: see :func:`score_mpii` and :func:`score_coco`.
    """
    scores = SCORERS[arguments.dataset](arguments)
    print(json.dumps(scores, allow_nan=False) if arguments.as_json else FORMATS[arguments.dataset](arguments, scores))


def main(args: Sequence[str] | None = None) -> None:
    arguments = tyro.cli(ScoreArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.score")
    run_command(lambda: score_command(arguments))


if __name__ == "__main__":
    main()
