"""Show the effect of each option at test time, and of the definition of PCK, on the same network and images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from benchmark.config.conventions import PCK_PRESETS, PCK_THRESHOLDS, pck_metric_name
from benchmark.config.identities import describe_evaluation
from benchmark.config.packages import known_protocols
from benchmark.config.protocols import Protocol
from benchmark.core.errors import InputError
from benchmark.core.inference import LEVEL, adjust_p_values, estimate_from_interval
from benchmark.core.records import Record, select
from benchmark.core.statistics import REPLICATES
from benchmark.report.markdown import code, grid, page
from benchmark.report.metrics import METRIC_THRESHOLDS

# Definitions of PCK other than the first, which have a section of their own.
OTHER_DEFINITIONS = {pck_metric_name(threshold, preset) for preset in PCK_PRESETS if preset for threshold in PCK_THRESHOLDS}


class Evaluation(NamedTuple):
    """A network with given weights, tested at one input size on the people of a split.

    Attributes:
        model: Id of the model.
        dataset: Name of the dataset.
        split: Name of the split.
        input: Input size, if it is not the model's first.
        weights: Beginning of the weight file's hash, if the weights are not the published ones.
        boxes: Beginning of the detection file's hash, if the boxes come from a detector.
    """

    model: str
    dataset: str
    split: str
    input: str
    weights: str
    boxes: str

    @property
    def setting(self) -> str:
        """Describe what differs from the published input size, weights and boxes; empty if nothing does."""
        return describe_evaluation(self._asdict())


# Records of one evaluation by protocol, metric, and the protocol that is subtracted ("" for the metric itself).
Results = Mapping[tuple[str, str, str], Record]


def decoding_page(records: Mapping[str, Record]) -> str:
    """Return ``reports/decoding.md``, from the records of evaluations under several protocols."""
    blocks = [
        "# Effect of decoding and test-time options",
        "Each network was tested on the same people under several protocols, which differ from the first one as described. "
        "Each metric is followed by its paired difference from the first protocol with the 95 % interval over people. Since "
        "both protocols see the same people, differences are known more precisely than the metrics themselves. A difference is "
        f"**bold** if its p-value is at most {100 * LEVEL:.0f} % by Holm's procedure among all differences of these tables; it "
        "allows for their dependence. There is one training of each network, so nothing here includes the variation between "
        "trainings.",
    ]
    evaluations = _group_evaluations(records)
    significant = _significant_differences(evaluations)
    for evaluation, results in evaluations.items():
        if any(over for *_, over in results):
            people = max(record.n or 0 for record in results.values())
            blocks += [
                f"## {decoding_heading(evaluation.model, evaluation.dataset, evaluation.split)}",
                f"{people} people; {evaluation.setting or 'published weights'}.",
                _compare_protocols(evaluation.model, results, significant),
            ]
    return page(*blocks, *_compare_definitions(evaluations))


def decoding_heading(model: str, dataset: str, split: str) -> str:
    """Return the heading of the section on a network tested on the people of a split."""
    return f"{code(model)} on {dataset} {split}"


def _compare_definitions(evaluations: Mapping[Evaluation, Results]) -> list[str]:
    """Compare the definitions of PCK: one row per definition, one column per evaluation under its first protocol."""
    metrics = [pck_metric_name(PCK_THRESHOLDS[0], preset) for preset in PCK_PRESETS]
    columns = {}
    for evaluation, results in evaluations.items():
        subject = f"{code(evaluation.model)} on {evaluation.dataset} {evaluation.split}"
        compared = {protocol for protocol, _, over in results if over}
        for protocol in dict.fromkeys(protocol for protocol, *_ in results):
            # A definition added after the evaluation has no record of it; the first one alone makes no comparison.
            if protocol not in compared and sum((protocol, metric, "") in results for metric in metrics) > 1:
                title = "; ".join(filter(None, (subject, code(protocol), evaluation.setting)))
                columns[title] = [results.get((protocol, metric, "")) for metric in metrics]
    if not columns:
        return []
    rows = [
        (metric, preset.description, *(_with_difference_from_first(column, row) for column in columns.values()))
        for row, (metric, preset) in enumerate(zip(metrics, PCK_PRESETS.values(), strict=True))
    ]
    return [
        "## Effect of the definition of PCK",
        "Each column scores the predictions of one network, which are the same in every row, by the definitions that are in "
        "use under the name PCK, at 0.2 of the torso. Values are given with their 95 % interval over people and, in "
        "parentheses, the difference from the first row. A published PCK whose definition is not stated is uncertain by as "
        "much as the rows differ.",
        grid(("metric", "definition", *columns), rows),
    ]


def _with_difference_from_first(column: Sequence[Record | None], row: int) -> str:
    first, record = column[0], column[row]
    if record is None:
        return ""
    assert record.interval is not None
    value = f"{record.value:.2f} [{record.interval[0]:.2f}, {record.interval[1]:.2f}]"
    return value + (f" ({record.value - first.value:+.2f})" if row and first else "")


def _group_evaluations(records: Mapping[str, Record]) -> dict[Evaluation, dict[tuple[str, str, str], Record]]:
    groups: dict[Evaluation, dict[tuple[str, str, str], Record]] = {}
    evaluations = select(records, kind="evaluation")
    evaluations.sort(key=lambda r: (r.subject, r.dataset, r.split, r.protocol, r.metric, r.setting["over"]))
    for record in evaluations:
        setting = record.setting
        tested_with = setting["input"], setting["weights"], setting["boxes"]
        evaluation = Evaluation(record.subject, record.dataset, record.split, *tested_with)
        groups.setdefault(evaluation, {})[record.protocol, record.metric, setting["over"]] = record
    return groups


def _significant_differences(evaluations: Mapping[Evaluation, Results]) -> set[str]:
    """Return the ids of the differences from a first protocol that are significant among all that are shown."""
    differences = [
        record
        for results in evaluations.values()
        for (_, metric, over), record in results.items()
        if over and metric not in OTHER_DEFINITIONS and record.interval and record.n
    ]
    estimates = [estimate_from_interval(r.value, r.interval, r.n, REPLICATES) for r in differences if r.interval and r.n]
    p_values = adjust_p_values([estimate.p_value() for estimate in estimates])
    return {record.id for record, p_value in zip(differences, p_values, strict=True) if p_value <= LEVEL}


def _compare_protocols(model: str, results: Results, significant: Set[str]) -> str:
    """Compare the protocols of one evaluation: one row per protocol, the reference first, and two columns per metric."""
    reference = next(over for *_, over in results if over)
    metrics = {metric for protocol, metric, over in results if protocol == reference and not over} - OTHER_DEFINITIONS
    ordered_metrics = sorted(metrics, key=_by_falling_threshold)
    declared = _declared_protocols(model)
    order = {name: position for position, name in enumerate([reference, *(name for name in declared if name != reference)])}
    rows = []
    for protocol in sorted({protocol for protocol, *_ in results}, key=lambda name: (order.get(name, len(order)), name)):
        pairs = [
            (results.get((protocol, metric, "")), results.get((protocol, metric, reference))) for metric in ordered_metrics
        ]
        cells = [cell for pair in pairs for cell in _value_and_difference(*pair, significant)]
        rows.append((code(protocol), declared[protocol].description if protocol in declared else "", *cells))
    header = ("protocol", "description", *(title for metric in ordered_metrics for title in (metric, "difference")))
    return grid(header, rows)


def _by_falling_threshold(metric: str) -> tuple[float, str]:
    return -METRIC_THRESHOLDS.get(metric, 0.0), metric


def _declared_protocols(model: str) -> Mapping[str, Protocol]:
    try:
        return known_protocols(model)
    except InputError:  # the model was removed; its records remain
        return {}


def _value_and_difference(record: Record | None, difference: Record | None, significant: Set[str]) -> tuple[str, str]:
    known = record or difference
    decimals = 2 if known and known.metric in METRIC_THRESHOLDS else 3  # percent, or fractions as COCO prints them
    value = f"{record.value:.{decimals}f}" if record else ""
    if difference is None or difference.interval is None:
        return value, ""
    low, high = difference.interval
    mean = f"{difference.value:+.{decimals}f}"
    mean = f"**{mean}**" if difference.id in significant else mean
    return value, f"{mean} [{low:+.{decimals}f}, {high:+.{decimals}f}]"
