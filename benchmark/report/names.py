"""Name the report's folder, and printed tables and their rows as their papers do."""

from __future__ import annotations

from pathlib import Path

from benchmark.core.files import checkout
from benchmark.papers.tables import DASH, Cell, Paper, Table


def reports_folder() -> Path:
    """Return the folder of the committed report; where the suite was installed from a wheel, one for the user's own."""
    project = checkout()
    return project / "reports" if project else Path("out/report")


REPORTS = reports_folder()
SITE = Path("out/site")
README = "../README.md"  # the project's, relative to the report
YES_OR_NO = ("Y", "N")  # cells that name nothing
OURS = ("Ours", "ours")
PLACE = "where"  # column that says where the text prints a row


def table_heading(table: Table) -> str:
    """Return the heading of a table's section on its paper's page."""
    return f"{table.where}: {table.title}" + " (printed in the text only)" * table.pseudo


def printed_name(cell: Cell, paper: Paper) -> str:
    """Return the network of a cell's row as the table prints it, with the paper's name for "Ours"; else the row's id.

    Printed are the texts before the row's first number, without those that repeat another.
    """
    texts: list[str] = []
    for column in cell.table.columns.values():
        if column.kind:
            break
        text = cell.table.printed.get((cell.row.id, column.name), "").strip()
        if column.metric == "text" and column.name != PLACE and text not in ("", DASH, *YES_OR_NO):
            texts.append(paper.short if text in OURS else text)
    kept = [
        text for number, text in enumerate(texts) if not any(_repeats(text, t) for t in (*texts[:number], *texts[number + 1 :]))
    ]
    return " ".join(kept or texts[:1]) or cell.row.id


def _repeats(text: str, other: str) -> bool:
    return text != other and text in other
