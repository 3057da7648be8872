"""Findings on accuracies: printed gains, and metrics, weights and options as we measured them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import NamedTuple

from benchmark.config.conventions import (
    PCK_PRESETS,
    PCK_THRESHOLDS,
    PCKH_PRESETS,
    PCKH_THRESHOLDS,
    pck_metric_name,
    pckh_metric_name,
)
from benchmark.config.packages import default_protocol, known_protocols
from benchmark.core.errors import InputError
from benchmark.core.records import Record, select
from benchmark.models.registry import canonical_id
from benchmark.papers.consistency import MEAN_OF_PARTS, USUAL_MEAN, check_consistency
from benchmark.papers.expressions import evaluate_expression, printed_value
from benchmark.papers.tables import Cell, Paper
from benchmark.report.decoding import decoding_heading
from benchmark.report.finding_rules.finding import Evidence, Finding, join_words
from benchmark.report.markdown import grid, heading_anchor
from benchmark.report.metrics import USUAL_PCKH

PCK = pck_metric_name(PCK_THRESHOLDS[0])
PCKH = pckh_metric_name(PCKH_THRESHOLDS[0], USUAL_PCKH)
MIN_PEOPLE = 500  # of a test set that findings rest on
DATASETS = {"lsp": "Leeds Sports Pose", "mpii": "MPII", "coco": "COCO"}


# --- printed gains -----------------------------------------------------------------------------------------------------------


def find_noise(evidence: Evidence) -> Iterator[Finding]:
    """Count the stated differences in PCKh@0.5 that lie within the noise of MPII's validation people.

    Tables with a split of their own are left out, and pairs of which one mean was averaged otherwise, as its parts show: that
    is another metric.
    """
    differences = [
        record
        for record in select(evidence.records, kind="predictions", dataset="mpii", split="val", metric=PCKH)
        if record.setting["over"] and record.interval
    ]
    stated = sorted(stated_gains(evidence.papers), key=lambda gain: (_gap(gain), gain[0].name))
    stated = [gain for gain in stated if not gain[0].table.own_split]
    otherwise = _averaged_otherwise(evidence.papers)
    gains = [gain for gain in stated if not otherwise & {gain[0].name, gain[1].name}]
    if not differences or not gains:
        return
    narrowest = min(differences, key=_half_width)
    noise = _half_width(narrowest)
    within = [gain for gain in gains if _gap(gain) <= noise]
    if within:
        better, worse = within[-1]
        papers = join_words(list(dict.fromkeys(evidence.papers[gain[0].paper].short for gain in within)))
        yield Finding(
            sentence=f"Of {len(gains)} differences in PCKh@0.5 that papers state on MPII validation, {len(within)} ({papers}), "
            f"up to {better.printed} over {worse.printed}, are at most {noise:.2f}: half the narrowest of {len(differences)} "
            f"intervals (95 %) of a difference between published predictions for {narrowest.n:,} people.",
            strength=len(within) / len(gains),
            page="predictions.md",
            cells=(better, worse),
            records=(narrowest,),
            details="Networks that are more alike may differ by less noise than any two of these files do. A mean that its "
            "parts do not give with MPII's weights is not the same metric, and its differences are not counted. A table of "
            "other test people is left out.\n\n"
            + grid(
                ("of", "higher", "lower", "difference", "within noise"),
                [
                    (
                        a.paper,
                        f"{a.row.id} {a.printed}",
                        f"{b.row.id} {b.printed}",
                        f"{_gap((a, b)):.3f}",
                        "not the same metric" if (a, b) not in gains else "yes" * ((a, b) in within),
                    )
                    for a, b in stated
                ],
            ),
        )


def _averaged_otherwise(papers: Mapping[str, Paper]) -> set[str]:
    """Return the names of means that MPII's weights do not give, and of the same printed values of the same networks."""
    checks = [check for check in check_consistency(papers) if check.rule == MEAN_OF_PARTS and USUAL_MEAN not in check.ways]
    means = [cell for check in checks for cell in check.cells if cell.column.part == "mean"]
    values = {(cell.row.model, cell.printed) for cell in means if cell.row.model}
    cells = (cell for paper in papers.values() for table in paper.tables.values() for cell in table.cells())
    return {cell.name for cell in means} | {
        cell.name for cell in cells if _is_pckh(cell) and (cell.row.model, cell.printed) in values
    }


