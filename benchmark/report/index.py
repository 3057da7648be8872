"""The index: how many printed figures of each kind ended with which verdict, and the way to the other pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmark.ledger.explanations import PREDICATES
from benchmark.ledger.verdicts import KINDS, TOKEN_MEANING, TOKENS, Verdict, count_verdicts
from benchmark.papers.tables import Paper
from benchmark.report.markdown import MARKS, grid, legend, page
from benchmark.report.papers import printed_grid

UNPUBLISHED = re.compile(r"\bpublic\b|\bpublished\b")  # in the reason why no model builds a row


def index_page(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    """``reports/README.md``."""
    return page(
        "# Every printed figure, judged",
        f"{len(papers)} papers print {len(verdicts)} figures: {_total(verdicts, 'cell')} in tables and text, "
        f"{_total(verdicts, 'claim')} quantitative sentences. Each ends with one verdict, derived by machine from records "
        "that anyone can measure again. The same as data: [verdicts.csv](verdicts.csv), one row a figure.",
        "![verdicts by paper and kind](figures/verdicts.svg)",
        "## By kind",
        _by_kind(verdicts),
        _share_of_public(papers, verdicts),
        "## By paper and kind",
        _by_paper(papers, verdicts),
        "## Pages",
        "\n".join(
            [f"- [{p.short}]({p.id}.md): {p.title}" for p in papers.values()]
            + [
                "- [All networks under every counting convention](models.md)",
                "- [All networks ranked on equal terms](ranking.md), beside the printed ranking",
                "- [What decoding and test-time options are worth](decoding.md), on the same network and persons, and what the "
                "definition of PCK is",
                "- [Ablations](ablations.md): each variant trained under one protocol, beside the printed difference",
                "- [What was trained here](training.md): figures and curves",
                "- [Architectures searched here](search.md): what was found, and random search beside it",
                "- [How long the networks take](latency.md): printed times beside ours, as orders and ratios",
                "- [Three routes to the same training image](pipeline.md): how far they agree",
                "- [How networks are trained](recipes.md): each recipe in full, and what its source leaves open",
                "- [Claims and audits](claims.md): sentences and tables checked against their own cells",
            ]
        ),
        "## What the verdicts mean",
        grid(("", "verdict", "meaning"), [(MARKS[t], f"`{t}`", m) for t, m in TOKEN_MEANING.items()]),
        "## What may explain a difference",
        "The list is closed, its order fixed, and two reasons are never combined.",
        grid(("predicate", "the printed string is"), [(f"`{name}`", says) for name, says in PREDICATES.items()]),
    )


def front(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    """What the project's README shows of the report: the counts, a figure, and the first paper's first accuracy table."""
    paper, table = next(
        (paper, table)
        for paper in papers.values()
        for table in paper.tables.values()
        if any(column.metric == "pckh" for column in table.columns.values())
    )
    return "\n\n".join(
        [
            _by_kind(verdicts),
            "![how the printed figures ended, by paper and kind](reports/figures/verdicts.svg)",
            f"One table of [the report](reports/README.md), {table.where} of [{paper.short}](reports/{paper.id}.md): in each "
            "cell the printed figure, then the verdict and our own.",
            printed_grid(table, verdicts),
            legend(),
        ]
    )


def public_costs(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The cost figures of networks whose architecture is public: of all rows but those that give as the reason why no model
    builds them that no public specification exists. A row that is built counts, also where only a reconstruction could be."""
    costs = [v for v in verdicts if v.kind == "cost"]
    return [v for v in costs if not UNPUBLISHED.search(papers[v.paper].tables[v.table].rows[v.row_id].none)]


def _share_of_public(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    total, public = sum(v.kind == "cost" for v in verdicts), [v.verdict for v in public_costs(papers, verdicts)]
    settled, reproduced = len(public) - public.count("no_definition"), public.count("reproduced")
    return (
        f"Of the {total} cost figures, {len(public)} are of networks whose architecture is public: all but those of rows that "
        "no model builds because, as the row itself says, what it takes is not public or was never published. Of these, "
        f"{settled} ({100 * settled / len(public):.1f} %) end other than `no_definition`, and {reproduced} "
        f"({100 * reproduced / len(public):.1f} %) are `reproduced`."
    )


def _total(verdicts: Sequence[Verdict], what: str) -> int:
    return sum((v.metric == "claim") == (what == "claim") for v in verdicts)


def _by_kind(verdicts: Sequence[Verdict]) -> str:
    rows = []
    for kind in KINDS:
        own = [v.verdict for v in verdicts if v.kind == kind]
        if own:
            rows.append([kind, len(own), *(own.count(token) for token in TOKENS)])
    return grid(("kind", "figures", *(f"`{t}`" for t in TOKENS)), rows)


def _by_paper(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    rows = [
        [f"[{papers[paper].short}]({paper}.md)", kind, sum(tokens.values()), *(tokens[t] for t in TOKENS)]
        for (paper, kind), tokens in count_verdicts(verdicts).items()
    ]
    return grid(("paper", "kind", "figures", *(f"`{t}`" for t in TOKENS)), rows)
