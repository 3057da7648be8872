"""Check rules that printed numbers must obey among themselves; no measurement is needed.

Every rule allows for rounding: it is violated only if no numbers that round to the printed ones satisfy it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmark.core.input_size import parse_size
from benchmark.papers.expressions import half_unit, printed_value
from benchmark.papers.tables import UNIT_SCALES, Cell, Paper

# Visible joints of the 2,958 people in the MPII validation split, left and right together; a test counts them in the data.
VISIBLE_JOINT_COUNTS = {
    "head": 2932,
    "neck": 2932,
    "shoulder": 5888,
    "elbow": 5867,
    "wrist": 5837,
    "hip": 5777,
    "knee": 4963,
    "ankle": 4234,
}
PRINTED_PARTS = tuple(part for part in VISIBLE_JOINT_COUNTS if part != "neck")
USUAL_MEAN = "MPII's mean"
# Weights of the parts under each way of averaging that public code has. No table prints the neck; where a way says so, it is
# in the printed head.
MEANS: Mapping[str, Mapping[str, int]] = {
    USUAL_MEAN: VISIBLE_JOINT_COUNTS,
    "MPII's mean with the neck in the head": {**VISIBLE_JOINT_COUNTS, "head": 2 * VISIBLE_JOINT_COUNTS["head"], "neck": 0},
    "plain mean of joints": {part: 1 if part in ("head", "neck") else 2 for part in VISIBLE_JOINT_COUNTS},
    "plain mean of parts": {part: int(part != "neck") for part in VISIBLE_JOINT_COUNTS},
}
TEST_ORDER = "two networks have the same order on test and validation"
MEAN_OF_PARTS = "the mean is that of its parts, in one of the ways of averaging"
SAME_IN_ALL_TABLES = "a value is the same in all tables"


@dataclass(frozen=True)
class Finding:
    """One rule applied to one row or pair of cells.

    Attributes:
        rule: The rule, as a sentence.
        where: The row or the cells that it was applied to.
        holds: False if the rule is violated.
        arithmetic: The compared numbers, in words.
        cells: The cells that it was applied to.
        truncated: True if a violated rule would hold for numbers that may be truncated instead of rounded.
        ways: Ways of averaging under which a mean follows from its parts.
    """

    rule: str
    where: str
    holds: bool
    arithmetic: str
    cells: tuple[Cell, ...]
    truncated: bool = False
    ways: tuple[str, ...] = ()


def check_consistency(papers: Mapping[str, Paper]) -> list[Finding]:
    """Apply every rule to every table, in the order of the papers."""
    tables = [table for paper in papers.values() for table in paper.tables.values()]
    cells = [cell for table in tables for cell in table.cells()]
    findings: list[Finding] = []
    for table in tables:
        for row in table.rows:
            row_cells = [cell for column in table.columns if (cell := table.cell(row, column))]
            findings += [*_check_mean_of_parts(row_cells), *_check_ap_order(row_cells)]
    rules = (_check_quotations, _check_params_across_sizes, _check_flops_across_sizes, _check_test_order)
    for rule in rules:
        findings += rule(cells)
    return findings


def rounding_bounds(cell: Cell) -> tuple[float, float]:
    """Return the bounds of the numbers that round to the printed one, in the plain unit of the column's metric."""
    scale = UNIT_SCALES.get(cell.column.unit, 1.0)
    value, half = printed_value(cell), half_unit(cell)
    return (value - half) * scale, (value + half) * scale


def truncation_bounds(cell: Cell) -> tuple[float, float]:
    """Return the bounds of the numbers that the printed one may stand for if it was rounded or truncated."""
    low, high = rounding_bounds(cell)
    return low, high + (high - low) / 2


