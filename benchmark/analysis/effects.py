"""Compare the variants of ablations: paired differences over people and seeds, beside the papers' own, and judged.

This module does not import torch, because the report uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.analysis.judgement import (
    Judgement,
    Pair,
    Word,
    format_difference,
    format_power,
    judge_pairs,
    learning_obstacle,
)
from benchmark.analysis.runs import (
    EFFECT_METRICS,
    can_be_compared,
    difference_of_runs,
    in_pairs,
    mean_pose_accuracy,
    metric_of_cell,
    paired_difference,
    points_factor,
    variant_results,
    variant_runs,
)
from benchmark.analysis.trials import family_trials
from benchmark.config.ablations import (
    BUDGETS,
    Ablation,
    BudgetName,
    Comparison,
    Variant,
    known_ablations,
    missing_recipe,
    variant_model,
)
from benchmark.core.inference import Estimate, estimate_from_interval
from benchmark.core.keypoints import joint_set_of
from benchmark.core.records import Record, indexed, select
from benchmark.core.statistics import REPLICATES
from benchmark.models.registry import find_entry
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.tables import Cell, load_papers

DETECTION_POWER = 0.8  # of the smallest difference that a plan detects


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The measured and the printed difference of a comparison, ``better`` minus ``worse``, in percentage points.

    Attributes:
        comparison: The two variants.
        metric: Metric that is compared.
        difference: Difference of the means over seeds; None without runs.
        estimate: The difference over people and seeds, or over people alone for published weights; None with fewer than two
            seeds of a variant. Runs with the same seed are pairs where they share their initial weights.
        unpaired: The difference if the runs were no pairs; None for published weights.
        seeds: Number of runs of each variant.
        population: What the runs of both variants are, in words.
        trainings: Identities of the trained networks on both sides, whatever metric is compared.
        printed: The paper's difference; None if it prints none.
        printed_metric: Metric and dataset of the printed difference.
        stand_in: What replaces a network of the paper, in words; empty where its own network is compared.
        judgement: Whether the measured direction agrees with the printed one.
    """

    comparison: Comparison
    metric: str
    difference: float | None
    estimate: Estimate | None
    unpaired: Estimate | None
    seeds: tuple[int, int]
    population: str
    trainings: frozenset[str]
    printed: float | None
    printed_metric: str
    stand_in: str
    judgement: Judgement


class Plan(NamedTuple):
    """An ablation under one protocol."""

    ablation: Ablation
    protocol: str


Effects = Mapping[tuple[str, str], Sequence[Effect]]  # by name of the ablation and protocol


def judged_plans() -> list[Plan]:
    """List all plans whose variants can be trained, under the protocols under which directions are judged."""
    plans = [Plan(ablation, protocol) for ablation in known_ablations().values() for protocol in ablation.protocols]
    return [plan for plan in plans if is_judged(plan.protocol) and not missing_recipe(*plan)]


def measure_effects(plans: Sequence[Plan], records: Mapping[str, Record]) -> Effects:
    """Measure every comparison of these plans, and judge them as one family."""
    records = indexed(records)
    measured = [_measure(plan, comparison, records) for plan in plans for comparison in plan.ablation.comparisons]
    judgements = judge_pairs([measurement.pair for measurement in measured])
    effects: dict[tuple[str, str], list[Effect]] = {(plan.ablation.name, plan.protocol): [] for plan in plans}
    for measurement, judgement in zip(measured, judgements, strict=True):
        plan, comparison, pair = measurement.plan, measurement.comparison, measurement.pair
        effects[plan.ablation.name, plan.protocol].append(
            Effect(
                comparison=comparison,
                metric=measurement.metric,
                difference=measurement.difference,
                estimate=pair.estimate,
                unpaired=measurement.unpaired,
                seeds=(len(measurement.first), len(measurement.second)),
                population=_population(measurement),
                trainings=frozenset(map(_training, (*measurement.first, *measurement.second))),
                printed=pair.printed,
                printed_metric=_printed_metric(_printed_cells(plan.ablation, comparison)),
                stand_in=_stand_in(plan, comparison),
                judgement=judgement,
            )
        )
    return effects


def is_judged(protocol: str) -> bool:
    """Return whether directions can be judged under a protocol."""
    return BUDGETS[protocol].papers_own or bool(BUDGETS[protocol].held_out)


class _Measurement(NamedTuple):
    plan: Plan
    comparison: Comparison
    metric: str
    difference: float | None
    unpaired: Estimate | None
    first: Sequence[Record]
    second: Sequence[Record]
    pair: Pair


def _training(run: Record) -> str:
    """Identify the trained network of a record, whatever was measured of it."""
    weights = (run.samples or {}).get("weights")
    return f"{run.subject} {weights}" if weights else f"{run.subject} {sorted(run.setting.items(), key=str)} {run.seed}"


def _population(measurement: _Measurement) -> str:
    if measurement.plan.ablation.variant(measurement.comparison.better).weights:
        return "one training, people alone"
    return f"{len(measurement.first)} and {len(measurement.second)} seeds"


