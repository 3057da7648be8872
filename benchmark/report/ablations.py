"""Show every ablation: cost and accuracy of each variant, and each printed difference beside the measured one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmark.analysis.convergence import convergence
from benchmark.analysis.effects import Effect, Effects, is_judged
from benchmark.analysis.feature_maps import feature_map_stats
from benchmark.analysis.judgement import Word, format_difference, format_p_value, format_power
from benchmark.analysis.runs import (
    EFFECT_METRICS,
    format_spread,
    mean_pose_accuracy,
    published_protocol,
    seed_count_label,
    variant_results,
)
from benchmark.analysis.trials import TRIAL_METRIC, family_trials
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
from benchmark.config.identities import COMMON_TERMS, cost_record_id, describe_setting
from benchmark.config.judgement import MIN_POWER
from benchmark.config.recipes import without_average
from benchmark.core.inference import LEVEL
from benchmark.core.input_size import parse_size
from benchmark.core.records import Record, select
from benchmark.papers.tables import Table, load_papers
from benchmark.report.ablation_plots import (
    ablation_figure,
    common_gflops,
    feature_maps_figure,
    forest_figure,
    schedules_figure,
    variant_gflops,
)
from benchmark.report.conclusions import conclusion
from benchmark.report.markdown import code, grid, heading_anchor, page

EFFECT_HEADER = ("power", "comparison", "metric", "measured, points", "printed, points", "p, Holm", "direction")

RULES = f"""\
A direction *agrees* with the printed one or is *opposite* only where all of this holds. Otherwise it is *not judged*, for the
reasons given.

- Both variants were trained for the comparison, and every run of both is better than the mean pose, beyond its 95 % interval
  over people.
- Both were trained at the best learning rate of their family: a lower and a higher rate were tried and are worse, and a third
  more epochs gain less than a point, all on people held out of training. Under a paper's own recipe, the variants that it
  prints need no check, since the printed difference is that at the paper's rate.
- The power is at least {100 * MIN_POWER:.0f} %: the probability to find a true difference of the printed size. The printed
  difference is taken as points of the metric that is measured, which may be another metric on another dataset.
- The p-value of no difference is at most {100 * LEVEL:.0f} % by Holm's procedure, among all comparisons on this page that have
  an interval and are of networks trained for themselves.

