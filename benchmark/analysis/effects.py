"""Compare the variants of an ablation: paired differences with intervals over people and seeds, and the paper's own.

This module does not import torch, because the report uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.config.ablations import (
    BUDGETS,
    Ablation,
    BudgetName,
    Comparison,
    Variant,
    variant_model,
    variant_recipe,
    variant_search,
)
from benchmark.config.identities import (
    accuracy_identity,
    feature_map_identity,
    runs_of,
    search_identity,
    training_setting,
)
from benchmark.config.recipes import Recipe
from benchmark.config.searches import SEARCHED, SearchConfig
from benchmark.core.keypoints import joint_set_of
from benchmark.core.records import IDENTITY, Record, record_id, select
from benchmark.models.registry import canonical_id
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.tables import load_papers

Judged = Literal["agrees", "opposite", "within noise", "nothing learned", "one seed", "not_run"]
# By dataset, the metric of a comparison, and the metric of one under the stricter threshold.
EFFECT_METRICS = {"lsp": ("pck@0.2", "pck@0.05"), "mpii": ("pckh@0.5 (hrnet)", "pckh@0.1 (hrnet)"), "coco": ("AP", "AP")}
POWER = 0.8  # probability of detecting a true difference
# Statistics of feature maps: spectral energy at half a cycle per pixel in percent, height of peaks, and their sigma in pixels.
FEATURE_MAP_METRICS = ("checkerboard", "peak", "sigma")


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The measured and the printed difference of a comparison, ``better`` minus ``worse``, in percentage points.

    Attributes:
        comparison: The two variants.
        metric: Metric that is compared.
        difference: Difference of the means over seeds; None without runs.
        interval: 95 % interval of the difference; None with fewer than two seeds of a variant.
        seeds: Number of runs of each variant.
        printed: The paper's difference; None if it prints none.
        judged: Whether the measured direction agrees with the printed one.
    """

    comparison: Comparison
    metric: str
    difference: float | None
    interval: tuple[float, float] | None
    seeds: tuple[int, int]
    printed: float | None
    judged: Judged


