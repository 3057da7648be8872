"""A printed accuracy is set beside published predictions of the same network on the same people, and beside no others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.config.identities import predictions_identity
from benchmark.config.predictions import published_on
from benchmark.core.records import Record
from benchmark.ledger.predictions import judge_by_published_predictions
from benchmark.papers.tables import Cell, load_papers

PARTS = ("Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")


def all_cells() -> list[Cell]:
    return [cell for paper in load_papers().values() for table in paper.tables.values() for cell in table.cells()]


def cell(paper: str, table: str, row: str, column: str) -> Cell:
    return next(cell for cell in load_papers()[paper].tables[table].cells() if (cell.row.id, cell.column.name) == (row, column))


def stored(metric: str = "pckh@0.5 (hrnet)", value: float = 88.0) -> dict[str, Record]:
    """Return a record of each published file on MPII; the n-th part lies n points below the mean."""
    records = []
    for position, published in enumerate(published_on("mpii")):
        mean = value + position / 10
        parts = {part: mean - number for number, part in enumerate(PARTS, 1)}
        samples = {"parts": parts, "parts_ci95": {part: (own - 1, own + 1) for part, own in parts.items()}}
        interval = (mean - 0.5, mean + 0.5)
        identity = predictions_identity(published, metric)
        records.append(Record(**identity, value=mean, n=2958, interval=interval, samples=samples, command=""))
    return {record.id: record for record in records}


def test_nine_printed_cells_have_evidence_of_both_classes_the_authors_first() -> None:
    judged = {cell.name: found for cell in all_cells() if (found := judge_by_published_predictions(cell, stored()))}
    assert len(judged) == 9
    for found in judged.values():
        assert [item.evidence for item in found] == ["authors", "authors", "independent retraining"]
        assert [item.file for item in found][::2] == ["hourglass_s8_newell", "hourglass_s8_b1"]
        assert all(item.low < item.value < item.high and item.record in stored() for item in found)


def test_a_part_has_its_own_value_and_interval() -> None:
    (first, *_) = judge_by_published_predictions(cell("autopose", "table3", "hourglass", "elbow"), stored())
    assert (first.value, first.low, first.high) == (85, 84, 86)
    (mean, *_) = judge_by_published_predictions(cell("autopose", "table3", "hourglass", "total"), stored())
    assert (mean.value, mean.low, mean.high) == (88, 87.5, 88.5)


def test_the_mean_names_the_other_way_of_averaging_and_a_part_does_not() -> None:
    records = stored() | stored("pckh@0.5 (pytorch_pose)", 87.5)
    (mean, *_) = judge_by_published_predictions(cell("autopose", "table3", "hourglass", "total"), records)
    assert "; 87.50 [87.00, 88.00] under pytorch_pose, which averages otherwise" in mean.how
    (part, *_) = judge_by_published_predictions(cell("autopose", "table3", "hourglass", "elbow"), records)
    assert "pytorch_pose" not in part.how


def test_a_printed_test_split_is_not_set_beside_files_of_the_validation_split() -> None:
    test_rows = [c for c in all_cells() if c.table.split == "test" and c.dataset == "mpii" and c.column.metric == "pckh"]
    assert test_rows
    assert not any(judge_by_published_predictions(cell, stored()) for cell in test_rows)
    validation = cell("autopose", "table3", "hourglass", "total")
    moved = replace(validation, table=replace(validation.table, split="test"))
    assert judge_by_published_predictions(moved, stored()) == ()


@pytest.mark.parametrize(
    "changes",
    [{"needs": "400 epochs"}, {"input": "384x384"}, {"model": "baselines/hourglass-1"}, {"dataset": "coco"}],
    ids=lambda changes: next(iter(changes)),
)
def test_other_conditions_sizes_networks_or_people_are_no_evidence(changes: dict[str, str]) -> None:
    printed = cell("autopose", "table3", "hourglass", "total")
    assert judge_by_published_predictions(replace(printed, row=replace(printed.row, **changes)), stored()) == ()


def test_another_convention_or_no_record_is_no_evidence() -> None:
    printed = cell("autopose", "table3", "hourglass", "total")
    assert judge_by_published_predictions(printed, {}) == ()
    assert judge_by_published_predictions(printed, stored("pckh@0.5 (mmpose)")) == ()
    assert judge_by_published_predictions(printed, stored("pckh@0.1 (hrnet)")) == ()
