"""Findings on parameters and operations: printed values, and our counts of networks whose authors published their code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import permutations
from typing import NamedTuple

from benchmark.config.conventions import FLOPS, PARAMS
from benchmark.config.identities import cost_record_id
from benchmark.core.records import Record, select
from benchmark.ledger.predicates import cost_setting, count_in_unit, source_setting
from benchmark.models.registry import find_entry
from benchmark.papers.expressions import evaluate_expression, printed_value
from benchmark.papers.tables import Cell, Column, Table
from benchmark.report.finding_rules.finding import Evidence, Finding
from benchmark.report.markdown import code, grid, heading_anchor
from benchmark.report.models import models_heading
from benchmark.report.names import printed_name, table_heading
from benchmark.report.ranking import ranking_heading

MIN_DIFFERENCE = 0.02  # of a printed cost from every count, to be worth a finding
RELEASED = "author code"  # evidence of a network that was built from the code of its authors, or of those who published it


def _count(cell: Cell, records: Mapping[str, Record]) -> Record | None:
    """Return our count of a released network at the printed input size, or that of the row's source; None for others."""
    row = cell.row
    if not row.model or row.needs or find_entry(row.model).evidence != RELEASED:
        return None
    return records.get(cost_record_id(row.model, *(source_setting(cell) or cost_setting(cell))))


def _models_section(record: Record) -> str:
    return "models.md#" + heading_anchor(models_heading(record.dataset, record.setting["input"]))


@dataclass(frozen=True)
class FlopsColumn:
    """A printed column of operations, with its released networks whose printed number we reproduce.

    Attributes:
        table: The table.
        column: Its column.
        matching: The cells of released networks whose printed number we reproduce.
        fitting: Number of released networks whose printed numbers we all reproduce, whatever the input sizes.
        counted: Number of all released networks.
    """

    table: Table
    column: Column
    matching: tuple[tuple[Cell, Record], ...]
    fitting: int
    counted: int


def flops_columns(evidence: Evidence) -> Iterator[FlopsColumn]:
    """Iterate over the printed columns of operations of all tables."""
    tokens = {verdict.name: verdict.measured for verdict in evidence.verdicts}
    for paper in evidence.papers.values():
        for table in paper.tables.values():
            for column in table.columns.values():
                if column.metric != "flops" or column.scope or column.unit != "G" or table.pseudo:
                    continue
                cells = [cell for cell in table.cells() if cell.column is column]
                counted = [(cell, record) for cell in cells if (record := _count(cell, evidence.records))]
                matching = [(cell, record) for cell, record in counted if tokens.get(cell.name) == "reproduced"]
                networks = {cell.row.model for cell, _ in counted}
                fitting = networks - {cell.row.model for cell, _ in counted if tokens.get(cell.name) != "reproduced"}
                yield FlopsColumn(table, column, tuple(matching), len(fitting), len(networks))


def find_conventions(evidence: Evidence) -> Iterator[Finding]:
    """Compare counts of one network under the conventions of two papers' columns, of which most networks follow theirs."""
    columns = [column for column in flops_columns(evidence) if 2 * column.fitting > column.counted]
    seen = set()
    for column in columns:
        for other in columns:
            ours, theirs = column.column.convention, other.column.convention
            if other.table.paper == column.table.paper or other.table.dataset != column.table.dataset or ours == theirs:
                continue
            for cell, record in column.matching:
                here, there = (float(count_in_unit(record, cell, name) or 0) for name in (ours, theirs))
                if there <= here or (cell.row.model, theirs) in seen:
                    continue
                seen.add((cell.row.model, theirs))
                paper = evidence.papers[cell.paper]
                macs = float(count_in_unit(record, cell, "macs") or 0)
                yield Finding(
                    sentence=f"At {cell.input}, {printed_name(cell, paper)} has {cell.number} GFLOPs in {paper.short}'s "
                    f"{cell.table.where} and {there:.2f}, {there / here:.1f} times as many, counted the way that reproduces "
                    f"{_fit(other, evidence)}; its true multiply-accumulates are {macs:.2f} G.",
                    strength=there / here,
                    page=_models_section(record),
                    cells=(cell,),
                    records=(record,),
                    details=f"{code(ours)} counts {_fit(column, evidence)}, and {code(theirs)} {_fit(other, evidence)} to the "
                    "printed number.",
                )