def _half_width(record: Record) -> float:
    assert record.interval is not None
    return (record.interval[1] - record.interval[0]) / 2


def _gap(gain: tuple[Cell, Cell]) -> float:
    return round(printed_value(gain[0]) - printed_value(gain[1]), 6)


def stated_gains(papers: Mapping[str, Paper]) -> list[tuple[Cell, Cell]]:
    """Return the pairs of printed PCKh@0.5 on MPII validation of which a paper states that the first is higher.

    A paper states so in a sentence, as a difference or as an order, or in a column of differences; each pair counts once.
    """
    gains: dict[tuple[str, str], tuple[Cell, Cell]] = {}
    for paper in papers.values():
        expressions = [(claim.expression, "") for claim in paper.claims]
        for table in paper.tables.values():
            derived = [column for column in table.columns.values() if column.metric == "difference" and column.expression]
            expressions += [
                (column.expression, row) for column in derived for row in table.rows if (row, column.name) in table.printed
            ]
        for expression, row in expressions:
            for greater, less in _ordered_sides(expression):
                pair = [_deciding_cell(side, paper, papers, row) for side in (greater, less)]
                if pair[0] and pair[1] and _gap((pair[0], pair[1])) > 0:
                    gains[pair[0].name, pair[1].name] = (pair[0], pair[1])
    return list(gains.values())


def _ordered_sides(expression: str) -> Iterator[tuple[str, str]]:
    """Iterate over the pairs of expressions of which a statement says that the first is greater."""
    tree = ast.parse(expression, mode="eval").body
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Sub):
        yield ast.unparse(tree.left), ast.unparse(tree.right)
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [ast.unparse(side) for side in (node.left, *node.comparators)]
            for operation, (left, right) in zip(node.ops, pairwise(sides), strict=True):
                if isinstance(operation, ast.Gt):
                    yield left, right
                elif isinstance(operation, ast.Lt):
                    yield right, left


def _deciding_cell(side: str, paper: Paper, papers: Mapping[str, Paper], row: str) -> Cell | None:
    """Return the cell whose PCKh@0.5 on MPII validation is the value of a side, such as the highest of several."""
    result = evaluate_expression(side, paper, papers, row)
    return next((cell for cell in result.cells if _is_pckh(cell) and printed_value(cell) == result.value), None)


# --- metrics -----------------------------------------------------------------------------------------------------------------


def find_thresholds(evidence: Evidence) -> Iterator[Finding]:
    """Compare PCKh as a public code computes it with the same PCKh at the threshold in its name."""
    for (name, preset), (exact_name, exact) in combinations(PCKH_PRESETS.items(), 2):
        if replace(preset, thresholds=exact.thresholds, source=exact.source) != exact:
            continue
        for threshold in PCKH_THRESHOLDS:
            if preset.effective(threshold) == threshold or exact.effective(threshold) != threshold:
                continue
            pairs = []
            for record in select(evidence.records, kind="predictions", metric=pckh_metric_name(threshold, name), over=""):
                same = {"subject": record.subject, "dataset": record.dataset, "split": record.split, "setting": record.setting}
                pairs += [
                    (record, other)
                    for other in select(
                        evidence.records, kind="predictions", metric=pckh_metric_name(threshold, exact_name), **same
                    )
                ]
            if not pairs:
                continue
            pairs.sort(key=lambda pair: pair[0].value - pair[1].value)
            low, high = (first.value - second.value for first, second in (pairs[0], pairs[-1]))
            yield Finding(
                sentence=f"What the public code of {preset.source.partition(':')[0]} reports as PCKh@{threshold} is "
                f"PCKh@{preset.effective(threshold)}; on {len(pairs)} published prediction files of MPII validation this adds "
                f"{low:.1f} to {high:.1f} percentage points.",
                strength=high,
                page="predictions.md",
                records=(*pairs[0], *pairs[-1]),
            )


