"""Every ablation: what each variant costs and reaches here, and each printed difference beside the measured one."""

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
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.records import Record
from benchmark.ledger.accuracy import ablation_rows
from benchmark.papers.tables import Table, load_papers
from benchmark.report.ablation_plots import ablation_figure, common_gflops, maps_figure, schedules_figure, variant_gflops
from benchmark.report.markdown import grid, page

EFFECT = ("comparison", "metric", "here, points", "printed, points", "direction")


def ablations_page(records: Mapping[str, Record]) -> str:
    """``reports/ablations.md``."""
    known = known_ablations()
    found: dict[tuple[str, str], list[Effect]] = {
        (name, protocol): measure_effects(ablation, protocol, records)
        for name, ablation in known.items()
        for protocol in _trainable(ablation)
    }
    measured = [effect for own in found.values() for effect in own if effect.interval is not None]
    apart = sum(effect.judged in ("agrees", "opposite") for effect in measured)
    blocks = [
        "# Ablations",
        "Each variant is trained by one recipe that all share, with several seeds, and tested on the same persons. A "
        "difference stands with its 95 % interval over persons and seeds: Student's, from the spread of the runs and from "
        "replicates that draw the same persons for every run. It *agrees* where the interval leaves out zero on the side that "
        "the paper prints, is *opposite* on the other, and *within noise* else; where neither variant is above the mean pose, "
        "*nothing* was *learned*, and no direction is judged. A small protocol says which way a thing points on its own data "
        "and at its own length; it never matches a printed figure.",
        f"Of {len(measured)} comparisons with an interval, {apart} leave out zero; were there no effect at all, one in twenty "
        "would do so by chance.",
        grid(
            ("protocol", "what all variants share", "the mean pose, without looking"),
            [(f"`{name}`", p.description, _mean_pose(p, records)) for name, p in BUDGETS.items()],
        ),
    ]
    blocks += ["## At a glance", _glance(known, found)]
    blocks += [
        "## What the papers' recipes change as they go",
        "Learning rates as a share of the largest, and how EfficientPose narrows its targets, by the side of the map. All "
        "recipes stand on [their page](recipes.md).",
        "![learning rates and sigma over the epochs](figures/schedules.svg)",
    ]
    for name, ablation in known.items():
        blocks += _section(ablation, {protocol: own for (key, protocol), own in found.items() if key == name}, records)
    return page(*blocks)


def _glance(known: Mapping[str, Ablation], found: Mapping[tuple[str, str], Sequence[Effect]]) -> str:
    """Every comparison that was run, in one table, and the names of the ablations without any."""
    rows = []
    for (name, protocol), own in found.items():
        told = _rows([effect for effect in own if effect.difference is not None])
        rows += [(f"[{known[name].title}]({_anchor(known[name])})", f"`{protocol}`", *row) for row in told]
    run = {name for (name, _), own in found.items() if any(effect.difference is not None for effect in own)}
    waiting = [f"[{ablation.title}]({_anchor(ablation)})" for name, ablation in known.items() if name not in run]
    table = grid(("ablation", "protocol", *EFFECT), rows)
    return table + (f"\n\nNot run: {', '.join(waiting)}; what each would take stands with it." if waiting else "")


def _trainable(ablation: Ablation) -> list[str]:
    """List the protocols on real images under which all variants can be trained."""
    return [protocol for protocol in _on_real_images(ablation) if not missing_recipe(ablation, protocol)]


def _on_real_images(ablation: Ablation) -> list[str]:
    return [protocol for protocol in ablation.protocols if protocol != "synthetic"]


def _anchor(ablation: Ablation) -> str:
    """Where its section begins, as headings are linked to."""
    return "#" + ablation.title.lower().replace(" ", "-")


def _mean_pose(protocol: Budget, records: Mapping[str, Record]) -> str:
    """What is reached under a small protocol by the mean pose of its training crops."""
    metric = EFFECT_METRICS.get(protocol.dataset, ("", ""))[0]
    value = mean_pose_accuracy(protocol.overrides.get("name", ""), metric, records)
    return "" if value is None else f"{value:.2f} {metric}"


def _section(ablation: Ablation, found: Mapping[str, Sequence[Effect]], records: Mapping[str, Record]) -> list[str]:
    blocks = [
        f"## {ablation.title}",
        f"{_source(ablation)}: {ablation.description}. Plan: `ablations/{ablation.name}.py`.",
    ]
    for protocol, own in found.items():
        run = any(effect.difference is not None for effect in own)
        if run:
            blocks += [f"### `{protocol}`", _variants(ablation, protocol, records), _effects(own)]
            blocks += _rates(ablation, protocol, records)
            blocks += _convergence(ablation, protocol, records)
            blocks.append(f"![accuracy against cost, and over the epochs](figures/{figure_name(ablation, protocol)})")
            blocks += _maps(ablation, protocol, records)
    waiting = [protocol for protocol, own in found.items() if all(effect.difference is None for effect in own)]
    if waiting:
        lines = [
            (f"`python -m benchmark.ablate {ablation.name} --protocol {p}`", *_takes(ablation, p, records)) for p in waiting
        ]
        blocks += [_costs(ablation, records) if len(waiting) == len(found) else ""]
        blocks += ["Not run:", grid(("command", "runs", "images trained on", "operations"), lines)]
    for protocol in _on_real_images(ablation):
        if reason := missing_recipe(ablation, protocol):
            blocks.append(f"Cannot be run under `{protocol}`: {reason}.")
    return blocks


