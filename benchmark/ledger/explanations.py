"""The closed list of reasons why a printed figure differs from ours and is still explained.

A predicate is a rule that computes, from measurements and printed cells alone, the exact printed string; the first that does
is named in the verdict. The order is from the plainest to the most roundabout, and predicates are not combined: what takes
two slips at once to explain stays contradicted.
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
    "truncated": "cut off after the last printed digit instead of rounded",
    "rounded_twice": "rounded to one more digit first, then again",
    "other_convention": "counted under another convention than the rest of the column",
    "other_variant": "counted for the same network with one switch set otherwise",
    "padded": "rounded or cut off to fewer digits, then filled up with zeros",
    "within_source_rounding": "follows from sources that round to the printed ones",
    "another_printing": "follows from another printing of the same figure in the same paper",
    "one_reading": "what one of several readings of an unspecific sentence counts to",
    "measured_sources": "follows from our counts of the sources, though not from the printed ones",
    "swapped": "exchanged with the figure of another sentence",
}


@dataclass(frozen=True)
class Explanation:
    """The predicate that yields the printed string, its argument in words, the value, and the record behind it."""

    predicate: str
    description: str
    value: Fraction | float
    record: str = ""

    @property
    def cause(self) -> str:
        return f"{self.predicate}: {self.description}: {float(self.value):.6g}"


def count_in_unit(record: Record, cell: Cell, convention: str) -> Fraction | None:
    """A cost record's count in the cell's printed unit under ``convention``; None where it was not counted."""
    value: Mapping[str, Any] = record.value
    if cell.column.scope:
        value = value.get("scopes", {}).get(cell.column.scope, {})
    suffix = cell.number.suffix
    unit = suffix if suffix in ("K", "M", "G") else cell.column.unit
    if cell.column.metric == "params":
        count = value.get("params", {}).get(convention)
        scale: float = UNIT_SCALES[unit]
    elif convention not in FLOPS:
        raise InputError(f"{cell.name}: unknown counting convention {convention!r}; known: {', '.join(FLOPS)}")
    else:
        count = value.get("flops", {}).get(convention)
        scale = FLOPS[convention].scale(unit)
    return None if count is None else Fraction(count) / Fraction(scale)


def explain_cost(cell: Cell, record: Record, variants: Sequence[Record]) -> Explanation | None:
    """The first predicate that turns a count into the printed string; ``variants`` are records of the same network at the same
    size with one switch set otherwise."""
    printed, decimals = str(cell.number), cell.number.decimals
    own = cell.column.convention
    value = count_in_unit(record, cell, own)
    assert value is not None
    for name, rule in (("truncated", truncate), ("rounded_twice", round_twice)):
        if rule(value, decimals) == printed:
            return Explanation(name, PREDICATES[name], value, record.id)
    for convention in PARAMS if cell.column.metric == "params" else FLOPS:
        other = count_in_unit(record, cell, convention)
        if convention != own and other is not None and round_half_up(other, decimals) == printed:
            return Explanation("other_convention", convention, other, record.id)
    for variant in variants:
        other = count_in_unit(variant, cell, own)
        if other is not None and round_half_up(other, decimals) == printed:
            return Explanation("other_variant", variant.subject, other, variant.id)
    fewer = printed.rstrip("0").rstrip(".") if "." in printed else printed
    places = len(fewer.partition(".")[2])
    # Cut off to a whole number would excuse nearly anything that ends in .0.
    if places < decimals and fewer in (round_half_up(value, places), truncate(value, places) if places else ""):
        return Explanation("padded", PREDICATES["padded"], value, record.id)
    return None


def explain_reading(cell: Cell, record: Record, readings: Sequence[Mapping[str, Any]]) -> Explanation | None:
    """Return the first reading that rounds to the printed value, and how many do; else the first that is cut off to it."""
    for rule, how in ((round_half_up, "round"), (truncate, "are cut off")):
        hits = [reading for reading in readings if rule(reading["value"], cell.number.decimals) == str(cell.number)]
        if hits:
            words = f"{len(hits)} of {len(readings)} readings {how} to it, first {hits[0]['reading']}, {hits[0]['convention']}"
            return Explanation("one_reading", words, hits[0]["value"], record.id)
    return None


def explain_derived(
    printed: str,
    decimals: int,
    expression: str,
    paper: Paper,
    papers: Mapping[str, Paper],
    row: str = "",
    claim: Claim | None = None,
    measured: Mapping[str, float] | None = None,
) -> Explanation | None:
    """The first predicate that turns an expression over printed cells into the printed string; ``measured`` holds our own
    figures by cell name, in the printed units."""

    def value_with(replace: Mapping[str, float]) -> float:
        def value_of(cell: Cell) -> float:
            return replace.get(cell.name, printed_value(cell))

        return float(evaluate_expression(expression, paper, papers, row, value_of).value)

    result = evaluate_expression(expression, paper, papers, row)
    if truncate(float(result.value), decimals) == printed:
        return Explanation("truncated", PREDICATES["truncated"], float(result.value))
    reached = _source_range(result, value_with)
    half = 0.5 * 10.0**-decimals
    if reached and reached[0] < float(printed) + half and float(printed) - half < reached[1]:
        says = f"sources that round to the printed ones reach {reached[0]:.4g} to {reached[1]:.4g}"
        return Explanation("within_source_rounding", says, float(result.value))
    for cell in result.cells:
        for other in another_printing(cell, papers[cell.paper]):
            value = value_with({cell.name: printed_value(other)})
            if round_half_up(value, decimals) == printed:
                return Explanation("another_printing", f"{other.name} prints {other.printed}", value)
    ours = {cell.name: measured[cell.name] for cell in result.cells if measured and cell.name in measured}
    if ours and round_half_up(value := value_with(ours), decimals) == printed:
        says = ", ".join(f"{name} counts to {figure:.6g}" for name, figure in ours.items())
        return Explanation("measured_sources", says, value)
    return _swapped(printed, decimals, float(result.value), claim, paper, papers) if claim else None


def _source_range(result: ExpressionResult, value_with: Callable[[Mapping[str, float]], float]) -> tuple[float, float] | None:
    """The smallest and largest value that the expression takes when each source moves within its own rounding."""
    sources = {cell.name: cell for cell in result.cells}
    if not 0 < len(sources) <= 8:
        return None
    # A kernel size or a width is exact; everything measured was rounded.
    halves = {name: 0.0 if cell.column.kind == "architecture" else half_unit(cell) for name, cell in sources.items()}
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


def another_printing(cell: Cell, paper: Paper) -> Iterator[Cell]:
    """Other cells of the paper that print the same figure of the same network differently."""
    same = ("metric", "threshold", "part", "scope")
    for table in paper.tables.values():
        for other in table.cells():
            if (
                cell.row.model
                and (other.row.model, other.row.needs) == (cell.row.model, cell.row.needs)
                and other.table is not cell.table
                and (other.dataset, other.input, other.table.split) == (cell.dataset, cell.input, cell.table.split)
                and all(getattr(other.column, key) == getattr(cell.column, key) for key in same)
                and printed_value(other) != printed_value(cell)
            ):
                yield other


def _swapped(
    printed: str, decimals: int, value: float, claim: Claim, paper: Paper, papers: Mapping[str, Paper]
) -> Explanation | None:
    for other in paper.claims:
        if other.id == claim.id or other.unit != claim.unit or "true" in (other.printed, claim.printed):
            continue
        theirs = float(evaluate_expression(other.expression, paper, papers).value)
        places = len(other.printed.partition(".")[2])
        if other.printed in (round_half_up(value, places), truncate(value, places)) and printed in (
            round_half_up(theirs, decimals),
            truncate(theirs, decimals),
        ):
            return Explanation("swapped", f"with {other.id}, which prints {other.printed}", value)
    return None
