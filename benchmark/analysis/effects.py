"""What an ablation's records come to: paired differences with intervals over persons and seeds, beside the paper's own.

No torch here: the report reads this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmark.config.ablations import (
    BUDGETS,
    Ablation,
    Comparison,
    Variant,
    variant_model,
    variant_recipe,
    variant_search,
)
from benchmark.config.identities import (
    accuracy_identity,
    feature_map_identity,
    joint_set_of,
    runs_of,
    search_identity,
    training_setting,
)
from benchmark.config.recipes import Recipe
from benchmark.config.searches import SEARCHED, SearchConfig
from benchmark.core.records import IDENTITY, Record, record_id, select
from benchmark.models.registry import canonical_id
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.tables import load_papers

Judged = Literal["agrees", "opposite", "within noise", "nothing learned", "one seed", "not_run"]
# Under each dataset, the metric of a comparison, and of one under the stricter threshold.
EFFECT_METRICS = {"lsp": ("pck@0.2", "pck@0.05"), "mpii": ("pckh@0.5 (hrnet)", "pckh@0.1 (hrnet)"), "coco": ("AP", "AP")}
POWER = 0.8
# Of maps: spectral energy at half a cycle per pixel, percent; height of peaks; their sigma, pixels of the map.
FEATURE_MAP_METRICS = ("checkerboard", "peak", "sigma")


@dataclass(frozen=True, kw_only=True)
class Effect:
    """``better`` minus ``worse`` in percentage points, as measured and as printed; ``interval`` is the 95 % one."""

    comparison: Comparison
    metric: str
    difference: float | None
    interval: tuple[float, float] | None
    seeds: tuple[int, int]
    printed: float | None
    judged: Judged


def measure_effects(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[Effect]:
    """Every comparison of an ablation under a protocol."""
    return [_effect(ablation, comparison, protocol, records) for comparison in ablation.comparisons]


def _effect(ablation: Ablation, comparison: Comparison, protocol: str, records: Mapping[str, Record]) -> Effect:
    dataset = BUDGETS[protocol].dataset.removeprefix("synthetic-")
    metric = EFFECT_METRICS[dataset][comparison.strict_threshold]
    printed = _printed(ablation, comparison)
    first, second = (ablation.variant(name) for name in (comparison.better, comparison.worse))
    learned = True
    if second.weights:
        found = _published(first, second, metric, records)
        difference, interval, counts = (-found.value, _negative(found), (1, 1)) if found else (None, None, (0, 0))
    else:
        ours, theirs = (variant_runs(ablation, variant, protocol, metric, records) for variant in (first, second))
        counts = (len(ours), len(theirs))
        difference, interval = compare_runs(ours, theirs)
        floor = mean_pose_accuracy(variant_recipe(ablation, second, protocol)[0].name, metric, records)
        learned = floor is None or any(np.mean([run.value for run in side]) > floor for side in (ours, theirs) if side)
        if dataset == "coco" and difference is not None:  # fractions there, points here
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
        rate: The factor of the learning rate.
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
    main = EFFECT_METRICS[joint_set_of(config.dataset)][0]
    found = runs_of(records, search_identity(package, config, "flops", SEARCHED, main, "", 0))
    return [record for record in found if record.samples["digest"] == config.digest()]


def searched_runs(searches: Sequence[Record], metric: str, records: Mapping[str, Record]) -> list[Record]:
    """Return the records of a metric of the networks that searches found, trained and tested."""
    mains = [records[search.samples["accuracy"]] for search in searches if search.samples["accuracy"] in records]
    ids = [record_id({name: getattr(main, name) for name in IDENTITY} | {"metric": metric}) for main in mains]
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


def format_spread(found: Sequence[Record]) -> str:
    """Mean and standard deviation over seeds, for reading; nothing without figures."""
    values = [record.value for record in found]
    if len(values) < 2:
        return "".join(f"{value:.2f}" for value in values)
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"


def seed_count_label(found: Sequence[Record]) -> str:
    """How many there are, for reading."""
    return f"{len(found)} seed" + "s" * (len(found) != 1)


def mean_interval(found: Sequence[Record]) -> tuple[float, float] | None:
    """The 95 % interval of the mean over seeds, over persons too; of one run over persons alone; none without any."""
    if len(found) < 2:
        return found[0].interval if found else None
    from scipy.special import stdtrit

    values = np.array([record.value for record in found])
    persons = np.var(np.mean([record.samples["replicates"] for record in found], axis=0), ddof=1)
    half = float(stdtrit(len(values) - 1, 0.975) * np.sqrt(persons + np.var(values, ddof=1) / len(values)))
    return float(values.mean()) - half, float(values.mean()) + half


def compare_runs(ours: Sequence[Record], theirs: Sequence[Record]) -> tuple[float | None, tuple[float, float] | None]:
    """The difference of two variants' means and its 95 % interval; none with fewer than two seeds each.

    Two variances add up: that of the test persons, from replicates which draw the same persons for every run, and that of the
    seeds, from the spread of the runs. The interval is Student's with the seeds' degrees of freedom.
    """
    if not ours or not theirs:
        return None, None
    one, other = (np.array([record.value for record in side]) for side in (ours, theirs))
    difference = float(one.mean() - other.mean())
    if min(len(one), len(other)) < 2:
        return difference, None
    from scipy.special import stdtrit  # half a second, which a report without runs need not spend

    replicates = [np.mean([record.samples["replicates"] for record in side], axis=0) for side in (ours, theirs)]
    persons = np.var(replicates[0] - replicates[1], ddof=1)
    seeds = np.var(one, ddof=1) / len(one) + np.var(other, ddof=1) / len(other)
    half = float(stdtrit(len(one) + len(other) - 2, 0.975) * np.sqrt(persons + seeds))
    return difference, (difference - half, difference + half)


def judge_direction(
    difference: float | None, interval: tuple[float, float] | None, printed: float | None, *, learned: bool = True
) -> Judged:
    """The measured direction against the printed one; against the claimed one where no figure is printed.

    Args:
        learned: whether either variant is above the mean pose; if not, no direction is judged.
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
    """Return what the mean pose of the training crops reaches under a recipe; None where it is not on record."""
    found = select(records, kind="mean_pose", metric=metric, recipe=recipe)
    return found[-1].value if found else None


