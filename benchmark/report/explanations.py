"""Say how many printed costs are explained, and how many would be by chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmark.core.records import Record
from benchmark.ledger.explanations import WINDOW, Chance, compute_chance
from benchmark.ledger.predicates import count_cells
from benchmark.ledger.tokens import Measured, Verdict, counted
from benchmark.papers.tables import Paper

DIFFERING: tuple[Measured, ...] = ("explained", "ambiguous", "contradicted")


def explanation_sentence(papers: Mapping[str, Paper], records: Mapping[str, Record], verdicts: Sequence[Verdict]) -> str:
    """Return the counts of ``explained`` and ``ambiguous`` costs, with the share that chance would give, as text."""
    measured = {v.name: v.measured for v in counted(verdicts) if v.kind == "cost" and v.measured in ("reproduced", *DIFFERING)}
    differing = [name for name, token in measured.items() if token in DIFFERING]
    cells = count_cells(papers, records)
    chances = {name: compute_chance(cells[name], cells) for name in measured}
    explained, ambiguous, number = mean_chance(chances.values())
    expected = mean_chance([chances[name] for name in differing])
    tokens = list(measured.values())
    counts = {token: tokens.count(token) for token in DIFFERING}
    return (
        f"{len(measured)} printed costs were compared with our count, as in the table above; {len(differing)} differ from it: "
        f"{counts['explained']} `explained`, {counts['ambiguous']} `ambiguous` and {counts['contradicted']} `contradicted`. "
        f"Were a printed cost another string with as many decimals and within {100 * float(WINDOW):g} % of it, it would be "
        f"`explained` in {100 * explained:.1f} % of cases and `ambiguous` in {100 * ambiguous:.1f} %: all such strings were "
        f"tried, for the {number} costs that have some. Over the {len(differing)} that differ, {expected[0] * expected[2]:.1f} "
        f"and {expected[1] * expected[2]:.1f} would be expected by chance."
    )


def mean_chance(chances: Iterable[Chance]) -> tuple[float, float, int]:
    """Return the mean shares of strings that would be explained and ambiguous, and the number of cells that have strings."""
    shares = [(chance.explained / chance.strings, chance.ambiguous / chance.strings) for chance in chances if chance.strings]
    number = len(shares)
    if not number:
        return 0.0, 0.0, 0
    return sum(share for share, _ in shares) / number, sum(share for _, share in shares) / number, number
