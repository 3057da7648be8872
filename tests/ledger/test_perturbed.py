"""A wrong printed value gets a verdict, never an exception, and never one that agrees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import cycle

import pytest

from benchmark.config.identities import load_current
from benchmark.ledger.tokens import INTERNAL, MEASURED, Internal, Verdict, counted
from benchmark.ledger.verdicts import judge_all
from benchmark.papers.tables import DASH, Cell, Claim, Paper, Table, load_papers

AGREES = ("reproduced", "matches_release")
NUMBER = re.compile(r"\d+(\.\d+)?")


def larger(printed: str, factor: float = 1.37) -> str:
    """Return a printed string whose first number is larger, with the same decimals; another word for one without a number."""

    def change(match: re.Match[str]) -> str:
        decimals = len(match[0].partition(".")[2])
        value = f"{float(match[0]) * factor:.{decimals}f}"
        return value if value != match[0] else f"{float(match[0]) + 1:.{decimals}f}"

    changed, count = NUMBER.subn(change, printed, count=1)
    return changed if count else f"{printed} or seven"


def internal_of_changed(claim: Claim) -> tuple[Internal, ...]:
    """Return what a sentence may be with a larger number: nothing if it gives no exact number, as "nearly 500"."""
    if claim.is_approximate:
        return ("-",)
    one_step = last_digits(larger(claim.printed)) - last_digits(claim.printed) == 1  # as from 0.03 to 0.04
    return ("inconsistent", "rounding") if one_step else ("inconsistent",)


def last_digits(printed: str) -> int:
    """Return a printed number in units of its last digit."""
    return int(re.sub(r"\D", "", printed))


def with_cell(papers: Mapping[str, Paper], cell: Cell, printed: str) -> Mapping[str, Paper]:
    """Return the papers with another string in one cell."""
    paper = papers[cell.paper]
    table = replace(cell.table, printed={**cell.table.printed, (cell.row.id, cell.column.name): printed})
    return {**papers, paper.id: replace(paper, tables={**paper.tables, table.id: table})}


def all_perturbed(papers: Mapping[str, Paper], factor: float) -> Mapping[str, Paper]:
    """Return the papers with every value changed at once."""

    def table(original: Table) -> Table:
        cells = {(cell.row.id, cell.column.name): larger(cell.printed, factor) for cell in original.cells()}
        return replace(original, printed={**original.printed, **cells})

    def paper(original: Paper) -> Paper:
        claims = tuple(
            claim if claim.printed == "true" else replace(claim, printed=larger(claim.printed, factor * factor))
            for claim in original.claims
        )
        return replace(original, tables={name: table(t) for name, t in original.tables.items()}, claims=claims)

    return {name: paper(original) for name, original in papers.items()}


def check(verdicts: list[Verdict]) -> None:
    for verdict in verdicts:
        assert verdict.measured in MEASURED
        assert verdict.internal in INTERNAL
        assert verdict.cause
        assert verdict.internal_cause


@pytest.fixture(scope="module")
def judged() -> Mapping[str, Verdict]:
    return {verdict.name: verdict for verdict in judge_all(load_current())}


def _sources() -> Iterator[Cell]:
    """Iterate over the cells that an expression refers to, which can therefore spoil another value's verdict."""
    papers = load_papers()
    expressions = [claim.expression for paper in papers.values() for claim in paper.claims]
    expressions += [
        c.expression for p in papers.values() for t in p.tables.values() for c in t.columns.values() if c.expression
    ]
    for paper in papers.values():
        for table in paper.tables.values():
            for cell in table.cells():
                if any(f"{table.id}[{cell.row.id}, {cell.column.name}]" in text for text in expressions):
                    yield cell


SIZES = (0.5, 0.95, 1.05, 1.1, 1.37, 10.0)


@pytest.mark.parametrize("factor", SIZES)
def test_with_every_value_changed_nothing_agrees_that_agreed(factor: float, judged: Mapping[str, Verdict]) -> None:
    papers = all_perturbed(load_papers(), factor)
    verdicts = judge_all(load_current(), papers)
    assert len(verdicts) == len(judged)
    check(verdicts)
    cells = {cell.name: cell for paper in papers.values() for table in paper.tables.values() for cell in table.cells()}
    agreed = {name for name, verdict in judged.items() if verdict.measured in AGREES and name in cells}
    still = {v.name for v in verdicts if v.measured in AGREES and v.name in cells and not cells[v.name].column.expression}
    assert len(agreed) > 200
    assert agreed & still == set()


