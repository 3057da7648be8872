"""Show the tables of one paper as printed, with our value and verdict in each cell, and the reason for each verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.config.identities import describe_setting
from benchmark.core.records import NOT_APPLICABLE, Record, select
from benchmark.ledger.verdicts import Verdict
from benchmark.models.registry import find_entry
from benchmark.papers.tables import Paper, Source, Table
from benchmark.report.ablations import ablation_rows_grid
from benchmark.report.markdown import MARKS, folded, grid, legend, page

JUDGED = ("reproduced", "explained", "ambiguous", "contradicted", "inconclusive", "proxy")


def paper_page(paper: Paper, verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> str:
    """Return the page of one paper."""
    verdicts = [v for v in verdicts if v.paper == paper.id]
    blocks = [
        f"# {paper.title}",
        f"{paper.authors}, {paper.year}. {paper.reference}.",
        "Each cell gives the printed value, then our verdict and, where there is one, our value in the printed unit.",
        legend(),
    ]
    for table in paper.tables.values():
        blocks += _table_section(table, [v for v in verdicts if v.table == table.id], records)
        blocks += _readings(paper.id, table.id, records)
    blocks += ["## Networks", _list_networks(paper), "## Records", _records(verdicts, records)]
    return page(*blocks)


def printed_grid(table: Table, verdicts: Sequence[Verdict]) -> str:
    """Format the table as printed, with our verdict and value below each printed value."""
    by_cell = {(v.row_id, v.column): v for v in verdicts if (v.paper, v.table) == (table.paper, table.id)}

    def format_cell(row: str, column: str) -> str:
        printed = table.printed.get((row, column), "")
        verdict = by_cell.get((row, column))
        if verdict is None:
            return printed + ("†" if column in table.rows[row].restored else "")
        measured = f" {verdict.ours}" if verdict.ours != NOT_APPLICABLE else ""
        return f"**{printed}**<br>{MARKS[verdict.verdict]}{measured}"

    header = [c.header + (f"<br>*{c.convention}*" if c.convention else "") for c in table.columns.values()]
    return grid(header, [[format_cell(row, column) for column in table.columns] for row in table.rows])


def _table_section(table: Table, verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> list[str]:
    conditions = ", ".join(x for x in (table.dataset, table.split, table.input) if x)
    heading = f"## {table.where}: {table.title}"
    if table.pseudo:
        heading += " (printed in the text only)"
    blocks = [heading, f"*{conditions}*" if conditions else "", printed_grid(table, verdicts)]
    if any(row.restored for row in table.rows.values()):
        sources = sorted({source for row in table.rows.values() for source in row.restored.values()})
        blocks.append(
            "† This symbol was lost in the text of the paper and is restored here, for these reasons: " + "; ".join(sources)
        )
    blocks.append(table.note)
    blocks += [f"- `{row.id}`: {row.note}" for row in table.rows.values() if row.note]
    blocks += _sources(table)
    blocks += [f"- `{part.header}`, fitted: {part.fitted}" for part in table.columns.values() if part.fitted]
    blocks += [f"- `{row.id}`, fitted: {row.fitted}" for row in table.rows.values() if row.fitted]
    # One row per value that was compared with a measurement or with other printed cells.
    judged = [v for v in verdicts if v.verdict in JUDGED]
    if judged:
        rows = [
            (v.row_id, v.column, v.printed, v.ours_rounded, v.ours, v.verdict, v.cause, _link_record(v.record)) for v in judged
        ]
        header = ("row", "column", "printed", "ours, rounded", "ours", "verdict", "reason", "record")
        blocks.append(folded(f"Verdicts on {_count_values(len(judged))} of this table", grid(header, rows)))
    if ablated := ablation_rows_grid(table.paper, table, records):
        blocks += ["Our results for the [ablation](ablations.md) in this table, beside the printed values:", ablated]
    # The remaining values, grouped by what a comparison would need.
    missing: dict[tuple[str, str], list[str]] = {}
    for v in verdicts:
        if v.verdict not in JUDGED:
            missing.setdefault((v.verdict, v.cause), []).append(f"{v.row_id}.{v.column}")
    if missing:
        title = f"What is missing for {_count_values(sum(map(len, missing.values())))} of this table"
        lines = [(verdict, cause, ", ".join(cells)) for (verdict, cause), cells in missing.items()]
        blocks.append(folded(title, grid(("verdict", "how to measure, or why not", "cells"), lines)))
    return blocks


def _sources(table: Table) -> list[str]:
    """List the sources that rows were taken from, with their rows."""
    rows: dict[Source, list[str]] = {}
    for row in table.rows.values():
        if row.source:
            rows.setdefault(row.source, []).append(f"`{row.id}`")
    return [f"- Source of {', '.join(names)}: {source.reference}" for source, names in rows.items()]


def _count_values(number: int) -> str:
    return f"{number} value" + "s" * (number != 1)


def _readings(package: str, table: str, records: Mapping[str, Record]) -> list[str]:
    """Show what the readings of the table's ambiguous values would give; they decide no verdict."""
    return [
        folded(
            f"What readings of `{cell}` would give, for orientation",
            _readings_grid(readings),
        )
        for record in select(records, kind="architecture", subject=package, table=table, metric="readings")
        for cell, readings in record.value.items()
    ]


def _readings_grid(readings: Sequence[Mapping[str, Any]]) -> str:
    conventions = list(dict.fromkeys(reading["convention"] for reading in readings))
    values: dict[str, dict[str, str]] = {}
    for reading in readings:
        values.setdefault(reading["reading"], {})[reading["convention"]] = f"{reading['value']:.2f}"
    return grid(("reading", *conventions), [(name, *(row[c] for c in conventions)) for name, row in values.items()])


def _link_record(record: str) -> str:
    if record.startswith("expression:"):
        return "from the printed cells"
    return f"[{record}](#r-{record})" if record != NOT_APPLICABLE else NOT_APPLICABLE


def _list_networks(paper: Paper) -> str:
    models = {row.model.split("+")[0] for table in paper.tables.values() for row in table.rows.values() if row.model}
    rows = [(f"`{entry.id}`", entry.evidence, entry.source, entry.fitted or "-") for entry in map(find_entry, sorted(models))]
    header = ("network", "evidence", "source", "fitted to printed numbers")
    return grid(header, rows) if rows else "None of this paper's rows can be built."


def _records(verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> str:
    ids = dict.fromkeys(v.record for v in verdicts if v.record in records)
    rows = [
        (f'<a id="r-{i}"></a>{i}', f"`{r.subject}`", r.dataset, r.protocol, describe_setting(r), f"`{r.command}`")
        for i, r in ((i, records[i]) for i in ids)
    ]
    header = ("record", "subject", "dataset", "protocol", "setting", "command")
    return grid(header, rows) if rows else "No verdict on this page rests on a measurement yet."