def _fit(column: FlopsColumn, evidence: Evidence) -> str:
    """Say how many released networks of a column count to the printed number under its convention."""
    place = f"{evidence.papers[column.table.paper].short}'s {column.table.where}"
    return f"{column.fitting} of {column.counted} released networks of {place}"


def find_reversals(evidence: Evidence) -> Iterator[Finding]:
    """Compare the order of networks of one table by printed GFLOPs, where we reproduce these, with that by true MACs.

    Both networks have the same input size. A pair that several tables print counts once.
    """
    pairs: dict[tuple[str, str, str], tuple[_Counted, _Counted]] = {}
    for column in flops_columns(evidence):
        counted = [_Counted(cell, record, record.value["flops"]["macs"] / 1e9) for cell, record in column.matching]
        for less, more in permutations(counted, 2):
            if less.cell.input == more.cell.input and less.printed < more.printed:
                pairs.setdefault((less.cell.row.model, more.cell.row.model, less.cell.input), (less, more))
    reversals = [(less, more) for less, more in pairs.values() if less.gmacs > more.gmacs]
    details = grid(
        ("table", "network", "printed", "true GMACs", "network", "printed", "true GMACs"),
        [
            (
                f"{evidence.papers[pair[0].cell.paper].short}, {pair[0].cell.table.where}",
                *(value for n in pair for value in (code(n.cell.row.model), n.cell.printed, f"{n.gmacs:.3f}")),
            )
            for pair in reversals
        ],
    )
    for less, more in reversals:
        paper, dataset = evidence.papers[less.cell.paper], less.cell.dataset
        names = [printed_name(network.cell, paper) for network in (less, more)]
        yield Finding(
            sentence=f"{paper.short}'s {less.cell.table.where} prints fewer GFLOPs for {names[0]} than for {names[1]} "
            f"({less.cell.number} and {more.cell.number}), but the former has more true multiply-accumulates "
            f"({less.gmacs:.2f} and {more.gmacs:.2f} G): {_count_reversals(len(reversals))} {len(pairs)} pairs of one table "
            "and input size whose printed cost we reproduce.",
            details=details,
            strength=min(more.printed / less.printed, less.gmacs / more.gmacs),
            page="ranking.md#" + heading_anchor(ranking_heading(dataset)),
            cells=(less.cell, more.cell),
            records=(less.record, more.record),
        )


class _Counted(NamedTuple):
    """A network's printed GFLOPs, and our count of true multiply-accumulates at the printed size, in 1e9."""

    cell: Cell
    record: Record
    gmacs: float

    @property
    def printed(self) -> float:
        return printed_value(self.cell)


def _count_reversals(number: int) -> str:
    return "the one reversal among" if number == 1 else f"one of {number} reversals among"


def find_release_costs(evidence: Evidence) -> Iterator[Finding]:
    """Find printed costs that differ, for no known reason, by over 2 % beyond rounding from every count of the release."""
    contradicted = {verdict.name for verdict in evidence.verdicts if verdict.measured == "contradicted"}
    seen = set()
    for paper in evidence.papers.values():
        for table in paper.tables.values():
            for cell in table.cells():
                record = None if cell.column.kind != "cost" or cell.column.scope else _count(cell, evidence.records)
                if record is None or cell.name not in contradicted:
                    continue
                same = (cell.row.model, cell.column.metric, cell.number.value)
                if same in seen:
                    continue
                seen.add(same)
                names = PARAMS if cell.column.metric == "params" else FLOPS
                counts = [count for name in names if (count := count_in_unit(record, cell, name))]
                nearest = min(counts, key=lambda count: _factor(cell.number.value, count))
                factor = _factor_beyond_rounding(cell, nearest)
                unit = cell.number.suffix or cell.column.unit
                quantity = "parameters" if cell.column.metric == "params" else "operations"
                if factor > 1 + MIN_DIFFERENCE:
                    yield Finding(
                        sentence=f"{paper.short}'s {table.where} prints {cell.number} {unit} {quantity} for "
                        f"{printed_name(cell, paper)}; the network of its authors' public code has "
                        f"{float(nearest):.{cell.number.decimals + 1}f} {unit} "
                        f"by the nearest of {len(counts)} ways of counting.",
                        strength=factor,
                        page=_models_section(record),
                        cells=(cell,),
                        records=(record,),
                    )