def _measure(plan: Plan, comparison: Comparison, records: Mapping[str, Record]) -> _Measurement:
    ablation, protocol = plan
    metric, printed = _metric(plan, comparison), _printed(ablation, comparison)
    sides = [ablation.variant(name) for name in (comparison.better, comparison.worse)]
    first, second = (variant_results(ablation, side, protocol, metric, records) for side in sides)
    published, paired = bool(sides[0].weights), bool(BUDGETS[protocol].held_out)
    if paired and not published:
        first, second = in_pairs(first, second)
    if not first or not second:
        pair = Pair(run=False, estimate=None, printed=printed, obstacles=())
        return _Measurement(plan, comparison, metric, None, None, first, second, pair)
    obstacles = [
        learning_obstacle(side.name, runs, _floor(runs[0], records)) for side, runs in zip(sides, (first, second), strict=True)
    ]
    means = [points_factor(runs[0].dataset) * sum(run.value for run in runs) / len(runs) for runs in (first, second)]
    estimate, unpaired = None, None
    if published:
        # Neither side was trained for itself, so the difference is one at test time. Its direction is not the printed one's.
        estimate = _published_difference(first[0], second[0], records)
        obstacles.append("both sides are the weights of one training" if estimate else "no paired difference on record")
    else:
        if min(len(first), len(second)) < 2:
            obstacles.append("one seed")
        elif not can_be_compared(first, second):
            obstacles.append("the runs have no replicates over the same people")
        else:
            unpaired = difference_of_runs(first, second)
            estimate = paired_difference(first, second) if paired else unpaired
        obstacles += _protocol_obstacles(plan, sides, records)
    reasons = tuple(dict.fromkeys(filter(None, obstacles)))
    pair = Pair(run=True, estimate=estimate, printed=printed, obstacles=reasons, testable=not published)
    return _Measurement(plan, comparison, metric, means[0] - means[1], unpaired, first, second, pair)


def _metric(plan: Plan, comparison: Comparison) -> str:
    """Return the metric of a comparison: the printed one under the paper's own recipe, else that of the dataset."""
    budget = BUDGETS[plan.protocol]
    cells = [cell for cell in _printed_cells(plan.ablation, comparison) if cell.column.kind == "accuracy"]
    if budget.papers_own and cells and cells[0].dataset == budget.dataset:
        return metric_of_cell(cells[0])
    return EFFECT_METRICS[joint_set_of(budget.dataset)][comparison.strict_threshold]


def _floor(run: Record, records: Mapping[str, Record]) -> float | None:
    """Return the accuracy of the mean pose on the people that a run was tested on."""
    return mean_pose_accuracy(run.metric, records, dataset=run.dataset, split=run.split)


def _protocol_obstacles(plan: Plan, sides: Sequence[Variant], records: Mapping[str, Record]) -> list[str]:
    """List why trainings under the protocol cannot be judged: their learning rate or their length."""
    budget = BUDGETS[plan.protocol]
    if budget.papers_own:
        # The printed difference is that at the paper's rate, so the variants that the paper prints need no check.
        unchecked = [side.name for side in sides if not side.row]
    elif not budget.held_out:
        return ["the protocol only shows that the ablation runs"]
    else:
        unchecked = [side.name for side in sides if side.scale]  # each search finds another network
    obstacles = [f"no learning-rate check of {' and '.join(unchecked)}"] if unchecked else []
    for side in sides:
        if budget.held_out and not side.scale:
            obstacles += family_trials(plan.ablation, side, plan.protocol, records).obstacles()
    return obstacles


def _published_difference(first: Record, second: Record, records: Mapping[str, Record]) -> Estimate | None:
    """Return the paired difference between two protocols of one published network over people, first minus second."""
    # The record holds the difference of a protocol from the network's first one: second minus first.
    for difference in select(
        records,
        kind="evaluation",
        subject=first.subject,
        dataset=first.dataset,
        split=first.split,
        metric=first.metric,
        protocol=second.protocol,
        over=first.protocol,
    ):
        if difference.interval and difference.n:
            low, high = difference.interval
            return estimate_from_interval(-difference.value, (-high, -low), difference.n, REPLICATES)
    return None


# --- what the paper prints, and what stands in for it ------------------------------------------------------------------------


def _printed(ablation: Ablation, comparison: Comparison) -> float | None:
    if not comparison.printed:
        return None
    papers = load_papers()
    return float(evaluate_expression(comparison.printed, papers[ablation.paper], papers).value)


def _printed_cells(ablation: Ablation, comparison: Comparison) -> tuple[Cell, ...]:
    if not comparison.printed:
        return ()
    papers = load_papers()
    return evaluate_expression(comparison.printed, papers[ablation.paper], papers).cells


def _printed_metric(cells: Sequence[Cell]) -> str:
    """Name the metric and dataset of a printed difference: ``PCKh@50 on mpii``."""
    names = dict.fromkeys(cell.column.header + f" on {cell.dataset}" * bool(cell.dataset) for cell in cells)
    return ", ".join(names)


