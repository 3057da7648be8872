"""The pictures of the ablations: accuracy against cost, convergence, maps, and the schedules that recipes follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.path import Path

from benchmark.analysis.effects import EFFECT_METRICS, FeatureMapStats, accuracy_curve, variant_results, variant_searches
from benchmark.config.ablations import BUDGETS, GREY_LEVELS, HEATMAPS, Ablation, Variant, variant_model, variant_search
from benchmark.config.conventions import FLOPS
from benchmark.config.identities import COMMON_TERMS, cost_record_id
from benchmark.config.packages import declarations
from benchmark.config.schedules import rate_factor
from benchmark.core.input_size import parse_size
from benchmark.core.records import Record
from benchmark.models.registry import import_object
from benchmark.papers.tables import load_papers
from benchmark.report.plots import PAPER_COLOURS, STYLE, distinct_colours, svg

STEPS = 1000  # points on a schedule's curve
EXAMPLE = 100  # steps an epoch, where a schedule counts steps


def ablation_figure(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> bytes:
    """Accuracy against cost, a dot a seed, or with its interval over persons where there is one alone; and the mean accuracy
    over the epochs, where the variants were trained."""
    metric = EFFECT_METRICS[BUDGETS[protocol].dataset][0]
    with mpl.rc_context(STYLE):
        trained = any(not variant.weights for variant in ablation.variants)
        wide = 8 if trained else 4
        figure, panels = plt.subplots(1, 1 + trained, figsize=(wide, 2.8), sharey=True, squeeze=False)
        figure.subplots_adjust(left=0.56 / wide, right=1 - 0.08 / wide, top=0.97, bottom=0.16, wspace=0.05)
        left, right = panels[0, 0], panels[0, -1]
        for place, variant in enumerate(ablation.variants):
            colour = PAPER_COLOURS[place % len(PAPER_COLOURS)]
            runs = variant_results(ablation, variant, protocol, metric, records)
            costs = variant_gflops(ablation, variant, protocol, records) * len(runs)
            if not costs:
                continue
            costs, values = costs[: len(runs)], [run.value for run in runs]
            left.scatter(costs, values, s=8, color=colour, linewidths=0, alpha=0.6)
            if len(runs) == 1 and runs[0].interval:
                left.plot(costs * 2, runs[0].interval, color=colour, linewidth=1)
            left.scatter(
                [np.mean(costs)], [np.mean(values)], s=60, color=colour, marker="_", linewidths=1.5, label=variant.name
            )
            curves = [accuracy_curve(run, metric, records) for run in runs if trained]
            epochs = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
            if epochs:
                each = np.array([[curve[epoch] for epoch in epochs] for curve in curves])
                right.plot(epochs, each.mean(0), "o-", color=colour, markersize=2.5, linewidth=1)
                right.fill_between(epochs, each.min(0), each.max(0), color=colour, alpha=0.15, linewidth=0)
        left.set_xlabel("GFLOPs (hrnet)")
        left.set_ylabel(metric)
        left.legend(frameon=False, loc="best")
        if trained:
            right.set_xlabel("epochs")
            right.xaxis.get_major_locator().set_params(integer=True)
        for axes in panels.flat:
            axes.grid(alpha=0.25, linewidth=0.5)
        return svg(figure)


def common_gflops(model: str, records: Mapping[str, Record]) -> float | None:
    """What a network costs with the head and at the size at which all are compared."""
    record = records.get(cost_record_id(model, *COMMON_TERMS))
    return record.value["flops"]["hrnet"] / FLOPS["hrnet"].giga if record else None


def variant_gflops(ablation: Ablation, variant: Variant, protocol: str, records: Mapping[str, Record]) -> list[float]:
    """What a variant's network costs; of one that is searched, what each seed's does, as its search counted it."""
    if scale := variant_search(variant, protocol):
        return [found.samples["cost"] / 1000 for found in variant_searches(variant, scale, records)]
    cost = common_gflops(variant_model(ablation, variant, protocol), records)
    return [] if cost is None else [cost]


def maps_figure(looked: Sequence[FeatureMapStats]) -> bytes:
    """One Synthetic person's maps: a row a variant, a column an epoch or a place and channel."""
    rows = list(dict.fromkeys(look.variant for look in looked))
    columns = list(dict.fromkeys((look.module, look.epoch, n) for look in looked for n in range(len(look.images))))
    with mpl.rc_context(STYLE):
        wide, high = 1.15 * len(columns) + 0.6, 1.15 * len(rows) + 0.4
        figure, grid = plt.subplots(len(rows), len(columns), figsize=(wide, high))
        figure.subplots_adjust(left=0.6 / wide, right=0.995, top=1 - 0.3 / high, bottom=0.02, wspace=0.06, hspace=0.06)
        panels = np.asarray(grid).reshape(len(rows), len(columns))
        for axes in panels.flat:
            axes.axis("off")
        for look in looked:
            for number, picture in enumerate(look.images):
                axes = panels[rows.index(look.variant), columns.index((look.module, look.epoch, number))]
                _draw(axes, picture)
        for (place, epoch, _), axes in zip(columns, panels[0], strict=True):
            axes.set_title(f"epoch {epoch}" if place == HEATMAPS and len({e for _, e, _ in columns}) > 1 else place, fontsize=6)
        for name, axes in zip(rows, panels[:, 0], strict=True):
            axes.text(-0.08, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=7)
        return svg(figure)