def _check_mean_of_parts(row: Sequence[Cell]) -> Iterator[Finding]:
    """Check MPII's mean under each way of averaging in :data:`MEANS`, of which tables rarely say which they print.

    Where the unprinted neck has a weight, its accuracy that follows from the mean must be at most 100, and at least that of the
    shoulders, which are harder to find.
    """
    by_part = {cell.column.part: cell for cell in row if cell.column.metric == "pckh" and cell.column.threshold == 0.5}
    if not row or row[0].dataset != "mpii" or row[0].table.split != "val" or not {*PRINTED_PARTS, "mean"} <= by_part.keys():
        return
    low, high = implied_neck_accuracy(by_part)
    ways = tuple(way for way in MEANS if _is_mean_of_parts(by_part, way))
    arithmetic = (
        f"as {USUAL_MEAN}, {by_part['mean'].printed} implies a neck accuracy of {low:.1f} to {high:.1f}, which cannot be below "
        f"the shoulders' {by_part['shoulder'].printed} or above 100; ways that allow it: {', '.join(ways) or 'none'}"
    )
    yield Finding(MEAN_OF_PARTS, _row_name(row[0]), bool(ways), arithmetic, tuple(by_part.values()), ways=ways)


def _is_mean_of_parts(by_part: Mapping[str, Cell], way: str) -> bool:
    """Return whether the printed mean may be that of the printed parts, averaged in one of the ways of :data:`MEANS`."""
    if MEANS[way]["neck"]:
        low, high = implied_neck_accuracy(by_part, way)
        return low <= 100 and high >= rounding_bounds(by_part["shoulder"])[0]
    weights, total = MEANS[way], sum(MEANS[way].values())
    low, high = (sum(weights[part] * rounding_bounds(by_part[part])[end] for part in PRINTED_PARTS) / total for end in (0, 1))
    mean_low, mean_high = rounding_bounds(by_part["mean"])
    return low <= mean_high and mean_low <= high


def implied_neck_accuracy(by_part: Mapping[str, Cell], way: str = USUAL_MEAN) -> tuple[float, float]:
    """Return the bounds of the neck's accuracy that follows from mean and parts, under a way of averaging with the neck."""
    weights, total = MEANS[way], sum(MEANS[way].values())
    mean_low, mean_high = rounding_bounds(by_part["mean"])
    parts = {part: rounding_bounds(by_part[part]) for part in PRINTED_PARTS}
    low = (mean_low * total - sum(weights[part] * part_high for part, (_, part_high) in parts.items())) / weights["neck"]
    high = (mean_high * total - sum(weights[part] * part_low for part, (part_low, _) in parts.items())) / weights["neck"]
    return low, high


def _check_ap_order(row: Sequence[Cell]) -> Iterator[Finding]:
    """Check the order of COCO's metrics within a row.

    A looser threshold never gives a lower accuracy, AP is at most AR, and AP lies between that of medium people and that of
    large people, who are easier to find.
    """
    by_metric = {cell.column.metric: cell for cell in row if cell.column.kind == "accuracy" and cell.dataset == "coco"}
    for low, high, rule in (
        ("ap", "ap50", "AP is at most AP50"),
        ("ap75", "ap50", "AP75 is at most AP50"),
        ("ap", "ar", "AP is at most AR"),
    ):
        if {low, high} <= by_metric.keys():
            holds = rounding_bounds(by_metric[low])[0] <= rounding_bounds(by_metric[high])[1]
            arithmetic = f"{low} {by_metric[low].printed}, {high} {by_metric[high].printed}"
            yield Finding(rule, _row_name(row[0]), holds, arithmetic, (by_metric[low], by_metric[high]))
    if {"ap", "apm", "apl"} <= by_metric.keys():
        medium, large, both = (rounding_bounds(by_metric[metric]) for metric in ("apm", "apl", "ap"))
        holds = medium[0] <= both[1] and both[0] <= large[1]
        arithmetic = ", ".join(f"{metric} {by_metric[metric].printed}" for metric in ("apm", "ap", "apl"))
        compared = tuple(by_metric[metric] for metric in ("apm", "ap", "apl"))
        yield Finding("AP lies between APM and APL", _row_name(row[0]), holds, arithmetic, compared)


