"""Show every ablation: cost and accuracy of each variant, and each printed difference beside the measured one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmark.analysis.effects import (
    EFFECT_METRICS,
    Effect,
    convergence,
    feature_map_stats,
    format_spread,
    mean_pose_accuracy,
    measure_effects,
    seed_count_label,
    variant_results,
    variant_runs,
)
from benchmark.config.ablations import (
    BUDGETS,
    Ablation,
    Budget,
    Variant,
    known_ablations,
    missing_recipe,
    variant_model,
    variant_recipe,
    variant_search,
)
from benchmark.config.identities import COMMON_TERMS, cost_record_id
from benchmark.core.input_size import parse_size
from benchmark.core.records import Record
from benchmark.ledger.accuracy import ablation_rows
from benchmark.papers.tables import Table, load_papers
from benchmark.report.ablation_plots import (
    ablation_figure,
    common_gflops,
    feature_maps_figure,
    schedules_figure,
    variant_gflops,
)
from benchmark.report.markdown import grid, page

EFFECT_HEADER = ("comparison", "metric", "measured, points", "printed, points", "direction")


def ablations_page(records: Mapping[str, Record]) -> str:
    """Return ``reports/ablations.md``."""
    ablations = known_ablations()
    effects: dict[tuple[str, str], list[Effect]] = {
        (name, protocol): measure_effects(ablation, protocol, records)
        for name, ablation in ablations.items()
        for protocol in _trainable_protocols(ablation)
    }
    with_interval = [effect for compared in effects.values() for effect in compared if effect.interval is not None]
    excluding_zero = sum(effect.judged in ("agrees", "opposite") for effect in with_interval)
    blocks = [
        "# Ablations",
        "All variants of an ablation are trained by the same recipe with several seeds, and tested on the same people. Each "
        "difference has a 95 % interval over people and seeds: Student's, from the spread of the runs and from bootstrap "
        "replicates that draw the same people for every run. A direction *agrees* if the interval excludes zero on the side "
        "that the paper prints, is *opposite* if it excludes zero on the other side, and is *within noise* otherwise. If "
        "neither variant exceeds the mean pose, there is *nothing learned*, and no direction is judged. A small protocol "
        "shows the direction of an effect for its own data and training length; it never counts as a match of a printed value.",
        f"Of {len(with_interval)} comparisons with an interval, {excluding_zero} exclude zero. Without any effect, one in "
        "twenty would do so by chance.",
        grid(
            ("protocol", "shared by all variants", "mean pose, which ignores the image"),
            [(f"`{name}`", budget.description, _mean_pose(budget, records)) for name, budget in BUDGETS.items()],
        ),
        "## Overview",
        _overview(ablations, effects),
        "## Schedules of learning rate and sigma",
        "Learning rates of the papers' own recipes as a fraction of the maximum, and the sigma of their targets, where it "
        "changes, by heatmap size. All recipes are listed in full on [their page](recipes.md).",
        "![learning rates and sigma by epoch](figures/schedules.svg)",
    ]
    for name, ablation in ablations.items():
        own_effects = {protocol: compared for (ablated, protocol), compared in effects.items() if ablated == name}
        blocks += _section(ablation, own_effects, records)
    return page(*blocks)


def _trainable_protocols(ablation: Ablation) -> list[str]:
    """List the protocols on real images under which all variants can be trained."""
    return [protocol for protocol in _real_image_protocols(ablation) if not missing_recipe(ablation, protocol)]


def _real_image_protocols(ablation: Ablation) -> list[str]:
    return [protocol for protocol in ablation.protocols if protocol != "synthetic"]


def _is_run(effects: Sequence[Effect]) -> bool:
    return any(effect.difference is not None for effect in effects)


def _overview(ablations: Mapping[str, Ablation], effects: Mapping[tuple[str, str], Sequence[Effect]]) -> str:
    """List every comparison that was run in one table, and below it the ablations without any."""
    rows = []
    for (name, protocol), compared in effects.items():
        measured = [effect for effect in compared if effect.difference is not None]
        rows += [(_link(ablations[name]), f"`{protocol}`", *row) for row in _effect_rows(measured)]
    run = {name for (name, _), compared in effects.items() if _is_run(compared)}
    not_run = [_link(ablation) for name, ablation in ablations.items() if name not in run]
    table = grid(("ablation", "protocol", *EFFECT_HEADER), rows)
    return table + (f"\n\nNot run, with commands and effort in their sections: {', '.join(not_run)}." if not_run else "")


def _link(ablation: Ablation) -> str:
    return f"[{ablation.title}](#{ablation.title.lower().replace(' ', '-')})"


def _mean_pose(budget: Budget, records: Mapping[str, Record]) -> str:
    """Format the accuracy of the mean pose of a small protocol's training crops."""
    metric = EFFECT_METRICS.get(budget.dataset, ("", ""))[0]
    value = mean_pose_accuracy(budget.overrides.get("name", ""), metric, records)
    return "" if value is None else f"{value:.2f} {metric}"


