"""Explain printed numbers that differ from ours, by a closed list of predicates.

A predicate is a rule that computes the exact printed string from measurements and printed cells alone; the verdict names the
first predicate that succeeds. Predicates are ordered from the simplest to the most complex and are never combined: a number
that only two errors together would explain is contradicted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from benchmark.config.conventions import FLOPS, PARAMS
from benchmark.core.errors import InputError
from benchmark.core.records import Record
from benchmark.papers.expressions import ExpressionResult, evaluate_expression, half_unit, printed_value
from benchmark.papers.rounding import round_half_up, round_twice, truncate
from benchmark.papers.tables import UNIT_SCALES, Cell, Claim, Paper

PREDICATES: Mapping[str, str] = {
    "truncated": "truncated after the last printed digit instead of rounded",
    "rounded_twice": "rounded to one more digit first, then again",
    "other_convention": "counted under another convention than the rest of the column",
    "other_variant": "counted for the same network with another value of one switch",
    "padded": "rounded or truncated to fewer digits, then padded with zeros",
    "within_source_rounding": "follows from sources that round to the printed ones",
    "another_printing": "follows from another printed value of the same quantity in the same paper",
    "printed_sources": "follows from the printed values that our measurements of its sources round to",
    "swapped": "exchanged with the number of another sentence",
}


@dataclass(frozen=True)
class Explanation:
    """A predicate that yields the printed string.

    Attributes:
        predicate: Name of the predicate.
        description: Why it applies, in words.
        value: Our value under the predicate, before rounding.
        record: Id of the record that the value comes from; empty for values that follow from printed cells.
    """

    predicate: str
    description: str
    value: Fraction | float
    record: str = ""

    @property
    def cause(self) -> str:
        """The explanation as text, for the verdict."""
        return f"{self.predicate}: {self.description}: {float(self.value):.6g}"


def count_in_unit(record: Record, cell: Cell, convention: str) -> Fraction | None:
    """Return a cost record's count under ``convention``, in the cell's printed unit; None if it was not counted."""
    counts: Mapping[str, Any] = record.value
    if cell.column.scope:
        counts = counts.get("scopes", {}).get(cell.column.scope, {})
    suffix = cell.number.suffix
    unit = suffix if suffix in ("K", "M", "G") else cell.column.unit
    if cell.column.metric == "params":
        count = counts.get("params", {}).get(convention)
        scale: float = UNIT_SCALES[unit]
    elif convention not in FLOPS:
        raise InputError(f"{cell.name}: unknown counting convention {convention!r}; known: {', '.join(FLOPS)}")
    else:
        count = counts.get("flops", {}).get(convention)
        scale = FLOPS[convention].scale(unit)
    return None if count is None else Fraction(count) / Fraction(scale)


def explain_cost(cell: Cell, record: Record, variants: Sequence[Record]) -> Explanation | None:
    """Return the first predicate that yields the printed string from counts; None if there is none.

    Args:
        cell: Printed cost.
        record: Cost record of the cell's network, which has a count under the column's convention.
        variants: Cost records, at the same size, of networks that differ from the cell's in one switch.
    """
    printed, decimals = str(cell.number), cell.number.decimals
    column_convention = cell.column.convention
    value = count_in_unit(record, cell, column_convention)
    assert value is not None
    for name, rule in (("truncated", truncate), ("rounded_twice", round_twice)):
        if rule(value, decimals) == printed:
            return Explanation(name, PREDICATES[name], value, record.id)
    for convention in PARAMS if cell.column.metric == "params" else FLOPS:
        converted = count_in_unit(record, cell, convention)
        if convention != column_convention and converted is not None and round_half_up(converted, decimals) == printed:
            return Explanation("other_convention", convention, converted, record.id)
    for variant in variants:
        variant_value = count_in_unit(variant, cell, column_convention)
        if variant_value is not None and round_half_up(variant_value, decimals) == printed:
            return Explanation("other_variant", variant.subject, variant_value, variant.id)
    unpadded = printed.rstrip("0").rstrip(".") if "." in printed else printed
    fewer_decimals = len(unpadded.partition(".")[2])
    # Truncating to a whole number is not allowed: it would explain nearly every printed number that ends in .0.
    candidates = (round_half_up(value, fewer_decimals), truncate(value, fewer_decimals) if fewer_decimals else "")
    if fewer_decimals < decimals and unpadded in candidates:
        return Explanation("padded", PREDICATES["padded"], value, record.id)
    return None


def explain_derived(
    printed: str,
    decimals: int,
    expression: str,
    paper: Paper,
    papers: Mapping[str, Paper],
    row: str = "",
    claim: Claim | None = None,
) -> Explanation | None:
    """Return the first predicate that yields the printed string from an expression over printed cells; None if there is none.

    Args:
        printed: Printed digits, without unit.
        decimals: Number of printed digits after the decimal point.
        expression: The expression that should give the printed number.
        paper: Paper of the printed number.
        papers: All papers, by id.
        row: Id of the row that the expression is evaluated for; empty for a claim.
        claim: The claim, if the number is printed in a sentence.
    """

    def value_with(replaced: Mapping[str, float]) -> float:
        """Evaluate the expression with other values of some cells."""

        def value_of(cell: Cell) -> float:
            return replaced.get(cell.name, printed_value(cell))

        return float(evaluate_expression(expression, paper, papers, row, value_of).value)

    result = evaluate_expression(expression, paper, papers, row)
    if truncate(float(result.value), decimals) == printed:
        return Explanation("truncated", PREDICATES["truncated"], float(result.value))
    source_range = _source_range(result, value_with)
    half = 0.5 * 10.0**-decimals
    if source_range and source_range[0] < float(printed) + half and float(printed) - half < source_range[1]:
        low, high = source_range
        description = f"sources that round to the printed ones give {low:.4g} to {high:.4g}"
        return Explanation("within_source_rounding", description, float(result.value))
    for cell in result.cells:
        for twin in another_printing(cell, papers[cell.paper]):
            value = value_with({cell.name: printed_value(twin)})
            if round_half_up(value, decimals) == printed:
                return Explanation("another_printing", f"{twin.name} prints {twin.printed}", value)
    return _swapped(printed, decimals, float(result.value), claim, paper, papers) if claim else None


def _source_range(result: ExpressionResult, value_with: Callable[[Mapping[str, float]], float]) -> tuple[float, float] | None:
    """Return the smallest and largest value of the expression when each source varies within its own rounding.

    None if there is no source, if there are too many, or if the expression divides by zero.
    """
    sources = {cell.name: cell for cell in result.cells}
    if not 0 < len(sources) <= 8:
        return None
    # A kernel size or a width is exact; all other printed numbers were rounded.
    halves = {
        name: 0.0 if cell.column.kind in ("architecture", "setting") else half_unit(cell) for name, cell in sources.items()
    }
    corners = []
    for signs in product((-1, 1), repeat=len(sources)):
        moved = {
            name: printed_value(cell) + sign * halves[name] for sign, (name, cell) in zip(signs, sources.items(), strict=True)
        }
        try:
            corners.append(value_with(moved))
        except InputError:  # a division by zero at this corner
            return None
    return min(corners), max(corners)


def another_printing(cell: Cell, paper: Paper, *, same_value: bool = False) -> Iterator[Cell]:
    """Iterate over cells in other tables of the paper that print the same quantity of the same network.

    Args:
        cell: The printed cell.
        paper: Its paper.
        same_value: Include those that print the same value; by default only those that print another.
    """
    if not cell.row.model or cell.column.kind not in ("cost", "accuracy", "latency"):
        return  # columns of other kinds hold a different quantity in each row
    fields = ("metric", "threshold", "part", "scope")
    for table in paper.tables.values():
        for twin in table.cells():
            if (
                twin.table is not cell.table
                and (twin.row.model, twin.row.needs) == (cell.row.model, cell.row.needs)
                and (twin.dataset, twin.input, twin.table.split) == (cell.dataset, cell.input, cell.table.split)
                and all(getattr(twin.column, field) == getattr(cell.column, field) for field in fields)
                and (same_value or printed_value(twin) != printed_value(cell))
            ):
                yield twin


def _swapped(
    printed: str, decimals: int, value: float, claim: Claim, paper: Paper, papers: Mapping[str, Paper]
) -> Explanation | None:
    """Return an explanation if another claim of the paper prints this claim's value, and this claim prints the other's."""
    for other_claim in paper.claims:
        if other_claim.id == claim.id or other_claim.unit != claim.unit or "true" in (other_claim.printed, claim.printed):
            continue
        other_value = float(evaluate_expression(other_claim.expression, paper, papers).value)
        other_decimals = len(other_claim.printed.partition(".")[2])
        other_prints_this = other_claim.printed in (round_half_up(value, other_decimals), truncate(value, other_decimals))
        this_prints_other = printed in (round_half_up(other_value, decimals), truncate(other_value, decimals))
        if other_prints_this and this_prints_other:
            return Explanation("swapped", f"with {other_claim.id}, which prints {other_claim.printed}", value)
    return None
