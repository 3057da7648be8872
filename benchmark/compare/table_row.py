"""Build a network's row of a printed table: each column measured as the table measures it, and left empty otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmark.compare.accuracy import Accuracy
from benchmark.config.conventions import FLOPS
from benchmark.config.identities import cost_record_id
from benchmark.core.errors import InputError
from benchmark.core.files import write_file
from benchmark.core.records import Record
from benchmark.core.text import escape_latex, escape_markdown, format_csv, printable
from benchmark.ledger.predicates import cost_setting
from benchmark.ledger.verdicts import HIDDEN_LABEL_SPLITS
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.rounding import round_half_up
from benchmark.papers.tables import DASH, UNIT_SCALES, Column, Number, Paper, Row, Table, load_papers, parse_number
from benchmark.report.markdown import grid, without_address_links

NEW_ROW_ID = "yours"
GMACS_HEADER = "GMACs on equal terms"  # heading of the column that is added to a printed table
COCO_METRICS = {"ap": "AP", "ap50": "AP50", "ap75": "AP75", "apm": "APM", "apl": "APL", "ar": "AR"}
SIZE_COLUMNS = ("input_size", "image_size")
EPSILON = 1e-9


@dataclass(frozen=True, kw_only=True)
class NewRow:
    """The new network's row of a printed table.

    Attributes:
        table: The printed table.
        cells: By column, the string to print; empty where nothing was measured.
        missing_reasons: By column, why a cell is empty.
    """

    table: Table
    cells: Mapping[str, str]
    missing_reasons: Mapping[str, str]


def find_table_named(name: str) -> tuple[Paper, Table]:
    """Find the table that ``<paper>/<table>`` names.

    Raises:
        InputError: there is no such paper or table; the known ones are listed.
    """
    papers = load_papers()
    paper, _, table = name.partition("/")
    if paper not in papers:
        raise InputError(f"--table {name}: no paper {paper!r}; known: {', '.join(papers)}")
    if table not in papers[paper].tables:
        raise InputError(f"--table {name}: {paper} has the tables {', '.join(papers[paper].tables)}")
    return papers[paper], papers[paper].tables[table]


def build_row(paper: Paper, table: Table, name: str, size: str, counts: Mapping[str, Any], accuracy: Accuracy | None) -> NewRow:
    """Build a network's row, each value in its column's convention, unit and number of decimals.

    Args:
        name: Name of the network, for the first column.
        size: Input size that ``counts`` are for, as ``HxW``.
        counts: ``{"params": ..., "flops": ..., "scopes": ...}``, whole numbers; a convention may be missing.
    """
    cells, reasons = dict.fromkeys(table.columns, ""), {}
    for column in table.columns.values():
        cells[column.name], reasons[column.name] = _measured_cell(table, column, name, size, counts, accuracy)
    # Derived columns are computed from the cells as printed, as the table's own values are.
    for column in table.columns.values():
        if column.expression:
            cells[column.name], reasons[column.name] = _derived_cell(paper, table, column, cells)
    return NewRow(table=table, cells=cells, missing_reasons={key: reason for key, reason in reasons.items() if reason})


def _measured_cell(
    table: Table, column: Column, name: str, size: str, counts: Mapping[str, Any], accuracy: Accuracy | None
) -> tuple[str, str]:
    """Return the cell of a column, and why it is empty."""
    if column.expression:
        return "", ""
    if column.metric in ("params", "flops"):
        count = count_in_column(counts, column)
        if count is None:
            return "", f"not counted: {column.scope or 'whole network'}, {column.convention}"
        return format_like_column(count, table, column), ""
    if column.kind == "accuracy":
        value, reason = accuracy_in_column(table, column, accuracy)
        return (format_like_column(value, table, column), "") if value is not None else ("", reason)
    if column.kind == "latency":
        return "", "timed on another device"
    if column.name in SIZE_COLUMNS and "×" in "".join(_printed_strings(table, column)):
        return size.replace("x", "×"), ""
    if column.metric == "text" and column is next(iter(table.columns.values())):
        return name, ""
    return "", "" if column.kind is None else "no measurement"


def count_in_column(counts: Mapping[str, Any], column: Column) -> Fraction | None:
    """Return a count in a column's unit and convention; None where it was not counted."""
    if column.scope:
        counts = counts.get("scopes", {}).get(column.scope, {})
    count = counts.get(column.metric, {}).get(column.convention)
    if count is None:
        return None
    scale = UNIT_SCALES[column.unit] if column.metric == "params" else FLOPS[column.convention].scale(column.unit)
    return Fraction(count) / Fraction(scale)


def accuracy_in_column(table: Table, column: Column, accuracy: Accuracy | None) -> tuple[float | None, str]:
    """Return the accuracy for a column if it was measured as the table's was, or else None and the reason."""
    if accuracy is None:
        return None, "no accuracy was measured: give --weights and --dataset, or --predictions and --annotations"
    if accuracy.dataset != table.dataset or accuracy.split != table.split:
        hidden = "; its labels are hidden" if table.split in HIDDEN_LABEL_SPLITS else ""
        return None, f"measured on {accuracy.dataset} {accuracy.split}, the table is {table.dataset} {table.split}{hidden}"
    if accuracy.not_comparable_reason:
        return None, accuracy.not_comparable_reason
    if column.metric == "pckh":
        estimate = accuracy.estimates.get(f"pckh@{column.threshold} ({column.convention})")
        value = estimate and (estimate.value if column.part == "mean" else estimate.parts.get(column.part.capitalize()))
    else:
        estimate = accuracy.estimates.get(COCO_METRICS.get(column.metric, ""))
        value = estimate and estimate.value * (100 if column.unit == "%" else 1)
    return (value, "") if value is not None else (None, f"{column.header} is not among the metrics that were measured")