A direction holds for its own data, metric and training length. It says nothing about any printed accuracy, and nothing about
the size of the printed difference."""

WORDS: Mapping[Word, str] = {"agrees": "agree", "opposite": "are opposite", "not judged": "are not judged"}
FOREST_NOTE = (
    "Each row is a difference in the direction that the paper finds or claims: printed (open), and measured here with its 95 % "
    "interval, in points of the accuracies that the tables below name. On the right, the power to find the printed difference."
)
FIGURE_NOTE = (
    "A dot is a seed, a dash the mean of the seeds, and a band their range, which is no interval. The bar of a single result "
    "is its 95 % interval over people."
)


def ablations_page(records: Mapping[str, Record], effects: Effects) -> str:
    """Return ``reports/ablations.md``."""
    ablations = known_ablations()
    by_ablation = {
        name: {protocol: compared for (ablated, protocol), compared in effects.items() if ablated == name} for name in ablations
    }
    conclusions = {name: text for name, ablation in ablations.items() if (text := conclusion(ablation, by_ablation[name]))}
    blocks = [
        "# Ablations",
        "![printed and measured differences, with their intervals and power](figures/ablations.svg)",
        FOREST_NOTE,
        "## Conclusions",
        "\n".join(f"- {_link(ablations[name])}: {text}" for name, text in conclusions.items()) or "No ablation was run.",
        "## How they are compared",
        "All variants of an ablation are trained by the same recipe with several seeds, and tested on the same people. Each "
        "difference has a 95 % interval over people and seeds, from the components of the variance: bootstrap replicates that "
        "draw the same people for every run, and the spread of the runs, with Satterthwaite's degrees of freedom. Where both "
        "variants are the same published weights, there is a single training: the interval is over people alone, and holds for "
        "these weights. Accuracies are means ± standard deviations over seeds.",
        RULES,
        _family(effects),
        *_pairing(effects),
        *_averages(records),
        grid(
            ("protocol", "shared by all variants", "mean pose, which ignores the image"),
            [(code(name), budget.description, _mean_pose(budget, records)) for name, budget in BUDGETS.items()],
        ),
        "## Overview",
        _overview(ablations, effects),
        "## Schedules of learning rate and sigma",
        "Learning rates of the papers' own recipes as a fraction of the maximum, and the sigma of their targets, where it "
        "changes, by heatmap size. All recipes are listed in full on [their page](recipes.md).",
        "![learning rates and sigma by epoch](figures/schedules.svg)",
    ]
    for name, ablation in ablations.items():
        blocks += _section(ablation, by_ablation[name], records, conclusions.get(name, ""))
    return page(*blocks, *_replaced(records))


def _pairing(effects: Effects) -> list[str]:
    """Say how much narrower intervals are because runs with the same seed are pairs."""
    shares = [
        effect.estimate.error / effect.unpaired.error
        for compared in effects.values()
        for effect in compared
        if effect.estimate and effect.unpaired and effect.estimate != effect.unpaired
    ]
    if not shares:
        return []
    narrower = sum(share < 1 for share in shares)
    return [
        "Under `lsp` and `lsp-gpu` the runs of one seed see the same people in the same order and the same views, and start "
        "from the same weights in the layers that the variants have in common. As pairs, "
        f"{narrower} of {len(shares)} differences have a smaller standard error than as independent runs; the median ratio is "
        f"{np.median(shares):.2f}, from {min(shares):.2f} to {max(shares):.2f}."
    ]


def _averages(records: Mapping[str, Record]) -> list[str]:
    """Say what testing the moving average of the weights changes."""
    metric = EFFECT_METRICS["lsp"][0]
    gains = [
        final[metric] - final[without_average(metric)]
        for record in select(records, kind="training")
        if without_average(metric) in (final := record.samples["figures"][-1][1])
    ]
    if not gains:
        return []
    return [
        "There, the network that is tested has an exponential moving average of the weights. No paper uses one; it is added "
        "because the last weights of a short training depend on its last few batches, which widens every interval. Over "
        f"{len(gains)} runs the average has {np.mean(gains):+.2f} points of {metric} more than the last weights (standard "
        f"deviation {np.std(gains):.2f}, from {min(gains):+.2f} to {max(gains):+.2f})."
    ]


def _replaced(records: Mapping[str, Record]) -> list[str]:
    """List the runs of plans that were replaced: those under the short protocol, and those that no present plan uses."""
    metric = EFFECT_METRICS["lsp"][0]
    name = BUDGETS["smoke"].overrides["name"]
    runs: dict[tuple[str, str], list[Record]] = {}
    for record in select(records, kind="accuracy", dataset="lsp", metric=metric):
        if record.setting["recipe"] == name:
            runs.setdefault((record.subject, describe_setting(record)), []).append(record)
    rows = [
        (code(model), setting, seed_count_label(group), format_spread(group))
        for (model, setting), group in sorted(runs.items())
    ]
    if not rows:
        return []
    return [
        "## Plans that were replaced",
        "Earlier plans trained for three epochs (now `smoke`), some from scratch or at other learning rates. Three epochs are "
        "far from convergence, so no direction is read from these runs; they stay here because they were made.",
        grid(("network", "training", "runs", metric), rows),
    ]


def _family(effects: Effects) -> str:
    """Count the comparisons that are tested together, and say how they depend on each other."""
    family = [effect for compared in effects.values() for effect in compared if effect.judgement.p_value is not None]
    words = [effect.judgement.word for effect in family]
    sharing = sum(any(effect.trainings & other.trainings for other in family if other is not effect) for effect in family)
    counts = ", ".join(f"{words.count(word)} {text}" for word, text in WORDS.items())
    return (
        f"Of {len(family)} comparisons that are tested, {counts}. {sharing} are correlated, because they share trained "
        "networks with another one, as a common baseline or under a second threshold. Holm's procedure allows any dependence, "
        "at the price of some power. The power given is that of its first step, a test at "
        f"{100 * LEVEL:.0f} % / {len(family) or 1}."
    )


def _is_run(effects: Sequence[Effect]) -> bool:
    return any(effect.difference is not None for effect in effects)


def _overview(ablations: Mapping[str, Ablation], effects: Effects) -> str:
    """List every comparison that was run in one table, and below it the ablations without any."""
    rows = []
    for (name, protocol), compared in effects.items():
        measured = [effect for effect in compared if effect.difference is not None]
        rows += [(power, _link(ablations[name]), *row) for power, *row in _effect_rows(protocol, measured)]
    run = {name for (name, _), compared in effects.items() if _is_run(compared)}
    not_run = [_link(ablation) for name, ablation in ablations.items() if name not in run]
    table = grid((EFFECT_HEADER[0], "ablation", *EFFECT_HEADER[1:]), rows)
    return table + (f"\n\nNot run, with commands and effort in their sections: {', '.join(not_run)}." if not_run else "")


def _link(ablation: Ablation) -> str:
    return f"[{ablation.title}](#{heading_anchor(ablation.title)})"


def _mean_pose(budget: Budget, records: Mapping[str, Record]) -> str:
    """Format the accuracy of the mean pose of a small protocol's training crops."""
    metric = EFFECT_METRICS.get(budget.dataset, ("", ""))[0]
    value = mean_pose_accuracy(metric, records, recipe=budget.overrides.get("name", ""))
    return "" if value is None else f"{value:.2f} {metric}"


