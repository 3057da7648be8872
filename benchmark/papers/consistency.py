"""Check what must hold among printed cells, whoever measured them; no data is needed.

Every rule allows for rounding: it is violated only when no numbers that round to the printed ones would satisfy it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmark.core.input_size import parse_size
from benchmark.papers.expressions import half_unit, printed_value
from benchmark.papers.tables import UNIT_SCALES, Cell, Paper

# Visible joints among the 2,958 people of the MPII validation split, left and right together; a test counts them again.
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


@dataclass(frozen=True)
class Finding:
    """One rule applied to one place.

    Attributes:
        rule: Name of the rule.
        where: The cells or the row that it was applied to.
        holds: False where it is violated.
        arithmetic: The numbers that were compared, in words.
    """

    rule: str
    where: str
    holds: bool
    arithmetic: str


def check_consistency(papers: Mapping[str, Paper]) -> list[Finding]:
    """Apply every rule to every table, in the papers' order."""
    tables = [table for paper in papers.values() for table in paper.tables.values()]
    cells = [cell for table in tables for cell in table.cells()]
    findings: list[Finding] = []
    for table in tables:
        for row in table.rows:
            row_cells = [cell for cell in table.cells() if cell.row.id == row]
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


def _check_mean_of_parts(row: Sequence[Cell]) -> Iterator[Finding]:
    """Check the MPII mean, which is the mean of the parts weighted by visible joints.

    No table prints the neck. Solving the mean for it must give an accuracy: at most 100, and at least that of the shoulders,
    which are harder to find.
    """
    by_part = {c.column.part: c for c in row if c.column.metric == "pckh" and c.column.threshold == 0.5}
    if not row or row[0].dataset != "mpii" or row[0].table.split != "val" or not {*PRINTED_PARTS, "mean"} <= by_part.keys():
        return
    counts, total = VISIBLE_JOINT_COUNTS, sum(VISIBLE_JOINT_COUNTS.values())
    mean_low, mean_high = rounding_bounds(by_part["mean"])
    parts = {part: rounding_bounds(by_part[part]) for part in PRINTED_PARTS}
    low = (mean_low * total - sum(counts[part] * part_high for part, (_, part_high) in parts.items())) / counts["neck"]
    high = (mean_high * total - sum(counts[part] * part_low for part, (part_low, _) in parts.items())) / counts["neck"]
    holds = low <= 100 and high >= parts["shoulder"][0]
    arithmetic = (
        f"mean {by_part['mean'].printed} leaves a neck of {low:.1f} to {high:.1f}; shoulder {by_part['shoulder'].printed}"
    )
    yield Finding("MPII mean from its parts", _row_name(row[0]), holds, arithmetic)


def _check_ap_order(row: Sequence[Cell]) -> Iterator[Finding]:
    """Check the order of COCO's metrics within a row.

    A loose threshold scores higher than a strict one, recall bounds precision, and AP lies between that of medium people and
    that of large ones, which are easier to find.
    """
    by_metric = {c.column.metric: c for c in row if c.column.kind == "accuracy" and c.dataset == "coco"}
    for low, high, rule in (
        ("ap", "ap50", "AP at most AP50"),
        ("ap75", "ap50", "AP75 at most AP50"),
        ("ap", "ar", "AP at most AR"),
    ):
        if {low, high} <= by_metric.keys():
            holds = rounding_bounds(by_metric[low])[0] <= rounding_bounds(by_metric[high])[1]
            arithmetic = f"{low} {by_metric[low].printed}, {high} {by_metric[high].printed}"
            yield Finding(rule, _row_name(row[0]), holds, arithmetic)
    if {"ap", "apm", "apl"} <= by_metric.keys():
        medium, large, both = (rounding_bounds(by_metric[metric]) for metric in ("apm", "apl", "ap"))
        holds = medium[0] <= both[1] and both[0] <= large[1]
        arithmetic = ", ".join(f"{metric} {by_metric[metric].printed}" for metric in ("apm", "ap", "apl"))
        yield Finding("AP between APM and APL", _row_name(row[0]), holds, arithmetic)


def _check_quotations(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Check that a network has the same value under one protocol wherever it is printed."""
    groups = _group(
        cells,
        key=lambda c: (
            c.row.model,
            c.dataset,
            c.table.split,
            c.input,
            c.row.needs if c.column.kind == "accuracy" else "",
            c.column.metric,
            c.column.convention,
            c.column.threshold,
            c.column.part,
            c.column.scope,
        ),
        condition=lambda c: bool(c.row.model) and c.column.kind in ("cost", "accuracy") and not c.column.expression,
    )
    for group in groups:
        for a, b in combinations(group, 2):
            if a.table is not b.table:
                yield _compare_pair("one figure, quoted alike", a, b)


def _check_params_across_sizes(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Check that a network has equally many parameters at every input size, as a convolutional one does."""
    for group in _group(
        cells,
        key=lambda c: (c.row.model, c.dataset, c.column.convention),
        condition=lambda c: bool(c.row.model) and c.column.metric == "params" and not c.column.scope,
    ):
        for a, b in combinations(group, 2):
            if a.input != b.input:
                yield _compare_pair("parameters do not depend on size", a, b)


def _check_flops_across_sizes(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Check that operations grow with the image's area, as those of a fully convolutional network do.

    The number of joints changes the head only, which does not show in the printed digits.
    """
    for group in _group(
        cells,
        key=lambda c: (c.paper, c.row.model, c.column.convention),
        condition=lambda c: bool(c.row.model) and c.column.metric == "flops" and not c.column.scope and "x" in c.input,
    ):
        for a, b in combinations(group, 2):
            if a.input == b.input:
                continue
            (height_a, width_a), (height_b, width_b) = parse_size(a.input), parse_size(b.input)
            ratio = height_b * width_b / (height_a * width_a)
            low, high = (bound * ratio for bound in rounding_bounds(a))
            holds = low <= rounding_bounds(b)[1] and rounding_bounds(b)[0] <= high
            arithmetic = (
                f"{a.printed} at {a.input} makes {low / 1e9:.2f} to {high / 1e9:.2f} G at {b.input}; printed {b.printed}"
            )
            yield Finding("operations follow the area", f"{a.name}, {b.name}", holds, arithmetic)


def _check_test_order(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Check that two networks of one paper rank in the same order on the test and on the validation split."""
    scores: dict[tuple[str, str], dict[tuple[str, str], dict[str, Cell]]] = defaultdict(lambda: defaultdict(dict))
    for c in cells:
        if c.row.model and c.column.metric in ("ap", "pckh") and c.column.part == "mean" and c.column.threshold in (None, 0.5):
            split = "val" if c.table.split == "val" else "test"
            scores[c.paper, c.dataset][c.row.model, c.input].setdefault(split, c)
    for by_network in scores.values():
        for a, b in combinations([by_split for by_split in by_network.values() if len(by_split) == 2], 2):
            val = printed_value(a["val"]) - printed_value(b["val"])
            test = printed_value(a["test"]) - printed_value(b["test"])
            arithmetic = (
                f"{a['val'].printed} and {b['val'].printed} on val, {a['test'].printed} and {b['test'].printed} on test"
            )
            where = f"{a['val'].name}, {b['val'].name}"
            yield Finding("test orders like validation", where, val * test >= 0, arithmetic)


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
    return Finding(rule, f"{a.name}, {b.name}", holds, f"{a.printed} and {b.printed}")


def _row_name(cell: Cell) -> str:
    return f"{cell.paper}/{cell.table.id}[{cell.row.id}]"
