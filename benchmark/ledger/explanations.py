"""Explain printed numbers that differ from ours, by a closed list of predicates, and say what an explanation is worth.

A cost is ``explained`` by a rule of :mod:`benchmark.ledger.predicates` that yields the exact printed string, if the rule earns
its name in one of two ways, which were fixed before any number was judged:

* the row declares the source that its numbers were taken from, and the source's own way of counting gives every number of the
  paper that was taken from there; or
* the rule gives every number of its column, or of the row's source, in which it makes a difference, there are at least
  :data:`MIN_REACH` of them, and no other rule that gives this one does as well.

Any other rule that yields the string leaves it ``ambiguous``. Counts on a network that we built, or for which something was
chosen so that printed numbers result, are not explained at all, and support no rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Literal

from benchmark.core.errors import InputError
from benchmark.core.records import Record
from benchmark.ledger.predicates import COST_PREDICATES, FROM_SOURCE, CountedCell, Prediction
from benchmark.papers.expressions import ExpressionResult, evaluate_expression, half_unit, printed_value
from benchmark.papers.rounding import round_half_up, truncate
from benchmark.papers.tables import Cell, Claim, Paper

Status = Literal["explained", "ambiguous"]
PREDICATES: Mapping[str, str] = {
    **COST_PREDICATES,
    "within_source_rounding": "follows from sources that round to the printed ones",
    "another_printing": "follows from another printed value of the same quantity in the same paper",
    "printed_sources": "follows from the printed values that our measurements of its sources round to",
    "swapped": "exchanged with the number of another sentence",
}
MIN_REACH = 3  # numbers in which a rule makes a difference, and which it all gives, before it explains without a source
WINDOW = Fraction(1, 10)  # printed numbers this far from the printed one, relatively, are what chance is reckoned over


@dataclass(frozen=True)
class Chance:
    """Number of the other strings that might have been printed which some rule would have given.

    Attributes:
        explained: Those that would have been ``explained``.
        ambiguous: Those that would have been ``ambiguous``.
        strings: All strings with the printed number of decimals within :data:`WINDOW` of the printed number, without the one
            that our count rounds to.
    """

    explained: int
    ambiguous: int
    strings: int

    def __str__(self) -> str:
        """Format as text."""
        return f"of {self.strings} strings within 10 %, {self.explained} would be explained and {self.ambiguous} ambiguous"


@dataclass(frozen=True)
class Explanation:
    """A predicate that yields the printed string.

    Attributes:
        predicate: Name of the predicate.
        description: Why it applies, in words.
        value: Our value under the predicate, before rounding.
        record: Id of the record that the value comes from; empty for values that follow from printed cells.
        status: Whether it earns its name.
        support: The source outside the paper that states it; empty if there is none.
        fits: Numbers in reach that the rule gives, this one among them.
        reach: Numbers of the column or source in which the rule makes a difference, each once.
        rivals: The other rules that yield the string, each with its own fit.
        fitted: What of source or convention was read off printed numbers, for which the status is ``ambiguous``; empty if
            nothing was.
        chance: What the rules would have given by chance; None for values that follow from printed cells.
    """

    predicate: str
    description: str
    value: Fraction | float
    record: str = ""
    status: Status = "explained"
    support: str = ""
    fits: int = 0
    reach: int = 0
    rivals: tuple[str, ...] = ()
    fitted: str = ""
    chance: Chance | None = None

    @property
    def cause(self) -> str:
        """The explanation as text, for the verdict."""
        parts = [f"{self.predicate}: {self.description}: {float(self.value):.6g}"]
        if self.chance:
            parts += [
                f"reach: fits {self.fits} of {self.reach} where it makes a difference",
                "support: the row's source" if self.support else "support: none",
                f"rivals: {', '.join(self.rivals) or 'none'}",
                *([f"fitted: {self.fitted}"] if self.fitted else []),
                f"chance: {self.chance}",
            ]
        return "; ".join(parts)


@dataclass(frozen=True)
class _Candidate:
    """A rule that yields the printed string, with its fit."""

    prediction: Prediction
    fits: int
    reach: int

    @property
    def sourced(self) -> bool:
        return self.prediction.predicate in FROM_SOURCE

    @property
    def sound(self) -> bool:
        """Whether the rule gives everything in its reach, and that reach is enough."""
        return self.fits == self.reach and (self.sourced or self.reach >= MIN_REACH) and not self.prediction.fitted

    def __str__(self) -> str:
        name = " ".join(filter(None, self.prediction.rule))
        return f"{name} ({self.fits} of {self.reach})"


def explain_cost(
    cell: Cell, record: Record, variants: Sequence[Record], counted: Mapping[str, CountedCell] | None = None
) -> Explanation | None:
    """Return the rule that yields the printed string from counts, with what it is worth; None if there is none.

    Args:
        cell: Printed cost.
        record: Cost record of the cell's network, which has a count under the column's convention.
        variants: Cost records, at the same size, of networks that differ from the cell's in one switch.
        counted: All printed costs with their counts, by the name of the cell, among which the rules' reach is found.
    """
    counted = counted or {}
    own = CountedCell(cell=cell, record=record, variants=tuple(variants))
    if known := counted.get(cell.name):
        own = known if known.cell == cell else replace(own, source_record=known.source_record)
    rules = _rules(own, counted)
    judged = _judge(str(cell.number), rules)
    if judged is None:
        return None
    status, best, rivals = judged
    source = cell.row.source
    return Explanation(
        predicate=best.prediction.predicate,
        description=best.prediction.detail or COST_PREDICATES[best.prediction.predicate],
        value=best.prediction.value,
        record=best.prediction.record,
        status=status,
        support=source.reference if source and best.sourced else "",
        fits=best.fits,
        reach=best.reach,
        rivals=tuple(map(str, rivals)),
        fitted=best.prediction.fitted,
        chance=_chance(own, rules),
    )


def compute_chance(cell: CountedCell, counted: Mapping[str, CountedCell]) -> Chance:
    """Enumerate the strings near the printed one, and count those that some rule would have given, all else unchanged."""
    return _chance(cell, _rules(cell, counted))


def _rules(own: CountedCell, counted: Mapping[str, CountedCell]) -> list[_Candidate]:
    """Return every rule that makes a difference in a cell, with its fit as if it gave the cell's number."""
    others = _peers(own, counted)
    rules = []
    for rule, prediction in own.predictions.items():
        hits = [peer.predictions[rule].printed == str(peer.cell.number) for peer in others if rule in peer.predictions]
        rules.append(_Candidate(prediction, fits=1 + sum(hits), reach=1 + len(hits)))
    return rules


