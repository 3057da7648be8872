"""Find published predictions that a printed accuracy can be judged by, with their intervals over people.

What counts is a file of the printed row's network, people and input size, scored by the column's convention. This module
imports no torch and names no paper; whether an interval reproduces or contradicts a cell is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from benchmark.config.conventions import PCKH_PRESETS, pckh_metric_name
from benchmark.config.identities import predictions_identity
from benchmark.config.predictions import PredictionEvidence, PublishedPredictions, published_on
from benchmark.core.records import Record, record_id
from benchmark.models.registry import canonical_id
from benchmark.papers.tables import Cell


class JudgedPredictions(NamedTuple):
    """A published file's value for a printed cell.

    Attributes:
        value: Our value in percent.
        low: Lower end of the 95 % interval over people.
        high: Upper end.
        evidence: Who trained the network that made the predictions; verdicts by different classes are never mixed.
        record: Id of the record.
        file: Id of the published file.
        how: How the value was measured, in words.
    """

    value: float
    low: float
    high: float
    evidence: PredictionEvidence
    record: str
    file: str
    how: str


def judge_by_published_predictions(cell: Cell, records: Mapping[str, Record]) -> tuple[JudgedPredictions, ...]:
    """Return what each published file of the row's network says of a printed PCKh: the authors' files come first.

    Nothing is returned for a cell of other people than those of the files (a printed test split against files of the
    validation split is no verdict), of another input size, or of a row with conditions of its own.
    """
    column = cell.column
    if not cell.row.model or cell.row.needs or cell.dataset != "mpii" or column.metric != "pckh":
        return ()
    if column.threshold is None or column.convention not in PCKH_PRESETS:
        return ()
    judged = []
    for published in published_on(cell.dataset):
        if _is_of_cell(published, cell):
            metric = pckh_metric_name(column.threshold, column.convention)
            record = records.get(record_id(predictions_identity(published, metric)))
            found = _read_part(record, column.part) if record else None
            if record and found:
                value, (low, high) = found
                people = f"{published.dataset} {published.split}, n = {record.n}"
                how = f"{metric} of {published.id} ({published.evidence}) on {people}, 95 % [{low:.2f}, {high:.2f}]"
                how += _other_means(cell, published, records)
                judged.append(JudgedPredictions(value, low, high, published.evidence, record.id, published.id, how))
    return tuple(sorted(judged, key=lambda item: item.evidence != "authors"))


def _is_of_cell(published: PublishedPredictions, cell: Cell) -> bool:
    return (published.model, published.split, published.input) == (canonical_id(cell.row.model), cell.table.split, cell.input)


def _read_part(record: Record, part: str) -> tuple[float, tuple[float, float]] | None:
    """Return the value and the interval of a part, or of the mean; None for a part that the record does not have."""
    if part == "mean":
        return (float(record.value), record.interval) if record.interval else None
    name = part.capitalize()
    if name not in record.samples["parts"]:
        return None
    low, high = record.samples["parts_ci95"][name]
    return float(record.samples["parts"][name]), (low, high)


def _other_means(cell: Cell, published: PublishedPredictions, records: Mapping[str, Record]) -> str:
    """State the mean under each other way of averaging, as a table rarely says which it prints; empty for a part."""
    if cell.column.part != "mean" or cell.column.threshold is None:
        return ""
    ways: dict[str, str] = {}
    for name, preset in PCKH_PRESETS.items():
        if preset.mean != PCKH_PRESETS[cell.column.convention].mean:
            metric = pckh_metric_name(cell.column.threshold, name)
            record = records.get(record_id(predictions_identity(published, metric)))
            if record and record.interval:
                low, high = record.interval
                ways[preset.mean] = f"{record.value:.2f} [{low:.2f}, {high:.2f}] under {name}, which averages otherwise"
    return "".join(f"; {way}" for way in ways.values())
