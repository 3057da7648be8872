"""Put the static site together: the pages of the report, its tables with verdicts that open, and a page of all values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from benchmark.core.records import NOT_APPLICABLE, Record
from benchmark.ledger.tokens import (
    GROUP_MEANING,
    GROUPS,
    INTERNAL_MEANING,
    KINDS,
    MEASURED_MEANING,
    SETTINGS,
    Group,
    Verdict,
    counted,
)
from benchmark.papers.tables import Paper, Table
from benchmark.report.build import format_verdicts, gather_evidence, report_figures, report_pages
from benchmark.report.findings import find_all
from benchmark.report.index import PAGE_GROUPS
from benchmark.report.markdown import INTERNAL_MARKS, MARKS
from benchmark.report.names import printed_name
from benchmark.report.site.markdown import Heading, RenderedPage, render_inline, render_page
from benchmark.report.site.templates import TEMPLATES

STATIC = Path(__file__).parent / "static"
INDEX, VALUES = "index.html", "values.html"
# One mark for each group: told apart without colours.
GROUP_MARKS: Mapping[Group, str] = {
    "agrees": "✓",
    "explained": "≈",
    "ambiguous": "≈?",
    "differs": "✗",
    "undecided": "~",
    "by construction": "▫",
    "not measured": "○",
    SETTINGS: "≡",
}
# What a verdict shows of the record that it rests on.
RECORD_FIELDS = (
    "subject",
    "dataset",
    "protocol",
    "setting",
    "n",
    "interval",
    "device",
    "command",
    "commit",
    "time",
    "environment",
)


def build_site() -> dict[str, bytes]:
    """Return the files of the site by their names.

    Raises:
        InputError: A table or record is malformed.
    """
    evidence = gather_evidence()
    papers, verdicts = evidence.papers, evidence.verdicts
    figures = {f"figures/{name}": content for name, content in report_figures(evidence).items()}
    texts = report_pages(evidence, find_all(evidence), lambda table, _: f"<!-- table: {table.id} -->")
    pages = {INDEX if name == "README.md" else name.replace(".md", ".html"): text for name, text in texts.items()}
    places = _name_places(papers)
    shared = {
        "marks": GROUP_MARKS,
        "meanings": GROUP_MEANING,
        "navigation": _navigation(papers),
        "index": INDEX,
        "values": VALUES,
    }
    html: dict[str, str] = {}
    headings: list[tuple[str, str, Heading]] = []
    for name, text in pages.items():
        paper = papers.get(name.removesuffix(".html"))
        own = [verdict for verdict in verdicts if paper and verdict.paper == paper.id]
        tables = {table.id: _draw_table(table, own) for table in paper.tables.values()} if paper else {}
        page = render_page(text, tables, figures)
        if paper and paper.claims:
            page = _add_claims(page, paper, own)
        headings += [(name, page.title, heading) for heading in page.headings]
        data: dict[str, Any] = {}
        if name == INDEX:
            data = {"papers": papers, "counts": _count_by_paper(verdicts)}
        elif paper:
            data = {
                "groups": _count((verdict.group for verdict in own), GROUPS),
                "kinds": _count((verdict.kind for verdict in own), KINDS),
                "details": _embed(_describe_verdicts(own, evidence.records, places)),
            }
        template = "index.html" if name == INDEX else "paper.html" if paper else "page.html"
        html[name] = TEMPLATES.get_template(template).render(shared, name=name, page=page, **data)
    rows = [(v, verdict_anchor(v), places[v.name], getattr(evidence.records.get(v.record), "subject", "")) for v in verdicts]
    html[VALUES] = TEMPLATES.get_template("values.html").render(
        shared, name=VALUES, page=None, papers=papers, kinds=KINDS, rows=rows, headings=headings, verdict_marks=MARKS
    )
    return (
        {name: text.encode() for name, text in html.items()}
        | figures
        | {path.name: path.read_bytes() for path in sorted(STATIC.iterdir())}
        | {"verdicts.csv": format_verdicts(verdicts).encode()}
    )


def verdict_anchor(verdict: Verdict) -> str:
    """Return the id by which a verdict is linked on the page of its paper."""
    return f"v-{verdict.table}-{verdict.row_id}-{verdict.column}"


def _navigation(papers: Mapping[str, Paper]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return groups of links: the heading of each group, and address and text of each link."""
    others = [(heading, [(f"{name}.html", text) for name, text, _ in listed]) for heading, listed in PAGE_GROUPS]
    return [
        ("Report", [(INDEX, "Findings"), (VALUES, "All values")]),
        ("Papers", [(f"{paper.id}.html", paper.short) for paper in papers.values()]),
        *others,
    ]


