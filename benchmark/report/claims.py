"""Sentences and tables checked against the papers' own cells: no data is needed to find these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.ledger.verdicts import Verdict
from benchmark.papers.consistency import Finding, check_consistency
from benchmark.papers.tables import Paper
from benchmark.report.markdown import MARKS, grid, page


def claims_page(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    """``reports/claims.md``."""
    judged = {(v.paper, v.row_id): v for v in verdicts if v.metric == "claim"}
    findings = check_consistency(papers)
    blocks = [
        "# Claims and audits",
        "## What must hold among a table's own cells",
        _findings(findings),
        "## What the sentences say",
    ]
    for paper in papers.values():
        rows = []
        for claim in paper.claims:
            verdict = judged[paper.id, claim.id]
            mark = f"{MARKS[verdict.verdict]} {verdict.verdict}"
            unit = "" if claim.unit in ("", "-") else f" {claim.unit}"
            rows.append(
                (
                    f'<a id="{paper.id}-{claim.id}"></a>{claim.description}',
                    claim.where,
                    f"{claim.printed}{unit}",
                    verdict.ours,
                    mark,
                    f"`{verdict.cause}`",
                )
            )
        if rows:
            blocks += [f"### {paper.short}", grid(("claim", "where", "printed", "ours", "verdict", "how"), rows)]
    return page(*blocks)


def _findings(findings: Sequence[Finding]) -> str:
    broken = [f for f in findings if not f.holds]
    rules = dict.fromkeys(f.rule for f in findings)
    summary = grid(
        ("rule", "checked", "violated"),
        [
            (rule, sum(f.rule == rule for f in findings), sum(f.rule == rule and not f.holds for f in findings))
            for rule in rules
        ],
    )
    return summary + "\n\n" + grid(("violation", "rule", "arithmetic"), [(f.where, f.rule, f.arithmetic) for f in broken])