def _stand_in(plan: Plan, comparison: Comparison) -> str:
    """Name the networks that replace the paper's, and those of which only a reconstruction exists; empty for its own."""
    ablation, protocol = plan
    notes: dict[str, None] = {}
    for name in (comparison.better, comparison.worse):
        variant = ablation.variant(name)
        if variant.weights:
            notes["published weights stand in for the printed trainings"] = None
        if variant.scale or variant.weights:
            continue
        trained, planned = (model.partition("+")[0] for model in (variant_model(ablation, variant, protocol), variant.model))
        package = planned.partition("/")[0]
        if trained != planned:
            notes[f"`{trained}` stands in for `{planned}`"] = None
        elif ablation.paper and package != ablation.paper:
            notes[f"`{trained}` stands in for a network of {load_papers()[ablation.paper].short}"] = None
        elif ablation.paper and find_entry(trained).evidence == "reconstruction":
            notes[f"`{trained}` is a reconstruction"] = None
    return "; ".join(notes)


# --- planning ----------------------------------------------------------------------------------------------------------------


def detectable_difference(ablation: Ablation, protocol: str, seeds: int, records: Mapping[str, Record]) -> str:
    """Format the smallest true difference that a single comparison detects with a probability of :data:`DETECTION_POWER`.

    It is estimated from the variance of the runs on record, over test people and over seeds.

    Args:
        ablation: Ablation whose runs are on record.
        protocol: A name in :data:`benchmark.config.ablations.BUDGETS`.
        seeds: Number of seeds per variant that are planned.
        records: Current records, by id.
    """
    metric = EFFECT_METRICS[joint_set_of(BUDGETS[protocol].dataset)][0]
    estimates = []
    for comparison in ablation.comparisons if seeds > 1 else ():
        first, second = (
            variant_runs(ablation, ablation.variant(name), protocol, metric, records)
            for name in (comparison.better, comparison.worse)
        )
        if BUDGETS[protocol].held_out:
            first, second = in_pairs(first, second)
        if min(len(first), len(second)) > 1 and can_be_compared(first, second):
            paired = BUDGETS[protocol].held_out
            estimates.append((paired_difference if paired else difference_of_runs)(first, second, seeds))
    if not estimates:
        return "smallest difference that can be detected: unknown until two seeds of two variants are on record"
    smallest = max(estimate.detectable(DETECTION_POWER) for estimate in estimates)
    return (
        f"smallest difference that {seeds} seeds detect: {smallest:.2f} points of {metric}, with a probability of "
        f"{100 * DETECTION_POWER:.0f} %"
    )


# --- formatting --------------------------------------------------------------------------------------------------------------


def format_effect(ablation: Ablation, effect: Effect) -> str:
    """Format an effect as one line of text."""
    pair = (
        f"power {format_power(effect.judgement):>7}  {ablation.name}: {effect.comparison.better} over {effect.comparison.worse}"
    )
    if effect.difference is None:
        return f"{pair:72} {effect.metric:18} not run"
    printed = "" if effect.printed is None else f", printed {effect.printed:+.3g}"
    difference = format_difference(effect.difference, effect.estimate)
    return f"{pair:72} {effect.metric:18} {difference}, {effect.population}{printed}: {effect.judgement}"


class EffectReport(TypedDict):
    """One comparison, as ``python -m benchmark.ablate --json`` prints it.

    Attributes:
        better: The variant that the paper finds or claims better.
        difference: ``better`` minus ``worse`` in percentage points; null if the comparison was not run.
        ci95: 95 % interval of the difference.
        seeds: Number of runs of each variant.
        printed: The paper's difference; null if it prints none.
        power: Probability to find the printed difference.
        p_holm: p-value of no difference, by Holm's procedure among all comparisons on real images that were run.
        reasons: Why the comparison is not judged.
    """

    ablation: str
    better: str
    worse: str
    metric: str
    difference: float | None
    ci95: tuple[float, float] | None
    seeds: tuple[int, int]
    printed: float | None
    power: float | None
    p_holm: float | None
    judged: Word
    reasons: list[str]


class EffectsReport(TypedDict):
    """Output of ``python -m benchmark.ablate --json``."""

    schema: Literal[2]
    protocol: BudgetName
    effects: list[EffectReport]


def effects_report(effects: Mapping[str, Sequence[Effect]], protocol: BudgetName) -> EffectsReport:
    """Return the report that ``--json`` prints, from the effects of each ablation."""
    reports = [_effect_report(name, effect) for name, listed in effects.items() for effect in listed]
    return {"schema": 2, "protocol": protocol, "effects": reports}


def _effect_report(ablation: str, effect: Effect) -> EffectReport:
    return {
        "ablation": ablation,
        "better": effect.comparison.better,
        "worse": effect.comparison.worse,
        "metric": effect.metric,
        "difference": effect.difference,
        "ci95": effect.estimate.interval() if effect.estimate else None,
        "seeds": effect.seeds,
        "printed": effect.printed,
        "power": effect.judgement.power,
        "p_holm": effect.judgement.p_value,
        "judged": effect.judgement.word,
        "reasons": list(effect.judgement.reasons),
    }
