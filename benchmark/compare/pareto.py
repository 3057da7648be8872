"""Draw the new network among all that the papers print: accuracy against cost, counted the same way for all."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl

from benchmark.compare.accuracy import Estimate
from benchmark.core.records import Record
from benchmark.papers.tables import Paper
from benchmark.report.plots import STYLE, accuracy_points, distinct_colours, plt, svg

AXES = {"mpii": ("pckh", "PCKh@0.5 on MPII validation, percent"), "coco": ("ap", "AP on COCO validation, percent")}
NEW_NETWORK_COLOUR = "#111111"


def pareto_figure(
    papers: Mapping[str, Paper], records: Mapping[str, Record], dataset: str, name: str, gmacs: float, accuracy: Estimate | None
) -> bytes:
    """Draw the figure as SVG; a network whose accuracy was not measured is a line at its cost.

    Args:
        gmacs: Multiply-accumulates of the new network in 10^9.
        accuracy: Of the new network, in percent.
    """
    metric, axis = AXES[dataset]
    printed = [
        (p.paper, p.label, p.ours, p.accuracy) for p in accuracy_points(papers, records, dataset, metric) if p.ours is not None
    ]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7, 4.2))
        figure.subplots_adjust(left=0.09, right=0.98, top=0.97, bottom=0.11)
        for paper, colour in zip(papers.values(), distinct_colours(), strict=False):
            x = [cost for paper_id, _, cost, _ in printed if paper_id == paper.id]
            y = [percent for paper_id, _, _, percent in printed if paper_id == paper.id]
            if x:
                axes.scatter(x, y, s=18, color=colour, label=f"quoted in {paper.short}", alpha=0.85, linewidths=0)
        for _, label, cost, percent in printed:
            axes.annotate(label, (cost, percent), fontsize=4.5, xytext=(2, 2), textcoords="offset points")
        if accuracy is None:
            label = f"{name}: {gmacs:.3g} GMACs, accuracy not measured"
            axes.axvline(gmacs, color=NEW_NETWORK_COLOUR, linestyle="--", linewidth=1, label=label)
        else:
            value, (low, high) = accuracy.value, accuracy.ci95 or (accuracy.value, accuracy.value)
            errors = [[max(0.0, value - low)], [max(0.0, high - value)]]
            axes.errorbar(
                [gmacs], [value], yerr=errors, fmt="*", color=NEW_NETWORK_COLOUR, markersize=9, label=f"{name}, 95 % interval"
            )
        axes.set_xscale("log")
        axes.set_xlabel("true multiply-accumulates of one image, 10⁹, log scale")
        axes.set_ylabel(axis)
        axes.grid(alpha=0.25, linewidth=0.5)
        axes.legend(loc="lower right", frameon=False)
        return svg(figure)
