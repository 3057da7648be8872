"""Judge printed values that follow from other printed values, by our measurements of all of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from benchmark.ledger.internal import APPROXIMATE, InternalVerdict, digits_of
from benchmark.ledger.tokens import Basis, Measured
from benchmark.papers.expressions import NotComputable, evaluate_expression, printed_value
from benchmark.papers.rounding import round_half_up, truncate
from benchmark.papers.tables import Cell, Number, Paper, parse_number

NAMED_SOURCES = 4  # at most, of those that lack a measurement or differ; the others are counted
# From the strongest to the weakest: what follows from several measurements rests on the weakest of them.
STRENGTH: tuple[Basis, ...] = (
    *(
        "author code",
        "authors' weights",
        "predictions",
        "training",
        "retraining",
        "timing",
        "released parts",
        "paper text",
        "reconstruction",
        "-",
    ),
)


class Measurement(NamedTuple):
    """Our measurement of a printed cell.

    Attributes:
        value: In the unit of the cell's column.
        basis: What it rests on.
        token: The judgement on the printed cell.
    """

    value: float
    basis: Basis
    token: Measured


class Judgement(NamedTuple):
    """A printed value against our measurements.

    Attributes:
        token: The judgement.
        cause: Why, in words.
        value: Our value in the printed unit; None without one.
        basis: What it rests on.
        record: Id of the record that it comes from, or ``-``.
    """

    token: Measured
    cause: str
    value: float | Fraction | str | None = None
    basis: Basis = "-"
    record: str = "-"


@dataclass(frozen=True)
class Sources:
    """Our measurements of the cells that expressions refer to.

    Attributes:
        papers: All papers, by id.
        measurements: By the name of the cell.
        missing: By the name of the cell, the judgement on one that has no measurement.
    """

    papers: Mapping[str, Paper]
    measurements: Mapping[str, Measurement]
    missing: Mapping[str, Measured] = field(default_factory=dict)

    def value(self, cell: Cell) -> float | None:
        """Return our value of a cell; of a setting the printed one, which we take over; None without a measurement."""
        if cell.column.kind == "setting":
            return printed_value(cell)
        if cell.name in self.measurements:
            return self.measurements[cell.name].value
        if not cell.column.expression:
            return None
        paper = self.papers[cell.paper]
        sources = evaluate_expression(cell.column.expression, paper, self.papers, cell.row.id).cells
        values = {source.name: self.value(source) for source in sources}
        if None in values.values():
            return None
        result = evaluate_expression(
            cell.column.expression, paper, self.papers, cell.row.id, lambda source: values[source.name] or 0.0
        )
        return float(result.value)

    def leaves(self, cell: Cell) -> list[Cell]:
        """Return the cells that a cell comes down to: itself, or those that its column's expression refers to."""
        if cell.column.kind == "setting" or not cell.column.expression or cell.name in self.measurements:
            return [cell]
        result = evaluate_expression(cell.column.expression, self.papers[cell.paper], self.papers, cell.row.id)
        return [leaf for source in result.cells for leaf in self.leaves(source)]


