"""What trained networks say of a printed accuracy: those trained by the paper's own recipe, and what stands in for them.

Without torch, and without naming any paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, NamedTuple

from benchmark import ablation as ablations
from benchmark import effects, models, protocols, recipes
from benchmark.ablation import PROTOCOLS, Ablation, Variant
from benchmark.errors import InputError
from benchmark.expressions import printed_value
from benchmark.records import Record
from benchmark.tables import Cell

WIDEST = 0.6  # percentage points on either side: an interval that is wider can reproduce nothing

# What stands in for a printed metric where its own data is not at hand: LSP has no head boxes, so no PCKh.
PROXIES: Mapping[tuple[str, float | None], tuple[str, str]] = {
    ("pckh", 0.5): ("lsp", "pck@0.2"),
    ("pckh", 0.1): ("lsp", "pck@0.05"),
    ("ap", None): ("lsp", "pck@0.2"),
}


class Found(NamedTuple):
    """A verdict on a printed accuracy: our figure in percent, how it came about, and a record of it."""

    verdict: Literal["reproduced", "contradicted", "inconclusive", "proxy"]
    value: float
    how: str
    record: str


def judge(cell: Cell, records: Mapping[str, Record]) -> Found | None:
    """What is on record for a printed mean, the paper's own recipe first; parts of the body are not judged."""
    if cell.column.part != "mean":
        return None
    return _by_its_recipe(cell, records) or _by_ablation(cell, records) or _by_published_weights(cell, records)


def _by_its_recipe(cell: Cell, records: Mapping[str, Record]) -> Found | None:
    """The network trained as the paper trained it: for an ablation's row by the ablation's recipe."""
    ablation, variant = ablated().get((cell.paper, cell.table.id, cell.row.id), (None, None))
    try:
        if ablation and variant and cell.dataset in ablation.protocols and not variant.weights:
            model, (recipe, departures) = variant.model, ablations.recipe_of(ablation, variant, cell.dataset)
        elif not cell.row.needs:
            model, (recipe, departures) = cell.row.model, (recipes.find(cell.row.model, cell.dataset), ())
        else:
            return None
    except InputError:  # a network that nothing says how to train
        return None
    metric = cell.column.metric.upper()
    if cell.column.metric == "pckh":
        metric = f"pckh@{cell.column.threshold} ({cell.column.convention})"
    told = recipes.told(recipe, recipe.start, departures)
    if ablation and variant and variant.scale:
        runs = effects.runs(ablation, variant, cell.dataset, metric, records)
    else:
        runs = effects.trained(models.tested_as(model), cell.dataset, metric, told, records)
    interval = effects.interval(runs)
    if interval is None:
        return None
    scale = 100 if cell.dataset == "coco" else 1  # fractions there
    value = scale * sum(run.value for run in runs) / len(runs)
    low, high = scale * interval[0], scale * interval[1]
    how = f"{told}, {effects.counted(runs)}, 95 % [{low:.2f}, {high:.2f}]"
    if (high - low) / 2 > WIDEST:
        return Found("inconclusive", value, f"{how}: wider than {WIDEST} on either side", runs[0].id)
    return Found("reproduced" if low <= printed_value(cell) <= high else "contradicted", value, how, runs[0].id)


def _by_ablation(cell: Cell, records: Mapping[str, Record]) -> Found | None:
    """The row's variant under the smallest protocol on real images."""
    ablation, variant = ablated().get((cell.paper, cell.table.id, cell.row.id), (None, None))
    dataset, metric = PROXIES.get((cell.column.metric, cell.column.threshold), ("", ""))
    if not metric or ablation is None or variant is None:
        return None
    runs = effects.figures(ablation, variant, dataset, metric, records)
    if not runs:
        return None
    value = sum(run.value for run in runs) / len(runs)
    scale = ablations.scale_of(variant, dataset)
    model = f"what scale {scale.name} finds" if scale else ablations.model_of(ablation, variant, dataset)
    says = scale.says if scale else PROTOCOLS[dataset].says
    seeds = "published weights" if variant.weights else f"{effects.counted(runs)}, {says}"
    how = f"{metric} on {dataset} of {model}, ablation {ablation.name}: {effects.spread(runs)} ({seeds})"
    return Found("proxy", value, how, runs[0].id)


def _by_published_weights(cell: Cell, records: Mapping[str, Record]) -> Found | None:
    """The same network's accuracy, tested by its own protocol, on the data that stands in for the cell's; a row that was
    trained otherwise has none."""
    dataset, metric = PROXIES.get((cell.column.metric, cell.column.threshold), ("", ""))
    if not metric or cell.row.needs:
        return None
    subject = models.tested_as(cell.row.model)
    wanted = ("accuracy", subject, dataset, metric, protocols.default(subject, dataset))
    found = [r for r in records.values() if (r.kind, r.subject, r.dataset, r.metric, r.protocol) == wanted]
    latest = max(found, key=lambda record: record.version, default=None)
    if latest is None or latest.interval is None:
        return None
    interval = "[{:.2f}, {:.2f}]".format(*latest.interval)
    how = f"{metric} on {dataset} under {latest.protocol}, n = {latest.n}, 95 % {interval}"
    return Found("proxy", float(latest.value), how, latest.id)


@cache
def ablated() -> Mapping[tuple[str, str, str], tuple[Ablation, Variant]]:
    """The ablation and variant behind a paper's table and row."""
    return {
        (ablation.paper, ablation.table, variant.row): (ablation, variant)
        for ablation in ablations.known().values()
        for variant in ablation.variants
        if variant.row
    }
