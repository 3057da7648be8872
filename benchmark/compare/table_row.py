"""A network's row of a printed table: each column counted as that table counts it, and only what was measured."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.compare.accuracy import Accuracy
from benchmark.config.conventions import FLOPS
from benchmark.config.identities import cost_record_id
from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write
from benchmark.core.records import Record
from benchmark.ledger.verdicts import HIDDEN_LABEL_SPLITS, cost_setting
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.rounding import round_half_up
from benchmark.papers.tables import DASH, UNIT_SCALES, Column, Number, Paper, Row, Table, load_papers, parse_number
from benchmark.report.markdown import grid

if TYPE_CHECKING:
    from benchmark.compare.accuracy import Accuracy


YOURS = "yours"  # the new row's id
TERMS = "GMACs on equal terms"  # the one column that is added to a printed table
COCO_NAMES = {"ap": "AP", "ap50": "AP50", "ap75": "AP75", "apm": "APM", "apl": "APL", "ar": "AR"}
SIZES = ("input_size", "image_size")  # columns
TINY = 1e-9
LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)


@dataclass(frozen=True, kw_only=True)
class NewRow:
    """What stands in each column of ``table``, empty where nothing was measured; ``why`` tells why of the empty ones."""

    table: Table
    cells: Mapping[str, str]
    why: Mapping[str, str]


def find_table_named(name: str) -> tuple[Paper, Table]:
    """The table that ``<paper>/<table>`` names.

    Raises:
        InputError: there is none.
    """
    known = load_papers()
    paper, _, table = name.partition("/")
    if paper not in known:
        raise InputError(f"--table {name}: no paper {paper!r}; known: {', '.join(known)}")
    if table not in known[paper].tables:
        raise InputError(f"--table {name}: {paper} has the tables {', '.join(known[paper].tables)}")
    return known[paper], known[paper].tables[table]


def build_row(paper: Paper, table: Table, name: str, size: str, counts: Mapping[str, Any], accuracy: Accuracy | None) -> NewRow:
    """A network's row, each figure in its column's convention, unit and number of decimals.

    Args:
        size: height x width of the image that ``counts`` are of.
        counts: ``{"params": ..., "flops": ..., "scopes": ...}``, whole numbers; a convention may be missing.
    """
    cells, why = dict.fromkeys(table.columns, ""), {}
    for column in table.columns.values():
        cells[column.name], why[column.name] = _cell(table, column, name, size, counts, accuracy)
    # What follows from other cells follows from those just written, as the table's own figures do.
    for column in table.columns.values():
        if column.expression:
            cells[column.name], why[column.name] = _derived(paper, table, column, cells)
    return NewRow(table=table, cells=cells, why={key: reason for key, reason in why.items() if reason})


def _cell(
    table: Table, column: Column, name: str, size: str, counts: Mapping[str, Any], accuracy: Accuracy | None
) -> tuple[str, str]:
    """What stands in a column, or nothing and why."""
    if column.expression:
        return "", ""
    if column.metric in ("params", "flops"):
        count = count_in_column(counts, column)
        what = f"{column.scope or 'whole network'}, {column.convention}"
        return (format_like_column(count, table, column), "") if count is not None else ("", f"not counted: {what}")
    if column.kind == "accuracy":
        value, reason = accuracy_in_column(table, column, accuracy)
        return (format_like_column(value, table, column), "") if value is not None else ("", reason)
    if column.kind == "latency":
        return "", "timed on another device"
    if column.name in SIZES and "×" in "".join(_printed(table, column)):
        return size.replace("x", "×"), ""
    if column.metric == "text" and column is next(iter(table.columns.values())):
        return name, ""
    return "", "" if column.kind is None else "no measurement"


def count_in_column(counts: Mapping[str, Any], column: Column) -> Fraction | None:
    """A count in a column's unit and convention; None where it was not counted."""
    if column.scope:
        counts = counts.get("scopes", {}).get(column.scope, {})
    count = counts.get(column.metric, {}).get(column.convention)
    if count is None:
        return None
    scale = UNIT_SCALES[column.unit] if column.metric == "params" else FLOPS[column.convention].scale(column.unit)
    return Fraction(count) / Fraction(scale)


def accuracy_in_column(table: Table, column: Column, accuracy: Accuracy | None) -> tuple[float | None, str]:
    """A column's accuracy, if it was measured as the table's was; else why not."""
    if accuracy is None:
        return None, "no accuracy was measured: give --weights and --dataset, or --predictions and --annotations"
    if accuracy.dataset != table.dataset or accuracy.split != table.split:
        hidden = "; its labels are hidden" if table.split in HIDDEN_LABEL_SPLITS else ""
        return None, f"measured on {accuracy.dataset} {accuracy.split}, the table is {table.dataset} {table.split}{hidden}"
    if accuracy.apart:
        return None, accuracy.apart
    if column.metric == "pckh":
        found = accuracy.figures.get(f"pckh@{column.threshold} ({column.convention})")
        value = found and (found.value if column.part == "mean" else found.parts.get(column.part.capitalize()))
    else:
        found = accuracy.figures.get(COCO_NAMES.get(column.metric, ""))
        value = found and found.value * (100 if column.unit == "%" else 1)
    return (value, "") if value is not None else (None, f"{column.header} is none of the figures measured")