def _count(names: Iterable[str], order: Sequence[str]) -> dict[str, int]:
    """Count names, in the order given; those that do not occur are left out."""
    counts = Counter(names)
    return {name: counts[name] for name in order if counts[name]}


def _count_by_paper(verdicts: Sequence[Verdict]) -> dict[str, dict[str, int]]:
    """Count the values of each paper by group, as the first page does: repeated values once."""
    return {
        paper: _count((v.group for v in counted(verdicts) if v.paper == paper), GROUPS)
        for paper in dict.fromkeys(v.paper for v in verdicts)
    }


def _name_places(papers: Mapping[str, Paper]) -> dict[str, tuple[str, str, str]]:
    """Return where each value is printed, by its name: the table, and row and column in the paper's words."""
    places = {}
    for paper in papers.values():
        for cell in (cell for table in paper.tables.values() for cell in table.cells()):
            places[cell.name] = (cell.table.where, printed_name(cell, paper), cell.column.header)
        for claim in paper.claims:
            places[f"{paper.id}/claims[{claim.id}, printed]"] = (claim.where, claim.description, "stated")
    return places


def _draw_table(table: Table, verdicts: Sequence[Verdict]) -> str:
    """Format a printed table; each judged cell is a button that opens its verdict."""
    return TEMPLATES.get_template("table.html").render(
        table=table,
        headers=[(render_inline(column.header), column.convention) for column in table.columns.values()],
        verdicts={(v.row_id, v.column): (v, verdict_anchor(v)) for v in verdicts if v.table == table.id},
        verdict_marks=MARKS,
        internal_marks=INTERNAL_MARKS,
    )


def _add_claims(page: RenderedPage, paper: Paper, verdicts: Sequence[Verdict]) -> RenderedPage:
    """Return the page of a paper with a table of its claims, whose verdicts open like those of its tables."""
    by_claim = {verdict.row_id: verdict for verdict in verdicts if verdict.metric == "claim"}
    claims = [(claim, by_claim[claim.id], verdict_anchor(by_claim[claim.id])) for claim in paper.claims]
    table = TEMPLATES.get_template("claims.html").render(claims=claims, verdict_marks=MARKS, internal_marks=INTERNAL_MARKS)
    heading = Heading(2, "Sentences with numbers", "sentences")
    return replace(page, body=page.body + Markup(table), headings=(*page.headings, heading))


def _describe_verdicts(
    verdicts: Sequence[Verdict], records: Mapping[str, Record], places: Mapping[str, tuple[str, str, str]]
) -> dict[str, Any]:
    """Return all that a paper's verdicts rest on, as the page's script shows it."""
    used = dict.fromkeys(v.record for v in verdicts if v.record in records)
    return {
        "verdicts": {verdict_anchor(v): _describe_verdict(v, places[v.name], used) for v in verdicts},
        "records": {i: _describe_record(records[i]) for i in used},
        "meanings": {**MEASURED_MEANING, **INTERNAL_MEANING},
    }


def _describe_verdict(verdict: Verdict, place: Sequence[str], records: Container[str]) -> dict[str, Any]:
    described = {
        "place": place,
        "printed": verdict.printed,
        "ours": verdict.ours,
        "rounded": verdict.ours_rounded,
        "unit": verdict.unit,
        "mark": MARKS[verdict.measured],
        "group": verdict.group,
        "measured": verdict.measured,
        "basis": verdict.basis,
        "reason": verdict.cause,
        "internal": verdict.internal,
        "arithmetic": verdict.internal_cause,
        "repeats": verdict.repeats,
        "record": verdict.record if verdict.record in records else NOT_APPLICABLE,
    }
    return {name: value for name, value in described.items() if value != NOT_APPLICABLE}


def _describe_record(record: Record) -> dict[str, str]:
    fields = {name: getattr(record, name) for name in RECORD_FIELDS}
    return {name: _format(value) for name, value in fields.items() if value not in (None, "", NOT_APPLICABLE, {})}


def _format(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    return f"[{value[0]:.4g}, {value[1]:.4g}]" if isinstance(value, tuple) else str(value)


def _embed(data: Mapping[str, Any]) -> Markup:
    """Return data as JSON that can stand within a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # no data can end the element
