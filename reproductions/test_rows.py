"""Check each table row: ``pytest reproductions/ -k mpii`` runs every MPII row, ``-k coco`` every COCO row.

Costs are counted again and must equal the records; an accuracy is checked where weights and data exist.
"""

from __future__ import annotations

import pytest

from benchmark.config.identities import cost_record_id
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import load_records
from benchmark.cost.records import measure_cost
from benchmark.ledger.predicates import cost_setting
from benchmark.ledger.verdicts import judge_cell
from benchmark.papers.tables import Cell, load_papers


def _rows(kind: str) -> list[Cell]:
    """Return the first cell of this kind of each distinct row."""
    rows: dict[tuple[str, ...], Cell] = {}
    for paper in load_papers().values():
        for table in paper.tables.values():
            for cell in table.cells():
                if cell.column.kind == kind and cell.dataset:
                    rows.setdefault((cell.row.model or f"{paper.id}/{cell.row.id}", cell.dataset, cell.input), cell)
    return list(rows.values())


def _id(cell: Cell) -> str:
    return "-".join(filter(None, (cell.row.model or f"{cell.paper}/{cell.row.id}", cell.dataset, cell.input)))


@pytest.mark.parametrize("cell", [pytest.param(cell, id=_id(cell)) for cell in _rows("cost")])
def test_cost(cell: Cell) -> None:
    if not cell.row.model:
        pytest.skip(f"no definition: {cell.row.none}")
    dataset, size = cost_setting(cell)
    record = load_records()[cost_record_id(cell.row.model, dataset, size)]
    assert measure_cost(cell.row.model, JOINT_COUNTS[dataset], *parse_size(size)) == record.value


@pytest.mark.parametrize("cell", [pytest.param(cell, id=_id(cell)) for cell in _rows("accuracy")])
def test_accuracy(cell: Cell) -> None:
    verdict = judge_cell(cell, load_records())
    if verdict.group == "not measured":
        pytest.skip(f"{verdict.measured}: {verdict.cause}")
    assert verdict.record in load_records()