def measure_effects(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[Effect]:
    """Measure every comparison of an ablation under a protocol."""
    return [_effect(ablation, comparison, protocol, records) for comparison in ablation.comparisons]


def _effect(ablation: Ablation, comparison: Comparison, protocol: str, records: Mapping[str, Record]) -> Effect:
    dataset = joint_set_of(BUDGETS[protocol].dataset)
    metric = EFFECT_METRICS[dataset][comparison.strict_threshold]
    printed = _printed(ablation, comparison)
    first, second = (ablation.variant(name) for name in (comparison.better, comparison.worse))
    learned = True
    if second.weights:
        # Published weights were tested under both protocols; the record holds the difference second minus first.
        record = _published_difference(first, second, metric, records)
        if record:
            difference, counts = -record.value, (1, 1)
            interval = (-record.interval[1], -record.interval[0]) if record.interval else None
        else:
            difference, interval, counts = None, None, (0, 0)
    else:
        first_runs, second_runs = (variant_runs(ablation, variant, protocol, metric, records) for variant in (first, second))
        counts = (len(first_runs), len(second_runs))
        difference, interval = compare_runs(first_runs, second_runs)
        floor = mean_pose_accuracy(variant_recipe(ablation, second, protocol)[0].name, metric, records)
        means = [np.mean([run.value for run in runs]) for runs in (first_runs, second_runs) if runs]
        learned = floor is None or any(mean > floor for mean in means)
        if dataset == "coco" and difference is not None:  # COCO's metrics are fractions
            difference, interval = 100 * difference, interval and (100 * interval[0], 100 * interval[1])
    return Effect(
        comparison=comparison,
        metric=metric,
        difference=difference,
        interval=interval,
        seeds=counts,
        printed=printed,
        judged=judge_direction(difference, interval, printed, learned=learned),
    )


def variant_runs(
    ablation: Ablation, variant: Variant, protocol: str, metric: str, records: Mapping[str, Record], rate: float = 1.0
) -> list[Record]:
    """Return a variant's records of a metric, one per seed.

    Args:
        ablation: Ablation that has the variant.
        variant: Variant that is trained.
        protocol: A name in :data:`benchmark.config.ablations.BUDGETS`.
        metric: Metric of the records.
        records: Current records, by id.
        rate: Factor of the learning rate.
    """
    if config := variant_search(variant, protocol):
        return searched_runs(variant_searches(variant, config, records), metric, records)
    recipe, overrides = variant_recipe(ablation, variant, protocol, rate)
    setting = training_setting(recipe, recipe.start, overrides, rate)
    return training_runs(variant_model(ablation, variant, protocol), recipe, setting, metric, records)


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
    subject, dataset = canonical_id(ablation.variants[0].model), BUDGETS[protocol].dataset
    return select(
        records, kind="evaluation", subject=subject, dataset=dataset, protocol=variant.protocol, metric=metric, over=""
    )


def format_spread(runs: Sequence[Record]) -> str:
    """Format the mean and standard deviation over seeds as text; empty without runs."""
    values = [run.value for run in runs]
    if len(values) < 2:
        return "".join(f"{value:.2f}" for value in values)
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"


def seed_count_label(runs: Sequence[Record]) -> str:
    """Format the number of runs as text: ``1 seed``, ``3 seeds``."""
    return f"{len(runs)} seed" + "s" * (len(runs) != 1)


def mean_interval(runs: Sequence[Record]) -> tuple[float, float] | None:
    """Compute the 95 % interval of the mean over seeds and people; over people alone for one run, None without runs."""
    if len(runs) < 2:
        return runs[0].interval if runs else None
    from scipy.special import stdtrit  # here, because this import takes half a second

    values = np.array([run.value for run in runs])
    people_variance = np.var(np.mean([run.samples["replicates"] for run in runs], axis=0), ddof=1)
    seed_variance = np.var(values, ddof=1) / len(values)
    half = float(stdtrit(len(values) - 1, 0.975) * np.sqrt(people_variance + seed_variance))
    return float(values.mean()) - half, float(values.mean()) + half


def compare_runs(
    first_runs: Sequence[Record], second_runs: Sequence[Record]
) -> tuple[float | None, tuple[float, float] | None]:
    """Compute the difference of two variants' means, first minus second, and its 95 % interval.

    The variance is the sum of two: that over test people, from replicates that draw the same people for every run, and that
    over seeds, from the spread of the runs. The interval is Student's t with the degrees of freedom of the seeds.

    Returns:
        The difference, None without runs of both variants; and the interval, None with fewer than two seeds each.
    """
    if not first_runs or not second_runs:
        return None, None
    first, second = (np.array([run.value for run in runs]) for runs in (first_runs, second_runs))
    difference = float(first.mean() - second.mean())
    if min(len(first), len(second)) < 2:
        return difference, None
    from scipy.special import stdtrit  # here, because this import takes half a second

    seed_variance = np.var(first, ddof=1) / len(first) + np.var(second, ddof=1) / len(second)
    people_variance = _paired_variance(first_runs, second_runs)
    half = float(stdtrit(len(first) + len(second) - 2, 0.975) * np.sqrt(people_variance + seed_variance))
    return difference, (difference - half, difference + half)


def _paired_variance(first_runs: Sequence[Record], second_runs: Sequence[Record]) -> float:
    """Return the variance, over the test people, of the difference of two variants' means."""
    first, second = (np.mean([run.samples["replicates"] for run in runs], axis=0) for runs in (first_runs, second_runs))
    return float(np.var(first - second, ddof=1))


def judge_direction(
    difference: float | None, interval: tuple[float, float] | None, printed: float | None, *, learned: bool = True
) -> Judged:
    """Judge the measured direction by the printed one, or by the claimed one if no difference is printed.

    Args:
        difference: Measured difference; positive for the claimed direction.
        interval: Its 95 % interval.
        printed: Printed difference.
        learned: Whether a variant is better than the mean pose; if none is, no direction is judged.
    """
    if difference is None:
        return "not_run"
    if interval is None:
        return "one seed"
    if not learned:
        return "nothing learned"
    if interval[0] <= 0 <= interval[1]:
        return "within noise"
    return "agrees" if (difference > 0) == (printed is None or printed > 0) else "opposite"


def mean_pose_accuracy(recipe: str, metric: str, records: Mapping[str, Record]) -> float | None:
    """Return the accuracy of the mean pose of the training crops under a recipe; None if it is not on record."""
    mean_poses = select(records, kind="mean_pose", metric=metric, recipe=recipe)
    return mean_poses[-1].value if mean_poses else None


def accuracy_curve(run: Record, metric: str, records: Mapping[str, Record]) -> dict[int, float]:
    """Return a run's metric by epoch, from the evaluations during its training; ``run`` is its record of any metric."""
    trainings = select(records, kind="training", subject=run.subject, setting=run.setting, seed=run.seed)
    return {epoch: values[metric] for record in trainings for epoch, values in record.samples["figures"]}


def epochs_to(threshold: float, curve: Mapping[int, float]) -> float | None:
    """Return the number of epochs after which a curve reaches a threshold; None if it never does.

    The curve is interpolated linearly between evaluations, and starts at 0 before the first epoch.
    """
    last_value, last_epoch = 0.0, 0
    for epoch, value in sorted(curve.items()):
        if value >= threshold:
            if value == last_value:
                return float(epoch)
            return last_epoch + (epoch - last_epoch) * (threshold - last_value) / (value - last_value)
        last_value, last_epoch = value, epoch
    return None


def convergence(
    ablation: Ablation, comparison: Comparison, protocol: str, records: Mapping[str, Record]
) -> tuple[float, dict[str, list[float | None]]] | None:
    """Compare how fast two variants converge; None without runs of both.

    Returns:
        The mean final accuracy of the worse variant, and by variant the number of epochs in which each run reaches it.
    """
    metric = EFFECT_METRICS[joint_set_of(BUDGETS[protocol].dataset)][comparison.strict_threshold]
    names = (comparison.better, comparison.worse)
    runs_by_name = {name: variant_runs(ablation, ablation.variant(name), protocol, metric, records) for name in names}
    if not all(runs_by_name.values()):
        return None
    threshold = float(np.mean([run.value for run in runs_by_name[comparison.worse]]))
    return threshold, {
        name: [epochs_to(threshold, accuracy_curve(run, metric, records)) for run in runs]
        for name, runs in runs_by_name.items()
    }


@dataclass(frozen=True)
class FeatureMapStats:
    """Statistics of a variant's feature maps at a module after an epoch.

    Attributes:
        variant: Name of the variant.
        module: Name of the module, or ``heatmaps``.
        epoch: Number of epochs trained.
        values: By statistic, one value per seed.
        images: Feature maps of one Synthetic person, as rows of hexadecimal digits from black to white.
    """

    variant: str
    module: str
    epoch: int
    values: Mapping[str, Sequence[float]]
    images: Sequence[Sequence[str]]


def feature_map_stats(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[FeatureMapStats]:
    """Return the statistics of the feature maps of an ablation's variants, in the order of variants, modules and epochs."""
    if (spec := ablation.feature_maps) is None:
        return []
    stats = []
    for variant in ablation.variants:
        model = variant_model(ablation, variant, protocol)
        recipe, overrides = variant_recipe(ablation, variant, protocol)
        setting = training_setting(recipe, recipe.start, overrides)
        for module in spec.modules:
            for epoch in range(1, recipe.epochs + 1) if spec.every_evaluation else (recipe.epochs,):
                runs_by_metric = {
                    metric: runs_of(records, feature_map_identity(model, recipe, setting, metric, module, epoch))
                    for metric in FEATURE_MAP_METRICS
                }
                images = [run.samples for run in runs_by_metric["checkerboard"] if run.samples]
                if any(runs_by_metric.values()):
                    values = {metric: [run.value for run in runs] for metric, runs in runs_by_metric.items()}
                    stats.append(FeatureMapStats(variant.name, module, epoch, values, images[0] if images else []))
    return stats


def _printed(ablation: Ablation, comparison: Comparison) -> float | None:
    if not comparison.printed:
        return None
    papers = load_papers()
    return float(evaluate_expression(comparison.printed, papers[ablation.paper], papers).value)


def _published_difference(first: Variant, second: Variant, metric: str, records: Mapping[str, Record]) -> Record | None:
    """Return the record of the paired difference between two protocols, second minus first, of one published network."""
    protocols = {"protocol": second.protocol, "over": first.protocol}
    differences = select(records, kind="evaluation", subject=canonical_id(first.model), metric=metric, **protocols)
    return differences[-1] if differences else None


def detectable_difference(ablation: Ablation, protocol: str, seeds: int, records: Mapping[str, Record]) -> str:
    """Format the smallest true difference that would be detected with a probability of 80 % (:data:`POWER`).

    It is estimated from the variance of the runs on record, over test people and over seeds.

    Args:
        ablation: Ablation whose runs are on record.
        protocol: A name in :data:`benchmark.config.ablations.BUDGETS`.
        seeds: Number of seeds per variant that are planned.
        records: Current records, by id.
    """
    dataset = joint_set_of(BUDGETS[protocol].dataset)
    metric = EFFECT_METRICS[dataset][0]
    people_variances, seed_variances = [], []
    for comparison in ablation.comparisons:
        first_runs, second_runs = (
            variant_runs(ablation, ablation.variant(name), protocol, metric, records)
            for name in (comparison.better, comparison.worse)
        )
        for runs in (first_runs, second_runs):
            if len(runs) > 1:
                seed_variances.append(np.var([run.value for run in runs], ddof=1))
        if first_runs and second_runs:
            people_variances.append(_paired_variance(first_runs, second_runs))
    if not people_variances or not seed_variances or seeds < 2:
        return "smallest difference that can be detected: unknown until two seeds of two variants are on record"
    from scipy.special import ndtri, stdtrit  # here, because this import takes half a second

    deviation = np.sqrt(np.mean(people_variances) + 2 * np.mean(seed_variances) / seeds)
    smallest = (stdtrit(2 * seeds - 2, 0.975) + ndtri(POWER)) * deviation
    return (
        f"smallest difference that {seeds} seeds detect: {smallest:.2f} points of {metric}, with a probability of {POWER:.0%}"
    )


def format_effect(ablation: Ablation, effect: Effect) -> str:
    """Format an effect as one line of text."""
    pair = f"{ablation.name}: {effect.comparison.better} over {effect.comparison.worse}"
    if effect.difference is None:
        return f"{pair:56} {effect.metric:18} not run"
    interval = "[{:+.2f}, {:+.2f}]".format(*effect.interval) if effect.interval else "no interval"
    printed = "" if effect.printed is None else f", printed {effect.printed:+.3g}"
    seeds = "x".join(map(str, effect.seeds))
    return f"{pair:56} {effect.metric:18} {effect.difference:+.2f} {interval}, {seeds} seeds{printed}: {effect.judged}"


class EffectReport(TypedDict):
    """One comparison, as ``python -m benchmark.ablate --json`` prints it.

    Attributes:
        better: The variant that the paper finds or claims better.
        difference: ``better`` minus ``worse`` in percentage points; null if the comparison was not run.
        ci95: 95 % interval of the difference.
        seeds: Number of runs of each variant.
        printed: The paper's difference; null if it prints none.
    """

    ablation: str
    better: str
    worse: str
    metric: str
    difference: float | None
    ci95: tuple[float, float] | None
    seeds: tuple[int, int]
    printed: float | None
    judged: Judged


class EffectsReport(TypedDict):
    """Output of ``python -m benchmark.ablate --json``."""

    schema: Literal[1]
    protocol: BudgetName
    effects: list[EffectReport]


def effects_report(effects: Mapping[str, Sequence[Effect]], protocol: BudgetName) -> EffectsReport:
    """Return the report that ``--json`` prints, from the effects of each ablation."""
    reports = [_effect_report(name, effect) for name, listed in effects.items() for effect in listed]
    return {"schema": 1, "protocol": protocol, "effects": reports}


def _effect_report(ablation: str, effect: Effect) -> EffectReport:
    return {
        "ablation": ablation,
        "better": effect.comparison.better,
        "worse": effect.comparison.worse,
        "metric": effect.metric,
        "difference": effect.difference,
        "ci95": effect.interval,
        "seeds": effect.seeds,
        "printed": effect.printed,
        "judged": effect.judged,
    }
