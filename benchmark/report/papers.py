"""One page a paper: each table as printed, each figure with ours and its verdict, then how each was judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.config.identities import describe_setting
from benchmark.core.records import NOT_APPLICABLE, Record, select
from benchmark.ledger.verdicts import Verdict
from benchmark.models.registry import find_entry
from benchmark.papers.tables import Paper, Table
from benchmark.report.ablations import ablation_rows_page
from benchmark.report.markdown import MARKS, grid, legend, page

JUDGED = ("reproduced", "explained", "contradicted", "inconclusive", "proxy")


def paper_page(paper: Paper, verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> str:
    """The whole page of one paper."""
    own = [v for v in verdicts if v.paper == paper.id]
    blocks = [
        f"# {paper.title}",
        f"{paper.authors}, {paper.year}. {paper.reference}.",
        "In each cell: the printed figure, then our verdict and, where we have one, our figure in the printed unit.",
        legend(),
    ]
    for table in paper.tables.values():
        blocks += _table(table, [v for v in own if v.table == table.id], records)
        blocks += _readings(paper.id, table.id, records)
    blocks += ["## Networks", _networks(paper), "## Records", _records(own, records)]
    return page(*blocks)


def printed_grid(table: Table, verdicts: Sequence[Verdict]) -> str:
    """The table as printed, with our verdict and figure under each printed figure."""
    judged = {(v.row_id, v.column): v for v in verdicts if (v.paper, v.table) == (table.paper, table.id)}

    def show(row: str, column: str) -> str:
        printed = table.printed.get((row, column), "")
        verdict = judged.get((row, column))
        if verdict is None:
            restored = "†" if column in table.rows[row].restored else ""
            return printed + restored
        ours = f" {verdict.ours}" if verdict.ours != NOT_APPLICABLE else ""
        return f"**{printed}**<br>{MARKS[verdict.verdict]}{ours}"

    header = [c.header + (f"<br>*{c.convention}*" if c.convention else "") for c in table.columns.values()]
    rows = [[show(row, column) for column in table.columns] for row in table.rows]
    return grid(header, rows)


def _table(table: Table, verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> list[str]:
    conditions = ", ".join(x for x in (table.dataset, table.split, table.input) if x)
    heading = f"## {table.where}: {table.title}"
    if table.pseudo:
        heading += " (printed in the text only)"
    blocks = [heading, f"*{conditions}*" if conditions else "", printed_grid(table, verdicts)]
    if any(row.restored for row in table.rows.values()):
        sources = sorted({source for row in table.rows.values() for source in row.restored.values()})
        blocks.append("† a symbol that the text lost, restored: " + "; ".join(sources))
    blocks.append(table.note)
    blocks += [f"- `{row.id}`: {row.note}" for row in table.rows.values() if row.note]
    how = [v for v in verdicts if v.verdict in JUDGED]
    if how:
        lines = [(v.row_id, v.column, v.printed, v.ours_rounded, v.ours, v.verdict, v.cause, _trace(v.record)) for v in how]
        columns = ("row", "column", "printed", "rounded", "ours", "verdict", "how", "record")
        blocks.append(_folded(f"How {len(how)} of these figures were judged", grid(columns, lines)))
    if ablated := ablation_rows_page(table.paper, table, records):
        blocks += ["What the [ablation](ablations.md) of this table came to here, beside what is printed:", ablated]
    rest: dict[tuple[str, str], list[str]] = {}
    for v in verdicts:
        if v.verdict not in JUDGED:
            rest.setdefault((v.verdict, v.cause), []).append(f"{v.row_id}.{v.column}")
    if rest:
        lines2 = [(verdict, cause, ", ".join(cells)) for (verdict, cause), cells in rest.items()]
        title = f"What {sum(map(len, rest.values()))} of these figures take"
        blocks.append(_folded(title, grid(("verdict", "what it takes", "cells"), lines2)))
    return blocks


def _readings(package: str, table: str, records: Mapping[str, Record]) -> list[str]:
    """Every reading of the table's unspecific figures, and what each comes to."""
    own = select(records, kind="architecture", subject=package, table=table, metric="readings")
    return [
        _folded(
            f"What `{cell}` comes to, {len(found)} readings",
            grid(
                ("reading", "comes to"),
                [(f"{each['reading']}, {each['convention']}", f"{each['value']:.2f}") for each in found],
            ),
        )
        for record in own
        for cell, found in record.value.items()
    ]


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _trace(record: str) -> str:
    if record.startswith("expression:"):
        return "from the printed cells"
    return f"[{record}](#r-{record})" if record != NOT_APPLICABLE else NOT_APPLICABLE


def _networks(paper: Paper) -> str:
    used = {row.model.split("+")[0] for table in paper.tables.values() for row in table.rows.values() if row.model}
    rows = [(f"`{e.id}`", e.evidence, e.source) for e in (find_entry(model) for model in sorted(used))]
    return grid(("network", "evidence", "source"), rows) if rows else "None of this paper's rows can be built."


def _records(verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> str:
    ids = dict.fromkeys(v.record for v in verdicts if v.record in records)
    rows = [
        (f'<a id="r-{i}"></a>{i}', f"`{r.subject}`", r.dataset, r.protocol, describe_setting(r), f"`{r.command}`")
        for i, r in ((i, records[i]) for i in ids)
    ]
    return (
        grid(("record", "subject", "dataset", "protocol", "setting", "command"), rows)
        if rows
        else "No measurement stands behind this page yet."
    )
