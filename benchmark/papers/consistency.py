"""What must hold among printed cells, whoever measured them: audits that need no data.

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

# Visible joints among the 2,958 persons of the MPII validation split, left and right together; a test counts them again.
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
    """One rule applied once: where, whether it holds, and the arithmetic."""

    rule: str
    where: str
    holds: bool
    arithmetic: str


def check_consistency(papers: Mapping[str, Paper]) -> list[Finding]:
    """Every rule on every table, in the papers' order."""
    tables = [table for paper in papers.values() for table in paper.tables.values()]
    cells = [cell for table in tables for cell in table.cells()]
    found: list[Finding] = []
    for table in tables:
        for row in table.rows:
            own = [cell for cell in table.cells() if cell.row.id == row]
            found += [*_mean_of_parts(own), *_ap(own)]
    rules = (_quoted_alike, _params_do_not_depend_on_size, _flops_follow_the_area, _test_orders_like_validation)
    for rule in rules:
        found += rule(cells)
    return found


def rounding_bounds(cell: Cell) -> tuple[float, float]:
    """Between which numbers, in the column's metric's plain unit, a figure lies that rounds to the printed one."""
    scale = UNIT_SCALES.get(cell.column.unit, 1.0)
    value, half = printed_value(cell), half_unit(cell)
    return (value - half) * scale, (value + half) * scale


def _mean_of_parts(row: Sequence[Cell]) -> Iterator[Finding]:
    """The MPII mean is the parts' mean weighted by visible joints; solving it for the neck, which no table prints, must give
    an accuracy: at most 100, and at least the shoulders', which are harder to find."""
    by_part = {c.column.part: c for c in row if c.column.metric == "pckh" and c.column.threshold == 0.5}
    if not row or row[0].dataset != "mpii" or row[0].table.split != "val" or not {*PRINTED_PARTS, "mean"} <= by_part.keys():
        return
    total = sum(VISIBLE_JOINT_COUNTS.values())
    (mean_low, mean_high), parts = (
        rounding_bounds(by_part["mean"]),
        {part: rounding_bounds(by_part[part]) for part in PRINTED_PARTS},
    )
    low = (mean_low * total - sum(VISIBLE_JOINT_COUNTS[p] * high for p, (_, high) in parts.items())) / VISIBLE_JOINT_COUNTS[
        "neck"
    ]
    high = (mean_high * total - sum(VISIBLE_JOINT_COUNTS[p] * low for p, (low, _) in parts.items())) / VISIBLE_JOINT_COUNTS[
        "neck"
    ]
    shoulder = parts["shoulder"][0]
    arithmetic = (
        f"mean {by_part['mean'].printed} leaves a neck of {low:.1f} to {high:.1f}; shoulder {by_part['shoulder'].printed}"
    )
    yield Finding("MPII mean from its parts", _row(row[0]), low <= 100 and high >= shoulder, arithmetic)


def _ap(row: Sequence[Cell]) -> Iterator[Finding]:
    """Loose thresholds score higher than strict ones, recall bounds precision, and large persons are found better than medium
    ones, with all of them between."""
    cell = {c.column.metric: c for c in row if c.column.kind == "accuracy" and c.dataset == "coco"}
    for low, high, rule in (
        ("ap", "ap50", "AP at most AP50"),
        ("ap75", "ap50", "AP75 at most AP50"),
        ("ap", "ar", "AP at most AR"),
    ):
        if {low, high} <= cell.keys():
            holds = rounding_bounds(cell[low])[0] <= rounding_bounds(cell[high])[1]
            yield Finding(rule, _row(row[0]), holds, f"{low} {cell[low].printed}, {high} {cell[high].printed}")
    if {"ap", "apm", "apl"} <= cell.keys():
        medium, large, both = rounding_bounds(cell["apm"]), rounding_bounds(cell["apl"]), rounding_bounds(cell["ap"])
        holds = medium[0] <= both[1] and both[0] <= large[1]
        arithmetic = f"apm {cell['apm'].printed}, ap {cell['ap'].printed}, apl {cell['apl'].printed}"
        yield Finding("AP between APM and APL", _row(row[0]), holds, arithmetic)