def find_definitions(evidence: Evidence) -> Iterator[Finding]:
    """Compare the PCK of the same predictions under definitions of the torso and of the joints that count."""
    first = PCK_PRESETS[""]
    presets = {
        pck_metric_name(PCK_THRESHOLDS[0], name): preset
        for name, preset in PCK_PRESETS.items()
        if replace(preset, torsos=first.torsos, occluded=first.occluded, description=first.description) == first
    }
    for test in published_tests(evidence.records):
        usual, same = test.usual, {"subject": test.model, "dataset": test.dataset, "split": test.split}
        scored = [
            (record, preset.description)
            for metric, preset in presets.items()
            for record in select(evidence.records, kind="evaluation", metric=metric, protocol=usual.protocol, **same)
            if record.setting == usual.setting
        ]
        (low, low_text), (high, high_text) = (extreme(scored, key=lambda pair: pair[0].value) for extreme in (min, max))
        if low is not high:
            yield Finding(
                sentence=f"The same predictions of {network_name(test.model, evidence.papers)} for {usual.n:,} people of "
                f"{DATASETS[test.dataset]} have {low.value:.1f} to {high.value:.1f} % {_shown(PCK)}, depending on its "
                f"definition ({low_text}; {high_text}).",
                strength=high.value - low.value,
                page="decoding.md#" + heading_anchor("Effect of the definition of PCK"),
                records=(low, high),
            )


# --- published weights -------------------------------------------------------------------------------------------------------


class PublishedTest(NamedTuple):
    """A network with its published weights, tested on the people of a split.

    Attributes:
        model: Id of the network.
        dataset: Name of the dataset.
        split: Name of the split.
        usual: Result under the network's default protocol.
        by_protocol: Results under all protocols that are still known.
    """

    model: str
    dataset: str
    split: str
    usual: Record
    by_protocol: Mapping[str, Record]


def published_tests(records: Mapping[str, Record]) -> list[PublishedTest]:
    """Return the tests of networks with published weights, by PCK on enough people, in the order of the networks."""
    results: dict[tuple[str, str, str], dict[str, Record]] = {}
    published = {"over": "", "input": "", "weights": "", "boxes": ""}
    for record in select(records, kind="evaluation", metric=PCK, **published):
        if (record.n or 0) >= MIN_PEOPLE:
            results.setdefault((record.subject, record.dataset, record.split), {})[record.protocol] = record
    tests = []
    for (model, dataset, split), by_protocol in sorted(results.items()):
        try:
            known, usual = known_protocols(model), by_protocol.get(default_protocol(model, dataset))
        except InputError:  # the model was removed; its records remain
            continue
        if usual:
            kept = {name: record for name, record in by_protocol.items() if name in known}
            tests.append(PublishedTest(model, dataset, split, usual, kept))
    return tests


def find_test_options(evidence: Evidence) -> Iterator[Finding]:
    """Compare the accuracies of one network with its authors' weights under several options at test time."""
    tests = published_tests(evidence.records)
    for test in tests:
        usual, same = test.usual, {"subject": test.model, "dataset": test.dataset, "split": test.split}
        differences = select(evidence.records, kind="evaluation", metric=PCK, over=usual.protocol, **same)
        clear = {record.protocol for record in differences if record.interval and not _contains_zero(record.interval)}
        shown = [usual, *(record for protocol, record in test.by_protocol.items() if protocol in clear)]
        low, high = (extreme(shown, key=lambda record: record.value) for extreme in (min, max))
        if low is high:
            continue
        known, values, step = known_protocols(test.model), [low, high], ""
        if larger := _next_network(test, tests):
            other = network_name(larger.subject, evidence.papers)
            step = f"; our defaults give it {usual.value:.2f} %, and {other} {larger.value:.2f} %"
            values += [usual, larger]
        low_text, high_text = (known[record.protocol].description for record in (low, high))
        name, people = network_name(test.model, evidence.papers), f"{usual.n:,} people of {DATASETS[test.dataset]}"
        yield Finding(
            sentence=f"With released weights and options of ours, {name} reaches {low.value:.2f} ({low_text}) to "
            f"{high.value:.2f} % {_shown(PCK)} ({high_text}) on {people}{step}.",
            strength=high.value - low.value,
            page="decoding.md#" + heading_anchor(decoding_heading(test.model, test.dataset, test.split)),
            records=tuple(values),
        )