def _section(ablation: Ablation, effects: Mapping[str, Sequence[Effect]], records: Mapping[str, Record]) -> list[str]:
    blocks = [
        f"## {ablation.title}",
        f"{_source(ablation)}: {ablation.description}. Plan: `ablations/{ablation.name}.py`.",
    ]
    for protocol, compared in effects.items():
        if _is_run(compared):
            blocks += [f"### `{protocol}`", _variants(ablation, protocol, records), grid(EFFECT_HEADER, _effect_rows(compared))]
            blocks += _learning_rates(ablation, protocol, records)
            blocks += _convergence(ablation, protocol, records)
            blocks.append(f"![accuracy against cost, and by epoch](figures/{figure_name(ablation, protocol)})")
            blocks += _feature_maps(ablation, protocol, records)
    not_run = [protocol for protocol, compared in effects.items() if not _is_run(compared)]
    if not_run:
        if len(not_run) == len(effects):
            blocks.append(_variant_costs(ablation, records))
        command = f"python -m benchmark.ablate {ablation.name} --protocol"
        rows = [(f"`{command} {protocol}`", *_effort(ablation, protocol, records)) for protocol in not_run]
        blocks += ["Not run:", grid(("command", "runs", "training images", "operations of forward passes"), rows)]
    for protocol in _real_image_protocols(ablation):
        if reason := missing_recipe(ablation, protocol):
            blocks.append(f"Cannot be run under `{protocol}`: {reason}.")
    return blocks


def _source(ablation: Ablation) -> str:
    """Link the paper whose table the ablation repeats, if it repeats one."""
    if not ablation.paper:
        return "From no paper"
    paper = load_papers()[ablation.paper]
    return ", ".join([f"[{paper.short}]({ablation.paper}.md)", *([f"`{ablation.table}`"] if ablation.table else [])])


