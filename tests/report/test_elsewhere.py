"""Publishers' own figures stand beside a row's, in percent and with their source, where network, dataset and size agree."""

from __future__ import annotations

import pytest

from benchmark.models.checkpoints import AUTHORS, RETRAINING
from benchmark.papers.tables import Cell, load_papers
from benchmark.report.elsewhere import FIGURES, in_percent, reported_elsewhere


def cell(paper: str, table: str, row: str, column: str) -> Cell:
    cells = load_papers()[paper].tables[table].cells()
    return next(cell for cell in cells if (cell.row.id, cell.column.name) == (row, column))


def test_each_publisher_is_named_with_what_its_weights_are() -> None:
    found = list(reported_elsewhere(cell("efficientpose_nas", "table2", "hrnet_w32", "pckh")))
    assert [(r.value, r.publisher, r.evidence) for r in found] == [
        ("90.3", "hrnet", AUTHORS),
        ("90", "mmpose", RETRAINING),
    ]
    assert found[0].source == "https://github.com/leoxiaobin/deep-high-resolution-net.pytorch"


def test_a_row_trained_otherwise_has_none() -> None:
    assert list(reported_elsewhere(cell("efficientpose_nas", "table4", "hrnet_w32", "ap"))) == []


@pytest.mark.parametrize(
    ("printed", "percent"), [("0.744", "74.4"), ("0.9", "90"), ("88.532", "88.532"), ("90.3", "90.3"), ("1", "100")]
)
def test_fractions_become_percent_and_percent_stays(printed: str, percent: str) -> None:
    assert in_percent(printed) == percent


def test_only_validation_means_have_figures_beside_them() -> None:
    count = 0
    for paper in load_papers().values():
        for table in paper.tables.values():
            for one in table.cells():
                if found := list(reported_elsewhere(one)):
                    count += len(found)
                    assert table.split == "val"
                    assert one.column.part == "mean"
                    assert (one.column.metric, one.column.threshold) in FIGURES
    assert count > 100
