"""How far each choice at test time moves the same network on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.config.conventions import PCK_PRESETS, PCK_THRESHOLDS, pck_metric_name
from benchmark.config.packages import known_protocols
from benchmark.config.protocols import Protocol
from benchmark.core.errors import InputError
from benchmark.core.records import MEAN_POSE, OVER, TRAINED, Record
from benchmark.report.markdown import grid, page

Evaluation = tuple[str, str, str, str]  # model, dataset, split, what is unusual of input, weights and boxes


def decoding_page(records: Mapping[str, Record] | Sequence[Record]) -> str:
    """``reports/decoding.md``, from the accuracy records of evaluations under several protocols."""
    rows = list(records.values()) if isinstance(records, Mapping) else list(records)
    blocks = [
        "# What decoding and test-time options are worth",
        "Each network was run on the same persons under several protocols that differ from the first in what is named. Left "
        "the figure, beside it the paired difference from the first protocol with its 95 % interval over persons; a "
        "difference in **bold** is one whose interval leaves out zero. Both sides of a difference see the same persons, so it "
        "is known more closely than the figures themselves.",
    ]
    for evaluation, found in _evaluations(rows).items():
        model, dataset, split, setting = evaluation
        if any(OVER in metric for _, metric in found):
            size = max(record.n or 0 for record in found.values())
            setting = setting or "published weights"
            blocks += [f"## `{model}` on {dataset} {split}", f"{size} persons; {setting}.", _table(model, found)]
    return page(*blocks, *_definitions(_evaluations(rows)))


def _definitions(evaluations: Mapping[Evaluation, Mapping[tuple[str, str], Record]]) -> list[str]:
    """One line a definition of PCK, one column an evaluation: its first protocol, whose predictions all lines share."""
    metrics = [pck_metric_name(PCK_THRESHOLDS[0], preset) for preset in PCK_PRESETS]
    columns = {}
    for (model, dataset, split, setting), found in evaluations.items():
        compared = {name for name, metric in found if OVER in metric}
        for name in dict.fromkeys(name for name, _ in found):
            if name not in compared and all((name, metric) in found for metric in metrics):
                title = "; ".join(filter(None, (f"`{model}` on {dataset} {split}", f"`{name}`", setting)))
                columns[title] = [found[name, metric] for metric in metrics]
    if not columns:
        return []
    rows = [
        (metric, preset.description, *(_beside_the_first(column, number) for column in columns.values()))
        for number, (metric, preset) in enumerate(zip(metrics, PCK_PRESETS.values(), strict=True))
    ]
    return [
        "## What the definition of PCK is worth",
        "In each column one network's predictions, the same in every line, scored by each definition that goes by the name of "
        "PCK, all at 0.2 of the torso. Left the figure with its 95 % interval over persons, in brackets how far it lies from "
        "the first line's. A figure that does not name its definition is known no better than these lines agree.",
        grid(("metric", "definition", *columns), rows),
    ]


def _beside_the_first(column: Sequence[Record], number: int) -> str:
    record = column[number]
    assert record.interval is not None
    shown = f"{record.value:.2f} [{record.interval[0]:.2f}, {record.interval[1]:.2f}]"
    return shown + (f" ({record.value - column[0].value:+.2f})" if number else "")


def _evaluations(records: Sequence[Record]) -> dict[Evaluation, dict[tuple[str, str], Record]]:
    """Accuracy records by evaluation, then by protocol and metric; of several versions the latest alone."""
    found: dict[Evaluation, dict[tuple[str, str], Record]] = {}
    for record in sorted(records, key=lambda r: (r.subject, r.dataset, r.split, r.protocol, r.metric, r.version)):
        name, _, setting = record.protocol.partition("; ")
        if record.kind == "accuracy" and not name.startswith(TRAINED) and record.subject != MEAN_POSE:
            evaluation = (record.subject, record.dataset, record.split, setting)
            found.setdefault(evaluation, {})[name, record.metric] = record
    return {key: _same_version(value) for key, value in found.items()}


def _same_version(found: dict[tuple[str, str], Record]) -> dict[tuple[str, str], Record]:
    latest = max(record.version for record in found.values())
    return {key: record for key, record in found.items() if record.version == latest}


def _table(model: str, found: Mapping[tuple[str, str], Record]) -> str:
    """One line a protocol, the one compared with first; two columns a metric."""
    reference = next(metric.partition(OVER)[2] for _, metric in found if OVER in metric)
    other = {pck_metric_name(t, preset) for preset in PCK_PRESETS if preset for t in PCK_THRESHOLDS}  # below, for themselves
    own = {metric for name, metric in found if name == reference and OVER not in metric}
    metrics = sorted(own - other, key=_falling)
    known = _known(model)
    names = sorted({name for name, _ in found}, key=lambda name: (name != reference, *_place(name, known)))
    rows = []
    for name in names:
        cells = [cell for metric in metrics for cell in _cells(name, metric, reference, found)]
        rows.append((f"`{name}`", known[name].description if name in known else "", *cells))
    return grid(("protocol", "differs in", *(title for metric in metrics for title in (metric, "difference"))), rows)


def _falling(metric: str) -> tuple[float, str]:
    threshold = metric.partition("@")[2].split(" ")[0]
    return (-float(threshold) if threshold else 0.0, metric)


def _known(model: str) -> Mapping[str, Protocol]:
    try:
        return known_protocols(model)
    except InputError:  # a model that has left; its records stay
        return {}


def _place(name: str, known: Mapping[str, Protocol]) -> tuple[int, str]:
    return (list(known).index(name) if name in known else len(known), name)


def _cells(name: str, metric: str, reference: str, found: Mapping[tuple[str, str], Record]) -> tuple[str, str]:
    figure, difference = found.get((name, metric)), found.get((name, f"{metric}{OVER}{reference}"))
    places = 2 if "@" in metric else 3  # percent, or fractions as COCO prints them
    shown = f"{figure.value:.{places}f}" if figure else ""
    if difference is None or difference.interval is None:
        return shown, ""
    low, high = difference.interval
    value = f"{difference.value:+.{places}f}"
    value = f"**{value}**" if low > 0 or high < 0 else value
    return shown, f"{value} [{low:+.{places}f}, {high:+.{places}f}]"
