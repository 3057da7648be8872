"""Accuracies that publishers of weights print for a row's network, to be shown beside the row; no verdict follows from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from benchmark.models.checkpoints import Evidence, checkpoints
from benchmark.models.registry import canonical_id
from benchmark.papers.tables import Cell

# By a printed column's metric and threshold, the publishers' name of it.
FIGURES: Mapping[tuple[str, float | None], str] = {
    ("pckh", 0.5): "Mean",
    ("pckh", 0.1): "Mean@0.1",
    ("ap", None): "AP",
    ("ap50", None): "AP@0.5",
    ("ap75", None): "AP@0.75",
    ("ar", None): "AR",
}


class ReportedElsewhere(NamedTuple):
    """One publisher's figure for the network, dataset and input size of a row.

    Attributes:
        value: The figure in percent, with the digits that the publisher prints.
        evidence: Whose weights it belongs to.
        publisher: The publisher's short name.
        source: Page that prints it.
    """

    value: str
    evidence: Evidence
    publisher: str
    source: str


def reported_elsewhere(cell: Cell) -> Iterator[ReportedElsewhere]:
    """Iterate over what publishers print for a cell of accuracy on a validation split.

    Rows whose network was trained in a way of its own, and columns of single body parts, have none.
    """
    figure = FIGURES.get((cell.column.metric, cell.column.threshold))
    is_comparable = cell.column.part == "mean" and cell.table.split == "val" and not (cell.row.needs or cell.row.unpublished)
    if figure is None or not is_comparable or not cell.row.model:
        return
    model = canonical_id(cell.row.model)
    for checkpoint in checkpoints().values():
        value = checkpoint.figures().get(figure)
        same_network = checkpoint.model == model or checkpoint.is_of_variant(model)
        if value and same_network and (checkpoint.dataset, checkpoint.input) == (cell.dataset, cell.input):
            yield ReportedElsewhere(in_percent(value), checkpoint.evidence, checkpoint.publisher, checkpoint.page)


def in_percent(value: str) -> str:
    """Return a printed figure in percent: publishers print fractions (0.744) or percentages (74.4)."""
    number = Decimal(value)
    return f"{number.scaleb(2) if number <= 1 else number:f}"
