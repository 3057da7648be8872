"""Draw the report's figures as SVG with the same bytes on every machine."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from colorsys import hsv_to_rgb
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from benchmark.config.identities import cost_record_id
from benchmark.core.records import Record
from benchmark.ledger.predicates import cost_setting
from benchmark.ledger.tokens import OUTCOMES, Group, Verdict, count_groups
from benchmark.papers.expressions import printed_value
from benchmark.papers.tables import Cell, Paper
from benchmark.report.labels import Labelled, place_labels, text_width
from benchmark.report.names import printed_name

mpl.use("svg")

# Colour and hatching of what measuring came to: told apart in grey and without colour vision, too.
BAR_STYLES: Mapping[Group, tuple[str, str]] = {
    "agrees": ("#00664b", ""),
    "explained": ("#7fc8ae", ""),
    "ambiguous": ("#f0c24a", "xxx"),
    "differs": ("#c04a00", "///"),
    "undecided": ("#4f8fbf", "---"),
    "by construction": ("#9299a3", ""),
    "not measured": ("#f2f3f5", ""),
}
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "pose",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.5,
}


class SeriesStyle(NamedTuple):
    """Colour, marker and dashes of one series; series differ in all three, so that none rests on its colour alone."""

    colour: str
    marker: str
    line: Any


# The palette of Okabe and Ito, without its yellow, which is too light for lines.
SERIES_STYLES = (
    SeriesStyle("#0072b2", "o", "-"),
    SeriesStyle("#d55e00", "s", (0, (5, 1.5))),
    SeriesStyle("#009e73", "^", (0, (1.5, 1))),
    SeriesStyle("#333333", "D", (0, (6, 1.5, 1.5, 1.5))),
    SeriesStyle("#cc79a7", "v", (0, (3, 1))),
    SeriesStyle("#e69f00", "P", (0, (8, 2, 2, 2, 2, 2))),
)


def series_styles() -> Iterator[SeriesStyle]:
    """Iterate over styles without end: ``SERIES_STYLES``, then hues a golden section apart with the same markers and dashes."""
    yield from SERIES_STYLES
    for number in count():
        colour = to_hex(hsv_to_rgb((0.15 + number * 0.618034) % 1, 0.6, 0.6))
        yield SERIES_STYLES[number % len(SERIES_STYLES)]._replace(colour=colour)


# In matplotlib's SVG: a number of more than two decimals or a negative zero, but not the scale of a glyph or text in a comment;
# and an id made of a hash of numbers.
_SVG_NUMBER = re.compile(rb"<!--.*?-->|scale\([^)]*\)|-?\d+\.\d{3,}|(?<!\w)-0(?![.\d])", re.DOTALL)
# A marker, bar or line; definitions of markers are matched, too, so that they are passed over.
_SVG_SHAPE = re.compile(rb"<defs>.*?</defs>|(?P<start><(?P<tag>use|path)\b[^>]*?)/>", re.DOTALL)
_SVG_HASH = re.compile(rb'(?<=["#])([A-Za-z]\w*?)([0-9a-f]{10})(?=[")])')


def svg(figure: Figure, titles: Mapping[Artist, Sequence[str]] | None = None) -> bytes:
    """Return the figure as SVG with the same bytes on every machine, and close it.

    There is no date, numbers are rounded to a hundredth of a point, and ids count up, as matplotlib's are hashes of numbers
    whose last digits depend on the processor. Markers and bars have titles, which viewers show under the pointer.

    Args:
        figure: The figure.
        titles: Of bars and markers, in the order of drawing; by default, those of a labelled series have its name and their
            values. A label that begins with an underscore is not in the legend.
    """
    artists = {artist: texts for axes in figure.axes for artist, texts in _titles_of_series(axes)} | {**(titles or {})}
    for number, artist in enumerate(artists):
        artist.set_gid(f"values-{number}")
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    numbers: dict[bytes, int] = {}
    rounded = _SVG_NUMBER.sub(_round, out.getvalue())
    drawn = _SVG_HASH.sub(lambda m: b"%s-%d" % (m[1], numbers.setdefault(m[2], len(numbers))), rounded)
    for number, texts in enumerate(artists.values()):
        before, group, after = drawn.partition(b'<g id="values-%d">' % number)
        drawn = before + group + _add_titles(after, iter(texts))
    return drawn


def _titles_of_series(axes: Axes) -> Iterator[tuple[Artist, list[str]]]:
    """Iterate over labelled series with the titles of their lines and markers, in the order of drawing."""
    x_label = axes.get_xlabel()
    y_label = next((label for twin in axes.get_shared_y_axes().get_siblings(axes) if (label := twin.get_ylabel())), "")
    for artist in (*axes.lines, *axes.collections):
        name = str(artist.get_label()).removeprefix("_")
        if not name or name.startswith(("child", "nolegend")):  # as matplotlib names what has no label
            continue
        if isinstance(artist, Line2D) and np.size(artist.get_xydata()):
            points = np.asarray(artist.get_xydata())
            (x0, y0), (x1, y1) = points[[0, -1]]
            line = f"{name}\n{x_label}: {x0:.4g} to {x1:.4g}\n{y_label}: {y0:.4g} to {y1:.4g}"
            texts = [line] * (artist.get_linestyle() != "None" and len(points) > 1)
            points = points[: len(points) * (artist.get_marker() != "None")]
        elif isinstance(artist, PathCollection):
            points, texts = np.asarray(artist.get_offsets()), []
        else:
            continue
        texts += [f"{name}\n{x_label}: {x:.4g}\n{y_label}: {y:.4g}" for x, y in points]
        if texts:
            yield artist, texts


def _round(number: re.Match[bytes]) -> bytes:
    if number[0].startswith((b"scale", b"<")):
        return number[0]
    text = b"%.2f" % (round(float(number[0]), 2) + 0.0)  # + 0.0 turns a negative zero into zero
    return text.rstrip(b"0").rstrip(b".")


def _add_titles(drawn: bytes, titles: Iterator[str]) -> bytes:
    """Give the first shapes their titles, until there are no more."""

    def add(shape: re.Match[bytes]) -> bytes:
        title = next(titles, None) if shape["tag"] else None
        return b"%s><title>%s</title></%s>" % (shape["start"], escape(title).encode(), shape["tag"]) if title else shape[0]

    return _SVG_SHAPE.sub(add, drawn)


def log_cost_axis(axes: Axes, costs: Sequence[float], label: str) -> None:
    """Give a horizontal axis of operations a logarithmic scale with plain numbers, and room around the outermost points."""
    low, high = min(costs, default=1.0) / 1.35, max(costs, default=1.0) * 1.35
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)]
    axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(label)


def verdicts_figure(papers: Mapping[str, Paper], verdicts: Sequence[Verdict]) -> bytes:
    """Draw stacked bars: what measuring the values of each paper and kind came to."""
    counts = count_groups(verdicts)
    names = [f"{papers[paper].short}: {kind}" for paper, kind in counts]
    with mpl.rc_context(STYLE):
        breadth, height = 8.0, 0.25 * len(names) + 1.2
        figure, axes = plt.subplots(figsize=(breadth, height))
        widest = max(text_width(name, STYLE["font.size"]) for name in names)
        figure.subplots_adjust(left=(widest + 12) / 72 / breadth, right=0.97, top=1 - 0.1 / height, bottom=0.95 / height)
        left = [0] * len(names)
        titles: dict[Artist, list[str]] = {}
        for group in OUTCOMES:
            widths = [by_group[group] for by_group in counts.values()]
            if any(widths):
                colour, hatch = BAR_STYLES[group]
                bars = axes.barh(
                    names, widths, left=left, color=colour, hatch=hatch, label=group, edgecolor="white", linewidth=0.3
                )
                titles |= {bar: [f"{name}\n{group}: {width}"] for bar, name, width in zip(bars, names, widths, strict=True)}
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.set_xlim(0, max(left) * 1.01)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel("printed values")
        figure.legend(ncols=4, loc="lower center", frameon=False)
        return svg(figure, titles)


@dataclass(frozen=True)
class Point:
    """One row of a table.

    Attributes:
        paper: The paper's id.
        label: The network's short name, with the input size where it is not the table's usual one.
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

    A row that repeats network, input size, cost and accuracy of an earlier one is left out.
    """
    seen: set[tuple[object, ...]] = set()
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
                flops, accuracy = cells["flops"], printed_value(cells[metric])
                model = flops.row.model
                key = (paper.id, model or row, flops.input)
                same = (model, flops.input, accuracy, printed_value(flops))
                if {key, same} & seen or flops.column.unit != "G":
                    continue
                seen |= {key, same} if model else {key}
                record = records.get(cost_record_id(model, *cost_setting(flops))) if model else None
                gmacs = record.value["flops"]["macs"] / 1e9 if record else None
                yield Point(paper.id, _point_label(flops, paper), accuracy, printed_value(flops), gmacs)


def _point_label(cell: Cell, paper: Paper) -> str:
    """Return the printed name of a row's network, and its input size if the table has several."""
    sizes = {row.input for row in cell.table.rows.values()}
    return printed_name(cell, paper) + (f", {cell.input}" if len(sizes) > 1 else "")