def accuracy_curve(run: Record, metric: str, records: Mapping[str, Record]) -> dict[int, float]:
    """Return a run's metric by epoch, from the evaluations during its training; ``run`` is its record of any metric."""
    found = select(records, kind="training", subject=run.subject, setting=run.setting, seed=run.seed)
    return {epoch: values[metric] for record in found for epoch, values in record.samples["figures"]}


def epochs_to(threshold: float, curve: Mapping[int, float]) -> float | None:
    """How many epochs it takes to reach the threshold, on straight lines between the tests and from nothing; None: it is not
    reached."""
    before, at = 0.0, 0
    for epoch, value in sorted(curve.items()):
        if value >= threshold:
            return at + (epoch - at) * (threshold - before) / (value - before) if value > before else float(epoch)
        before, at = value, epoch
    return None


def convergence(
    ablation: Ablation, comparison: Comparison, protocol: str, records: Mapping[str, Record]
) -> tuple[float, dict[str, list[float | None]]] | None:
    """The mean final figure of the comparison's worse variant, and the epochs in which each run of both reaches it."""
    metric = EFFECT_METRICS[BUDGETS[protocol].dataset.removeprefix("synthetic-")][comparison.strict_threshold]
    pair = (comparison.better, comparison.worse)
    sides = {name: variant_runs(ablation, ablation.variant(name), protocol, metric, records) for name in pair}
    if not all(sides.values()):
        return None
    threshold = float(np.mean([run.value for run in sides[comparison.worse]]))
    return threshold, {
        name: [epochs_to(threshold, accuracy_curve(run, metric, records)) for run in side] for name, side in sides.items()
    }


@dataclass(frozen=True)
class FeatureMapStats:
    """Statistics of a variant's feature maps at a module after an epoch.

    Attributes:
        values: By statistic, one value per seed.
        images: One Synthetic person's feature maps, as rows of hexadecimal digits from black to white.
    """

    variant: str
    module: str
    epoch: int
    values: Mapping[str, Sequence[float]]
    images: Sequence[Sequence[str]]


