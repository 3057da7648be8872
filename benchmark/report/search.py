"""Show every architecture search: the architecture that it found, the best of as much random search, and its course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.analysis.judgement import format_difference, format_p_value, format_power
from benchmark.analysis.runs import mean_pose_accuracy
from benchmark.analysis.searches import (
    SearchEffect,
    SearchGroup,
    printed_search_difference,
    search_effects,
    search_groups,
)
from benchmark.config.packages import architecture_format_of, known_searches
from benchmark.config.searches import RANDOM, SEARCHED, WEIGHTS_PHASE, DiagramBox, SearchConfig
from benchmark.core.records import Record, select
from benchmark.core.text import escape_markdown
from benchmark.papers.tables import load_papers
from benchmark.report.lookup_tables import FoundArchitecture, lookup_figure, lookup_figure_name, lookup_records, lookup_section
from benchmark.report.markdown import code, grid, page
from benchmark.report.plots import SERIES_STYLES, STYLE, SeriesStyle, svg

STRATEGY_STYLES: Mapping[str, SeriesStyle] = {SEARCHED: SERIES_STYLES[0], RANDOM: SERIES_STYLES[1]}
SHADES = ("#cfe3f1", "#7fb2d6", "#0072b2")
LINE_STYLES = ("-", "--", ":")


def _found_architectures(package: str, groups: Sequence[SearchGroup]) -> list[FoundArchitecture]:
    """Return all architectures that a package's searches found."""
    return [
        FoundArchitecture(_describe_search(record), strategy, record)
        for group in groups
        if group.package == package
        for strategy, runs in group.ends.items()
        for record in runs
    ]


def _describe_search(record: Record) -> str:
    setting = record.setting
    device = f" on {record.device}" if record.device else ""
    return f"{setting['config']} {setting['config_version']}, cost {setting['cost']}{device}"


# --- the page ----------------------------------------------------------------------------------------------------------------


def search_page(records: Mapping[str, Record]) -> str:
    """Return ``reports/search.md``."""
    groups, papers = search_groups(records), load_papers()
    effects = list(zip(groups, search_effects(groups, records), strict=True))
    blocks = [
        "# Architecture search",
        "A search trains a super-network and derives an architecture from it. Beside it, a random search sees the same number "
        "of images and considers only architectures of about the same cost. The searched architecture and the best one of "
        "random search are then trained by the same recipe with the same seeds, and tested on the same people. Intervals of "
        "single networks are over people alone. The difference has an interval over people and seeds where there are several "
        "seeds, each with a search of its own. Its direction is judged by the [rules for ablations](ablations.md), among all "
        "searches on this page. A search with a small config shows how the method behaves at that size; it says nothing about "
        "any printed accuracy.",
    ]
    for package, configs in known_searches().items():
        shown_configs = [config for config in configs.values() if not config.dataset.startswith("synthetic")]
        blocks.append(f"## {papers[package].short if package in papers else package}")
        for group, effect in effects:
            if group.package == package:
                blocks += _group_section(group, effect, records)
        blocks += lookup_section(package, lookup_records(package, records), _found_architectures(package, groups))
        blocks += ["### Configs", "The configs differ in data and size.", _configs(package, shown_configs, records)]
        blocks += ["### Assumptions", "Choices that the paper does not specify.", _assumptions(shown_configs)]
    return page(*blocks)


def _configs(package: str, configs: Sequence[SearchConfig], records: Mapping[str, Record]) -> str:
    rows = []
    for config in configs:
        runs = select(records, kind="search", subject=package, config=config.name)
        versions = sorted({run.setting["config_version"] for run in runs})
        printed = printed_search_difference(package, config.name)
        command = f"`python -m benchmark.search {package} --dataset {config.dataset} --scale {config.name} --cost flops`"
        earlier = f"not run as version {config.version}, but as {', '.join(map(str, versions))}" if versions else "not run"
        status = "run" if config.version in versions else earlier
        difference = "" if printed is None else f"{printed:+.2f}"
        rows.append((code(config.name), config.description, command, config.seeds, difference, status))
    return grid(("config", "description", "command", "planned seeds", "searched minus random, printed", "status"), rows)


def _group_section(group: SearchGroup, effect: SearchEffect, records: Mapping[str, Record]) -> list[str]:
    first = next(record for runs in group.ends.values() for record in runs)
    metric, unit = first.metric, first.samples["unit"]
    rows = []
    for strategy, runs in group.ends.items():
        for record in runs:
            samples = record.samples
            accuracy = f"{record.value:.2f}" + (" [{:.2f}, {:.2f}]".format(*record.interval) if record.interval else "")
            images = f"{samples['images']:,} in {samples['seconds'] / 60:.0f} min"
            rows.append((strategy, record.seed, code(samples["model"]), f"{samples['cost']:.4g}", accuracy, images))
    floor = mean_pose_accuracy(metric, records, dataset=first.dataset, split=first.split)
    mean_pose = "" if floor is None else f"The mean pose, a baseline that ignores the image, reaches {floor:.2f}."
    return [
        f"### {group.label}" + (f", {escape_markdown(group.device)}" if group.device else ""),
        grid(("architecture", "seed", "network", unit, f"{metric} on {first.dataset}, over people", "images seen"), rows),
        _describe_difference(effect),
        mean_pose,
        f"![architectures; course of the search; accuracy](figures/{group.file})",
        "The bars of the accuracies are 95 % intervals over people alone.",
        *(_architecture_text(record) for record in group.ends.get(SEARCHED, ())[:1]),
    ]