def _source(ablation: Ablation) -> str:
    """Link the paper whose table the ablation repeats, if it repeats one.

    Raises:
        InputError: There is no such paper or table.
    """
    if not ablation.paper:
        return "Of no paper"
    papers = load_papers()
    if ablation.paper not in papers:
        raise InputError(f"ablations/{ablation.name}.py: unknown paper {ablation.paper!r}; known: {', '.join(papers)}")
    paper = papers[ablation.paper]
    if ablation.table and ablation.table not in paper.tables:
        raise InputError(f"ablations/{ablation.name}.py: {ablation.paper} has no table {ablation.table!r}")
    return ", ".join([f"[{paper.short}]({ablation.paper}.md)", *([f"`{ablation.table}`"] if ablation.table else [])])


def _takes(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> tuple[str, str, str]:
    """What a protocol takes: runs, images in millions, and operations of the forward passes, by the size of the input."""
    runs, images, operations = 0, 0.0, 0.0
    for variant in ablation.variants:
        if variant.weights:
            continue
        recipe, _ = variant_recipe(ablation, variant, protocol)
        scale = variant_search(variant, protocol)
        seen = BUDGETS[protocol].seeds * (recipe.epochs * recipe.num_people + (scale.images if scale else 0))
        height, width = parse_size(recipe.input)
        common = parse_size(COMMON_TERMS[1])
        each = math.nan if scale else common_gflops(variant_model(ablation, variant, protocol), records) or math.nan
        runs += BUDGETS[protocol].seeds
        images += seen
        operations += seen * each * height * width / (common[0] * common[1])
    return str(runs), f"{images / 1e6:.1f} M", "" if math.isnan(operations) else f"{operations / 1e3:,.0f} TFLOPs (hrnet)"


def ablation_rows_page(paper: str, table: Table, records: Mapping[str, Record]) -> str:
    """A paper's ablation table, for its page: what each variant's row prints beside what its runs came to, by protocol."""
    protocols: list[str] = [name for name in BUDGETS if name != "synthetic"]
    rows, ran = [], set[str]()
    for cell in table.cells():
        ablation, variant = ablation_rows().get((paper, table.id, cell.row.id), (None, None))
        fine = cell.column.threshold == 0.1
        if not ablation or not variant or cell.column.metric not in ("pckh", "ap") or cell.column.part != "mean":
            continue
        own: dict[str, str] = {}
        for protocol in (name for name in protocols if name in _trainable(ablation)):
            metric = EFFECT_METRICS[BUDGETS[protocol].dataset][fine]
            if shown := _spread(ablation, variant, protocol, metric, records):
                own[protocol] = f"{shown}<br>{metric}"
        ran |= own.keys()
        rows.append((variant.name, cell.column.header, cell.printed, own))
    shown_protocols = [protocol for protocol in protocols if protocol in ran]
    if not shown_protocols:
        return ""
    lines = [(name, header, printed, *(own.get(p, "") for p in shown_protocols)) for name, header, printed, own in rows]
    return grid(("variant", "metric", "printed", *(f"`{p}`" for p in shown_protocols)), lines)


def figure_name(ablation: Ablation, protocol: str, what: str = "ablation") -> str:
    """The file of a picture below ``reports/figures``."""
    return f"{what}-{ablation.name}-{protocol}.svg"


def pictures(records: Mapping[str, Record]) -> dict[str, bytes]:
    """Every picture of the page by its file below ``reports/figures``."""
    found = {"schedules.svg": schedules_figure()}
    for ablation in known_ablations().values():
        for protocol in _trainable(ablation):
            if any(effect.difference is not None for effect in measure_effects(ablation, protocol, records)):
                found[figure_name(ablation, protocol)] = ablation_figure(ablation, protocol, records)
            looked = feature_map_stats(ablation, protocol, records)
            if any(look.images for look in looked):
                found[figure_name(ablation, protocol, "maps")] = maps_figure(looked)
    return found


def _rates(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[str]:
    """The first variant at other learning rates, one seed each."""
    first, metric = ablation.variants[0], EFFECT_METRICS[BUDGETS[protocol].dataset][0]
    usual = variant_runs(ablation, first, protocol, metric, records)[:1]
    found = {rate: variant_runs(ablation, first, protocol, metric, records, rate) for rate in ablation.rates}
    if not usual or not any(found.values()):
        return []
    told = {1.0: usual} | {rate: runs for rate, runs in found.items() if runs}
    shown = ", ".join(f"{runs[0].value:.2f} at {rate:g} times the rate" for rate, runs in sorted(told.items()))
    return [f"The learning rate, checked on {first.name} with the first seed: {metric} is {shown}."]


def _convergence(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[str]:
    """Of all variants that are compared with the same one, in one table."""
    told: dict[tuple[str, float], dict[str, str]] = {}
    for comparison in ablation.comparisons:
        if comparison.converges_faster and (found := convergence(ablation, comparison, protocol, records)):
            threshold, epochs = found
            told.setdefault((comparison.worse, threshold), {}).update(
                (name, ", ".join("not reached" if epoch is None else f"{epoch:.2f}" for epoch in each))
                for name, each in epochs.items()
            )
    blocks = []
    for (worse, threshold), rows in told.items():
        blocks += [
            f"Epochs until {threshold:.2f} is reached, which is what {worse} ends with on average; on straight lines between "
            "the tests after each epoch:",
            grid(("variant", "epochs, a seed each"), list(rows.items())),
        ]
    return blocks


def _maps(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[str]:
    looked = feature_map_stats(ablation, protocol, records)
    if not looked:
        return []
    rows = []
    for look in looked:
        shown = [_over_seeds(look.values[name], places) for name, places in (("checkerboard", 2), ("peak", 3), ("sigma", 2))]
        rows.append((look.variant, f"`{look.module}`", look.epoch, *shown))
    return [
        "On the maps of the first 200 test persons, mean and standard deviation over seeds: how much of the spectral energy "
        "lies at half a cycle per pixel, where a stride of 2 leaves its checkerboard (white noise has 8 % there at 24x24); the "
        "heatmaps' peaks, and the sigma of a Gaussian as wide as they are.",
        grid(("variant", "maps", "epoch", "checkerboard, %", "peak", "sigma, pixels"), rows),
        f"![maps of one Synthetic person](figures/{figure_name(ablation, protocol, 'maps')})",
    ]


def _over_seeds(values: Sequence[float], places: int) -> str:
    if len(values) < 2:
        return "".join(f"{value:.{places}f}" for value in values)
    return f"{np.mean(values):.{places}f} ± {np.std(values, ddof=1):.{places}f}"


def _costs(ablation: Ablation, records: Mapping[str, Record]) -> str:
    rows = []
    for variant in ablation.variants:
        network = ("found by a search", "", "") if variant.scale else (f"`{variant.model}`", *_cost(variant.model, records))
        rows.append((variant.name, *network))
    return grid(("variant", "network", "parameters", "GFLOPs (hrnet)"), rows)


def _variants(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> str:
    metrics = list(dict.fromkeys(EFFECT_METRICS[BUDGETS[protocol].dataset]))
    rows = []
    for variant in ablation.variants:
        figures = [_spread(ablation, variant, protocol, metric, records) for metric in metrics]
        if scale := variant_search(variant, protocol):
            costs = variant_gflops(ablation, variant, protocol, records)
            network = f"found by scale `{scale.name}`", "", f"{np.mean(costs):.3f}" if costs else ""
        else:
            model = variant_model(ablation, variant, protocol)
            network = f"`{model}`", *_cost(model, records)
        rows.append((variant.name, *network, *figures))
    return grid(("variant", "network", "parameters", "GFLOPs (hrnet)", *metrics), rows)


def _cost(model: str, records: Mapping[str, Record]) -> tuple[str, str]:
    """Parameters in millions and GFLOPs with the head and at the size at which all networks are compared."""
    record = records.get(cost_record_id(model, *COMMON_TERMS))
    if record is None:
        return "", ""
    return f"{record.value['params']['trainable'] / 1e6:.3f} M", f"{common_gflops(model, records):.3f}"


def _spread(ablation: Ablation, variant: Variant, protocol: str, metric: str, records: Mapping[str, Record]) -> str:
    found = variant_results(ablation, variant, protocol, metric, records)
    told = "published weights" if variant.weights else seed_count_label(found)
    return f"{format_spread(found)} ({told})" if found else ""


def _effects(found: Sequence[Effect]) -> str:
    return grid(EFFECT, list(_rows(found)))


def _rows(found: Sequence[Effect]) -> Iterator[tuple[str, ...]]:
    for effect in found:
        ours = "" if effect.difference is None else f"{effect.difference:+.2f}"
        interval = "[{:+.2f}, {:+.2f}]".format(*effect.interval) if effect.interval else ""
        printed = "" if effect.printed is None else f"{effect.printed:+.3g}"
        pair = f"{effect.comparison.better} over {effect.comparison.worse}"
        yield pair, effect.metric, f"{ours} {interval}".strip(), printed, effect.judged
