"""Show the tables of one paper as printed, with our value and verdict in each cell, and the reason for each verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmark.analysis.effects import Effects
from benchmark.config.identities import describe_setting
from benchmark.config.judgement import MARGINS, MIN_SEEDS
from benchmark.core.inference import LEVEL
from benchmark.core.records import NOT_APPLICABLE, Record, select
from benchmark.core.text import escape_markdown
from benchmark.ledger.predicates import MIN_FIT
from benchmark.ledger.tokens import GROUP_OF, Verdict
from benchmark.models.registry import find_entry
from benchmark.papers.tables import Paper, Source, Table
from benchmark.report.ablations import ablation_pairs_grid
from benchmark.report.elsewhere import reported_elsewhere
from benchmark.report.markdown import INTERNAL_MARKS, MARKS, code, folded, grid, legend, page
from benchmark.report.names import table_heading

DrawTable = Callable[[Table, Sequence[Verdict]], str]

ACCURACY_RULE = f"""\
A printed accuracy is judged by trainings of the same network by the paper's own recipe, with at least {MIN_SEEDS} seeds, or
by its authors' published weights or predictions; always on the printed dataset, at the printed input size and in the printed
metric. It is `reproduced` if two one-sided tests at {100 * LEVEL:.0f} % show that ours is within the margin around it,
`contradicted` if our 95 % interval lies outside the margin, and `inconclusive` otherwise. The interval is over people and
seeds; of published weights, of which there is one training, over people alone. The margins were fixed before any accuracy was
judged. Each is 2.93 times the noise of the test set, rounded up to a tenth: the smallest at which the tests recognise an
exact reproduction with a probability of 80 %, if the test people are the only source of error. Many printed gains are smaller
than the margin, so a reproduced accuracy does not confirm a gain."""


CHOICE_RULE = f"""\
Papers rarely say how they count. A way, or one of several public forms of a network, that was chosen because it fits must give
at least {MIN_FIT} different printed numbers; otherwise they are `fitted`."""


def _is_compared(verdict: Verdict) -> bool:
    """Check that a value of ours stands beside the printed one, or that other printed values bear on it."""
    measured = GROUP_OF[verdict.measured] not in ("not measured", "by construction") or verdict.measured in ("proxy", "fitted")
    return measured or verdict.measured == "as_built" or verdict.internal != NOT_APPLICABLE


def paper_page(
    paper: Paper,
    verdicts: Sequence[Verdict],
    records: Mapping[str, Record],
    effects: Effects,
    draw_table: DrawTable | None = None,
) -> str:
    """Return the page of one paper; ``draw_table`` formats its printed tables, by default as :func:`printed_grid`."""
    verdicts = [v for v in verdicts if v.paper == paper.id]
    blocks = [
        f"# {paper.title}",
        f"{paper.authors}, {paper.year}. {paper.reference}.",
        "Each cell gives the printed value, then our verdict and, where there is one, our value in the printed unit, and "
        "at the end a mark if the paper's other printed values do not lead to it.",
        folded("What the marks mean", legend(verdict.measured for verdict in verdicts)),
    ]
    for table in paper.tables.values():
        blocks += _table_section(table, [v for v in verdicts if v.table == table.id], effects, draw_table or printed_grid)
        blocks += _readings(paper.id, table.id, records)
    if any(verdict.kind == "accuracy" for verdict in verdicts):
        blocks += ["## How accuracies are judged", ACCURACY_RULE, _margins()]
    if choices := _list_choices(paper):
        blocks += ["## How costs are counted", CHOICE_RULE, choices]
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
        if verdict.measured == "given":
            return printed
        ours = f" {verdict.ours}" if verdict.ours != NOT_APPLICABLE else ""
        return " ".join(filter(None, (f"**{printed}**<br>{MARKS[verdict.measured]}{ours}", INTERNAL_MARKS[verdict.internal])))

    header = [c.header + (f"<br>*{c.convention}*" if c.convention else "") for c in table.columns.values()]
    return grid(header, [[format_cell(row, column) for column in table.columns] for row in table.rows])


def _table_section(table: Table, verdicts: Sequence[Verdict], effects: Effects, draw_table: DrawTable) -> list[str]:
    conditions = ", ".join(x for x in (table.dataset, table.split, table.input) if x)
    blocks = [f"## {table_heading(table)}", f"*{conditions}*" if conditions else "", draw_table(table, verdicts)]
    if any(row.restored for row in table.rows.values()):
        sources = sorted({source for row in table.rows.values() for source in row.restored.values()})
        blocks.append(
            "† This symbol was lost in the text of the paper and is restored here, for these reasons: " + "; ".join(sources)
        )
    blocks += [table.note, table.own_split]
    blocks += [f"- {code(row.id)}: {row.note}" for row in table.rows.values() if row.note]
    blocks += _sources(table)
    blocks += [f"- {code(part.header)}, fitted: {part.fitted}" for part in table.columns.values() if part.fitted]
    blocks += [
        f"- {code(row.id)}, counted as {code(row.model)}, fitted: {row.fitted}" for row in table.rows.values() if row.fitted
    ]
    blocks += [f"- {code(row.id)}, counted is {row.stand_in}" for row in table.rows.values() if row.stand_in]
    blocks += [f"- {code(row.id)}, {column}: {why}" for row in table.rows.values() for column, why in row.allows.items()]
    # One row per value that was compared with a measurement or with other printed cells.
    judged = [v for v in verdicts if _is_compared(v)]
    if judged:
        rows = [
            (
                *(v.row_id, v.column, v.printed, v.ours_rounded, v.ours, v.measured, v.basis, v.cause, _link_record(v.record)),
                v.internal if v.internal == NOT_APPLICABLE else f"{v.internal}: {v.internal_cause}",
            )
            for v in judged
        ]
        header = ("row", "column", "printed", "ours, rounded", "ours", "measured", "on", "reason", "record", "internal")
        blocks.append(folded(f"Verdicts on {_count_values(len(judged))} of this table", grid(header, rows)))
    if ablated := ablation_pairs_grid(table.paper, table, effects):
        blocks += ["Our differences for the [ablation](ablations.md) in this table, beside the printed differences:", ablated]
    elsewhere = [
        (cell.row.id, cell.column.name, cell.printed, *reported)
        for cell in table.cells()
        for reported in reported_elsewhere(cell)
    ]
    if elsewhere:
        title = f"Reported elsewhere by publishers of weights: {_count_values(len(elsewhere))}, which give no verdict"
        columns = ("row", "column", "printed", "reported", "weights", "by", "source")
        blocks.append(folded(title, grid(columns, elsewhere)))
    # The remaining values, grouped by what a comparison would need.
    missing: dict[tuple[str, str], list[str]] = {}
    for v in verdicts:
        if not _is_compared(v):
            missing.setdefault((v.measured, v.cause), []).append(f"{v.row_id}.{v.column}")
    if missing:
        title = f"What {_count_values(sum(map(len, missing.values())))} of this table would need, or why nothing is measured"
        needs = [(verdict, cause, ", ".join(cells)) for (verdict, cause), cells in missing.items()]
        blocks.append(folded(title, grid(("verdict", "how to measure, or why not", "cells"), needs)))
    return blocks


def _sources(table: Table) -> list[str]:
    """List the sources that rows were taken from, with their rows."""
    rows: dict[Source, list[str]] = {}
    for row in table.rows.values():
        if row.source:
            rows.setdefault(row.source, []).append(code(row.id))
    return [
        f"- Source of {', '.join(names)}: {source.reference}" + f"; fitted: {source.fitted}" * bool(source.fitted)
        for source, names in rows.items()
    ]


def _count_values(number: int) -> str:
    return f"{number} value" + "s" * (number != 1)


def _margins() -> str:
    rows = [
        (
            (metric.upper() if threshold is None else f"PCKh@{threshold}") + (part != "mean") * f", {part}",
            f"± {margin.points}",
            f"{margin.noise:.2f}",
            margin.source,
        )
        for (metric, threshold, part), margin in MARGINS.items()
    ]
    return grid(("metric", "margin, points", "noise, points", "the noise is"), rows)


def _readings(package: str, table: str, records: Mapping[str, Record]) -> list[str]:
    """Show what the readings of the table's ambiguous values would give; they decide no verdict."""
    return [
        folded(
            f"What readings of {code(cell)} would give, for orientation",
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
        return "from our values of other cells"
    return f"[{record}](#r-{record})" if record != NOT_APPLICABLE else NOT_APPLICABLE


def _list_choices(paper: Paper) -> str:
    """List the ways of counting, and the forms of networks, that costs are compared under, with what speaks for each."""
    tables = paper.tables.values()
    choices = [column.chosen for table in tables for column in table.columns.values()]
    choices += [row.form for table in tables for row in table.rows.values()]
    rows = [
        (
            f"`{choice.id}`",
            ", ".join(f"`{rival}`" for rival in choice.rivals) or "-",
            "fit" * choice.by_fit or "source",
            choice.reason,
        )
        for choice in dict.fromkeys(choices)
        if choice
    ]
    return grid(("counted as", "instead of", "chosen by", "reason"), rows) if rows else ""


def _list_networks(paper: Paper) -> str:
    models = {row.model.split("+")[0] for table in paper.tables.values() for row in table.rows.values() if row.model}
    rows = [(code(entry.id), entry.evidence, entry.source, entry.fitted or "-") for entry in map(find_entry, sorted(models))]
    header = ("network", "evidence", "source", "fitted to printed numbers")
    return grid(header, rows) if rows else "None of this paper's rows can be built."


def _records(verdicts: Sequence[Verdict], records: Mapping[str, Record]) -> str:
    ids = dict.fromkeys(v.record for v in verdicts if v.record in records)
    rows = [
        (
            f'<a id="r-{i}"></a>{i}',
            code(r.subject),
            r.dataset,
            r.protocol,
            escape_markdown(describe_setting(r)),
            code(r.command),
        )
        for i, r in ((i, records[i]) for i in ids)
    ]
    header = ("record", "subject", "dataset", "protocol", "setting", "command")
    return grid(header, rows) if rows else "No verdict on this page rests on a measurement yet."