def feature_map_stats(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[FeatureMapStats]:
    """Return everything that was measured on the feature maps of an ablation's variants, in its order."""
    if (spec := ablation.feature_maps) is None:
        return []
    stats = []
    for variant in ablation.variants:
        model = variant_model(ablation, variant, protocol)
        recipe, overrides = variant_recipe(ablation, variant, protocol)
        setting = training_setting(recipe, recipe.start, overrides)
        for module in spec.modules:
            for epoch in range(1, recipe.epochs + 1) if spec.every_evaluation else (recipe.epochs,):
                runs = {
                    metric: runs_of(records, feature_map_identity(model, recipe, setting, metric, module, epoch))
                    for metric in FEATURE_MAP_METRICS
                }
                images = [run.samples for run in runs["checkerboard"] if run.samples]
                if any(runs.values()):
                    values = {metric: [run.value for run in found] for metric, found in runs.items()}
                    stats.append(FeatureMapStats(variant.name, module, epoch, values, images[0] if images else []))
    return stats


def _printed(ablation: Ablation, comparison: Comparison) -> float | None:
    if not comparison.printed:
        return None
    known = load_papers()
    return float(evaluate_expression(comparison.printed, known[ablation.paper], known).value)


def _published(first: Variant, second: Variant, metric: str, records: Mapping[str, Record]) -> Record | None:
    """Return the paired difference of the second's protocol from the first's, on one network with published weights."""
    subject = canonical_id(first.model)
    found = select(records, kind="evaluation", subject=subject, protocol=second.protocol, metric=metric, over=first.protocol)
    return found[-1] if found else None


def _negative(record: Record) -> tuple[float, float] | None:
    return (-record.interval[1], -record.interval[0]) if record.interval else None


def detectable_difference(ablation: Ablation, protocol: str, seeds: int, records: Mapping[str, Record]) -> str:
    """The smallest true difference that so many seeds and the protocol's persons show in four of five attempts, from the
    spread of the runs on record; in words."""
    dataset = BUDGETS[protocol].dataset.removeprefix("synthetic-")
    metric = EFFECT_METRICS[dataset][0]
    persons, spread = [], []
    for pair in ablation.comparisons:
        sides = [
            variant_runs(ablation, ablation.variant(name), protocol, metric, records) for name in (pair.better, pair.worse)
        ]
        for side in sides:
            if len(side) > 1:
                spread.append(np.var([record.value for record in side], ddof=1))
        if all(sides):
            replicates = [np.mean([record.samples["replicates"] for record in side], axis=0) for side in sides]
            persons.append(np.var(replicates[0] - replicates[1], ddof=1))
    if not persons or not spread or seeds < 2:
        return "smallest difference it could see: unknown until two seeds of two variants are on record"
    from scipy.special import ndtri, stdtrit

    deviation = np.sqrt(np.mean(persons) + 2 * np.mean(spread) / seeds)
    least = (stdtrit(2 * seeds - 2, 0.975) + ndtri(POWER)) * deviation
    return f"smallest difference that {seeds} seeds could see: {least:.2f} points of {metric}, four times in five"


def format_effect(ablation: Ablation, effect: Effect) -> str:
    """One line for reading."""
    pair = f"{ablation.name}: {effect.comparison.better} over {effect.comparison.worse}"
    if effect.difference is None:
        return f"{pair:56} {effect.metric:18} not run"
    interval = "[{:+.2f}, {:+.2f}]".format(*effect.interval) if effect.interval else "no interval"
    printed = "" if effect.printed is None else f", printed {effect.printed:+.3g}"
    seeds = "x".join(map(str, effect.seeds))
    return f"{pair:56} {effect.metric:18} {effect.difference:+.2f} {interval}, {seeds} seeds{printed}: {effect.judged}"


def effects_report(found: Mapping[str, Sequence[Effect]], protocol: str) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/ablate.schema.json."""
    return {"schema": 1, "protocol": protocol, "effects": list(_rows(found))}


def _rows(found: Mapping[str, Sequence[Effect]]) -> Iterator[dict[str, Any]]:
    for name, own in found.items():
        for effect in own:
            yield {
                "ablation": name,
                "better": effect.comparison.better,
                "worse": effect.comparison.worse,
                "metric": effect.metric,
                "difference": effect.difference,
                "ci95": list(effect.interval) if effect.interval else None,
                "seeds": list(effect.seeds),
                "printed": effect.printed,
                "judged": effect.judged,
            }
