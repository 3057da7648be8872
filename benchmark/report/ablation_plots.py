"""Draw the figures of the ablations: accuracy against cost, convergence, feature maps, and schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.path import Path

from benchmark.analysis.effects import Effects
from benchmark.analysis.feature_maps import FeatureMapStats
from benchmark.analysis.judgement import format_power
from benchmark.analysis.runs import EFFECT_METRICS, accuracy_curve, variant_results, variant_searches
from benchmark.config.ablations import (
    BUDGETS,
    GREY_LEVELS,
    HEATMAPS,
    Ablation,
    Variant,
    known_ablations,
    variant_model,
    variant_search,
)
from benchmark.config.conventions import FLOPS, format_not_counted
from benchmark.config.identities import COMMON_TERMS, cost_record_id
from benchmark.config.packages import declarations
from benchmark.config.schedules import rate_factor
from benchmark.core.input_size import parse_size
from benchmark.core.records import Record
from benchmark.models.registry import import_object
from benchmark.papers.tables import load_papers
from benchmark.report.conclusions import main_protocol
from benchmark.report.labels import text_width
from benchmark.report.plots import STYLE, series_styles, svg

CURVE_POINTS = 1000  # on each schedule's curve
FOREST_FONT = 7
STEPS_PER_EPOCH = 100  # an arbitrary number, for schedules that count steps


def forest_figure(effects: Effects) -> bytes:
    """Draw the printed and the measured difference of every comparison that was run, under its main protocol."""
    rows = [
        (
            f"{known_ablations()[name].title}: {effect.comparison.better} over {effect.comparison.worse}",
            effect.difference,
            effect,
        )
        for name in known_ablations()
        for own in [{protocol: compared for (ablated, protocol), compared in effects.items() if ablated == name}]
        for effect in own.get(main_protocol(own), ())
        if effect.difference is not None and not effect.comparison.strict_threshold
    ]
    with mpl.rc_context(STYLE):
        left = max((text_width(label, FOREST_FONT) for label, _, _ in rows), default=0) / 72 + 0.2
        width, height = left + 4.2, 0.6 + 0.2 * len(rows)
        figure, axes = plt.subplots(figsize=(width, height))
        figure.subplots_adjust(left=left / width, right=1 - 1.0 / width, top=1 - 0.1 / height, bottom=0.42 / height)
        axes.axvline(0, color="0.6", linewidth=0.6)
        titles: dict[Artist, list[str]] = {}
        for place, (name, difference, effect) in enumerate(rows):
            if effect.estimate:
                axes.plot(effect.estimate.interval(), [place, place], color="black", linewidth=1)
            measured = axes.plot(difference, place, "o", color="black", markersize=3)
            interval = " [{:+.2f}, {:+.2f}]".format(*effect.estimate.interval()) if effect.estimate else ""
            titles[measured[0]] = [f"{name}\nmeasured: {difference:+.2f}{interval}"]
            if effect.printed is not None:
                style: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": "0.35", "markersize": 4, "zorder": 0}
                printed = axes.plot(effect.printed, place, "D", **style)
                titles[printed[0]] = [f"{name}\nprinted: {effect.printed:+.2f}"]
            power = effect.judgement.power
            label = (
                "no number printed"
                if effect.printed is None
                else ""
                if power is None
                else f"power {format_power(effect.judgement)}"
            )
            axes.text(1.02, place, label, transform=axes.get_yaxis_transform(), va="center", fontsize=FOREST_FONT)
        axes.set_yticks(range(len(rows)), [label for label, _, _ in rows], fontsize=FOREST_FONT)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("difference in points")
        axes.grid(axis="x", alpha=0.25, linewidth=0.5)
        return svg(figure, titles)


def ablation_figure(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> bytes:
    """Draw accuracy against cost and, where the variants were trained, the mean accuracy by epoch.

    There is one dot per seed; a variant with a single result has its interval over people.
    """
    metric = EFFECT_METRICS[BUDGETS[protocol].dataset][0]
    with mpl.rc_context(STYLE):
        trained = any(not variant.weights for variant in ablation.variants)
        width, height = 8 if trained else 4, 3.1 + 0.17 * len(ablation.variants)
        figure, panels = plt.subplots(1, 1 + trained, figsize=(width, height), sharey=True, squeeze=False)
        figure.subplots_adjust(
            left=0.56 / width, right=1 - 0.12 / width, top=1 - 0.1 / height, bottom=1 - 2.7 / height, wspace=0.05
        )
        left, right = panels[0, 0], panels[0, -1]
        all_costs: list[float] = []
        for variant, style in zip(ablation.variants, series_styles(), strict=False):
            colour = style.colour
            runs = variant_results(ablation, variant, protocol, metric, records)
            costs = variant_gflops(ablation, variant, protocol, records) * len(runs)
            if not costs:
                continue
            # Accuracy against cost.
            all_costs += costs
            costs, values = costs[: len(runs)], [run.value for run in runs]
            left.scatter(
                costs, values, s=9, color=colour, marker=style.marker, linewidths=0, alpha=0.6, label=f"_{variant.name}"
            )
            if len(runs) == 1 and runs[0].interval:
                left.plot(costs * 2, runs[0].interval, color=colour, linewidth=1)
            mean = [np.mean(costs)], [np.mean(values)]
            left.scatter(*mean, s=60, color=colour, marker="_", linewidths=1.5)
            left.plot([], [], style.marker, linestyle=style.line, color=colour, markersize=2.5, linewidth=1, label=variant.name)
            # Accuracy by epoch: the mean over seeds, and the range.
            curves = [accuracy_curve(run, metric, records) for run in runs if trained]
            epochs = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
            if epochs:
                by_run = np.array([[curve[epoch] for epoch in epochs] for curve in curves])
                line: dict[str, Any] = {"linestyle": style.line, "color": colour, "markersize": 2.5, "linewidth": 1}
                right.plot(epochs, by_run.mean(0), style.marker, label=f"_{variant.name}, mean", **line)
                right.fill_between(epochs, by_run.min(0), by_run.max(0), color=colour, alpha=0.15, linewidth=0)
        left.set_xlabel("\n".join(["GFLOPs (hrnet)", *not_counted_lines(ablation, protocol, records)]))
        left.set_ylabel(metric)
        if all_costs:
            middle, spread = (max(all_costs) + min(all_costs)) / 2, (max(all_costs) - min(all_costs)) / 2
            half = max(1.2 * spread, 0.1 * middle)  # a tenth at least, so that equal costs look equal
            left.set_xlim(middle - half, middle + half)
        figure.legend(frameon=False, loc="lower left", borderpad=0.2)
        if trained:
            right.set_xlabel("epochs")
            right.xaxis.get_major_locator().set_params(integer=True)
        for axes in panels.flat:
            axes.grid(alpha=0.25, linewidth=0.5)
        return svg(figure)


def common_gflops(model: str, records: Mapping[str, Record]) -> float | None:
    """Return a network's GFLOPs with the head and at the input size at which all networks are compared."""
    record = records.get(cost_record_id(model, *COMMON_TERMS))
    return record.value["flops"]["hrnet"] / FLOPS["hrnet"].giga if record else None