def _derived(paper: Paper, table: Table, column: Column, cells: Mapping[str, str]) -> tuple[str, str]:
    if "above" in column.expression:
        return "", "compares with the row before, which is not this row's"
    printed = {**table.printed, **{(YOURS, key): value for key, value in cells.items() if value}}
    longer = replace(table, rows={**table.rows, YOURS: Row(id=YOURS, none="new")}, printed=printed)
    fuller = replace(paper, tables={**paper.tables, table.id: longer})
    try:
        value = float(evaluate_expression(column.expression, fuller, {**load_papers(), paper.id: fuller}, YOURS).value)
    except InputError:
        return "", f"{column.expression} needs a cell that is empty"
    return format_like_column(value, table, column), ""


def format_like_column(value: float | Fraction, table: Table, column: Column) -> str:
    """A figure as the column prints its own: with what most often follows them, and the decimals of the one nearest to it."""
    numbers = [parse_number(text) for text in _printed(table, column)]
    if not numbers:
        return round_half_up(value, 2)
    suffixes = [number.suffix for number in numbers]
    suffix = max(dict.fromkeys(suffixes), key=suffixes.count)

    def distance(number: Number) -> float:
        return abs(math.log((abs(number.value) + TINY) / (abs(float(value)) + TINY)))

    return round_half_up(value, min((n for n in numbers if n.suffix == suffix), key=distance).decimals) + suffix


def _printed(table: Table, column: Column) -> list[str]:
    found = [table.printed.get((row, column.name), "") for row in table.rows]
    return [text for text in found if text not in ("", DASH)]


def equal_terms_gmacs(table: Table, row: Row, records: Mapping[str, Record]) -> float | None:
    """A printed row's true multiply-accumulates in 10^9, where its network was counted."""
    cell = next((cell for cell in table.cells() if cell.row is row), None)
    if cell is None or not row.model:
        return None
    record = records.get(cost_record_id(row.model, *cost_setting(cell)))
    return record.value["flops"]["macs"] / 1e9 if record else None


# --- showing -----------------------------------------------------------------------------------------------------------------


def column_headers(table: Table) -> list[str]:
    """The columns' headings, with the convention where there is one."""
    return [c.header + (f" ({c.convention})" if c.convention else "") for c in table.columns.values()]


def table_lines(table: Table, row: NewRow, gmacs: float | None, records: Mapping[str, Record]) -> list[list[str]]:
    """The printed rows, then the new one, with true multiply-accumulates behind each."""

    def term(value: float | None) -> str:
        return "" if value is None else f"{value:.3g}"

    printed = [
        [*(table.printed.get((r.id, c), "") for c in table.columns), term(equal_terms_gmacs(table, r, records))]
        for r in table.rows.values()
    ]
    return [*printed, [*row.cells.values(), term(gmacs)]]


def format_rows(table: Table, rows: Sequence[Sequence[str]]) -> str:
    """The table for a terminal; an arrow stands before the new row."""
    head = [*column_headers(table), TERMS]
    widths = [max(len(str(line[i])) for line in [head, *rows]) for i in range(len(head))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in [head, *rows]]
    shown = [f"   {line}".rstrip() for line in shown]
    return "\n".join([*shown[:-1], " → " + shown[-1][3:]])


def write_row_files(folder: Path, row: NewRow, rows: Sequence[Sequence[str]], notes: Sequence[str]) -> list[Path]:
    """The new row ready to be pasted (``row.md``, ``row.tex``, ``row.csv``), and the whole table (``table.md``).

    Raises:
        InputError: the folder cannot be written to.
    """
    table, cells = row.table, list(row.cells.values())
    head = [column.header for column in table.columns.values()]
    bold = [*rows[:-1], [f"**{cell}**" if cell else "" for cell in rows[-1]]]
    where = ", ".join(x for x in (table.dataset, table.split, table.input) if x)
    title = f"# {table.paper}, {table.where}: {table.title}\n\n{where}; the last row is measured, all others are printed."
    contents = {
        "row.md": grid(head, [cells]) + "\n",
        "row.tex": f"% {' & '.join(head)}\n" + " & ".join(cell.translate(LATEX) for cell in cells) + " \\\\\n",
        "row.csv": _csv([head, cells]),
        "table.md": "\n\n".join([title, grid([*column_headers(table), TERMS], bold), *(f"- {note}" for note in notes)]) + "\n",
    }
    return [save_text(folder / name, content.encode()) for name, content in contents.items()]


def save_text(path: Path, content: bytes) -> Path:
    """Write a file and the folders above it.

    Raises:
        InputError: it cannot be written.
    """
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    except OSError as problem:
        raise InputError(f"--out: {path} cannot be written: {problem.strerror}") from None
    return path


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