def _effort(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> tuple[str, str, str]:
    """Return what a protocol takes: runs, training images, and operations of the forward passes, scaled by the input area."""
    runs, images, operations = 0, 0.0, 0.0
    for variant in ablation.variants:
        if variant.weights:
            continue
        recipe, _ = variant_recipe(ablation, variant, protocol)
        config = variant_search(variant, protocol)
        seen = BUDGETS[protocol].seeds * (recipe.epochs * recipe.num_people + (config.images if config else 0))
        height, width = parse_size(recipe.input)
        common_height, common_width = parse_size(COMMON_TERMS[1])
        gflops = math.nan if config else common_gflops(variant_model(ablation, variant, protocol), records) or math.nan
        runs += BUDGETS[protocol].seeds
        images += seen
        operations += seen * gflops * height * width / (common_height * common_width)
    return str(runs), f"{images / 1e6:.1f} M", "" if math.isnan(operations) else f"{operations / 1e3:,.0f} TFLOPs (hrnet)"


def ablation_rows_grid(paper: str, table: Table, records: Mapping[str, Record]) -> str:
    """Format a paper's ablation table with the results of our runs beside the printed values, one column per protocol."""
    rows: list[tuple[str, str, str, dict[str, str]]] = []
    for cell in table.cells():
        ablation, variant = ablation_rows().get((paper, table.id, cell.row.id), (None, None))
        if not ablation or not variant or cell.column.metric not in ("pckh", "ap") or cell.column.part != "mean":
            continue
        results: dict[str, str] = {}
        for protocol in _trainable_protocols(ablation):
            metric = EFFECT_METRICS[BUDGETS[protocol].dataset][cell.column.threshold == 0.1]
            if spread := _spread(ablation, variant, protocol, metric, records):
                results[protocol] = f"{spread}<br>{metric}"
        rows.append((variant.name, cell.column.header, cell.printed, results))
    run = [protocol for protocol in BUDGETS if any(protocol in results for *_, results in rows)]
    if not run:
        return ""
    cells = [(*printed, *(results.get(protocol, "") for protocol in run)) for *printed, results in rows]
    return grid(("variant", "metric", "printed", *(f"`{protocol}`" for protocol in run)), cells)


def figure_name(ablation: Ablation, protocol: str, content: str = "ablation") -> str:
    """Return the name of a figure's file in ``reports/figures``."""
    return f"{content}-{ablation.name}-{protocol}.svg"


def ablation_figures(records: Mapping[str, Record]) -> dict[str, bytes]:
    """Draw every figure of the page, by the name of its file in ``reports/figures``."""
    figures = {"schedules.svg": schedules_figure()}
    for ablation in known_ablations().values():
        for protocol in _trainable_protocols(ablation):
            if _is_run(measure_effects(ablation, protocol, records)):
                figures[figure_name(ablation, protocol)] = ablation_figure(ablation, protocol, records)
            statistics = feature_map_stats(ablation, protocol, records)
            if any(maps.images for maps in statistics):
                figures[figure_name(ablation, protocol, "maps")] = feature_maps_figure(statistics)
    return figures


def _learning_rates(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[str]:
    """Describe the runs of the first variant at other learning rates, one seed each."""
    first, metric = ablation.variants[0], EFFECT_METRICS[BUDGETS[protocol].dataset][0]
    usual = variant_runs(ablation, first, protocol, metric, records)[:1]
    runs_by_rate = {rate: variant_runs(ablation, first, protocol, metric, records, rate) for rate in ablation.rates}
    if not usual or not any(runs_by_rate.values()):
        return []
    runs = {1.0: usual} | {rate: runs for rate, runs in runs_by_rate.items() if runs}
    values = ", ".join(f"{rate_runs[0].value:.2f} at {rate:g} times the rate" for rate, rate_runs in sorted(runs.items()))
    return [f"Check of the learning rate with variant *{first.name}* and the first seed: {metric} is {values}."]


def _convergence(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[str]:
    """Show the epochs that variants need to reach the final accuracy of another, one table per variant that is reached."""
    tables: dict[tuple[str, float], dict[str, str]] = {}
    for comparison in ablation.comparisons:
        if comparison.converges_faster and (result := convergence(ablation, comparison, protocol, records)):
            threshold, epochs = result
            tables.setdefault((comparison.worse, threshold), {}).update(
                (name, ", ".join("not reached" if epoch is None else f"{epoch:.2f}" for epoch in by_seed))
                for name, by_seed in epochs.items()
            )
    blocks = []
    for (reference, threshold), rows in tables.items():
        blocks += [
            f"Epochs until the accuracy reaches {threshold:.2f}, the mean final accuracy of *{reference}*, with linear "
            "interpolation between the tests after each epoch:",
            grid(("variant", "epochs, by seed"), list(rows.items())),
        ]
    return blocks


def _feature_maps(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[str]:
    statistics = feature_map_stats(ablation, protocol, records)
    if not statistics:
        return []
    rows = []
    for maps in statistics:
        decimals = {"checkerboard": 2, "peak": 3, "sigma": 2}
        values = [_mean_and_deviation(maps.values[name], places) for name, places in decimals.items()]
        rows.append((maps.variant, f"`{maps.module}`", maps.epoch, *values))
    return [
        "Statistics of feature maps and heatmaps on the first 200 test people, as mean and standard deviation over seeds: the "
        "share of spectral energy at half a cycle per pixel, where a stride of 2 leaves its checkerboard (white noise has 8 % "
        "there at 24x24); the peak of the heatmaps; and the sigma of a Gaussian that is as wide as they are.",
        grid(("variant", "module", "epoch", "checkerboard, %", "peak", "sigma, pixels"), rows),
        f"![feature maps of one Synthetic person](figures/{figure_name(ablation, protocol, 'maps')})",
    ]


def _mean_and_deviation(values: Sequence[float], decimals: int) -> str:
    if len(values) < 2:
        return "".join(f"{value:.{decimals}f}" for value in values)
    return f"{np.mean(values):.{decimals}f} ± {np.std(values, ddof=1):.{decimals}f}"


def _variant_costs(ablation: Ablation, records: Mapping[str, Record]) -> str:
    rows = [
        (variant.name, "found by a search", "", "")
        if variant.scale
        else (variant.name, f"`{variant.model}`", *_common_cost(variant.model, records))
        for variant in ablation.variants
    ]
    return grid(("variant", "network", "parameters", "GFLOPs (hrnet)"), rows)


def _variants(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> str:
    metrics = list(dict.fromkeys(EFFECT_METRICS[BUDGETS[protocol].dataset]))
    rows = []
    for variant in ablation.variants:
        accuracies = [_spread(ablation, variant, protocol, metric, records) for metric in metrics]
        if config := variant_search(variant, protocol):
            costs = variant_gflops(ablation, variant, protocol, records)
            network = f"found by a search with config `{config.name}`", "", f"{np.mean(costs):.3f}" if costs else ""
        else:
            model = variant_model(ablation, variant, protocol)
            network = f"`{model}`", *_common_cost(model, records)
        rows.append((variant.name, *network, *accuracies))
    return grid(("variant", "network", "parameters", "GFLOPs (hrnet)", *metrics), rows)


def _common_cost(model: str, records: Mapping[str, Record]) -> tuple[str, str]:
    """Format parameters and GFLOPs with the head and at the input size at which all networks are compared."""
    record = records.get(cost_record_id(model, *COMMON_TERMS))
    if record is None:
        return "", ""
    return f"{record.value['params']['trainable'] / 1e6:.3f} M", f"{common_gflops(model, records):.3f}"


def _spread(ablation: Ablation, variant: Variant, protocol: str, metric: str, records: Mapping[str, Record]) -> str:
    """Format a variant's results: mean, deviation, and the number of seeds."""
    runs = variant_results(ablation, variant, protocol, metric, records)
    label = "published weights" if variant.weights else seed_count_label(runs)
    return f"{format_spread(runs)} ({label})" if runs else ""


def _effect_rows(effects: Sequence[Effect]) -> Iterator[tuple[str, ...]]:
    for effect in effects:
        difference = "" if effect.difference is None else f"{effect.difference:+.2f}"
        interval = "[{:+.2f}, {:+.2f}]".format(*effect.interval) if effect.interval else ""
        printed = "" if effect.printed is None else f"{effect.printed:+.3g}"
        pair = f"{effect.comparison.better} over {effect.comparison.worse}"
        yield pair, effect.metric, f"{difference} {interval}".strip(), printed, effect.judged
