"""Compare printed values with the other printed values of the same paper; no measurement is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmark.core.records import NOT_APPLICABLE
from benchmark.ledger.explanations import another_printing, explain_derived
from benchmark.ledger.tokens import Internal
from benchmark.papers.consistency import MEAN_OF_PARTS, TEST_ORDER, Finding, check_consistency, rounding_bounds
from benchmark.papers.expressions import NotComputable, evaluate_expression, is_quotation
from benchmark.papers.rounding import round_half_up
from benchmark.papers.tables import Cell, Claim, Paper, parse_number

APPROXIMATE = "the sentence gives no exact number"
ROUNDING_PREDICATES = ("truncated", "within_source_rounding")


class InternalVerdict(NamedTuple):
    """The printed value against the paper's other printed values.

    Attributes:
        token: The judgement.
        cause: Its arithmetic.
    """

    token: Internal
    cause: str


NOTHING = InternalVerdict("-", NOT_APPLICABLE)


def judge_internally(papers: Mapping[str, Paper]) -> Mapping[str, InternalVerdict]:
    """Judge every cell that a rule of consistency or an expression bears on, by its name.

    A cell that any rule contradicts is inconsistent, even if others allow it.
    """
    by_cell: dict[str, list[Finding]] = {}
    for finding in check_consistency(papers):
        # Between two papers nothing is internal, and two networks may change their order from one split to another.
        if len({cell.paper for cell in finding.cells}) > 1 or finding.rule == TEST_ORDER:
            continue
        for cell in finding.cells:
            if finding.rule != MEAN_OF_PARTS or cell.column.part == "mean":  # the parts do not depend on how they are averaged
                by_cell.setdefault(cell.name, []).append(finding)
    judged = {name: _judge_by_rules(findings) for name, findings in by_cell.items()}
    for paper in papers.values():
        for table in paper.tables.values():
            for cell in table.cells():
                if cell.column.expression:
                    judged[cell.name] = judge_expression(cell.printed, cell.column.expression, paper, papers, row=cell.row.id)
    return judged


def _judge_by_rules(findings: Sequence[Finding]) -> InternalVerdict:
    violated = sorted((finding for finding in findings if not finding.holds), key=lambda finding: finding.truncated)
    if not violated:
        return InternalVerdict("consistent", f"{findings[0].rule}: {findings[0].arithmetic}")
    more = f" (and {len(violated) - 1} more)" if len(violated) > 1 else ""
    token: Internal = "rounding" if violated[0].truncated else "inconsistent"
    return InternalVerdict(token, f"{violated[0].rule}: {violated[0].arithmetic}{more}")


def judge_expression(
    printed: str, expression: str, paper: Paper, papers: Mapping[str, Paper], row: str = "", claim: Claim | None = None
) -> InternalVerdict:
    """Judge a printed number, or a statement of order, that should follow from other printed cells.

    Args:
        printed: The printed string; ``true`` for a statement of order.
        expression: The expression that should give it.
        paper: Paper of the printed value.
        papers: All papers, by id.
        row: Id of the row that the expression is evaluated for; empty for a claim.
        claim: The claim, if the value is printed in a sentence.
    """
    try:
        result = evaluate_expression(expression, paper, papers, row)
        if printed == "true":
            values = ", ".join(f"{cell.row.id} {cell.printed}" for cell in result.cells)
            return InternalVerdict("consistent" if result.value is True else "inconsistent", f"{expression} with {values}")
        digits, decimals = digits_of(printed)
        value = float(result.value)
        cause = f"{expression} = {value:.6g}"
        if round_half_up(value, decimals) == digits:
            return InternalVerdict("consistent", cause)
        if claim and claim.is_approximate:
            return InternalVerdict("-", f"{APPROXIMATE}: {cause}")
        explanation = explain_derived(digits, decimals, expression, paper, papers, row, claim)
    except NotComputable as problem:
        return InternalVerdict("inconsistent", f"cannot be computed: {problem}")
    if explanation is None:
        return InternalVerdict("inconsistent", cause)
    token: Internal = "rounding" if explanation.predicate in ROUNDING_PREDICATES else "inconsistent"
    return InternalVerdict(token, f"{explanation.cause}; {cause}")


def digits_of(printed: str) -> tuple[str, int]:
    """Return the digits of a printed number, rounded as printed and with a plain minus sign, and the number of its decimals."""
    number = parse_number(printed)
    return round_half_up(number.value, number.decimals), number.decimals


def repeated_cell(cell: Cell, paper: Paper) -> str:
    """Return the name of the cell that a cell repeats; empty if it is counted for itself.

    A cell of the running text repeats a table's, if with no more digits. A printed cell that spans several rows is the first of
    them. What a row is said to repeat, it repeats while the other cell has it among its parts.
    """
    if declared := cell.row.repeats.get(cell.column.name):
        name = f"{paper.id}/{declared}"
        other = next(c for table in paper.tables.values() for c in table.cells() if c.name == name)
        return name if cell.printed in re.findall(r"[^\[\], ]+", other.printed) else ""
    if cell.column.spans:
        rows = list(cell.table.rows)
        above = cell.table.cell(rows[rows.index(cell.row.id) - 1], cell.column.name) if cell.row.id != rows[0] else None
        return (repeated_cell(above, paper) or above.name) if above and above.printed == cell.printed else ""
    if not cell.table.pseudo:
        return ""
    for twin in another_printing(cell, paper, same_value=True):
        (low, high), (twin_low, twin_high) = rounding_bounds(cell), rounding_bounds(twin)
        is_as_precise = twin_high - twin_low <= (high - low) * (1 + 1e-9)
        if not twin.table.pseudo and is_as_precise and twin_low < high and low < twin_high:
            return twin.name
    return ""


def quoted_cell(claim: Claim, paper: Paper, papers: Mapping[str, Paper]) -> str:
    """Return the name of the cell that a sentence repeats; empty for a sentence that says more than one cell."""
    if claim.cell:
        return f"{paper.id}/{claim.cell}"
    if claim.printed == "true" or not is_quotation(claim.expression):
        return ""
    try:
        return evaluate_expression(claim.expression, paper, papers).cells[0].name
    except NotComputable:
        return ""
