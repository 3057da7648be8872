"""Put the static site together: the pages of the report, its tables with verdicts that open, and a page of all values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchmark.core.records import NOT_APPLICABLE, Record
from benchmark.ledger.tokens import GROUP_MEANING, GROUPS, INTERNAL_MEANING, KINDS, MEASURED_MEANING, Verdict
from benchmark.papers.tables import Table
from benchmark.report.build import format_verdicts, gather_evidence, report_figures, report_pages
from benchmark.report.finding_rules.finding import Evidence
from benchmark.report.findings import find_all
from benchmark.report.index import PAGE_GROUPS
from benchmark.report.markdown import INTERNAL_MARKS, MARKS
from benchmark.report.site.markdown import RenderedPage, render_inline, render_page

STATIC = Path(__file__).parent / "static"
VALUES = "values.html"
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
    figures = report_figures(evidence)
    templates = Environment(
        loader=PackageLoader("benchmark.report.site"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    tables = {
        paper.id: {t.id: _draw_table(templates, t, evidence.verdicts) for t in paper.tables.values()}
        for paper in evidence.papers.values()
    }
    texts = report_pages(evidence, find_all(evidence), lambda table, _: f"<!-- table: {table.id} -->")
    pages = {
        "index.html" if name == "README.md" else name.replace(".md", ".html"): render_page(text, tables.get(name[:-3], {}))
        for name, text in texts.items()
    }
    shared = {"groups": GROUPS, "meanings": GROUP_MEANING, "navigation": _navigation(evidence, pages)}
    html = {
        name: templates.get_template("page.html").render(
            **shared, name=name, page=page, details=_embed(_describe_verdicts(evidence, name.removesuffix(".html")))
        )
        for name, page in pages.items()
    }
    html[VALUES] = templates.get_template("values.html").render(
        **shared,
        name=VALUES,
        papers=evidence.papers,
        kinds=KINDS,
        rows=[(verdict, verdict_anchor(verdict)) for verdict in evidence.verdicts],
        headings=[(name, heading) for name, page in pages.items() for heading in page.headings if heading.level > 1],
        marks=MARKS,
        titles={name: page.title for name, page in pages.items()},
    )
    return (
        {name: text.encode() for name, text in html.items()}
        | {f"figures/{name}": content for name, content in figures.items()}
        | {path.name: path.read_bytes() for path in sorted(STATIC.iterdir())}
        | {"verdicts.csv": format_verdicts(evidence.verdicts).encode()}
    )


def verdict_anchor(verdict: Verdict) -> str:
    """Return the id by which a verdict is linked on the page of its paper."""
    return f"v-{verdict.table}-{verdict.row_id}-{verdict.column}"


def _navigation(evidence: Evidence, pages: Mapping[str, RenderedPage]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return groups of links: the heading of each group, and address and text of each link."""
    papers = [(f"{paper.id}.html", paper.short) for paper in evidence.papers.values()]
    others = [(heading, [(f"{name}.html", text) for name, text, _ in listed]) for heading, listed in PAGE_GROUPS]
    return [("Report", [("index.html", "Findings"), (VALUES, "All values")]), ("Papers", papers), *others]


def _draw_table(templates: Environment, table: Table, verdicts: Sequence[Verdict]) -> str:
    """Format a printed table; each judged cell is a button that opens its verdict."""
    return templates.get_template("table.html").render(
        table=table,
        headers=[(render_inline(column.header), column.convention) for column in table.columns.values()],
        verdicts={
            (v.row_id, v.column): (v, verdict_anchor(v)) for v in verdicts if (v.paper, v.table) == (table.paper, table.id)
        },
        marks=MARKS,
        internal_marks=INTERNAL_MARKS,
    )


def _describe_verdicts(evidence: Evidence, paper: str) -> dict[str, Any]:
    """Return all that a paper's verdicts rest on, as the page's script shows it; other pages have none."""
    verdicts = {verdict_anchor(v): v for v in evidence.verdicts if v.paper == paper}
    places = {table.id: table.where for table in evidence.papers[paper].tables.values()} if verdicts else {}
    used = dict.fromkeys(v.record for v in verdicts.values() if v.record in evidence.records)
    return {
        "verdicts": {anchor: _describe_verdict(v, places.get(v.table, "Claim")) for anchor, v in verdicts.items()},
        "records": {i: _describe_record(evidence.records[i]) for i in used},
    }


def _describe_verdict(verdict: Verdict, place: str) -> dict[str, str]:
    described = {
        "value": f"{place}: {verdict.row_id}, {verdict.column}",
        "printed": verdict.printed,
        "ours": verdict.ours,
        "unit": verdict.unit,
        "mark": MARKS[verdict.measured],
        "group": verdict.group,
        "measured": f"{verdict.measured}: {MEASURED_MEANING[verdict.measured]}",
        "basis": verdict.basis,
        "reason": verdict.cause,
        "internal": NOT_APPLICABLE,
        "repeats": verdict.repeats,
        "record": verdict.record,
    }
    if verdict.internal != NOT_APPLICABLE:
        described["internal"] = f"{verdict.internal}: {INTERNAL_MEANING[verdict.internal]}. {verdict.internal_cause}"
    return {name: text for name, text in described.items() if text != NOT_APPLICABLE}


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
