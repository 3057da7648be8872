"""Judge printed accuracies by networks that were tested on the printed dataset, in the printed metric.

A figure is reproduced where a test of equivalence says so, with a margin that was fixed before. This module imports no torch
and names no paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal, NamedTuple

from benchmark.analysis.runs import (
    can_be_compared,
    mean_over_runs,
    metric_of_cell,
    points_factor,
    seed_count_label,
    training_runs,
    variant_runs,
)
from benchmark.config.ablations import Ablation, Variant, known_ablations, variant_recipe
from benchmark.config.identities import describe_training, training_setting
from benchmark.config.judgement import MARGINS, MIN_SEEDS
from benchmark.config.packages import default_protocol, find_recipe
from benchmark.config.predictions import PredictionEvidence
from benchmark.core.errors import InputError
from benchmark.core.inference import LEVEL, Estimate, estimate_from_interval
from benchmark.core.records import Record, select
from benchmark.core.statistics import REPLICATES
from benchmark.ledger.predictions import judge_by_published_predictions
from benchmark.ledger.tokens import Basis
from benchmark.models.checkpoints import AUTHORS, RETRAINING
from benchmark.models.registry import canonical_id, find_entry
from benchmark.papers.expressions import printed_value
from benchmark.papers.tables import Cell


class AccuracyVerdict(NamedTuple):
    """A verdict on a printed accuracy.

    Attributes:
        verdict: The verdict.
        value: Our value in percentage points.
        how: How the value was measured and judged, in words.
        record: Id of the record of the first seed, of the weights or of the predictions.
        basis: What the value rests on; verdicts of two kinds are never mixed.
    """

    verdict: Literal["reproduced", "contradicted", "inconclusive", "proxy"]
    value: float
    how: str
    record: str
    basis: Basis


def judge_accuracy(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """Judge a printed accuracy by trainings with the paper's own recipe, or else by what its authors published.

    Their weights come before their files of predictions. What others trained by a recipe of their own is shown beside the
    printed value, and is no match. Nothing else says anything about a printed figure: no other dataset, split, metric, input
    size, length of training or network. None without records; body parts are judged by predictions alone.
    """
    if cell.dataset not in ("mpii", "coco"):
        return None
    if cell.column.part == "mean" and (
        judged := _judge_by_own_recipe(cell, records) or _judge_by_weights(cell, records, evidence=None, weights="")
    ):
        return judged
    return (
        _judge_by_predictions(cell, records, "authors")
        or (_judge_by_weights(cell, records, evidence=RETRAINING) if cell.column.part == "mean" else None)
        or _judge_by_predictions(cell, records, "independent retraining")
    )


def _judge_by_own_recipe(cell: Cell, records: Mapping[str, Record]) -> AccuracyVerdict | None:
    """Judge by networks trained by the paper's own recipe; for a row of an ablation, by the ablation's recipe."""
    ablation, variant = _ablation_of(cell)
    try:
        if ablation and variant and cell.dataset in ablation.protocols and not variant.weights:
            model, (recipe, overrides) = variant.model, variant_recipe(ablation, variant, cell.dataset)
        elif not cell.row.needs:
            model, (recipe, overrides) = cell.row.model, (find_recipe(cell.row.model, cell.dataset), {})
        else:
            return None
    except InputError:  # there is no recipe for the network
        return None
    if cell.input not in ("", recipe.input) or cell.table.split not in ("", recipe.test[1]):
        return None
    metric = metric_of_cell(cell)
    setting = training_setting(recipe, recipe.start, overrides)
    if ablation and variant and variant.scale:
        runs = variant_runs(ablation, variant, cell.dataset, metric, records)
    else:
        runs = training_runs(canonical_id(model), recipe, setting, metric, records)
    if not runs:
        return None
    how = f"trained by {describe_training(setting)}, {seed_count_label(runs)}"
    lacks = [f"{MIN_SEEDS} seeds are needed"] * (len(runs) < MIN_SEEDS)
    lacks += ["the runs have no replicates over the same people"] * (not can_be_compared(runs))
    # Trainings are tested with COCO's annotated boxes, with which accuracies are higher than with a detector's.
    lacks += ["tested with annotated boxes, not a detector's"] * (cell.dataset == "coco")
    if lacks:
        value = points_factor(cell.dataset) * sum(run.value for run in runs) / len(runs)
        return AccuracyVerdict("inconclusive", value, f"{how}: {'; '.join(lacks)}", runs[0].id, "training")
    return _judge_estimate(cell, mean_over_runs(runs), f"{how}, over people and seeds", runs[0].id, "training")


def _judge_by_weights(cell: Cell, records: Mapping[str, Record], **setting: str | None) -> AccuracyVerdict | None:
    """Judge by published weights, tested on the people of the table by the network's default protocol.

    On COCO, the boxes are a detector's. A row that was trained differently from the published weights is not judged.
    """
    if cell.row.needs or cell.row.unpublished or cell.row.stand_in or cell.table.split != "val":
        return None
    subject, detected = canonical_id(cell.row.model), cell.dataset == "coco"
    usual_size = cell.input in ("", find_entry(subject).inputs[0])
    for record in select(
        records,
        kind="evaluation",
        subject=subject,
        dataset=cell.dataset,
        split="val",
        protocol=default_protocol(subject, cell.dataset, detected=True),
        metric=metric_of_cell(cell),
        over="",
        input="" if usual_size else cell.input,
        **setting,
    ):
        if bool(record.setting["boxes"]) == detected and record.interval and record.n:
            factor, (low, high) = points_factor(cell.dataset), record.interval
            estimate = estimate_from_interval(factor * record.value, (factor * low, factor * high), record.n, REPLICATES)
            evidence = setting["evidence"] or AUTHORS
            name = (record.samples or {}).get("published", {}).get("id", "")
            how = f"{evidence}{f' ({name})' if name else ''} under {record.protocol}, n = {record.n}, over people"
            basis: Basis = "retraining" if evidence == RETRAINING else "authors' weights"
            return _judge_estimate(cell, estimate, how, record.id, basis)
    return None


def _judge_by_predictions(cell: Cell, records: Mapping[str, Record], evidence: PredictionEvidence) -> AccuracyVerdict | None:
    """Judge by the first published file of predictions of one kind of evidence."""
    for file in judge_by_published_predictions(cell, records):
        if file.evidence == evidence:
            people = records[file.record].n or 0
            estimate = estimate_from_interval(file.value, (file.low, file.high), people, REPLICATES)
            basis: Basis = "predictions" if evidence == "authors" else "retraining"
            return _judge_estimate(cell, estimate, file.how, file.record, basis)
    return None


def _judge_estimate(cell: Cell, estimate: Estimate, how: str, record: str, basis: Basis) -> AccuracyVerdict:
    """Judge by two one-sided tests: reproduced if equivalent, contradicted if the interval lies outside the margin.

    What others trained by their own recipe is compared in the same way, and gets no verdict.
    """
    column, printed = cell.column, printed_value(cell)
    margin = MARGINS.get((column.metric, column.threshold, column.part))
    low, high = estimate.interval()
    how = f"{how}: 95 % [{low:.2f}, {high:.2f}]"
    if margin is None:
        return AccuracyVerdict("inconclusive", estimate.value, f"{how}; no margin is fixed for this metric", record, basis)
    p_value = estimate.equivalence_p(printed, margin.points)
    how = f"{how}, printed {cell.printed} ± {margin.points}, equivalence p = {p_value:.2g}"
    verdict: Literal["reproduced", "contradicted", "inconclusive", "proxy"] = "inconclusive"
    if basis == "retraining":
        verdict, how = "proxy", f"{how}; not the authors' training, so no verdict"
    elif p_value < LEVEL:
        verdict = "reproduced"
    elif low > printed + margin.points or high < printed - margin.points:
        verdict = "contradicted"
    return AccuracyVerdict(verdict, estimate.value, how, record, basis)


def _ablation_of(cell: Cell) -> tuple[Ablation, Variant] | tuple[None, None]:
    """Return the first ablation that trains a row's network for this row; what trains another network judges no row."""
    variants = ablation_rows().get((cell.paper, cell.table.id, cell.row.id), ())
    network = canonical_id(cell.row.model)
    return next(((a, variant) for a, variant in variants if canonical_id(variant.model) == network), (None, None))


@cache
def ablation_rows() -> Mapping[tuple[str, str, str], Sequence[tuple[Ablation, Variant]]]:
    """Return the ablations and variants that name each row, by (paper, table, row)."""
    rows: dict[tuple[str, str, str], list[tuple[Ablation, Variant]]] = {}
    for ablation in known_ablations().values():
        for variant in ablation.variants:
            if variant.row:
                rows.setdefault((ablation.paper, ablation.table, variant.row), []).append((ablation, variant))
    return rows