@pytest.mark.parametrize("printed", ["0", "0.0", "-1", "999999999999", "seven", "3×3"])
def test_every_source_of_another_value_may_hold_anything(printed: str) -> None:
    """One paper at a time: all of its sources hold the same string."""
    papers = load_papers()
    for name in papers:
        changed = papers
        for cell in _sources():
            if cell.paper == name:
                changed = with_cell(changed, replace(cell, table=changed[name].tables[cell.table.id]), printed)
        # Only structures and settings may be words; the loader refuses others (see tests/papers/test_tables.py).
        if printed in ("seven", "3×3"):
            changed = _words_only_where_allowed(papers, changed)
        check(judge_all(load_current(), changed))


def _words_only_where_allowed(original: Mapping[str, Paper], changed: Mapping[str, Paper]) -> Mapping[str, Paper]:
    restored = dict(changed)
    for paper in original.values():
        for table in paper.tables.values():
            for cell in table.cells():
                if cell.column.kind not in ("architecture", "setting"):
                    current = replace(cell, table=restored[paper.id].tables[table.id])
                    restored = dict(with_cell(restored, current, cell.printed))
    return restored


@pytest.mark.slow
def test_every_value_changed_in_turn_gets_a_verdict_that_does_not_agree(judged: Mapping[str, Verdict]) -> None:
    papers, records, sizes = load_papers(), load_current(), cycle(SIZES)
    for paper in papers.values():
        for table in paper.tables.values():
            for cell in table.cells():
                verdicts = judge_all(records, with_cell(papers, cell, larger(cell.printed, next(sizes))))
                check(verdicts)
                changed = next(verdict for verdict in verdicts if verdict.name == cell.name)
                assert changed.measured not in AGREES or judged[cell.name].measured not in AGREES, cell.name
                if judged[cell.name].internal == "consistent" and cell.column.expression:
                    assert changed.internal != "consistent", cell.name
        for number, claim in enumerate(paper.claims):
            if claim.printed != "true":
                claims = (*paper.claims[:number], replace(claim, printed=larger(claim.printed)), *paper.claims[number + 1 :])
                verdicts = judge_all(records, {**papers, paper.id: replace(paper, claims=claims)})
                check(verdicts)
                changed = next(v for v in verdicts if (v.paper, v.table, v.row_id) == (paper.id, "claims", claim.id))
                assert changed.measured not in AGREES, claim.id
                assert changed.internal in internal_of_changed(claim), claim.id


def test_a_claim_on_a_structure_with_another_structure_in_it_is_judged() -> None:
    """A structure of which the text repeats a part is a word, not a number, in every other table that mentions the network."""
    papers = load_papers()
    for paper in papers.values():
        for table in paper.tables.values():
            for cell in table.cells():
                if cell.column.kind == "architecture":
                    break
            else:
                continue
            check(judge_all(load_current(), with_cell(papers, cell, "seven times seven")))


def test_a_repeated_value_is_counted_once_and_only_while_it_repeats(judged: Mapping[str, Verdict]) -> None:
    repeated = [verdict for verdict in judged.values() if verdict.repeats != "-"]
    assert len(repeated) > 20
    assert all(judged[verdict.repeats].repeats == "-" for verdict in repeated)
    assert len(counted(list(judged.values()))) == len(judged) - len(repeated)
    papers = load_papers()
    verdict = next(v for v in repeated if v.table == "claims")
    claims = tuple(replace(c, printed="777") if c.id == verdict.row_id else c for c in papers[verdict.paper].claims)
    changed = judge_all(load_current(), {**papers, verdict.paper: replace(papers[verdict.paper], claims=claims)})
    after = next(v for v in changed if v.name == verdict.name)
    assert (after.repeats, after.internal) == ("-", "inconsistent")


def test_dashes_are_no_values() -> None:
    assert all(c.printed != DASH for p in load_papers().values() for t in p.tables.values() for c in t.cells())
