"""Show how well lookup tables predict the cost of whole networks, and what each search's networks cost by every table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.config.identities import describe_setting
from benchmark.config.searches import SEARCHED
from benchmark.core.records import Record, select
from benchmark.core.text import escape_markdown
from benchmark.report.markdown import grid
from benchmark.report.plots import SeriesStyle, series_styles

PANEL_WIDTH, PANEL_HEIGHT = 3.4, 2.8  # inches


class FoundArchitecture(NamedTuple):
    """An architecture that a search, or the random search beside it, found.

    Attributes:
        searched_for: The search's config, cost and device in words.
        strategy: Whether it was searched or is the best of random search.
        record: The record of the search.
    """

    searched_for: str
    strategy: str
    record: Record

    @property
    def model(self) -> str:
        """The network's id."""
        return str(self.record.samples["model"])


class LookupRecords(NamedTuple):
    """The records of one lookup table.

    Attributes:
        validation: How well the table predicts whole networks.
        costs: The measured and predicted cost of architectures that were found, by their ids.
    """

    validation: Record
    costs: Mapping[str, Record]

    @property
    def name(self) -> str:
        """The table's setting and device in words."""
        device = f" on {self.validation.device}" if self.validation.device else ""
        return describe_setting(self.validation) + device

    @property
    def unit(self) -> str:
        """The unit of its costs."""
        return str(self.validation.samples["unit"])


def lookup_records(package: str, records: Mapping[str, Record]) -> list[LookupRecords]:
    """Return a package's lookup tables that were validated."""
    groups: dict[tuple[str, str, int, str, str | None], dict[str, Record]] = {}
    for record in select(records, kind="lookup", subject=package):
        setting = record.setting
        table = (setting["config"], setting["input"], setting["joints"], setting["cost"], record.device)
        groups.setdefault(table, {})[setting["model"]] = record
    return [
        LookupRecords(by_model[""], {model: record for model, record in by_model.items() if model})
        for _, by_model in sorted(groups.items(), key=str)
        if "" in by_model
    ]


def lookup_figure_name(package: str) -> str:
    """Return the name of the figure's file in ``reports/figures``."""
    return f"lookup-{package}.svg"


def lookup_section(package: str, tables: Sequence[LookupRecords], architectures: Sequence[FoundArchitecture]) -> list[str]:
    """Return the blocks of a package on the page of searches."""
    if not tables:
        return []
    rows = []
    for table in tables:
        validation = table.validation
        bias, deviation = f"{100 * validation.samples['bias']:+.2f} %", f"{100 * validation.samples['error']:.2f} %"
        rows.append((escape_markdown(table.name), validation.n, f"{validation.value:.3f}", bias, deviation))
    blocks = [
        "### Lookup tables",
        "Each table predicts the cost of an architecture as the sum of its entries. These predictions were compared with "
        "measured costs of whole networks: Spearman's rank correlation, the mean relative error, and the mean deviation from "
        "the measured cost after the mean error is removed.",
        grid(("table", "networks", "rank correlation", "mean error", "mean deviation"), rows),
        f"![predicted and measured costs; accuracy against cost](figures/{lookup_figure_name(package)})",
    ]
    networks = [
        (
            architecture.searched_for,
            architecture.strategy,
            architecture.record.seed,
            f"{architecture.record.value:.2f}",
            *(_measured_and_predicted(table, architecture) for table in tables),
        )
        for architecture in architectures
        if any(architecture.model in table.costs for table in tables)
    ]
    if networks:
        metric = architectures[0].record.metric
        blocks += [
            "The architectures that the searches found, with the cost of the whole network as measured and, in parentheses, as "
            "predicted by each table. The networks in one column were timed together in interleaved rounds, later than the "
            "entries of the table. As the speed of a processor drifts, compare measured times with one another, not with the "
            "predictions.",
            grid(("search", "architecture", "seed", metric, *(escape_markdown(table.name) for table in tables)), networks),
        ]
    return blocks


def _measured_and_predicted(table: LookupRecords, architecture: FoundArchitecture) -> str:
    if (cost := table.costs.get(architecture.model)) is None:
        return ""
    return f"{cost.value:.4g} {table.unit} ({cost.samples['predicted']:.4g})"


def lookup_figure(tables: Sequence[LookupRecords], architectures: Sequence[FoundArchitecture]) -> Figure:
    """Draw predicted against measured costs, and below them accuracy against the measured cost; one column per table.

    Random networks are grey.
    """
    has_costs = any(architecture.model in table.costs for table in tables for architecture in architectures)
    width, height = PANEL_WIDTH * len(tables), PANEL_HEIGHT * (1 + has_costs)
    figure, panels = plt.subplots(1 + has_costs, len(tables), figsize=(width, height), squeeze=False)
    figure.subplots_adjust(
        left=0.6 / width, right=1 - 0.1 / width, top=1 - 0.2 / height, bottom=0.45 / height, wspace=0.25, hspace=0.3
    )
    searches = dict.fromkeys(architecture.searched_for for architecture in architectures)
    styles = dict(zip(searches, series_styles(), strict=False))
    for column, table in enumerate(tables):
        upper, pairs = panels[0, column], np.array(table.validation.samples["pairs"])
        upper.set_title(table.name, fontsize=6)
        upper.scatter(pairs[:, 1], pairs[:, 0], s=10, color="#999999", linewidths=0, label="random networks")
        upper.axline([float(pairs.min())] * 2, slope=1, color="#999999", linewidth=0.6)
        upper.set_ylabel(f"predicted, {table.unit}")
        upper.legend(frameon=False, fontsize=6)
        for axes in panels[:, column]:
            axes.set_xlabel(f"measured, {table.unit}")
            axes.grid(alpha=0.25, linewidth=0.5)
        for architecture in (each for each in architectures if each.model in table.costs):
            cost, accuracy = table.costs[architecture.model], architecture.record
            style, lower = styles[architecture.searched_for], panels[1, column]
            _draw_point(upper, cost.value, cost.samples["predicted"], architecture, style)
            _draw_point(lower, cost.value, accuracy.value, architecture, style)
            lower.plot([cost.value] * 2, accuracy.interval or [accuracy.value] * 2, color=style.colour, linewidth=1)
            lower.set_ylabel(accuracy.metric)
    if has_costs:
        handles, labels = panels[1, 0].get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        panels[1, 0].legend(unique.values(), unique.keys(), frameon=False, fontsize=5)
    return figure


def _draw_point(axes: Axes, x: float, y: float, architecture: FoundArchitecture, style: SeriesStyle) -> None:
    """Draw a filled point for a searched architecture, an empty one for the best of random search."""
    face = style.colour if architecture.strategy == SEARCHED else "white"
    label = f"{architecture.searched_for}: {architecture.strategy}"
    axes.plot(x, y, style.marker, color=style.colour, markerfacecolor=face, markersize=4, label=label, zorder=3)
