"""Format the scores of prediction files as text tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from benchmark.config.conventions import PCK_PRESETS, PCKH_PRESETS
from benchmark.core.text import printable
from benchmark.metrics.average_precision import UNDEFINED
from benchmark.metrics.pckh import MEAN_COLUMN
from benchmark.metrics.score_files import (
    DEFAULT_PCK,
    METRIC_NAMES,
    PART_NAMES,
    CocoScores,
    LspScores,
    MpiiScores,
    PartDifference,
    PckhDifference,
    PckhScore,
    ScoreArguments,
    Scores,
)


def format_scores(arguments: ScoreArguments, scores: Scores) -> str:
    """Format the scores of a prediction file as text."""
    match scores["dataset"]:
        case "mpii":
            return format_mpii(arguments, scores)
        case "lsp":
            return format_lsp(arguments, scores)
    return format_coco(arguments, scores)


def format_mpii(arguments: ScoreArguments, scores: MpiiScores) -> str:
    """Format the result of :func:`benchmark.metrics.score_files.score_mpii` as text."""
    lines = [f"MPII, people: {scores['n']}; PCKh in percent, 95 % intervals of the mean over people"]
    for path in arguments.prediction_files:
        origin = arguments.origin_of(path)
        lines.append(f"{printable(path)}: centre of the top-left pixel at ({origin}, {origin})")
    return "\n".join([*lines, *_preset_rows(arguments, scores, _mpii_label)])


def format_lsp(arguments: ScoreArguments, scores: LspScores) -> str:
    """Format the result of :func:`benchmark.metrics.score_files.score_lsp` as text."""
    lines = [f"LSP, people: {scores['n']}; PCK in percent of the torso's length, 95 % intervals over people"]
    for file, missing in scores["missing"].items():
        lines.append(f"{printable(file)}: {arguments.sides}-centric; joints without a prediction, counted as missed: {missing}")
    for name in scores["presets"]:
        lines.append(f"{name}: {PCK_PRESETS['' if name == DEFAULT_PCK else name].description}")
    return "\n".join([*lines, *_preset_rows(arguments, scores, lambda name, threshold: f"{name} @{threshold}")])


def _preset_rows(arguments: ScoreArguments, scores: MpiiScores | LspScores, label: Callable[[str, str], str]) -> Iterator[str]:
    """Yield a header, then for each preset and threshold values, intervals and paired differences."""
    presets = cast(Mapping[str, Mapping[str, PckhScore]], scores["presets"])
    against = cast(Mapping[str, Mapping[str, PckhDifference]], scores["against"])
    width = max(21, *(len(label(name, threshold)) for name, results in presets.items() for threshold in results)) + 1
    header = " " * width + "".join(f"{part:>10}" for part in [*PART_NAMES, MEAN_COLUMN]) + "    95 % interval"
    yield ""
    yield header
    for name, results in presets.items():
        for threshold, score in results.items():
            values = "".join(f"{percent:10.2f}" for percent in [*score["joints"].values(), score["mean"]])
            low, high = score["ci95"]
            yield f"{label(name, threshold):{width}}{values}    [{low:.2f}, {high:.2f}]"
            yield from _end_rows([*score["joints_ci95"].values(), score["ci95"]], width, "")
    if against:
        yield ""
        yield f"{printable(arguments.predictions)} minus {printable(arguments.against)}, paired"
        yield header
    for name, differences in against.items():
        for threshold, difference in differences.items():
            cells: list[PartDifference] = [*difference["joints"].values(), difference]
            values = "".join(f"{cell['difference']:+10.2f}" for cell in cells)
            low, high = difference["ci95"]
            yield f"{label(name, threshold):{width}}{values}    [{low:+.2f}, {high:+.2f}]"
            yield from _end_rows([cell["ci95"] for cell in cells], width, "+")


def _end_rows(intervals: Sequence[tuple[float, float]], width: int, sign: str) -> Iterator[str]:
    """Yield the lower ends of intervals, then the upper ones."""
    for index, end in enumerate(("low", "high")):
        yield f"{end:>{width - 1}} " + "".join(f"{interval[index]:{sign}10.2f}" for interval in intervals)


def _mpii_label(name: str, threshold: str) -> str:
    effective = PCKH_PRESETS[name].effective(float(threshold))
    return f"{name} @{threshold}" + ("" if effective == float(threshold) else f" (={effective})")


def format_coco(arguments: ScoreArguments, scores: CocoScores) -> str:
    """Format the result of :func:`benchmark.metrics.score_files.score_coco` as text."""
    intervals = "" if arguments.intervals == "none" else ", 95 % intervals over images"
    lines = [f"COCO, images: {scores['n']}; fractions of 1{intervals}", "", printable(arguments.predictions)]
    lines += _coco_rows([(name, scores[name], scores["ci95"][name]) for name in METRIC_NAMES], "")
    if "against" in scores:
        lines += ["", f"{printable(arguments.predictions)} minus {printable(arguments.against)}, paired"]
        lines += _coco_rows([(name, row["difference"], row["ci95"]) for name, row in scores["against"].items()], "+")
    return "\n".join(lines)


def _coco_rows(rows: Sequence[tuple[str, float | None, Sequence[float] | None]], sign: str) -> list[str]:
    lines = []
    for name, value, ci95 in rows:
        cell = "   undefined: no person to find" if value in (None, UNDEFINED) else f"{value:{sign}8.4f}"
        lines.append(f"  {name:5}{cell}" + (f"    [{ci95[0]:{sign}.4f}, {ci95[1]:{sign}.4f}]" if ci95 else ""))
    return lines
