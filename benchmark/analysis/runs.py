"""Find the runs of a training on record, one per seed, and estimate their means and differences.

This module does not import torch, because the report uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.analysis.trials import planned_rate
from benchmark.config.ablations import BUDGETS, Ablation, Variant, variant_model, variant_recipe, variant_search
from benchmark.config.conventions import pckh_metric_name
from benchmark.config.identities import accuracy_identity, runs_of, search_identity, training_setting
from benchmark.config.recipes import Recipe
from benchmark.config.searches import SEARCHED, SearchConfig
from benchmark.core.inference import Estimate, RunGroup, estimate_difference, estimate_mean, estimate_paired_difference
from benchmark.core.keypoints import joint_set_of
from benchmark.core.records import IDENTITY, Record, record_id, select
from benchmark.core.statistics import unpack_replicates
from benchmark.models.registry import canonical_id
from benchmark.papers.tables import Cell

# By dataset, the metric of a comparison, and the metric of one under the stricter threshold.
EFFECT_METRICS = {"lsp": ("pck@0.2", "pck@0.05"), "mpii": ("pckh@0.5 (hrnet)", "pckh@0.1 (hrnet)"), "coco": ("AP", "AP")}

DECODERS_CHOSEN_ON = "train"  # split of the images on which a variant's best decoder is chosen

# --- finding -----------------------------------------------------------------------------------------------------------------


def variant_runs(
    ablation: Ablation, variant: Variant, protocol: str, metric: str, records: Mapping[str, Record]
) -> list[Record]:
    """Return a variant's records of a metric, one per seed.

    Args:
        ablation: Ablation that has the variant.
        variant: Variant that is trained.
        protocol: A name in :data:`benchmark.config.ablations.BUDGETS`.
        metric: Metric of the records.
        records: Current records, by id.
    """
    if config := variant_search(variant, protocol):
        return searched_runs(variant_searches(variant, config, records), metric, records)
    training = variant_training(ablation, variant, protocol, records)
    return training_runs(*training, metric, records) if training else []


def variant_training(
    ablation: Ablation, variant: Variant, protocol: str, records: Mapping[str, Record]
) -> tuple[str, Recipe, dict[str, Any]] | None:
    """Return the model, recipe and setting of a variant's training; None while its learning rate is not chosen."""
    rate = planned_rate(ablation, variant, protocol, records)
    if rate is None:
        return None
    recipe, overrides = variant_recipe(ablation, variant, protocol, rate)
    return variant_model(ablation, variant, protocol), recipe, training_setting(recipe, recipe.start, overrides, rate)


def training_runs(
    model: str, recipe: Recipe, setting: Mapping[str, Any], metric: str, records: Mapping[str, Record]
) -> list[Record]:
    """Return the records of a metric of one training, one per seed."""
    return runs_of(records, accuracy_identity(model, recipe, setting, metric))


def variant_searches(variant: Variant, config: SearchConfig, records: Mapping[str, Record]) -> list[Record]:
    """Return the searches that find a variant, one per seed."""
    package = variant.model.partition("/")[0]
    metric = EFFECT_METRICS[joint_set_of(config.dataset)][0]
    searches = runs_of(records, search_identity(package, config, "flops", SEARCHED, metric, "", 0))
    return [record for record in searches if record.samples["digest"] == config.digest()]


def searched_runs(searches: Sequence[Record], metric: str, records: Mapping[str, Record]) -> list[Record]:
    """Return the records of a metric of the trained networks that searches found."""
    # A search names the record of its network's main metric; records of other metrics only differ in the metric.
    accuracies = [records[search.samples["accuracy"]] for search in searches if search.samples["accuracy"] in records]
    ids = [record_id({name: getattr(record, name) for name in IDENTITY} | {"metric": metric}) for record in accuracies]
    return [records[id_] for id_ in ids if id_ in records]


def variant_results(
    ablation: Ablation, variant: Variant, protocol: str, metric: str, records: Mapping[str, Record]
) -> list[Record]:
    """Return a variant's records of a metric: one per seed, or the one of its published weights."""
    if not variant.weights:
        return variant_runs(ablation, variant, protocol, metric, records)
    found, chosen = (
        _evaluations(ablation, protocol, metric, records),
        published_protocol(ablation, variant, protocol, metric, records),
    )
    return [record for record in found if record.split != DECODERS_CHOSEN_ON and record.protocol == chosen]


