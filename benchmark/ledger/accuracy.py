"""What trained networks say of a printed accuracy: those trained by the paper's own recipe, and what stands in for them.

Without torch, and without naming any paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, NamedTuple

from benchmark.analysis.effects import (
    format_spread,
    mean_interval,
    seed_count_label,
    training_runs,
    variant_results,
    variant_runs,
)
from benchmark.config.ablations import (
    BUDGETS,
    Ablation,
    Variant,
    known_ablations,
    missing_recipe,
    variant_model,
    variant_recipe,
    variant_search,
)
from benchmark.config.identities import describe_training, evaluation_identity, training_setting
from benchmark.config.packages import default_protocol, find_recipe
from benchmark.core.errors import InputError
from benchmark.core.records import Record, record_id
from benchmark.models.registry import canonical_id
from benchmark.papers.expressions import printed_value
from benchmark.papers.tables import Cell

MAX_HALF_WIDTH = 0.6  # percentage points on either side: an interval that is wider can reproduce nothing

# What stands in for a printed metric where its own data is not at hand: LSP has no head boxes, so no PCKh.
PROXIES: Mapping[tuple[str, float | None], tuple[str, str]] = {
    ("pckh", 0.5): ("lsp", "pck@0.2"),
    ("pckh", 0.1): ("lsp", "pck@0.05"),
    ("ap", None): ("lsp", "pck@0.2"),
}


class AccuracyVerdict(NamedTuple):
    """A verdict on a printed accuracy: our figure in percent, how it came about, and a record of it."""

    verdict: Literal["reproduced", "contradicted", "inconclusive", "proxy"]
    value: float
    how: str
    record: str


def judge_accuracy(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """What is on record for a printed mean, the paper's own recipe first; parts of the body are not judged."""
    if cell.column.part != "mean":
        return None
    return _by_own_recipe(cell, records) or _by_ablation(cell, records) or _by_published_weights(cell, records)


def _by_own_recipe(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """The network trained as the paper trained it: for an ablation's row by the ablation's recipe."""
    ablation, variant = ablation_rows().get((cell.paper, cell.table.id, cell.row.id), (None, None))
    try:
        if ablation and variant and cell.dataset in ablation.protocols and not variant.weights:
            model, (recipe, overrides) = variant.model, variant_recipe(ablation, variant, cell.dataset)
        elif not cell.row.needs:
            model, (recipe, overrides) = cell.row.model, (find_recipe(cell.row.model, cell.dataset), {})
        else:
            return None
    except InputError:  # a network that nothing says how to train
        return None
    metric = cell.column.metric.upper()
    if cell.column.metric == "pckh":
        metric = f"pckh@{cell.column.threshold} ({cell.column.convention})"
    setting = training_setting(recipe, recipe.start, overrides)
    if ablation and variant and variant.scale:
        runs = variant_runs(ablation, variant, cell.dataset, metric, records)
    else:
        runs = training_runs(canonical_id(model), recipe, setting, metric, records)
    interval = mean_interval(runs)
    if interval is None:
        return None
    scale = 100 if cell.dataset == "coco" else 1  # fractions there
    value = scale * sum(run.value for run in runs) / len(runs)
    low, high = scale * interval[0], scale * interval[1]
    how = f"trained by {describe_training(setting)}, {seed_count_label(runs)}, 95 % [{low:.2f}, {high:.2f}]"
    if (high - low) / 2 > MAX_HALF_WIDTH:
        return AccuracyVerdict("inconclusive", value, f"{how}: wider than {MAX_HALF_WIDTH} on either side", runs[0].id)
    return AccuracyVerdict("reproduced" if low <= printed_value(cell) <= high else "contradicted", value, how, runs[0].id)


def _by_ablation(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """The row's variant under the smallest protocol on real images."""
    ablation, variant = ablation_rows().get((cell.paper, cell.table.id, cell.row.id), (None, None))
    dataset, metric = PROXIES.get((cell.column.metric, cell.column.threshold), ("", ""))
    if not metric or ablation is None or variant is None:
        return None
    if dataset not in ablation.protocols or missing_recipe(ablation, dataset):
        return None
    runs = variant_results(ablation, variant, dataset, metric, records)
    if not runs:
        return None
    value = sum(run.value for run in runs) / len(runs)
    scale = variant_search(variant, dataset)
    model = f"what scale {scale.name} finds" if scale else variant_model(ablation, variant, dataset)
    says = scale.description if scale else BUDGETS[dataset].description
    seeds = "published weights" if variant.weights else f"{seed_count_label(runs)}, {says}"
    how = f"{metric} on {dataset} of {model}, ablation {ablation.name}: {format_spread(runs)} ({seeds})"
    return AccuracyVerdict("proxy", value, how, runs[0].id)


def _by_published_weights(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """The same network's accuracy, tested by its own protocol, on the data that stands in for the cell's; a row that was
    trained otherwise has none."""
    dataset, metric = PROXIES.get((cell.column.metric, cell.column.threshold), ("", ""))
    if not metric or cell.row.needs:
        return None
    subject = canonical_id(cell.row.model)
    protocol = default_protocol(subject, dataset)
    identity = evaluation_identity(subject, dataset, "test", protocol, metric)
    record = records.get(record_id(identity))
    if record is None or record.interval is None:
        return None
    interval = "[{:.2f}, {:.2f}]".format(*record.interval)
    how = f"{metric} on {dataset} under {record.protocol}, n = {record.n}, 95 % {interval}"
    return AccuracyVerdict("proxy", float(record.value), how, record.id)


@cache
def ablation_rows() -> Mapping[tuple[str, str, str], tuple[Ablation, Variant]]:
    """The ablation and variant behind a paper's table and row."""
    return {
        (ablation.paper, ablation.table, variant.row): (ablation, variant)
        for ablation in known_ablations().values()
        for variant in ablation.variants
        if variant.row
    }