def _peers(own: CountedCell, counted: Mapping[str, CountedCell]) -> list[CountedCell]:
    """Return the other numbers from the row's source, or else of the cell's column, each once and none that we constructed."""
    cell, source = own.cell, own.cell.row.source

    def is_peer(other: Cell) -> bool:
        if source:
            return other.paper == cell.paper and other.row.source == source
        return (other.paper, other.table.id, other.column.name) == (cell.paper, cell.table.id, cell.column.name)

    peers = {
        (other.number, str(other.cell.number)): other
        for other in counted.values()
        if is_peer(other.cell) and other.number != own.number and other.cell.name != cell.name and not other.construction
    }
    return list(peers.values())


def _judge(printed: str, rules: Sequence[_Candidate]) -> tuple[Status, _Candidate, tuple[_Candidate, ...]] | None:
    """Return status, best rule and rivals of a string, if it were printed in a cell; None if no rule yields it."""
    candidates = [rule for rule in rules if rule.prediction.printed == printed]
    if not candidates:
        return None
    sound = [rule for rule in candidates if rule.sound]
    sourced = [rule for rule in sound if rule.sourced]
    # Of several rules the one that fits most of its reach stands first, in the order of the list.
    best = (sourced or sound or sorted(candidates, key=lambda rule: -Fraction(rule.fits, rule.reach)))[0]
    status: Status = "explained" if sourced or len(sound) == 1 else "ambiguous"
    return status, best, tuple(rule for rule in candidates if rule is not best)


def _chance(own: CountedCell, rules: Sequence[_Candidate]) -> Chance:
    def in_last_digit(printed: str) -> int:
        return int(printed.replace(".", ""))

    center = in_last_digit(str(own.cell.number))
    near = range(math.ceil(center * (1 - WINDOW)), math.floor(center * (1 + WINDOW)) + 1)
    possible = {rule.prediction.printed for rule in rules if in_last_digit(rule.prediction.printed) in near}
    statuses = [judged[0] for printed in possible if (judged := _judge(printed, rules))]
    strings = len(near) - (in_last_digit(own.plain) in near)
    return Chance(statuses.count("explained"), statuses.count("ambiguous"), strings)


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
