"""Say how many printed costs are explained, and how many would be by chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmark.core.records import Record
from benchmark.ledger.explanations import WINDOW, Chance, compute_chance, explain_cost
from benchmark.ledger.predicates import count_cells
from benchmark.papers.tables import Paper


def explanation_sentence(papers: Mapping[str, Paper], records: Mapping[str, Record]) -> str:
    """Return the counts of ``explained`` and ``ambiguous`` costs, with the share that chance would give, as text."""
    counted = count_cells(papers, records)
    chances = {name: compute_chance(cell, counted) for name, cell in counted.items()}
    differing = {name: cell for name, cell in counted.items() if cell.plain != str(cell.cell.number)}
    explanations = [explain_cost(cell.cell, cell.record, cell.variants, counted) for cell in differing.values()]
    statuses = [explanation.status for explanation in explanations if explanation]
    explained, ambiguous, number = mean_chance(chances.values())
    expected = mean_chance([chances[name] for name in differing])
    return (
        f"Of {len(counted)} printed costs that we counted, {len(differing)} differ from our count; "
        f"{statuses.count('explained')} of these are `explained` and {statuses.count('ambiguous')} `ambiguous`. "
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
