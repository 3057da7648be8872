"""How far each choice at test time moves the same network on the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.config.conventions import PCK_PRESETS, PCK_THRESHOLDS, pck_metric_name
from benchmark.config.identities import describe_setting
from benchmark.config.packages import known_protocols
from benchmark.config.protocols import Protocol
from benchmark.core.errors import InputError
from benchmark.core.records import Record, select
from benchmark.report.markdown import grid, page

# Model, dataset, split, and what differs from the published input size, weights and boxes.
Evaluation = tuple[str, str, str, str]
# Of one evaluation by protocol, metric, and the protocol from which the value is the difference ("" for the metric itself).
Results = Mapping[tuple[str, str, str], Record]


def decoding_page(records: Mapping[str, Record]) -> str:
    """``reports/decoding.md``, from the accuracy records of evaluations under several protocols."""
    blocks = [
        "# What decoding and test-time options are worth",
        "Each network was run on the same persons under several protocols that differ from the first in what is named. Left "
        "the figure, beside it the paired difference from the first protocol with its 95 % interval over persons; a "
        "difference in **bold** is one whose interval leaves out zero. Both sides of a difference see the same persons, so it "
        "is known more closely than the figures themselves.",
    ]
    for evaluation, found in _evaluations(records).items():
        model, dataset, split, setting = evaluation
        if any(over for *_, over in found):
            size = max(record.n or 0 for record in found.values())
            setting = setting or "published weights"
            blocks += [f"## `{model}` on {dataset} {split}", f"{size} persons; {setting}.", _table(model, found)]
    return page(*blocks, *_definitions(_evaluations(records)))


def _definitions(evaluations: Mapping[Evaluation, Results]) -> list[str]:
    """One line a definition of PCK, one column an evaluation: its first protocol, whose predictions all lines share."""
    metrics = [pck_metric_name(PCK_THRESHOLDS[0], preset) for preset in PCK_PRESETS]
    columns = {}
    for (model, dataset, split, setting), found in evaluations.items():
        compared = {name for name, _, over in found if over}
        for name in dict.fromkeys(name for name, *_ in found):
            # A definition that joined after the evaluation has no record of it; the first is the usual one.
            if name not in compared and sum((name, metric, "") in found for metric in metrics) > 1:
                title = "; ".join(filter(None, (f"`{model}` on {dataset} {split}", f"`{name}`", setting)))
                columns[title] = [found.get((name, metric, "")) for metric in metrics]
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


def _beside_the_first(column: Sequence[Record | None], number: int) -> str:
    first, record = column[0], column[number]
    if record is None:
        return ""
    assert record.interval is not None
    shown = f"{record.value:.2f} [{record.interval[0]:.2f}, {record.interval[1]:.2f}]"
    return shown + (f" ({record.value - first.value:+.2f})" if number and first else "")


def _evaluations(records: Mapping[str, Record]) -> dict[Evaluation, dict[tuple[str, str, str], Record]]:
    """Group the records of evaluations."""
    found: dict[Evaluation, dict[tuple[str, str, str], Record]] = {}
    ordered = select(records, kind="evaluation")
    for record in sorted(ordered, key=lambda r: (r.subject, r.dataset, r.split, r.protocol, r.metric, r.setting["over"])):
        evaluation = (record.subject, record.dataset, record.split, describe_setting(record))
        found.setdefault(evaluation, {})[record.protocol, record.metric, record.setting["over"]] = record
    return found


def _table(model: str, found: Results) -> str:
    """One line a protocol, the one compared with first; two columns a metric."""
    reference = next(over for *_, over in found if over)
    other = {pck_metric_name(t, preset) for preset in PCK_PRESETS if preset for t in PCK_THRESHOLDS}  # below, for themselves
    own = {metric for name, metric, over in found if name == reference and not over}
    metrics = sorted(own - other, key=_falling)
    known = _known(model)
    names = sorted({name for name, *_ in found}, key=lambda name: (name != reference, *_place(name, known)))
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


def _cells(name: str, metric: str, reference: str, found: Results) -> tuple[str, str]:
    figure, difference = found.get((name, metric, "")), found.get((name, metric, reference))
    places = 2 if "@" in metric else 3  # percent, or fractions as COCO prints them
    shown = f"{figure.value:.{places}f}" if figure else ""
    if difference is None or difference.interval is None:
        return shown, ""
    low, high = difference.interval
    value = f"{difference.value:+.{places}f}"
    value = f"**{value}**" if low > 0 or high < 0 else value
    return shown, f"{value} [{low:+.{places}f}, {high:+.{places}f}]"
