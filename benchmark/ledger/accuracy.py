"""Judge printed accuracies by trained networks.

A network that was trained by the paper's own recipe reproduces or contradicts a printed accuracy; a small ablation or published
weights only give a proxy. This module imports no torch and names no paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from benchmark.core.records import Record, record_id, select
from benchmark.models.checkpoints import AUTHORS, RETRAINING
from benchmark.models.registry import canonical_id, find_entry
from benchmark.papers.expressions import printed_value
from benchmark.papers.tables import Cell

MAX_HALF_WIDTH = 0.6  # percentage points; with a wider interval a verdict is inconclusive

# By printed metric and threshold, the dataset and metric that replace it without MPII or COCO images. LSP has no head boxes, so
# PCKh cannot be computed there.
PROXIES: Mapping[tuple[str, float | None], tuple[str, str]] = {
    ("pckh", 0.5): ("lsp", "pck@0.2"),
    ("pckh", 0.1): ("lsp", "pck@0.05"),
    ("ap", None): ("lsp", "pck@0.2"),
}


# By dataset, the name of the metric that a cell prints.
PRINTED_METRICS: Mapping[str, Callable[[Cell], str]] = {
    "mpii": lambda cell: f"pckh@{cell.column.threshold} ({cell.column.convention})",
    "coco": lambda cell: cell.column.metric.upper(),
}


class AccuracyVerdict(NamedTuple):
    """A verdict on a printed accuracy.

    Attributes:
        verdict: The verdict.
        value: Our value in percent.
        how: How the value was measured, in words.
        record: Id of the record of the first seed.
    """

    verdict: Literal["reproduced", "contradicted", "inconclusive", "proxy"]
    value: float
    how: str
    record: str


def judge_accuracy(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """Judge a printed accuracy; None without records, and for single body parts.

    Trainings by the paper's own recipe come first, then the authors' weights on the table's own people, then small ablations,
    other publishers' retrainings, and published weights on other people.
    """
    if cell.column.part != "mean" or cell.dataset not in PRINTED_METRICS:
        return None
    return (
        _judge_by_own_recipe(cell, records)
        or _judge_by_authors_weights(cell, records)
        or _judge_by_ablation(cell, records)
        or _judge_by_retraining(cell, records)
        or _judge_by_published_weights(cell, records)
    )


def _judge_by_own_recipe(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """Judge by networks trained by the paper's own recipe; for a row of an ablation, by the ablation's recipe."""
    ablation, variant = ablation_rows().get((cell.paper, cell.table.id, cell.row.id), (None, None))
    try:
        if ablation and variant and cell.dataset in ablation.protocols and not variant.weights:
            model, (recipe, overrides) = variant.model, variant_recipe(ablation, variant, cell.dataset)
        elif not cell.row.needs:
            model, (recipe, overrides) = cell.row.model, (find_recipe(cell.row.model, cell.dataset), {})
        else:
            return None
    except InputError:  # there is no recipe for the network
        return None
    metric = PRINTED_METRICS[cell.dataset](cell)
    setting = training_setting(recipe, recipe.start, overrides)
    if ablation and variant and variant.scale:
        runs = variant_runs(ablation, variant, cell.dataset, metric, records)
    else:
        runs = training_runs(canonical_id(model), recipe, setting, metric, records)
    interval = mean_interval(runs)
    if interval is None:
        return None
    scale = 100 if cell.dataset == "coco" else 1  # COCO's metrics are fractions
    value = scale * sum(run.value for run in runs) / len(runs)
    low, high = scale * interval[0], scale * interval[1]
    how = f"trained by {describe_training(setting)}, {seed_count_label(runs)}, 95 % [{low:.2f}, {high:.2f}]"
    if (high - low) / 2 > MAX_HALF_WIDTH:
        reason = f"the half-width is more than {MAX_HALF_WIDTH}"
        return AccuracyVerdict("inconclusive", value, f"{how}: {reason}", runs[0].id)
    return AccuracyVerdict("reproduced" if low <= printed_value(cell) <= high else "contradicted", value, how, runs[0].id)


def _judge_by_ablation(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """Judge by the row's variant of an ablation, trained under the small protocol on real images."""
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
    config = variant_search(variant, dataset)
    model = f"the network that search config {config.name} finds" if config else variant_model(ablation, variant, dataset)
    description = config.description if config else BUDGETS[dataset].description
    training = "published weights" if variant.weights else f"{seed_count_label(runs)}, {description}"
    how = f"{metric} on {dataset} of {model}, ablation {ablation.name}: {format_spread(runs)} ({training})"
    return AccuracyVerdict("proxy", value, how, runs[0].id)


def _judge_by_authors_weights(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """Judge by the weights that the paper's authors published, tested on the people of the table."""
    record = _evaluation_of(cell, records, evidence=None, weights="")
    if record is None or record.interval is None:
        return None
    value, low, high, how = _describe(cell, record, AUTHORS)
    if (high - low) / 2 > MAX_HALF_WIDTH:
        return AccuracyVerdict("inconclusive", value, f"{how}: the half-width is more than {MAX_HALF_WIDTH}", record.id)
    return AccuracyVerdict("reproduced" if low <= printed_value(cell) <= high else "contradicted", value, how, record.id)


def _judge_by_retraining(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """Compare with weights that somebody else trained by another recipe: they show a direction, and are no match."""
    record = _evaluation_of(cell, records, evidence=RETRAINING)
    if record is None or record.interval is None:
        return None
    value, _, _, how = _describe(cell, record, RETRAINING)
    return AccuracyVerdict("proxy", value, how, record.id)


def _evaluation_of(cell: Cell, records: Mapping[str, Record], **setting: str | None) -> Record | None:
    """Return the evaluation of a row's network on the table's own people, with weights of one kind of evidence.

    COCO's printed accuracies are measured with a detector's boxes, so that those with annotated boxes do not count.
    """
    if cell.row.needs or cell.row.unpublished or cell.table.split != "val":
        return None
    metric = PRINTED_METRICS[cell.dataset](cell)
    subject = canonical_id(cell.row.model)
    size = "" if cell.input == find_entry(subject).inputs[0] else cell.input
    protocol = default_protocol(subject, cell.dataset, detected=True)
    found = select(
        records,
        kind="evaluation",
        subject=subject,
        dataset=cell.dataset,
        split="val",
        protocol=protocol,
        metric=metric,
        over="",
        input=size,
        **setting,
    )
    return next((record for record in found if bool(record.setting["boxes"]) == (cell.dataset == "coco")), None)


def _describe(cell: Cell, record: Record, evidence: str) -> tuple[float, float, float, str]:
    """Return an evaluation's value and interval in percent, and how it was measured in words."""
    assert record.interval is not None
    scale = 100 if cell.dataset == "coco" else 1  # COCO's metrics are fractions
    value, low, high = scale * float(record.value), scale * record.interval[0], scale * record.interval[1]
    name = (record.samples or {}).get("published", {}).get("id", "")
    how = f"{evidence}{f' ({name})' if name else ''} under {record.protocol}, n = {record.n}, 95 % [{low:.2f}, {high:.2f}]"
    return value, low, high, how


def _judge_by_published_weights(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """Judge by the network's published weights, tested by its default protocol on the replacement dataset.

    A row that was trained differently from the published weights is not judged.
    """
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
    """Return the ablation and variant of each row that an ablation covers, by (paper, table, row)."""
    return {
        (ablation.paper, ablation.table, variant.row): (ablation, variant)
        for ablation in known_ablations().values()
        for variant in ablation.variants
        if variant.row
    }
