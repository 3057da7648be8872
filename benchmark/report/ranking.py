"""All networks ranked on equal terms, beside the ranking that their printed GFLOPs give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from benchmark.config.identities import COMMON_TERMS, cost_record_id
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record
from benchmark.models.registry import find_entry
from benchmark.papers.expressions import printed_value
from benchmark.papers.tables import Cell, Paper
from benchmark.report.markdown import grid, page


@dataclass(frozen=True)
class Rank:
    """One network: the cell that prints its GFLOPs, and its true GMACs and parameters at the common size."""

    model: str
    cell: Cell
    printed: float
    gmacs: float
    params: float


def ranks(papers: Mapping[str, Paper], records: Mapping[str, Record], dataset: str) -> list[Rank]:
    """The networks that some table prints GFLOPs for on ``dataset``, each once, by its first printing."""
    found: dict[str, Rank] = {}
    for paper in papers.values():
        for table in paper.tables.values():
            for cell in table.cells():
                column, model = cell.column, cell.row.model
                if column.metric != "flops" or column.scope or column.unit != "G" or cell.dataset != dataset or not model:
                    continue
                record = records.get(cost_record_id(model, *COMMON_TERMS))
                if record and model not in found and not cell.row.needs:
                    counts = record.value
                    gmacs, params = counts["flops"]["macs"] / 1e9, counts["params"]["trainable"] / 1e6
                    found[model] = Rank(model, cell, printed_value(cell), gmacs, params)
    return list(found.values())


def exchanged(found: Sequence[Rank]) -> list[tuple[Rank, Rank]]:
    """Pairs whose printed order is the opposite of their order on equal terms; ties count on neither side."""
    return [(a, b) for a, b in combinations(found, 2) if (a.printed - b.printed) * (a.gmacs - b.gmacs) < 0]


def ranking_page(papers: Mapping[str, Paper], records: Mapping[str, Record]) -> str:
    """``reports/ranking.md``."""
    dataset, size = COMMON_TERMS
    blocks = [
        "# Ranked on equal terms",
        f"Every network with the head of {JOINT_COUNTS[dataset]} joints at {size}, by true multiply-accumulates, beside its "
        "place by the GFLOPs that the tables print: counted in different ways, and at different sizes.",
    ]
    for data in dict.fromkeys(t.dataset for p in papers.values() for t in p.tables.values() if t.dataset in JOINT_COUNTS):
        found = ranks(papers, records, data)
        if len(found) < 2:
            continue
        by_printed = [r.model for r in sorted(found, key=lambda r: (r.printed, r.model))]
        rows = []
        for place, rank in enumerate(sorted(found, key=lambda r: (r.gmacs, r.model)), 1):
            before = by_printed.index(rank.model) + 1
            change = "=" if before == place else f"{'up' if place < before else 'down'} {abs(before - place)}"
            cell = rank.cell
            where = f"{cell.printed} at {cell.input} ({cell.column.convention}), {cell.paper} {cell.table.where}"
            evidence = find_entry(rank.model).evidence
            rows.append((place, f"`{rank.model}`", f"{rank.gmacs:.3f}", f"{rank.params:.2f}", before, change, where, evidence))
        pairs, total = exchanged(found), len(found) * (len(found) - 1) // 2
        header = ("place", "network", f"GMACs at {size}", "params M", "place as printed", "moves", "printed", "evidence")
        blocks += [
            f"## Networks with GFLOPs printed for {data}",
            grid(header, rows),
            f"{len(pairs)} of {total} pairs change their order.",
        ]
    return page(*blocks)
