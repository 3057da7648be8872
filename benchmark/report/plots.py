"""Draw the report's figures as SVG with the same bytes on every machine."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from colorsys import hsv_to_rgb
from dataclasses import dataclass
from itertools import count
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from benchmark.config.identities import cost_record_id
from benchmark.core.records import Record
from benchmark.ledger.predicates import cost_setting
from benchmark.ledger.verdicts import TOKENS, Token, Verdict, count_verdicts
from benchmark.papers.expressions import printed_value
from benchmark.papers.tables import Cell, Paper

mpl.use("svg")

COLOURS: Mapping[Token, str] = {
    "reproduced": "#2a7f62",
    "explained": "#8cc5a2",
    "ambiguous": "#d9d39a",
    "contradicted": "#c8553d",
    "inconclusive": "#e3b23c",
    "proxy": "#6c8ead",
    "not_run": "#c9ced6",
    "hidden_labels": "#dfe3e8",
    "no_definition": "#f0f1f3",
}
PAPER_COLOURS = ("#33658a", "#c8553d", "#2a7f62", "#8a5a83", "#b08900")
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "pose",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def distinct_colours() -> Iterator[str]:
    """Iterate over colours without end: ``PAPER_COLOURS``, then hues a golden section apart."""
    yield from PAPER_COLOURS
    for number in count():
        yield to_hex(hsv_to_rgb((0.15 + number * 0.618034) % 1, 0.6, 0.6))


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG without date and random ids, and close it."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return out.getvalue()


def verdicts_figure(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> bytes:
    """Draw stacked bars: the verdicts on the values of each paper and kind."""
    counts = count_verdicts(verdicts)
    names = [f"{papers[paper].short}: {kind}" for paper, kind in counts]
    with mpl.rc_context(STYLE):
        height = 0.25 * len(names) + 1.2
        figure, axes = plt.subplots(figsize=(8, height))
        figure.subplots_adjust(left=0.24, right=0.98, top=1 - 0.1 / height, bottom=0.95 / height)
        left = [0] * len(names)
        for token in TOKENS:
            widths = [by_token[token] for by_token in counts.values()]
            if any(widths):
                axes.barh(names, widths, left=left, color=COLOURS[token], label=token, edgecolor="white", linewidth=0.3)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.invert_yaxis()
        axes.set_xlabel("printed values")
        figure.legend(ncols=4, loc="lower center", frameon=False)
        return svg(figure)


@dataclass(frozen=True)
class Point:
    """One row of a table.

    Attributes:
        paper: The paper's id.
        label: The network's short name.
        accuracy: The printed accuracy.
        printed: The printed GFLOPs.
        ours: True GMACs as counted here, if the network can be built.
    """

    paper: str
    label: str
    accuracy: float
    printed: float
    ours: float | None


def accuracy_points(papers: Mapping[str, Paper], records: Mapping[str, Record], dataset: str, metric: str) -> Iterator[Point]:
    """Iterate over rows that print GFLOPs and a validation accuracy under the paper's own recipe.

    Each network and input size comes once per paper.
    """
    seen = set()
    for paper in papers.values():
        for table in paper.tables.values():
            rows: dict[str, dict[str, Cell]] = {}
            for cell in table.cells():
                column = cell.column
                is_plain = not column.scope and column.part == "mean" and not cell.row.needs
                if is_plain and cell.table.split == "val" and cell.dataset == dataset and column.threshold in (None, 0.5):
                    rows.setdefault(cell.row.id, {})[column.metric] = cell
            for row, cells in rows.items():
                if metric not in cells or "flops" not in cells:
                    continue
                flops = cells["flops"]
                model = flops.row.model
                key = (paper.id, model or row, flops.input)
                if key in seen or flops.column.unit != "G":
                    continue
                seen.add(key)
                record = records.get(cost_record_id(model, *cost_setting(flops))) if model else None
                gmacs = record.value["flops"]["macs"] / 1e9 if record else None
                label = model.split("/")[-1].split("+")[0] if model else row
                yield Point(paper.id, label, printed_value(cells[metric]), printed_value(flops), gmacs)


def accuracy_figure(papers: Mapping[str, Paper], records: Mapping[str, Record], dataset: str, metric: str, label: str) -> bytes:
    """Draw accuracy against cost in two panels: as printed, and on equal terms; ``label`` is that of the accuracy axis."""
    points = list(accuracy_points(papers, records, dataset, metric))
    colours = dict(zip(papers, distinct_colours(), strict=False))
    with mpl.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, sharex=True)
        figure.subplots_adjust(left=0.06, right=0.99, top=0.93, bottom=0.11, wspace=0.04)
        for axes, cost, title in (
            (left, lambda p: p.printed, "as printed: each table's own GFLOPs"),
            (right, lambda p: p.ours, "on equal terms: true GMACs"),
        ):
            for paper in papers.values():
                shown = [p for p in points if p.paper == paper.id and cost(p) is not None]
                if shown:
                    x, y, colour = [cost(p) for p in shown], [p.accuracy for p in shown], colours[paper.id]
                    axes.scatter(x, y, s=18, color=colour, label=f"quoted in {paper.short}", alpha=0.85, linewidths=0)
                for p in shown:
                    axes.annotate(p.label, (cost(p), p.accuracy), fontsize=4.5, xytext=(2, 2), textcoords="offset points")
            axes.set_xscale("log")
            axes.set_title(title)
            axes.set_xlabel("GFLOPs or GMACs, log scale")
            axes.grid(alpha=0.25, linewidth=0.5)
        left.set_ylabel(label)
        left.legend(loc="lower right", frameon=False)
        return svg(figure)