def _check_quotations(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Check that a network's value under one protocol is the same in all tables."""
    groups = _group(
        cells,
        key=lambda cell: (
            cell.row.model,
            cell.dataset,
            cell.table.split,
            cell.input,
            cell.row.needs if cell.column.kind == "accuracy" else "",
            cell.column.metric,
            cell.column.convention,
            cell.column.threshold,
            cell.column.part,
            cell.column.scope,
        ),
        condition=lambda cell: bool(cell.row.model) and cell.column.kind in ("cost", "accuracy") and not cell.column.expression,
    )
    for group in groups:
        for a, b in combinations(group, 2):
            if a.table is not b.table:
                yield _compare_pair(SAME_IN_ALL_TABLES, a, b)


def _check_params_across_sizes(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Check that a network has the same number of parameters at every input size, as convolutional networks do."""
    for group in _group(
        cells,
        key=lambda cell: (cell.row.model, cell.dataset, cell.column.convention),
        condition=lambda cell: bool(cell.row.model) and cell.column.metric == "params" and not cell.column.scope,
    ):
        for a, b in combinations(group, 2):
            if a.input != b.input:
                yield _compare_pair("parameters do not depend on the input size", a, b)


def _check_flops_across_sizes(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Check that operations are proportional to the input's area, as those of a fully convolutional network are.

    Networks for different numbers of joints are compared too: the number only changes the last layer, whose operations are too
    few to change the printed digits.
    """
    for group in _group(
        cells,
        key=lambda cell: (cell.paper, cell.row.model, cell.column.convention),
        condition=lambda cell: (
            bool(cell.row.model) and cell.column.metric == "flops" and not cell.column.scope and "x" in cell.input
        ),
    ):
        for a, b in combinations(group, 2):
            if a.input == b.input:
                continue
            (height_a, width_a), (height_b, width_b) = parse_size(a.input), parse_size(b.input)
            ratio = height_b * width_b / (height_a * width_a)
            low, high = (bound * ratio for bound in rounding_bounds(a))
            holds = low <= rounding_bounds(b)[1] and rounding_bounds(b)[0] <= high
            arithmetic = (
                f"{a.printed} at {a.input} implies {low / 1e9:.2f} to {high / 1e9:.2f} G at {b.input}; printed {b.printed}"
            )
            loose_low, loose_high = (bound * ratio for bound in truncation_bounds(a))
            truncated = loose_low <= truncation_bounds(b)[1] and truncation_bounds(b)[0] <= loose_high
            rule, where = "operations are proportional to the input's area", f"{a.name}, {b.name}"
            yield Finding(rule, where, holds, arithmetic, (a, b), truncated)


def _check_test_order(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Check that two networks of one paper rank in the same order on the test and on the validation split."""
    scores: dict[tuple[str, str], dict[tuple[str, str], dict[str, Cell]]] = defaultdict(lambda: defaultdict(dict))
    for cell in cells:
        column = cell.column
        if cell.row.model and column.metric in ("ap", "pckh") and column.part == "mean" and column.threshold in (None, 0.5):
            split = "val" if cell.table.split == "val" else "test"
            scores[cell.paper, cell.dataset][cell.row.model, cell.input].setdefault(split, cell)
    for by_network in scores.values():
        for a, b in combinations([by_split for by_split in by_network.values() if len(by_split) == 2], 2):
            val = printed_value(a["val"]) - printed_value(b["val"])
            test = printed_value(a["test"]) - printed_value(b["test"])
            arithmetic = (
                f"{a['val'].printed} and {b['val'].printed} on val, {a['test'].printed} and {b['test'].printed} on test"
            )
            where = f"{a['val'].name}, {b['val'].name}"
            compared = (a["val"], b["val"], a["test"], b["test"])
            yield Finding(TEST_ORDER, where, val * test >= 0, arithmetic, compared)


def _group(
    cells: Sequence[Cell], key: Callable[[Cell], tuple[object, ...]], condition: Callable[[Cell], bool]
) -> list[list[Cell]]:
    """Group the cells that meet a condition by a key."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in filter(condition, cells):
        groups.setdefault(key(cell), []).append(cell)
    return list(groups.values())


def _compare_pair(rule: str, a: Cell, b: Cell) -> Finding:
    """Check that two cells may be the same number before rounding."""
    holds = rounding_bounds(a)[0] < rounding_bounds(b)[1] and rounding_bounds(b)[0] < rounding_bounds(a)[1]
    truncated = truncation_bounds(a)[0] < truncation_bounds(b)[1] and truncation_bounds(b)[0] < truncation_bounds(a)[1]
    return Finding(rule, f"{a.name}, {b.name}", holds, f"{a.printed} and {b.printed}", (a, b), truncated)


def _row_name(cell: Cell) -> str:
    return f"{cell.paper}/{cell.table.id}[{cell.row.id}]"
