"""Format the scores of prediction files as text tables."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.config.conventions import PCKH_PRESETS
from benchmark.metrics.pckh import MEAN_COLUMN
from benchmark.metrics.score_files import METRIC_NAMES, CocoScores, MpiiScores, PartDifference, ScoreArguments, Scores


def format_scores(arguments: ScoreArguments, scores: Scores) -> str:
    """Format the scores of a prediction file as text."""
    return format_mpii(arguments, scores) if scores["dataset"] == "mpii" else format_coco(arguments, scores)


def format_mpii(arguments: ScoreArguments, scores: MpiiScores) -> str:
    """Format the result of :func:`benchmark.metrics.score_files.score_mpii` as text."""
    lines = [f"MPII, people: {scores['n']}; PCKh in percent, 95 % intervals of the mean over people"]
    for path in arguments.prediction_files:
        origin = arguments.origin_of(path)
        lines.append(f"{path}: centre of the top-left pixel at ({origin}, {origin})")

    parts = list(next(iter(scores["presets"].values()))["0.5"]["joints"])
    header = " " * 22 + "".join(f"{part:>10}" for part in [*parts, MEAN_COLUMN]) + "    95 % interval"
    lines += ["", header]
    for name, results in scores["presets"].items():
        for threshold, score in results.items():
            values = "".join(f"{percent:10.2f}" for percent in [*score["joints"].values(), score["mean"]])
            low, high = score["ci95"]
            lines.append(f"{_row_label(name, threshold):22}{values}    [{low:.2f}, {high:.2f}]")

    if scores["against"]:
        lines += ["", f"{arguments.predictions} minus {arguments.against}, paired", header]
    for name, differences in scores["against"].items():
        for threshold, difference in differences.items():
            cells: list[PartDifference] = [*difference["joints"].values(), difference]
            values = "".join(f"{cell['difference']:+10.2f}" for cell in cells)
            low, high = difference["ci95"]
            lines.append(f"{_row_label(name, threshold):22}{values}    [{low:+.2f}, {high:+.2f}]")
            for index, end in enumerate(("low", "high")):
                lines.append(f"{end:>21} " + "".join(f"{cell['ci95'][index]:+10.2f}" for cell in cells))
    return "\n".join(lines)


def _row_label(name: str, threshold: str) -> str:
    effective = PCKH_PRESETS[name].effective(float(threshold))
    return f"{name} @{threshold}" + ("" if effective == float(threshold) else f" (={effective})")


def format_coco(arguments: ScoreArguments, scores: CocoScores) -> str:
    """Format the result of :func:`benchmark.metrics.score_files.score_coco` as text."""
    lines = [f"COCO, images: {scores['n']}; fractions of 1, 95 % intervals over images", "", f"{arguments.predictions}"]
    lines += _coco_rows([(name, scores[name], scores["ci95"][name]) for name in METRIC_NAMES], "")
    if "against" in scores:
        lines += ["", f"{arguments.predictions} minus {arguments.against}, paired"]
        lines += _coco_rows([(name, row["difference"], row["ci95"]) for name, row in scores["against"].items()], "+")
    return "\n".join(lines)


def _coco_rows(rows: Sequence[tuple[str, float | None, Sequence[float] | None]], sign: str) -> list[str]:
    return [
        f"  {name:5}"
        + (f"{value:{sign}8.4f}    [{ci95[0]:{sign}.4f}, {ci95[1]:{sign}.4f}]" if ci95 else "   undefined: no person to find")
        for name, value, ci95 in rows
    ]