def _derived_cell(paper: Paper, table: Table, column: Column, cells: Mapping[str, str]) -> tuple[str, str]:
    """Return the cell of a column that follows from other cells of the new row, and why it is empty."""
    if "above" in column.expression:
        return "", "compares with the row above, which a new row does not have"
    printed = {**table.printed, **{(NEW_ROW_ID, key): value for key, value in cells.items() if value}}
    rows = {**table.rows, NEW_ROW_ID: Row(id=NEW_ROW_ID, none="new")}
    extended = replace(paper, tables={**paper.tables, table.id: replace(table, rows=rows, printed=printed)})
    papers = {**load_papers(), paper.id: extended}
    try:
        value = float(evaluate_expression(column.expression, extended, papers, NEW_ROW_ID).value)
    except InputError:
        return "", f"{column.expression} needs a cell that is empty"
    return format_like_column(value, table, column), ""


def format_like_column(value: float | Fraction, table: Table, column: Column) -> str:
    """Format a value like those of a column: with their most frequent suffix, and the decimals of the nearest one."""
    numbers = [parse_number(text) for text in _printed_strings(table, column)]
    if not numbers:
        return round_half_up(value, 2)
    suffixes = [number.suffix for number in numbers]
    suffix = max(dict.fromkeys(suffixes), key=suffixes.count)

    def distance(number: Number) -> float:
        return abs(math.log((abs(number.value) + EPSILON) / (abs(float(value)) + EPSILON)))

    nearest = min((number for number in numbers if number.suffix == suffix), key=distance)
    return round_half_up(value, nearest.decimals) + suffix


def _printed_strings(table: Table, column: Column) -> list[str]:
    cells = [table.printed.get((row, column.name), "") for row in table.rows]
    return [cell for cell in cells if cell not in ("", DASH)]


def equal_terms_gmacs(table: Table, row: Row, records: Mapping[str, Record]) -> float | None:
    """Return the true multiply-accumulates of a printed row in 10^9; None if its network was not counted."""
    cell = next((cell for cell in table.cells() if cell.row is row), None)
    if cell is None or not row.model:
        return None
    record = records.get(cost_record_id(row.model, *cost_setting(cell)))
    return record.value["flops"]["macs"] / 1e9 if record else None


# --- output ------------------------------------------------------------------------------------------------------------------


def column_headers(table: Table) -> list[str]:
    """Return the columns' headings, with the convention where there is one."""
    columns = table.columns.values()
    return [column.header + (f" ({column.convention})" if column.convention else "") for column in columns]


def table_lines(table: Table, row: NewRow, gmacs: float | None, records: Mapping[str, Record]) -> list[list[str]]:
    """Return the cells of the printed rows and of the new one, with the true multiply-accumulates at the end of each."""

    def format_gmacs(value: float | None) -> str:
        return "" if value is None else f"{value:.3g}"

    lines = []
    for printed_row in table.rows.values():
        cells = [table.printed.get((printed_row.id, column), "") for column in table.columns]
        lines.append([*cells, format_gmacs(equal_terms_gmacs(table, printed_row, records))])
    return [*lines, [*row.cells.values(), format_gmacs(gmacs)]]


def format_rows(table: Table, rows: Sequence[Sequence[str]]) -> str:
    """Format the table as text, with an arrow before the new row."""
    header = [*column_headers(table), GMACS_HEADER]
    widths = [max(len(str(line[i])) for line in [header, *rows]) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [header, *rows]]
    lines = [f"   {line}".rstrip() for line in lines]
    return "\n".join([*lines[:-1], " → " + lines[-1][3:]])


def write_row_files(
    folder: Path, row: NewRow, rows: Sequence[Sequence[str]], notes: Sequence[str], remarks: Sequence[str] = ()
) -> list[Path]:
    """Write the new row in formats to paste (``row.md``, ``row.tex``, ``row.csv``), and the whole table (``table.md``).

    Args:
        remarks: What a reader of the row's counts has to know; said in each file.

    Raises:
        InputError: the folder cannot be written to.
    """
    table, cells = row.table, list(row.cells.values())
    header = [column.header for column in table.columns.values()]
    markdown_cells = [escape_markdown(cell) for cell in cells]
    bold = [*rows[:-1], [f"**{escape_markdown(cell)}**" if cell else "" for cell in rows[-1]]]
    setting = ", ".join(filter(None, (table.dataset, table.split, table.input)))
    title = f"# {table.paper}, {table.where}: {table.title}\n\n{setting}; the last row is measured, all others are printed."
    list_of_notes = [f"- {escape_markdown(note)}" for note in notes]
    contents = {
        "row.md": grid(header, [markdown_cells]) + "\n" + "".join(f"\n{escape_markdown(remark)}\n" for remark in remarks),
        "row.tex": f"% {' & '.join(header)}\n"
        + "".join(f"% {printable(remark)}\n" for remark in remarks)
        + " & ".join(map(escape_latex, cells))
        + " \\\\\n",
        "row.csv": format_csv([[*header, "remarks"], [*cells, "; ".join(remarks)]] if remarks else [header, cells]),
        "table.md": "\n\n".join([title, grid([*column_headers(table), GMACS_HEADER], bold), *list_of_notes]) + "\n",
    }
    contents |= {name: without_address_links(text) for name, text in contents.items() if name.endswith(".md")}
    return [write_file(folder / name, content.encode()) for name, content in contents.items()]