def _quoted_alike(cells: Sequence[Cell]) -> Iterator[Finding]:
    """One network's figure under one protocol is the same wherever it is printed."""
    groups = _group(
        cells,
        lambda c: (
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
        lambda c: bool(c.row.model) and c.column.kind in ("cost", "accuracy") and not c.column.expression,
    )
    for same in groups:
        for a, b in combinations(same, 2):
            if a.table is not b.table:
                yield _agree("one figure, quoted alike", a, b)


def _params_do_not_depend_on_size(cells: Sequence[Cell]) -> Iterator[Finding]:
    """A convolutional network has as many parameters at one size as at another."""
    for same in _group(
        cells,
        lambda c: (c.row.model, c.dataset, c.column.convention),
        lambda c: bool(c.row.model) and c.column.metric == "params" and not c.column.scope,
    ):
        for a, b in combinations(same, 2):
            if a.input != b.input:
                yield _agree("parameters do not depend on size", a, b)


def _flops_follow_the_area(cells: Sequence[Cell]) -> Iterator[Finding]:
    """A fully convolutional network's operations grow with the image's area; the head's joints do not show in the digits."""
    for same in _group(
        cells,
        lambda c: (c.paper, c.row.model, c.column.convention),
        lambda c: bool(c.row.model) and c.column.metric == "flops" and not c.column.scope and "x" in c.input,
    ):
        for a, b in combinations(same, 2):
            if a.input == b.input:
                continue
            (ha, wa), (hb, wb) = parse_size(a.input), parse_size(b.input)
            ratio = hb * wb / (ha * wa)
            low, high = (bound * ratio for bound in rounding_bounds(a))
            holds = low <= rounding_bounds(b)[1] and rounding_bounds(b)[0] <= high
            arithmetic = (
                f"{a.printed} at {a.input} makes {low / 1e9:.2f} to {high / 1e9:.2f} G at {b.input}; printed {b.printed}"
            )
            yield Finding("operations follow the area", f"{a.name}, {b.name}", holds, arithmetic)


def _test_orders_like_validation(cells: Sequence[Cell]) -> Iterator[Finding]:
    """Two networks of one paper come in the same order on the test and on the validation split."""
    scores: dict[tuple[str, str], dict[tuple[str, str], dict[str, Cell]]] = defaultdict(lambda: defaultdict(dict))
    for c in cells:
        if c.row.model and c.column.metric in ("ap", "pckh") and c.column.part == "mean" and c.column.threshold in (None, 0.5):
            split = "val" if c.table.split == "val" else "test"
            scores[c.paper, c.dataset][c.row.model, c.input].setdefault(split, c)
    for methods in scores.values():
        for a, b in combinations([m for m in methods.values() if len(m) == 2], 2):
            val = printed_value(a["val"]) - printed_value(b["val"])
            test = printed_value(a["test"]) - printed_value(b["test"])
            arithmetic = (
                f"{a['val'].printed} and {b['val'].printed} on val, {a['test'].printed} and {b['test'].printed} on test"
            )
            where = f"{a['val'].name}, {b['val'].name}"
            yield Finding("test orders like validation", where, val * test >= 0, arithmetic)


def _group(
    cells: Sequence[Cell], key: Callable[[Cell], tuple[object, ...]], wanted: Callable[[Cell], bool]
) -> list[list[Cell]]:
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in filter(wanted, cells):
        groups.setdefault(key(cell), []).append(cell)
    return list(groups.values())


def _agree(rule: str, a: Cell, b: Cell) -> Finding:
    holds = rounding_bounds(a)[0] < rounding_bounds(b)[1] and rounding_bounds(b)[0] < rounding_bounds(a)[1]
    return Finding(rule, f"{a.name}, {b.name}", holds, f"{a.printed} and {b.printed}")


def _row(cell: Cell) -> str:
    return f"{cell.paper}/{cell.table.id}[{cell.row.id}]"