def _describe_difference(effect: SearchEffect) -> str:
    if effect.difference is None:
        return "The difference needs both architectures of the same seed."
    row = (
        format_power(effect.judgement),
        format_difference(effect.difference, effect.estimate),
        effect.seeds,
        "" if effect.printed is None else f"{effect.printed:+.3g}",
        format_p_value(effect.judgement),
        str(effect.judgement),
    )
    return grid(("power", "searched minus random, points", "seeds", "printed, points", "p, Holm", "direction"), [row])


def _architecture_text(record: Record) -> str:
    return f"The searched architecture of seed {record.seed}:\n\n```\n{record.samples['architecture'].strip()}\n```"


def _assumptions(configs: Sequence[SearchConfig]) -> str:
    """List each assumption once, with the configs that make it."""
    names: dict[tuple[str, str, str], list[str]] = {}
    for config in configs:
        for assumption in config.assumptions:
            key = (assumption.unspecified, assumption.choice, assumption.source)
            names.setdefault(key, []).append(code(config.name))
    rows = [(*key, "all" if len(made_by) == len(configs) else " ".join(made_by)) for key, made_by in names.items()]
    return grid(("unspecified", "choice", "source", "configs"), rows)


# --- its figures -------------------------------------------------------------------------------------------------------------


def search_figures(records: Mapping[str, Record]) -> dict[str, bytes]:
    """Draw every figure of the page, by the name of its file in ``reports/figures``."""
    groups = search_groups(records)
    tables = {package: lookup_records(package, records) for package in known_searches()}
    with mpl.rc_context(STYLE):
        return {group.file: svg(_draw_search(group)) for group in groups} | {
            lookup_figure_name(package): svg(lookup_figure(validated, _found_architectures(package, groups)))
            for package, validated in tables.items()
            if validated
        }


def _draw_search(group: SearchGroup) -> Figure:
    """Draw the first seed's architectures, the course of the search by epoch, and the final accuracies with their intervals."""
    figure = plt.figure(figsize=(9, 4.4))
    firsts = {strategy: runs[0] for strategy, runs in group.ends.items()}
    upper = figure.add_gridspec(len(firsts), 1, left=0.15, right=0.99, top=0.99, bottom=0.58, hspace=0.15)
    for row, (strategy, record) in enumerate(firsts.items()):
        boxes = architecture_format_of(group.package).diagram(record.samples["architecture"])
        _draw_architecture(figure.add_subplot(upper[row, 0]), boxes, f"{strategy}\nseed {record.seed}")
    lower = figure.add_gridspec(1, 4, left=0.085, right=0.99, top=0.53, bottom=0.11, wspace=0.5)
    entropy_axes, held_out_axes, cost_axes, final_axes = (figure.add_subplot(lower[0, column]) for column in range(4))
    searched, first = group.ends.get(SEARCHED, ()), next(iter(firsts.values()))
    unit = first.samples["unit"]
    names = list(dict.fromkeys(name for record in searched for _, values in record.samples["curves"] for name in values))
    held_out_names = [name for name in names if name.endswith(" accuracy") and not name.startswith(WEIGHTS_PHASE)]
    _draw_curves(entropy_axes, searched, [name for name in names if name.startswith("entropy")])
    _draw_curves(held_out_axes, searched, held_out_names)
    _draw_curves(cost_axes, searched, ["expected cost"])
    entropy_axes.set_ylabel("entropy / maximum entropy")
    held_out_axes.set_ylabel("accuracy of the shared weights\non held-out people, %")
    cost_axes.set_ylabel(f"expected cost, {unit}")
    for strategy, runs in group.ends.items():
        values = np.array([record.value for record in runs])
        costs = [record.samples["cost"] for record in runs]
        bounds = np.array([record.interval or (record.value, record.value) for record in runs])
        errors = np.abs(bounds - values[:, None]).T
        style = STRATEGY_STYLES[strategy]
        drawn = final_axes.errorbar(
            costs, values, yerr=errors, fmt=style.marker, markersize=3, linewidth=1, color=style.colour, label=strategy
        )
        drawn[0].set_label(f"_{strategy}")
    final_axes.set_xlabel(f"cost, {unit}")
    final_axes.set_ylabel(first.metric)
    final_axes.legend(frameon=False, fontsize=6, loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)
    return figure


def _draw_curves(axes: Axes, searched: Sequence[Record], names: Sequence[str]) -> None:
    """Draw values of all seeds by epoch, one line style per name."""
    for name, line in zip(names, LINE_STYLES, strict=False):
        for number, record in enumerate(searched):
            curve = [(epoch, values[name]) for epoch, values in record.samples["curves"] if name in values]
            label = name if len(names) > 1 and not number else f"_{name}, seed {record.seed}"
            if curve:
                colour = STRATEGY_STYLES[SEARCHED].colour
                axes.plot(*zip(*curve, strict=True), line, color=colour, linewidth=1, alpha=0.8, label=label)
    if len(names) > 1:
        axes.legend(frameon=False, fontsize=6)
    axes.set_xlabel("epochs")
    axes.grid(alpha=0.25, linewidth=0.5)


def _draw_architecture(axes: Axes, boxes: Sequence[DiagramBox], name: str) -> None:
    """Draw an architecture from the boxes of its package's diagram."""
    axes.axis("off")
    axes.text(-0.01, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=6)
    for box in boxes:
        if box.height:
            corner = (box.x, box.y - box.height / 2)
            axes.add_patch(plt.Rectangle(corner, 0.9, box.height, facecolor=SHADES[box.shade], linewidth=0))
            text_colour = str(int(box.shade == len(SHADES) - 1))
            axes.text(box.x + 0.45, box.y, box.label, ha="center", va="center", fontsize=5, color=text_colour)
        else:
            axes.plot([box.x, box.x + 0.9], [box.y, box.y], color="#999999", linewidth=1)
    axes.set_xlim(0, max((box.x + 1 for box in boxes), default=1.0))
    axes.set_ylim(-0.05, 1.05)
