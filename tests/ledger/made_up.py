"""Columns of made-up printed costs with made-up counts, on networks that exist."""

from __future__ import annotations

from benchmark.config.identities import cost_identity
from benchmark.core.records import Record
from benchmark.ledger.predicates import CountedCell
from benchmark.papers.tables import Cell, Choice, Column, Row, Source, Table

MODELS = (
    "baselines/simple_baseline-r50",
    "baselines/simple_baseline-r101",
    "baselines/simple_baseline-r152",
    "baselines/hrnet-w32",
    "baselines/hrnet-w48",
    "baselines/lpn-50",
)
FITTED = "baselines/soft_gated"


def cost_column(
    *printed_and_counts: tuple[str, dict[str, float]],
    models: tuple[str, ...] = MODELS,
    sources: dict[int, Source] | None = None,
    table: str = "table1",
    by_fit: bool = True,
) -> list[CountedCell]:
    """Return a column of GFLOPs under ``macs``, one row for each printed string and its counts in 1e9, by convention.

    A count of 1 stands for a convention that nothing fits.
    """
    rows = {
        f"row{n}": Row(id=f"row{n}", model=model, source=(sources or {}).get(n))
        for n, (model, _) in enumerate(zip(models, printed_and_counts, strict=False))
    }
    chosen = Choice(id="macs", reason="it fits" if by_fit else "their code", by_fit=by_fit)
    column = Column(name="gflops", header="GFLOPs", metric="flops", unit="G", convention="macs", chosen=chosen)
    printed = {(f"row{n}", "gflops"): text for n, (text, _) in enumerate(printed_and_counts)}
    made_up = Table(
        paper="made_up",
        id=table,
        title="Made up",
        where="Table 1",
        dataset="coco",
        input="256x192",
        columns={"gflops": column},
        rows=rows,
        printed=printed,
    )
    counts = [counts for _, counts in printed_and_counts]
    return [
        CountedCell(cell=cell, record=cost_record(cell.row.model, own))
        for cell, own in zip(made_up.cells(), counts, strict=True)
    ]


def cost_record(subject: str, giga_counts: dict[str, float], size: str = "256x192") -> Record:
    """Return a made-up cost record."""
    flops = dict.fromkeys(("hrnet", "hrnet_1e9", "mmcv", "tf_profiler", "torchstat", "exact"), 1)
    value = {"params": {}, "flops": flops | {name: round(1e9 * count) for name, count in giga_counts.items()}, "scopes": {}}
    return Record(**cost_identity(subject, "coco", size), value=value, command="a command")


def by_name(cells: list[CountedCell]) -> dict[str, CountedCell]:
    """Return cells by their names."""
    return {cell.cell.name: cell for cell in cells}


def reprinted(cell: Cell, printed: str) -> Cell:
    """Return a cell with another string printed in it."""
    return Cell(paper=cell.paper, table=cell.table, row=cell.row, column=cell.column, printed=printed)