def _draw(axes: Axes, picture: Sequence[str]) -> None:
    """Pixels as squares, all of one grey in one path: vectors are the same on every machine, a compressed picture is not."""
    levels = np.array([[int(digit, GREY_LEVELS) for digit in row] for row in picture])
    for level in range(GREY_LEVELS):
        corners = [
            [(start, y), (end, y), (end, y + 1), (start, y + 1), (start, y)]
            for y, row in enumerate(levels == level)
            for start, end in _spans(row)
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


def _spans(row: np.ndarray) -> list[tuple[int, int]]:
    """Where true stretches begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def schedules_figure() -> bytes:
    """Learning rates of the papers' own recipes over the training, and EfficientPose's sigma."""
    with mpl.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.8))
        figure.subplots_adjust(left=0.07, right=0.99, top=0.97, bottom=0.16, wspace=0.15)
        schedules = _sigma_schedules()
        for colour, paper in zip(distinct_colours(), load_papers().values(), strict=False):
            package = declarations().get(paper.id)  # a paper's tables may name networks of other packages alone
            recipe = next(iter(package.recipes.values()), None) if package else None
            if recipe is None:
                continue
            steps = recipe.epochs * EXAMPLE
            places = np.arange(STEPS + 1) / STEPS
            rates = [rate_factor(recipe.schedule, round(place * steps), EXAMPLE, steps) for place in places]
            left.semilogy(recipe.epochs * places, rates, color=colour, linewidth=0.9, label=f"{paper.short}: {recipe.name}")
        left.set_xlabel("epochs")
        left.set_ylabel("learning rate, of the largest")
        left.legend(frameon=False, fontsize=6)
        for colour, size in zip(distinct_colours(), schedules, strict=False):
            sigmas = [schedules[size](size, epoch / 100).sigma for epoch in range(101)]
            right.step(range(101), sigmas, where="post", color=colour, linewidth=1, label=f"{size} pixels")
        right.set_xlabel("epochs of 100")
        right.set_ylabel("EfficientPose: sigma, pixels of the map")
        right.legend(frameon=False, fontsize=6)
        return svg(figure)


def _sigma_schedules() -> dict[int, Callable[[int, float], Any]]:
    """Return the sigma schedules of the papers' own recipes by the side of the heatmap in pixels."""
    found = {}
    for package in (declarations()[paper] for paper in load_papers() if paper in declarations()):
        for recipe in package.recipes.values():
            if recipe.dataset == "mpii" and recipe.target.sigma_schedule:
                side = parse_size(recipe.input)[0] // recipe.target.stride
                found[side] = import_object(recipe.target.sigma_schedule)
    return dict(sorted(found.items()))