def published_protocol(ablation: Ablation, variant: Variant, protocol: str, metric: str, records: Mapping[str, Record]) -> str:
    """Return the test protocol of a variant that is published weights; empty while the best decoder is not known.

    Of several decoders, it is the one that is best by the metric on training images.
    """
    if not variant.decoders:
        return variant.protocol
    found = _evaluations(ablation, protocol, metric, records)
    values = {record.protocol: record.value for record in found if record.split == DECODERS_CHOSEN_ON}
    return max(variant.decoders, key=lambda name: values[name]) if values.keys() >= set(variant.decoders) else ""


def _evaluations(ablation: Ablation, protocol: str, metric: str, records: Mapping[str, Record]) -> list[Record]:
    """Return the evaluations of the published weights whose test protocols an ablation compares."""
    subject, dataset = canonical_id(ablation.variants[0].model), BUDGETS[protocol].dataset
    return select(records, kind="evaluation", subject=subject, dataset=dataset, metric=metric, over="")


def mean_pose_accuracy(metric: str, records: Mapping[str, Record], **fields: Any) -> float | None:
    """Return the accuracy of the mean pose, which ignores the image; None if it is not on record.

    Args:
        metric: Metric of the records.
        records: Current records, by id.
        fields: Further fields of the records, such as ``recipe``; the highest accuracy of those that have them counts.
    """
    return max((record.value for record in select(records, kind="mean_pose", metric=metric, **fields)), default=None)


def accuracy_curve(run: Record, metric: str, records: Mapping[str, Record]) -> dict[int, float]:
    """Return a run's metric by epoch, from the evaluations during its training; ``run`` is its record of any metric."""
    trainings = select(records, kind="training", subject=run.subject, setting=run.setting, seed=run.seed)
    return {epoch: values[metric] for record in trainings for epoch, values in record.samples["figures"]}


def metric_of_cell(cell: Cell) -> str:
    """Return the metric of the records that measure a printed accuracy."""
    if cell.column.metric == "pckh" and cell.column.threshold is not None:
        return pckh_metric_name(cell.column.threshold, cell.column.convention)
    return cell.column.metric.upper()


# --- estimating --------------------------------------------------------------------------------------------------------------


def points_factor(dataset: str) -> int:
    """Return the number of percentage points in one unit of a dataset's metrics; COCO's are fractions."""
    return 100 if joint_set_of(dataset) == "coco" else 1


def can_be_compared(*groups: Sequence[Record]) -> bool:
    """Return whether all runs have bootstrap replicates on record, over the same number of people."""
    runs = [run for group in groups for run in group]
    return len({run.n for run in runs} | {None}) == 2 and all("replicates" in (run.samples or {}) for run in runs)


def mean_over_runs(runs: Sequence[Record]) -> Estimate:
    """Estimate the mean of runs that :func:`can_be_compared`, in percentage points."""
    return estimate_mean(_group(runs), _people(runs))


def difference_of_runs(first: Sequence[Record], second: Sequence[Record], planned_seeds: int | None = None) -> Estimate:
    """Estimate the difference of means, first minus second, of runs that :func:`can_be_compared`, in percentage points.

    Args:
        first: Runs of one variant.
        second: Runs of the other.
        planned_seeds: Estimate what this number of seeds would give, instead of the number of runs.
    """
    return estimate_difference(_group(first), _group(second), _people(first), planned_seeds)


def in_pairs(first: Sequence[Record], second: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Return the runs of two variants whose seed both have, in the order of the seeds."""
    by_seed = [{run.seed or 0: run for run in runs} for runs in (first, second)]
    seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
    one, other = ([runs[seed] for seed in seeds] for runs in by_seed)
    return one, other


def paired_difference(first: Sequence[Record], second: Sequence[Record], planned_seeds: int | None = None) -> Estimate:
    """Estimate the difference of means, first minus second, of runs :func:`in_pairs`; see :func:`difference_of_runs`."""
    return estimate_paired_difference(_group(first), _group(second), _people(first), planned_seeds)


def _group(runs: Sequence[Record]) -> RunGroup:
    factor = points_factor(runs[0].dataset)
    values = np.array([run.value for run in runs], dtype=float)
    return RunGroup(factor * values, factor * np.array([unpack_replicates(run.samples["replicates"]) for run in runs]))


def _people(runs: Sequence[Record]) -> int:
    assert runs[0].n is not None
    return runs[0].n


# --- formatting --------------------------------------------------------------------------------------------------------------


def format_spread(runs: Sequence[Record]) -> str:
    """Format the mean and standard deviation over seeds in percentage points as text; empty without runs."""
    values = [points_factor(run.dataset) * run.value for run in runs]
    if len(values) < 2:
        return "".join(f"{value:.2f}" for value in values)
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"


def seed_count_label(runs: Sequence[Record]) -> str:
    """Format the number of runs as text: ``1 seed``, ``3 seeds``."""
    return f"{len(runs)} seed" + "s" * (len(runs) != 1)