def _value_of(values: Mapping[str, float], cell: Cell) -> float:
    return values[cell.name]


def _factor(a: float | Fraction, b: float | Fraction) -> float:
    return float(max(a / b, b / a))


def _factor_beyond_rounding(cell: Cell, count: Fraction) -> float:
    """Return the factor between a count and the nearest number that rounds to the printed one; below 1 if it rounds to it."""
    half = Fraction(1, 2 * 10**cell.number.decimals)
    printed = Fraction(str(cell.number.value))
    return float(max((printed - half) / count, count / (printed + half)))


def find_structures(evidence: Evidence) -> Iterator[Finding]:
    """Find printed widths, depths, strides and inputs that are different in the released network."""
    tokens = {verdict.name: verdict.measured for verdict in evidence.verdicts}
    for record in select(evidence.records, kind="architecture", metric="structure"):
        paper = evidence.papers.get(record.subject)
        table = paper.tables.get(record.setting["table"]) if paper else None
        if paper is None or table is None:
            continue
        built = {f"{paper.id}/{table.id}[{place.replace('/', ', ')}]": value for place, value in record.value.items()}
        compared = [cell for cell in table.cells() if built.get(cell.name, {}).get("basis") == RELEASED]
        different = [cell for cell in compared if tokens.get(cell.name) == "contradicted"]
        allowed = sum(tokens.get(cell.name) == "ambiguous" for cell in compared)
        differing = len(different) + allowed
        for cell in different:
            released = built[cell.name]["structure"]
            # Where the released networks of a column differ, the first stands for them.
            first = released.partition(" or ")[0]
            printed_numbers, built_numbers = (re.findall(r"\d+(?:\.\d+)?", text) for text in (cell.printed, first))
            if len(printed_numbers) != len(built_numbers):
                continue
            yield Finding(
                sentence=f"{paper.short}'s {table.where} prints {code(cell.printed)} for “{printed_name(cell, paper)}” "
                f"({cell.column.header}), where the authors' release has {code(released)}: {differing} of "
                f"{len(compared)} compared values of this table differ{'s' * (differing == 1)} from the release"
                f"{f', {allowed} of which the paper may allow' if allowed else ''}.",
                strength=max(
                    (
                        _factor(Fraction(a), Fraction(b))
                        for a, b in zip(printed_numbers, built_numbers, strict=True)
                        if float(a) * float(b)
                    ),
                    default=1.0,
                ),
                page=f"{paper.id}.md#{heading_anchor(table_heading(table))}",
                cells=(cell,),
                records=(record,),
            )


def find_ratios(evidence: Evidence) -> Iterator[Finding]:
    """Find printed ratios of operations that are different in true multiply-accumulates of the same released networks."""
    tokens = {verdict.name: verdict.measured for verdict in evidence.verdicts}
    for paper in evidence.papers.values():
        for claim in paper.claims:
            if claim.printed == "true":
                continue
            cells = evaluate_expression(claim.expression, paper, evidence.papers).cells
            records = {cell.name: _count(cell, evidence.records) for cell in cells}
            if len(records) < 2 or any(cell.column.metric != "flops" or cell.column.scope for cell in cells):
                continue
            macs = {name: float(record.value["flops"]["macs"]) for name, record in records.items() if record}
            if len(macs) < len(records) or "/" not in claim.expression:
                continue
            printed = float(evaluate_expression(claim.expression, paper, evidence.papers).value)
            by_macs = evaluate_expression(claim.expression, paper, evidence.papers, value_of=partial(_value_of, macs))
            equal = float(by_macs.value)
            if f"{printed:.1f}" == f"{equal:.1f}" or any(tokens.get(cell.name) in ("fitted", "as_built") for cell in cells):
                continue
            yield Finding(
                sentence=f"{paper.short}'s {claim.where}, in other words: {claim.description}; printed GFLOPs give "
                f"{printed:.1f} "
                f"{claim.unit}, and true multiply-accumulates of the same released networks {equal:.1f} {claim.unit}.",
                strength=_factor(printed, equal),
                page=f"claims.md#{paper.id}-{claim.id}",
                cells=cells,
                records=tuple(record for record in records.values() if record),
            )