def _next_network(test: PublishedTest, tests: Sequence[PublishedTest]) -> Record | None:
    """Return the result of the package's next more accurate network, on the same people under the same protocol."""
    results = [other.usual for other in tests if other[1:3] == test[1:3] and _package(other.model) == _package(test.model)]
    better = [r for r in results if r.value > test.usual.value and r.protocol == test.usual.protocol]
    return min(better, key=lambda record: record.value, default=None)


def find_released_weights(evidence: Evidence) -> Iterator[Finding]:
    """Compare the order of a paper's networks with released weights on another dataset with their printed order."""
    networks: dict[tuple[str, str, str], list[tuple[Record, Cell]]] = {}
    for test in published_tests(evidence.records):
        if (paper := evidence.papers.get(_package(test.model))) and (cell := _printed_pckh(test.model, paper)):
            networks.setdefault((paper.id, test.dataset, test.split), []).append((test.usual, cell))
    for (package, dataset, _), tested in networks.items():
        tested.sort(key=lambda pair: printed_value(pair[1]))
        values = [record.value for record, _ in tested]
        order = "the order is that of" if all(a < b for a, b in pairwise(values)) else "the order is not that of"
        overlapping = [f"{a.subject} and {b.subject}" for (a, _), (b, _) in pairwise(tested) if _overlap(a, b)]
        overlaps = "".join(f"; intervals of {pair.replace(package + '/', '')} overlap" for pair in overlapping)
        widest = max(_half_width(record) for record, _ in tested)
        names = join_words([record.subject.partition("/")[2] for record, _ in tested])
        reached, printed = join_words([f"{value:.1f}" for value in values]), join_words([cell.printed for _, cell in tested])
        if len(tested) > 1:
            yield Finding(
                sentence=f"{evidence.papers[package].short}'s released weights of {names} reach {reached} % {_shown(PCK)} "
                f"(± {widest:.1f}) on {tested[0][0].n:,} people of {DATASETS[dataset]}; {order} their printed "
                f"PCKh@0.5 on MPII validation, {printed}{overlaps}.",
                strength=len(tested),
                page="decoding.md",
                cells=tuple(cell for _, cell in tested),
                records=tuple(record for record, _ in tested),
            )


def _printed_pckh(model: str, paper: Paper) -> Cell | None:
    """Return the first printed PCKh@0.5 of a network on MPII validation."""
    cells = (cell for table in paper.tables.values() for cell in table.cells())
    plain = (cell for cell in cells if _is_pckh(cell) and cell.row.model and not cell.row.needs)
    return next((cell for cell in plain if canonical_id(cell.row.model) == model), None)


def _is_pckh(cell: Cell) -> bool:
    """Return whether a cell is a mean PCKh@0.5 on MPII validation."""
    column = cell.column
    is_mean = (column.metric, column.threshold, column.part) == ("pckh", 0.5, "mean")
    return is_mean and (cell.dataset, cell.table.split) == ("mpii", "val")


def _overlap(a: Record, b: Record) -> bool:
    assert a.interval is not None
    assert b.interval is not None
    return a.interval[0] <= b.interval[1] and b.interval[0] <= a.interval[1]


def _contains_zero(interval: tuple[float, float]) -> bool:
    return interval[0] <= 0 <= interval[1]


def _package(model: str) -> str:
    return model.partition("/")[0]


def network_name(model: str, papers: Mapping[str, Paper]) -> str:
    """Return a network's name for readers: its paper's short name and its variant."""
    package, _, variant = model.partition("/")
    return f"{papers[package].short} {variant}" if package in papers else variant


def _shown(metric: str) -> str:
    return metric.replace("pck", "PCK")
