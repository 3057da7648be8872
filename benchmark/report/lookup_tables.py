"""Lookup tables of searches: how well they predict whole networks, and what each search's networks cost by every table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.config.identities import describe_setting
from benchmark.config.searches import SEARCHED
from benchmark.core.records import Record, select
from benchmark.report.markdown import grid
from benchmark.report.plots import PAPER_COLOURS

WIDE, HIGH = 3.4, 2.8  # inches of a panel


class FoundArchitecture(NamedTuple):
    """An architecture that a search or the random one beside it came to; ``searched_for``: at which scale for which cost."""

    searched_for: str
    end: str
    record: Record

    @property
    def model(self) -> str:
        """The network's id."""
        return str(self.record.samples["model"])


class LookupRecords(NamedTuple):
    """The record of a lookup table's validation, and by the networks' ids those of what was searched."""

    validated: Record
    whole: Mapping[str, Record]

    @property
    def name(self) -> str:
        """What it is of, where."""
        device = f" on {self.validated.device}" if self.validated.device else ""
        return describe_setting(self.validated) + device

    @property
    def unit(self) -> str:
        """Of its costs."""
        return str(self.validated.samples["unit"])


def lookup_records(package: str, records: Mapping[str, Record]) -> list[LookupRecords]:
    """Return a package's lookup tables that were validated."""
    found: dict[tuple[str, str | None], dict[str, Record]] = {}
    for record in select(records, kind="lookup", subject=package):
        found.setdefault((describe_setting(record), record.device), {})[record.setting["model"]] = record
    return [
        LookupRecords(by_model[""], {model: record for model, record in by_model.items() if model})
        for _, by_model in sorted(found.items(), key=str)
        if "" in by_model
    ]


def lookup_figure_name(package: str) -> str:
    """The figure's name below ``reports/figures``."""
    return f"lookup-{package}.svg"


def lookup_section(package: str, found: Sequence[LookupRecords], kept: Sequence[FoundArchitecture]) -> list[str]:
    """A package's part of the page."""
    if not found:
        return []
    rows = []
    for table in found:
        told = table.validated
        off = f"{100 * told.samples['bias']:+.2f} %", f"{100 * told.samples['error']:.2f} %"
        rows.append((table.name, told.n, f"{told.value:.3f}", *off))
    blocks = [
        "### Lookup tables",
        "The sum of an architecture's entries against the whole network, measured: Spearman's correlation, how far predictions "
        "are off on average, and how far they scatter about that.",
        grid(("table", "networks", "rank correlation", "off on average", "about that"), rows),
        f"![predicted and measured costs; accuracy against cost](figures/{lookup_figure_name(package)})",
    ]
    networks = [
        (own.searched_for, own.end, own.record.seed, f"{own.record.value:.2f}", *(_whole(table, own) for table in found))
        for own in kept
        if any(own.model in table.whole for table in found)
    ]
    if networks:
        metric = kept[0].record.metric
        blocks += [
            "What each search came to and what that costs by every table: the whole network, and in brackets what the table "
            "predicts. All of one table were timed in turns, later than the table itself, and processors drift: their times "
            "compare with each other.",
            grid(("searched for", "architecture", "seed", metric, *(table.name for table in found)), networks),
        ]
    return blocks


def _whole(table: LookupRecords, own: FoundArchitecture) -> str:
    if (found := table.whole.get(own.model)) is None:
        return ""
    return f"{found.value:.4g} {table.unit} ({found.samples['predicted']:.4g})"


def lookup_figure(found: Sequence[LookupRecords], kept: Sequence[FoundArchitecture]) -> Figure:
    """A column a table: predicted against measured, random networks in grey; and below that what searches came to, accuracy
    against the measured cost."""
    high = 1 + any(own.model in table.whole for table in found for own in kept)
    wide, tall = WIDE * len(found), HIGH * high
    made, panels = plt.subplots(high, len(found), figsize=(wide, tall), squeeze=False)
    made.subplots_adjust(left=0.6 / wide, right=1 - 0.1 / wide, top=1 - 0.2 / tall, bottom=0.45 / tall, wspace=0.25, hspace=0.3)
    colours = dict(zip(dict.fromkeys(own.searched_for for own in kept), cycle(PAPER_COLOURS), strict=False))
    for column, table in enumerate(found):
        above, pairs = panels[0, column], np.array(table.validated.samples["pairs"])
        above.set_title(table.name, fontsize=6)
        above.scatter(pairs[:, 1], pairs[:, 0], s=10, color="#999999", linewidths=0, label="random networks")
        above.axline([float(pairs.min())] * 2, slope=1, color="#999999", linewidth=0.6)
        above.set_ylabel(f"predicted, {table.unit}")
        above.legend(frameon=False, fontsize=6)
        for axes in panels[:, column]:
            axes.set_xlabel(f"measured, {table.unit}")
            axes.grid(alpha=0.25, linewidth=0.5)
        for own in (own for own in kept if own.model in table.whole):
            cost, told = table.whole[own.model], (own, colours[own.searched_for])
            _dot(above, cost.value, cost.samples["predicted"], *told)
            _dot(panels[1, column], cost.value, own.record.value, *told)
            panels[1, column].plot([cost.value] * 2, own.record.interval or [own.record.value] * 2, color=told[1], linewidth=1)
            panels[1, column].set_ylabel(own.record.metric)
    if high > 1:
        handles, labels = panels[1, 0].get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        panels[1, 0].legend(unique.values(), unique.keys(), frameon=False, fontsize=5)
    return made


def _dot(axes: Axes, x: float, y: float, own: FoundArchitecture, colour: str) -> None:
    """Filled where it was searched, empty where random."""
    face = colour if own.end == SEARCHED else "white"
    label = f"{own.searched_for}: {own.end}"
    axes.plot(x, y, "o", color=colour, markerfacecolor=face, markersize=4, label=label, zorder=3)