def _section(
    ablation: Ablation, effects: Mapping[str, Sequence[Effect]], records: Mapping[str, Record], conclusion: str
) -> list[str]:
    blocks = [
        f"## {ablation.title}",
        *([f"**{conclusion}**"] if conclusion else []),
        f"The paper, {_source(ablation)}: {ablation.description}. Plan: `ablations/{ablation.name}.py`.",
        *([f"Here: {ablation.choices}"] if ablation.choices else []),
    ]
    for protocol, compared in effects.items():
        if _is_run(compared):
            blocks += [f"### {code(protocol)}", grid(EFFECT_HEADER, _effect_rows(protocol, compared))]
            blocks.append(_variants(ablation, protocol, records))
            blocks += _trials(ablation, protocol, records)
            blocks += _convergence(ablation, protocol, records)
            blocks += [f"![accuracy against cost, and by epoch](figures/{figure_name(ablation, protocol)})", FIGURE_NOTE]
            blocks += _feature_maps(ablation, protocol, records)
    not_run = [protocol for protocol, compared in effects.items() if not _is_run(compared)]
    if not_run:
        if len(not_run) == len(effects):
            blocks += _variant_costs(ablation, not_run, records)
        command = f"python -m benchmark.ablate {ablation.name} --protocol"
        rows = [(f"`{command} {protocol}`", *_effort(ablation, protocol, records)) for protocol in not_run]
        blocks += ["Not run:", grid(("command", "runs", "training images", "operations of forward passes"), rows)]
    for protocol in ablation.protocols:
        if protocol not in effects and is_judged(protocol):
            blocks.append(f"Cannot be run under {code(protocol)}: {missing_recipe(ablation, protocol)}.")
    return blocks


def _source(ablation: Ablation) -> str:
    """Link the paper whose table the ablation repeats, if it repeats one."""
    if not ablation.paper:
        return "From no paper"
    paper = load_papers()[ablation.paper]
    return ", ".join([f"[{paper.short}]({ablation.paper}.md)", *([code(ablation.table)] if ablation.table else [])])


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


def ablation_pairs_grid(paper: str, table: Table, effects: Effects) -> str:
    """Format the measured differences of a paper's ablation table; empty if none was run.

    These are pairs under one protocol. What is measured of a single row stands beside no printed accuracy.
    """
    own = {name for name, ablation in known_ablations().items() if (ablation.paper, ablation.table) == (paper, table.id)}
    rows = [
        row
        for (name, protocol), compared in effects.items()
        if name in own
        for row in _effect_rows(protocol, [effect for effect in compared if effect.difference is not None])
    ]
    return grid(EFFECT_HEADER, rows) if rows else ""


def figure_name(ablation: Ablation, protocol: str, content: str = "ablation") -> str:
    """Return the name of a figure's file in ``reports/figures``."""
    return f"{content}-{ablation.name}-{protocol}.svg"


