"""Draw the new network among all that the papers print: accuracy against cost, counted the same way for all."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl

from benchmark.compare.accuracy import Estimate
from benchmark.core.records import Record
from benchmark.core.text import escape_plot
from benchmark.papers.tables import Paper
from benchmark.report.labels import Labelled, place_labels
from benchmark.report.plots import STYLE, accuracy_points, log_cost_axis, plt, series_styles, svg

AXES = {"mpii": ("pckh", "PCKh@0.5 on MPII validation, percent"), "coco": ("ap", "AP on COCO validation, percent")}
NEW_NETWORK_COLOUR = "#111111"


def pareto_figure(
    papers: Mapping[str, Paper],
    records: Mapping[str, Record],
    dataset: str,
    name: str,
    gmacs: float,
    accuracy: Estimate | None,
    not_counted: str = "",
) -> bytes:
    """Draw the figure as SVG; a network whose accuracy was not measured is a line at its cost.

    Args:
        gmacs: Multiply-accumulates of the new network in 10^9.
        accuracy: Of the new network, in percent.
        not_counted: Operators that its multiply-accumulates leave out, as text.
    """
    metric, axis = AXES[dataset]
    name, not_counted = escape_plot(name), escape_plot(not_counted)
    printed = [
        (p.paper, p.label, p.ours, p.accuracy) for p in accuracy_points(papers, records, dataset, metric) if p.ours is not None
    ]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(9, 5.5))
        figure.subplots_adjust(left=0.065, right=0.985, top=0.89, bottom=0.09)
        for paper, style in zip(papers.values(), series_styles(), strict=False):
            x = [cost for paper_id, _, cost, _ in printed if paper_id == paper.id]
            y = [percent for paper_id, _, _, percent in printed if paper_id == paper.id]
            if x:
                axes.scatter(x, y, s=20, color=style.colour, marker=style.marker, label=paper.short)
        log_cost_axis(axes, [gmacs, *(cost for _, _, cost, _ in printed)], "true multiply-accumulates of one image, 10⁹")
        axes.set_ylabel(axis)
        axes.grid(alpha=0.25, linewidth=0.5)
        points = [Labelled(label, (cost,), percent) for _, label, cost, percent in printed]
        if accuracy is None:
            title = f"{name}: {gmacs:.3g} GMACs, accuracy not measured (dashed line)"
            axes.axvline(gmacs, color=NEW_NETWORK_COLOUR, linestyle="--", linewidth=1)
        else:
            value, (low, high) = accuracy.value, accuracy.ci95 or (accuracy.value, accuracy.value)
            errors = [[max(0.0, value - low)], [max(0.0, high - value)]]
            title = f"{name}, 95 % interval (star)"
            axes.errorbar([gmacs], [value], yerr=errors, fmt="*", color=NEW_NETWORK_COLOUR, markersize=9)
            label = f"{name} (star)" if name in [point.text for point in points] else name
            points.append(Labelled(label, (gmacs,), value))
        axes.set_ylim(axes.get_ylim())
        place_labels(axes, points)
        title = "; ".join(filter(None, (title, not_counted)))
        axes.set_title(title, loc="left", fontsize=STYLE["font.size"])
        if printed:  # without costs on record there is nothing to name
            figure.legend(ncols=len(papers), loc="upper center", frameon=False)
        return svg(figure)