def judge_by_sources(
    printed: str,
    expression: str,
    paper: Paper,
    sources: Sources,
    internal: InternalVerdict,
    row: str = "",
    *,
    unit: str = "",
    approximate: bool = False,
) -> Judgement:
    """Judge a printed number, or a statement of order, by the value that our measurements of its sources lead to.

    Args:
        printed: The printed string; ``true`` for a statement of order.
        expression: The expression that should give it.
        paper: Paper of the printed value.
        sources: Our measurements.
        internal: The printed value against the printed sources.
        row: Id of the row that the expression is evaluated for; empty for a claim.
        unit: Unit of the printed number.
        approximate: The sentence gives no exact number.
    """
    try:
        cells = evaluate_expression(expression, paper, sources.papers, row).cells
        leaves = {leaf.name: leaf for cell in cells for leaf in sources.leaves(cell)}
        if all(leaf.column.kind in ("architecture", "setting") for leaf in leaves.values()):
            return Judgement("given", "follows from settings and structure alone, by arithmetic")
        if missing := [cell for cell in leaves.values() if sources.value(cell) is None]:
            return Judgement("not_measured", f"no measurement of {_list_missing(missing, sources)}")
        measured = {name: sources.measurements[name] for name in leaves if name in sources.measurements}
        result = evaluate_expression(expression, paper, sources.papers, row, lambda cell: sources.value(cell) or 0.0)
    except NotComputable as problem:
        return Judgement("not_measured", f"cannot be computed: {problem}")
    basis = max((measurement.basis for measurement in measured.values()), key=STRENGTH.index)
    values = ", ".join(f"{short_name(leaves[name], paper)} {measurement.value:.6g}" for name, measurement in measured.items())
    differing = {name: m.token for name, m in measured.items() if m.token in ("explained", "ambiguous", "contradicted")}
    differ = f"; these differ already: {_list_differing(leaves, differing)}" * bool(differing)
    # Where a source is in doubt, its measurement may be of something else than what is printed.
    agreement: Measured = "inconclusive" if {"ambiguous", "contradicted"} & set(differing.values()) else "reproduced"
    if printed == "true":
        token = agreement if result.value is True else "contradicted"
        return Judgement(token, f"{expression} with our {values}{differ}", str(result.value is True).lower(), basis)
    digits, decimals = digits_of(printed)
    value = float(result.value)
    cause = f"{expression} = {value:.6g} with our {values}{differ}"
    if round_half_up(value, decimals) == digits:
        number = parse_number(printed)
        if number.is_rough or _is_rough_change(number, unit):
            return Judgement("inconclusive", f"{describe_rounding(number)}; {cause}", value, basis)
        return Judgement(agreement, cause, value, basis)
    if approximate:
        return Judgement("inconclusive", f"{APPROXIMATE}; {cause}", value, basis)
    if internal.token in ("consistent", "rounding"):
        # The authors computed with the printed sources: the value is right, explained or in doubt as these are.
        token = next((token for token in ("contradicted", "ambiguous") if token in differing.values()), "explained")
        rival = truncate(value, decimals) == digits
        if token != "contradicted":
            token = "ambiguous" if rival else token
            rivals = f"; rivals: {'truncated' if rival else 'none'}"
            return Judgement(token, f"printed_sources: {internal.cause}; {cause}{rivals}", value, basis)
    return Judgement("contradicted", cause, value, basis)


def _is_rough_change(number: Number, unit: str) -> bool:
    """Check that a factor, as 1.1 times, is printed so roughly that its distance from 1 agrees with too much."""
    return unit == "×" and Number(number.value - 1, number.decimals).is_rough


def describe_rounding(number: Number) -> str:
    """Say which values a roughly printed number agrees with."""
    half = 0.5 * 10.0**-number.decimals
    return f"printed so roughly that any value from {number.value - half:g} to {number.value + half:g} agrees"


def short_name(cell: Cell, paper: Paper) -> str:
    """Name a cell as the expressions of a paper do."""
    name = f"{cell.table.id}[{cell.row.id}, {cell.column.name}]"
    return name if cell.paper == paper.id else f"{cell.paper}.{name}"


def _list_missing(cells: list[Cell], sources: Sources) -> str:
    tokens = dict.fromkeys(sources.missing.get(cell.name, "not_measured") for cell in cells)
    return "; ".join(
        f"{_list_names([c for c in cells if sources.missing.get(c.name, 'not_measured') == token])} ({token})"
        for token in tokens
    )


def _list_differing(cells: Mapping[str, Cell], tokens: Mapping[str, Measured]) -> str:
    return "; ".join(
        f"{_list_names([cells[name] for name in tokens if tokens[name] == token])} ({token})"
        for token in dict.fromkeys(tokens.values())
    )


def _list_names(cells: list[Cell]) -> str:
    names = [f"{cell.table.id}[{cell.row.id}, {cell.column.name}]" for cell in cells]
    more = f" and {len(names) - NAMED_SOURCES} more" if len(names) > NAMED_SOURCES else ""
    return ", ".join(names[:NAMED_SOURCES]) + more