def accuracy_figure(papers: Mapping[str, Paper], records: Mapping[str, Record], dataset: str, metric: str, label: str) -> bytes:
    """Draw accuracy against cost: an empty marker for the printed GFLOPs, a full one for true GMACs, and a line between them.

    Args:
        papers: All papers, by id.
        records: Current records, by id.
        dataset: Dataset of the rows.
        metric: Metric of the accuracy.
        label: Label of the accuracy's axis.
    """
    points = list(accuracy_points(papers, records, dataset, metric))
    titles: dict[Artist, list[str]] = {}
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(9, 6))
        figure.subplots_adjust(left=0.065, right=0.985, top=0.94, bottom=0.085)
        for paper, style in zip(papers.values(), series_styles(), strict=False):
            shown = [point for point in points if point.paper == paper.id]
            marker: dict[str, Any] = {
                "s": 20,
                "marker": style.marker,
                "edgecolors": style.colour,
                "linewidths": 0.9,
                "zorder": 3,
            }
            for point in shown:
                if point.ours is not None:
                    axes.plot([point.printed, point.ours], [point.accuracy] * 2, color=style.colour, linewidth=0.7, zorder=2)
            for counted, face, drawn in (
                ("as printed", "white", [(point, point.printed) for point in shown]),
                ("true multiply-accumulates", style.colour, [(point, point.ours) for point in shown if point.ours is not None]),
            ):
                heights = [point.accuracy for point, _ in drawn]
                markers = axes.scatter([cost for _, cost in drawn], heights, facecolors=face, **marker)
                titles[markers] = [f"{p.label}\n{counted}: {cost:.3g} G\n{label}: {p.accuracy:g}" for p, cost in drawn]
            if shown:
                axes.scatter([], [], facecolors=style.colour, label=paper.short, **marker)
        log_cost_axis(axes, [cost for p in points for cost in (p.printed, p.ours) if cost], "operations of one image, 10⁹")
        axes.margins(y=0.04)
        axes.set_ylim(axes.get_ylim())
        axes.set_ylabel(label)
        axes.grid(alpha=0.25, linewidth=0.5)
        costs = [tuple(sorted({p.printed, p.printed if p.ours is None else p.ours})) for p in points]
        place_labels(axes, [Labelled(p.label, x, p.accuracy) for p, x in zip(points, costs, strict=True)])
        for face, meaning in (("white", "as printed"), ("#555555", "true multiply-accumulates")):
            axes.scatter([], [], s=20, marker="o", facecolors=face, edgecolors="#555555", linewidths=0.9, label=meaning)
        figure.legend(ncols=len(papers) + 2, loc="upper center", frameon=False)
        return svg(figure, titles)
