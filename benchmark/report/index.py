"""Show how many printed values of each kind have which verdict, and list the other pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmark.core.records import Record
from benchmark.ledger.explanations import MIN_REACH, PREDICATES
from benchmark.ledger.verdicts import KINDS, TOKEN_MEANING, TOKENS, Verdict, count_verdicts
from benchmark.papers.tables import Paper
from benchmark.report.explanations import explanation_sentence
from benchmark.report.markdown import MARKS, grid, legend, page
from benchmark.report.papers import printed_grid

UNPUBLISHED = re.compile(r"\bpublic\b|\bpublished\b")  # in the reason why no model builds a row

PAGES = """\
- [Parameters and operations](models.md): all networks under every counting convention
- [Ranking on equal terms](ranking.md): all networks, beside their printed ranking
- [Decoding and test-time options](decoding.md): their effect on accuracy, and the effect of the definition of PCK
- [Ablations](ablations.md): differences between variants trained under one protocol, beside the printed differences
- [Training results](training.md): accuracies and curves
- [Architecture search](search.md): the architectures that were found, and random search for comparison
- [Latency](latency.md): the order of the networks and the ratios of their times, printed and measured
- [Training images](pipeline.md): the agreement of the three routes that compute them
- [Training recipes](recipes.md): each recipe in full, with the assumptions behind it
- [Claims and consistency checks](claims.md): sentences and tables, checked against the printed cells"""


def index_page(papers: Mapping[str, Paper], verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> str:
    """Return ``reports/README.md``."""
    claims = sum(verdict.metric == "claim" for verdict in verdicts)
    return page(
        "# All printed values and their verdicts",
        f"{len(papers)} papers print {len(verdicts)} values: {len(verdicts) - claims} in tables and text, and {claims} in "
        "quantitative sentences. Each value has one verdict, which is derived automatically from records that anyone can "
        "measure again. The same data is available as [verdicts.csv](verdicts.csv), with one row per value.",
        "![verdicts by paper and kind](figures/verdicts.svg)",
        "## By kind",
        _count_by_kind(verdicts),
        _share_of_public(papers, verdicts),
        "## By paper and kind",
        _count_by_paper(papers, verdicts),
        "## Pages",
        "\n".join([*(f"- [{paper.short}]({paper.id}.md): {paper.title}" for paper in papers.values()), PAGES]),
        "## Verdicts",
        grid(("", "verdict", "meaning"), [(MARKS[token], f"`{token}`", meaning) for token, meaning in TOKEN_MEANING.items()]),
        "## Reasons that explain a difference",
        "This list is closed, and its reasons are never combined. A cost is `explained` by one that the row's source states, "
        f"or that fits wherever it makes a difference, in at least {MIN_REACH} numbers of the column, without a rival; "
        "otherwise it is `ambiguous`.",
        explanation_sentence(papers, records),
        grid(("reason", "the printed value is"), [(f"`{name}`", description) for name, description in PREDICATES.items()]),
    )


def readme_block(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    """Return the project README's excerpt of the report: counts, a figure, and the first paper's first accuracy table."""
    paper, table = next(
        (paper, table)
        for paper in papers.values()
        for table in paper.tables.values()
        if any(column.metric == "pckh" for column in table.columns.values())
    )
    return "\n\n".join(
        [
            _count_by_kind(verdicts),
            "![verdicts by paper and kind](reports/figures/verdicts.svg)",
            f"As an example from [the report](reports/README.md), this is {table.where} of "
            f"[{paper.short}](reports/{paper.id}.md). Each cell gives the printed value, then our verdict and our value.",
            printed_grid(table, verdicts),
            legend(),
        ]
    )


def public_costs(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts on the cost of networks whose architecture is public.

    A row is left out if no model builds it because, as the row states, no public specification exists. A row that is built
    counts, even if it could only be reconstructed.
    """
    costs = [v for v in verdicts if v.kind == "cost"]
    return [v for v in costs if not UNPUBLISHED.search(papers[v.paper].tables[v.table].rows[v.row_id].none)]


def _share_of_public(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    total, public = sum(v.kind == "cost" for v in verdicts), [v.verdict for v in public_costs(papers, verdicts)]
    defined, reproduced = len(public) - public.count("no_definition"), public.count("reproduced")
    return (
        f"Of the {total} cost values, {len(public)} belong to networks whose architecture is public; the others are in rows "
        "that cannot be built because something that is needed was never published, as the row states. Of the public ones, "
        f"{defined} ({100 * defined / len(public):.1f} %) have a verdict other than `no_definition`, and {reproduced} "
        f"({100 * reproduced / len(public):.1f} %) are `reproduced`."
    )


def _count_by_kind(verdicts: Sequence[Verdict]) -> str:
    rows = []
    for kind in KINDS:
        tokens = [v.verdict for v in verdicts if v.kind == kind]
        if tokens:
            rows.append([kind, len(tokens), *(tokens.count(token) for token in TOKENS)])
    return grid(("kind", "values", *(f"`{token}`" for token in TOKENS)), rows)


def _count_by_paper(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    rows = [
        [f"[{papers[paper].short}]({paper}.md)", kind, sum(counts.values()), *(counts[token] for token in TOKENS)]
        for (paper, kind), counts in count_verdicts(verdicts).items()
    ]
    return grid(("paper", "kind", "values", *(f"`{token}`" for token in TOKENS)), rows)
