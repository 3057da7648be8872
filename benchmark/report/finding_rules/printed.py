"""Findings on what the papers print, against the rest of what they print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log

from benchmark.config.identities import cost_record_id
from benchmark.core.records import Record
from benchmark.ledger.explanations import PREDICATES
from benchmark.ledger.internal import quoted_cell
from benchmark.ledger.predicates import count_in_unit
from benchmark.ledger.verdicts import Verdict, cost_setting
from benchmark.papers.consistency import (
    MEAN_OF_PARTS,
    SAME_IN_ALL_TABLES,
    USUAL_MEAN,
    check_consistency,
    implied_neck_accuracy,
    rounding_bounds,
)
from benchmark.papers.consistency import (
    Finding as Check,
)
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.rounding import round_half_up
from benchmark.papers.tables import Cell, parse_number
from benchmark.report.finding_rules.finding import Evidence, Finding, join_words
from benchmark.report.markdown import code, grid, heading_anchor
from benchmark.report.names import printed_name

CHECKS = "claims.md#" + heading_anchor("Consistency of the printed tables")
QUANTITIES = {"flops": "operations", "params": "parameters"}
MAX_CELLS = 4  # that a sentence can list


def _doubt(verdict: Verdict) -> str:
    """Return why a claim that does not follow from the paper's own cells may be right all the same; empty if nothing says so.

    Where the cells' own counts are in doubt, as they were fitted, a cell may be wrong.
    """
    known_reason, _, why = verdict.internal_cause.partition(": ")
    if known_reason in PREDICATES:
        return f"{code(known_reason)}: {why.partition(';')[0]}"
    return "rests on a cell whose count was fitted" if "(fitted)" in verdict.cause else ""


def find_sentences(evidence: Evidence) -> Iterator[Finding]:
    """Find sentences whose number does not follow from the table that they speak of, for no known reason.

    A sentence that only repeats a cell says nothing that could follow, and is not counted.
    """
    claims = {(paper.id, claim.id): claim for paper in evidence.papers.values() for claim in paper.claims}
    numeric = [
        verdict
        for verdict in evidence.verdicts
        if verdict.metric == "claim" and verdict.printed != "true" and not claims[verdict.paper, verdict.row_id].is_approximate
    ]
    quoting = {key for key, claim in claims.items() if quoted_cell(claim, evidence.papers[key[0]], evidence.papers)}
    exact = [v for v in numeric if v.internal != "consistent" or (v.paper, v.row_id) not in quoting]
    mismatched = [v for v in exact if v.internal == "inconsistent"]
    unexplained = [v for v in mismatched if not _doubt(v)]
    doubtful = len(mismatched) - len(unexplained)
    details = "Exact sentences that do not follow from the cells that they speak of, and do not only repeat one:\n\n" + grid(
        ("sentence", "printed", "known reason or doubtful cell"),
        [(f"[{v.paper}, {v.row_id}](claims.md#{v.paper}-{v.row_id})", v.printed, _doubt(v)) for v in mismatched],
    )
    for verdict in unexplained:
        paper, claim = evidence.papers[verdict.paper], claims[verdict.paper, verdict.row_id]
        result = evaluate_expression(claim.expression, paper, evidence.papers)
        cells = tuple({cell.name: cell for cell in result.cells}.values())
        stated, follows = parse_number(claim.printed), float(result.value)
        if not 0 < len(cells) <= MAX_CELLS or min(stated.value, follows) <= 0:
            continue
        tables = join_words(list(dict.fromkeys(cell.table.where for cell in cells)))
        printed = join_words([cell.printed for cell in cells])
        decimals = max(stated.decimals, *(cell.number.decimals for cell in cells))
        yield Finding(
            sentence=f"{paper.short}'s {claim.where}, in other words: {claim.description}; its own {tables} prints {printed}, "
            f"which gives {round_half_up(follows, decimals)} (mismatched: {len(mismatched)} of {len(exact)} exact sentences "
            f"beyond quotations, {doubtful} with known reasons or doubtful cells).",
            strength=abs(log(stated.value / follows)),
            page=f"claims.md#{paper.id}-{claim.id}",
            cells=cells,
            details=details,
        )


def find_means(evidence: Evidence) -> Iterator[Finding]:
    """Find printed means that MPII's weights give only if the unprinted neck were found less often than the shoulders.

    The sentence names the ways of averaging that would give the mean.
    """
    for check in check_consistency(evidence.papers):
        if check.rule != MEAN_OF_PARTS or USUAL_MEAN in check.ways:
            continue
        by_part = {cell.column.part: cell for cell in check.cells}
        mean, shoulder = by_part["mean"], by_part["shoulder"]
        low, high = implied_neck_accuracy(by_part)
        others = f"it may be a {' or '.join(check.ways)}" if check.ways else "no public way of averaging gives it"
        paper = evidence.papers[mean.paper]
        yield Finding(
            sentence=f"{paper.short}'s {mean.table.where} prints a total of {mean.printed} for {printed_name(mean, paper)}; as "
            f"{USUAL_MEAN} it needs only {low:.1f} to {high:.1f} % of the unprinted upper necks found, against "
            f"{shoulder.printed} % of shoulders; {others}.",
            strength=max(rounding_bounds(shoulder)[0] - high, low - 100),
            page=CHECKS,
            cells=tuple(by_part.values()),
        )


def find_two_printings(evidence: Evidence) -> Iterator[Finding]:
    """Find a quantity of a paper's own network that the paper prints with two values."""
    for check in check_consistency(evidence.papers):
        if check.rule != SAME_IN_ALL_TABLES or check.holds or check.cells[0].column.metric not in QUANTITIES:
            continue
        a, b = sorted(check.cells, key=lambda cell: cell.number.decimals)
        paper = evidence.papers[a.paper]
        low, high = sorted(rounding_bounds(cell) for cell in (a, b))
        counted, records = _counted(check, evidence.records)
        papers = paper.short if a.paper == b.paper else join_words([paper.short, evidence.papers[b.paper].short])
        yield Finding(
            sentence=f"{papers}: “{printed_name(b, evidence.papers[b.paper])}” has {_with_unit(b)} "
            f"{QUANTITIES[b.column.metric]} in {b.table.where} and {_with_unit(a)} in {a.table.where}{counted}.",
            strength=log(high[0] / low[1]),
            page=CHECKS,
            cells=(a, b),
            records=records,
        )


def _with_unit(cell: Cell) -> str:
    unit = cell.column.unit
    return cell.printed if cell.number.suffix or unit in ("", "-") else f"{cell.printed} {unit}"


def _counted(check: Check, records: Mapping[str, Record]) -> tuple[str, tuple[Record, ...]]:
    """Say what we count for the quantity, where it is a cost."""
    cell = check.cells[0]
    record = records.get(cost_record_id(cell.row.model, *cost_setting(cell)))
    value = count_in_unit(record, cell, cell.column.convention) if record else None
    if record is None or value is None:
        return "", ()
    unit = cell.number.suffix or cell.column.unit
    return f"; we count {float(value):.3f} {unit} by the convention of {cell.table.where}", (record,)