def ablation_figures(records: Mapping[str, Record], effects: Effects) -> dict[str, bytes]:
    """Draw every figure of the page, by the name of its file in ``reports/figures``."""
    figures = {"schedules.svg": schedules_figure(), "ablations.svg": forest_figure(effects)}
    for (name, protocol), compared in effects.items():
        ablation = known_ablations()[name]
        if _is_run(compared):
            figures[figure_name(ablation, protocol)] = ablation_figure(ablation, protocol, records)
        statistics = feature_map_stats(ablation, protocol, records)
        if any(maps.images for maps in statistics):
            figures[figure_name(ablation, protocol, "maps")] = feature_maps_figure(statistics)
    return figures


def _trials(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[str]:
    """Show what the learning rates and the length of the trainings were chosen by, one row per family of variants."""
    families = {}
    for variant in ablation.variants:
        if not (variant.weights or variant.scale) and BUDGETS[protocol].held_out:
            trials = family_trials(ablation, variant, protocol, records)
            families[trials.model, str(trials.overrides)] = trials
    rates = sorted({rate for trials in families.values() for rate in trials.accuracies})
    if not rates:
        return []
    rows = []
    for trials in families.values():
        name = code(trials.model) + "".join(f", {value}" for value in trials.overrides.values())
        best = trials.best_rate()
        cells = [
            "" if value is None else f"**{value:.2f}**" if rate == best else f"{value:.2f}"
            for rate, value in ((rate, trials.accuracies.get(rate)) for rate in rates)
        ]
        gain = trials.gain()
        rows.append((name, *cells, "" if gain is None else f"{gain:+.2f}"))
    return [
        f"Learning rates by factor of the recipe's, and the gain by a third more epochs at the best: {TRIAL_METRIC} of 400 "
        "people who are held out of training, one seed.",
        grid(("family", *(f"x{rate:g}" for rate in rates), "a third longer"), rows),
    ]


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
        rows.append((maps.variant, code(maps.module), maps.epoch, *values))
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


def _variant_costs(ablation: Ablation, protocols: Sequence[str], records: Mapping[str, Record]) -> Iterator[str]:
    """Show the networks of each variant, once for all protocols that train the same ones."""
    trained: dict[tuple[str, ...], list[str]] = {}
    for protocol in protocols:
        models = tuple("" if variant.scale else variant_model(ablation, variant, protocol) for variant in ablation.variants)
        trained.setdefault(models, []).append(code(protocol))
    for models, names in trained.items():
        if len(trained) > 1:
            yield f"Networks under {' and '.join(names)}:"
        rows = [
            (variant.name, code(model), *_common_cost(model, records)) if model else (variant.name, "found by a search", "", "")
            for variant, model in zip(ablation.variants, models, strict=True)
        ]
        yield grid(("variant", "network", "parameters", "GFLOPs (hrnet)"), rows)


def _variants(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> str:
    metrics = list(dict.fromkeys(EFFECT_METRICS[BUDGETS[protocol].dataset]))
    rows = []
    for variant in ablation.variants:
        accuracies = [_spread(ablation, variant, protocol, metric, records) for metric in metrics]
        if config := variant_search(variant, protocol):
            costs = variant_gflops(ablation, variant, protocol, records)
            network = f"found by a search with config {code(config.name)}", "", f"{np.mean(costs):.3f}" if costs else ""
        else:
            model = variant_model(ablation, variant, protocol)
            protocols = [published_protocol(ablation, variant, protocol, metric, records) for metric in metrics]
            tested = f" by `{'` and `'.join(dict.fromkeys(protocols))}`" if any(protocols) else ""
            network = f"{code(model)}{tested}", *_common_cost(model, records)
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


def _effect_rows(protocol: str, effects: Sequence[Effect]) -> Iterator[tuple[str, ...]]:
    for effect in effects:
        pair = f"{effect.comparison.better} over {effect.comparison.worse}"
        seeds = f", {effect.population}" if effect.difference is not None else ""
        printed = "" if effect.printed is None else f"{effect.printed:+.3g} of {effect.printed_metric}"
        yield (
            format_power(effect.judgement),
            f"{pair}<br>{effect.stand_in}" if effect.stand_in else pair,
            f"{effect.metric} on {BUDGETS[protocol].dataset}, protocol {code(protocol)}",
            format_difference(effect.difference, effect.estimate) + seeds,
            printed,
            format_p_value(effect.judgement),
            str(effect.judgement),
        )
