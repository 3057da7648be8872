"""Say how many printed costs are explained, and how many would be by chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from benchmark.core.records import Record
from benchmark.ledger.explanations import WINDOW, Chance, compute_chance
from benchmark.ledger.predicates import CountedCell, count_cells
from benchmark.ledger.tokens import Measured, Verdict, counted
from benchmark.papers.tables import Paper

DIFFERING: tuple[Measured, ...] = ("explained", "ambiguous", "contradicted")


def explanation_sentence(papers: Mapping[str, Paper], records: Mapping[str, Record], verdicts: Sequence[Verdict]) -> str:
    """Return the counts of ``explained`` and ``ambiguous`` costs, with the share that chance would give, as text."""
    tokens: tuple[Measured, ...] = ("reproduced", *DIFFERING)
    measured = {v.name: v for v in counted(verdicts) if v.kind == "cost" and v.measured in tokens}
    differing = [verdict for verdict in measured.values() if verdict.measured in DIFFERING]
    cells = count_cells(papers, records)
    chances = {name: compute_chance(cells[name], cells) for name in measured}
    explained, ambiguous, number = mean_chance(chances.values())
    expected = mean_chance([chances[verdict.name] for verdict in differing])
    own = [chances[verdict.name] for verdict in differing if verdict.measured == "explained"]
    counts = {token: sum(verdict.measured == token for verdict in differing) for token in DIFFERING}
    return (
        f"{len(measured)} printed costs were compared with our count; {len(differing)} differ from it: "
        f"{counts['explained']} `explained`{_distinct_numbers(differing, cells)}, {counts['ambiguous']} `ambiguous` and "
        f"{counts['contradicted']} `contradicted`. "
        f"Were a printed cost another string with as many decimals and within {100 * float(WINDOW):g} % of it, it would be "
        f"`explained` in {100 * explained:.1f} % of cases and `ambiguous` in {100 * ambiguous:.1f} %: all such strings were "
        f"tried, for the {number} costs that have some. For those that are `explained`, it is "
        f"{100 * mean_chance(own)[0]:.0f} % (at most {100 * _largest_chance(own):.0f} %). Over the {len(differing)} that "
        f"differ, {expected[0] * expected[2]:.1f} and {expected[1] * expected[2]:.1f} would be expected by chance."
    )


def _distinct_numbers(differing: Sequence[Verdict], cells: Mapping[str, CountedCell]) -> str:
    """Say how many different numbers the explained costs are, and how many of them one rule explains; empty without any."""
    explained = [verdict for verdict in differing if verdict.measured == "explained"]
    if not explained:
        return ""
    numbers = {(cells[verdict.name].number, str(cells[verdict.name].cell.number)) for verdict in explained}
    rules = Counter(": ".join(verdict.cause.split(": ")[:2]) for verdict in explained)
    (rule, times), *_ = rules.most_common(1)
    return f" ({len(numbers)} different numbers; {times} by one rule, `{rule}`)"


def _largest_chance(chances: Iterable[Chance]) -> float:
    return max((chance.explained / chance.strings for chance in chances if chance.strings), default=0.0)


def mean_chance(chances: Iterable[Chance]) -> tuple[float, float, int]:
    """Return the mean shares of strings that would be explained and ambiguous, and the number of cells that have strings."""
    shares = [(chance.explained / chance.strings, chance.ambiguous / chance.strings) for chance in chances if chance.strings]
    number = len(shares)
    if not number:
        return 0.0, 0.0, 0
    return sum(share for share, _ in shares) / number, sum(share for _, share in shares) / number, number
