"""Show the papers' claims and the consistency of their tables, checked against the printed cells; no data is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.core.records import NOT_APPLICABLE
from benchmark.ledger.tokens import Verdict
from benchmark.papers.consistency import Finding, check_consistency
from benchmark.papers.tables import Paper
from benchmark.report.markdown import MARKS, code, grid, page


def claims_page(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> str:
    """Return ``reports/claims.md``."""
    by_claim = {(v.paper, v.row_id): v for v in verdicts if v.metric == "claim"}
    blocks = [
        "# Claims and consistency checks",
        "The consistency checks, and the column *internal* of the claims, use only what the papers print.",
        "## Consistency of the printed tables",
        "Rules that the cells of a table, or of several tables, must satisfy. A rule is violated only if no numbers that "
        "round to the printed ones would satisfy it.",
        _consistency(check_consistency(papers)),
        "## Quantitative claims",
        "Each claim is written as an expression over printed cells. *Internal* compares the sentence with the value that the "
        "printed cells lead to; *measured* with the value that our measurements of the same cells lead to, if there is one of "
        "each. A sentence that only repeats a cell points to it and is counted there.",
    ]
    for paper in papers.values():
        rows = []
        for claim in paper.claims:
            verdict = by_claim[paper.id, claim.id]
            mark = f"{MARKS[verdict.measured]} {verdict.measured}"
            unit = "" if claim.unit in ("", "-") else f" {claim.unit}"
            anchor = f'<a id="{paper.id}-{claim.id}"></a>'
            repeats = "" if verdict.repeats == NOT_APPLICABLE else f" (repeats {code(verdict.repeats)})"
            internal, reason = f"{verdict.internal}: {code(verdict.internal_cause)}", code(verdict.cause)
            description = anchor + claim.description + repeats
            rows.append((description, claim.where, f"{claim.printed}{unit}", internal, mark, verdict.ours, reason))
        if rows:
            header = ("claim", "section", "stated", "internal", "measured", "ours", "reason")
            blocks += [f"### {paper.short}", grid(header, rows)]
    return page(*blocks)


def _consistency(findings: Sequence[Finding]) -> str:
    violations = [finding for finding in findings if not finding.holds]
    summary = [
        (rule, sum(f.rule == rule for f in findings), sum(f.rule == rule for f in violations))
        for rule in dict.fromkeys(f.rule for f in findings)
    ]
    return "\n\n".join(
        [
            grid(("rule", "checked", "violated"), summary),
            grid(("violated by", "rule", "values"), [(f.where, f.rule, f.arithmetic) for f in violations]),
        ]
    )