def not_counted_lines(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> Iterator[str]:
    """Name the operators that the variants' GFLOPs leave out, one line for each variant with some."""
    for variant in (variant for variant in ablation.variants if not variant_search(variant, protocol)):
        record = records.get(cost_record_id(variant_model(ablation, variant, protocol), *COMMON_TERMS))
        if not_counted := format_not_counted(record.value.get("not_counted", {}) if record else {}):
            yield f"{variant.name}: {not_counted}"


def variant_gflops(ablation: Ablation, variant: Variant, protocol: str, records: Mapping[str, Record]) -> list[float]:
    """Return the GFLOPs of a variant's network, or of each seed's network where the variant is searched."""
    if config := variant_search(variant, protocol):
        return [search.samples["cost"] / 1000 for search in variant_searches(variant, config, records)]
    cost = common_gflops(variant_model(ablation, variant, protocol), records)
    return [] if cost is None else [cost]


def feature_maps_figure(statistics: Sequence[FeatureMapStats]) -> bytes:
    """Draw one Synthetic person's feature maps: a row per variant, a column per module, epoch and channel."""
    rows = list(dict.fromkeys(maps.variant for maps in statistics))
    columns = list(dict.fromkeys((maps.module, maps.epoch, n) for maps in statistics for n in range(len(maps.images))))
    with mpl.rc_context(STYLE):
        margin = max(text_width(name, 7) for name in rows) / 72 + 0.2
        width, height = 1.15 * len(columns) + margin, 1.15 * len(rows) + 0.4
        figure, grid = plt.subplots(len(rows), len(columns), figsize=(width, height))
        figure.subplots_adjust(left=margin / width, right=0.995, top=1 - 0.3 / height, bottom=0.02, wspace=0.06, hspace=0.06)
        panels = np.asarray(grid).reshape(len(rows), len(columns))
        for axes in panels.flat:
            axes.axis("off")
        for maps in statistics:
            for number, image in enumerate(maps.images):
                _draw_pixels(panels[rows.index(maps.variant), columns.index((maps.module, maps.epoch, number))], image)
        several_epochs = len({epoch for _, epoch, _ in columns}) > 1
        for (module, epoch, _), axes in zip(columns, panels[0], strict=True):
            axes.set_title(f"epoch {epoch}" if module == HEATMAPS and several_epochs else module, fontsize=6)
        for name, axes in zip(rows, panels[:, 0], strict=True):
            axes.text(-0.08, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=7)
        return svg(figure)


def _draw_pixels(axes: Axes, image: Sequence[str]) -> None:
    """Draw an image as squares, one path per grey level: unlike compressed images, paths are the same on every machine."""
    levels = np.array([[int(digit, GREY_LEVELS) for digit in row] for row in image])
    for level in range(GREY_LEVELS):
        corners = [
            [(start, y), (end, y), (end, y + 1), (start, y + 1), (start, y)]
            for y, row in enumerate(levels == level)
            for start, end in _true_runs(row)
        ]
        if corners:
            codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(corners)
            path = Path(np.concatenate(corners), codes)
            grey = str(level / (GREY_LEVELS - 1))
            axes.add_collection(PathCollection([path], facecolor=grey, edgecolor=grey, linewidth=0.2))
    height, width = levels.shape
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_aspect("equal")


def _true_runs(row: np.ndarray) -> list[tuple[int, int]]:
    """Return the start and the end of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def schedules_figure() -> bytes:
    """Draw the learning rates of the papers' own recipes by epoch, and the sigma of their targets."""
    with mpl.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
        figure.subplots_adjust(left=0.07, right=0.99, top=0.97, bottom=0.16, wspace=0.15)
        for style, paper in zip(series_styles(), load_papers().values(), strict=False):
            package = declarations().get(paper.id)  # a paper's tables may name networks of other packages alone
            recipe = next(iter(package.recipes.values()), None) if package else None
            if recipe is None:
                continue
            steps = recipe.epochs * STEPS_PER_EPOCH
            progress = np.arange(CURVE_POINTS + 1) / CURVE_POINTS
            rates = [rate_factor(recipe.schedule, round(done * steps), STEPS_PER_EPOCH, steps) for done in progress]
            label = f"{paper.short}: {recipe.name}"
            left.semilogy(recipe.epochs * progress, rates, linestyle=style.line, color=style.colour, linewidth=0.9, label=label)
        left.set_xlabel("epochs")
        left.set_ylabel("learning rate / maximum")
        left.legend(frameon=False, fontsize=6)
        for style, ((paper_name, side), schedule) in zip(series_styles(), _sigma_schedules().items(), strict=False):
            sigmas = [schedule(side, epoch / 100).sigma for epoch in range(101)]
            label = f"{paper_name}: {side}x{side} heatmap"
            right.step(range(101), sigmas, where="post", linestyle=style.line, color=style.colour, linewidth=1, label=label)
        right.set_xlabel("epochs, of 100")
        right.set_ylabel("sigma, heatmap pixels")
        right.legend(frameon=False, fontsize=6)
        return svg(figure)


def _sigma_schedules() -> dict[tuple[str, int], Callable[[int, float], Any]]:
    """Return the sigma schedules of the papers' own recipes by the paper's short name and the heatmap's side in pixels."""
    schedules = {}
    for paper in load_papers().values():
        package = declarations().get(paper.id)
        for recipe in package.recipes.values() if package else ():
            if recipe.dataset == "mpii" and recipe.target.sigma_schedule:
                side = parse_size(recipe.input)[0] // recipe.target.stride
                schedules[paper.short, side] = import_object(recipe.target.sigma_schedule)
    return dict(sorted(schedules.items()))
