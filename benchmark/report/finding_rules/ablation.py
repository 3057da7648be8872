"""Findings on what our own trainings of ablations could have seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmark.analysis.effects import Effect, Plan, judged_plans
from benchmark.analysis.judgement import format_difference, format_power
from benchmark.analysis.runs import variant_results
from benchmark.config.ablations import BUDGETS
from benchmark.config.judgement import MIN_POWER
from benchmark.papers.expressions import evaluate_expression
from benchmark.report.finding_rules.accuracy import DATASETS
from benchmark.report.finding_rules.finding import Evidence, Finding

MIN_COMPARISONS = 3  # of one protocol, below which a share of them says nothing
CONDITION = f"The rule looks at protocols under which at least {MIN_COMPARISONS} comparisons over several seeds have a power."


class _Trained(NamedTuple):
    """A comparison of trained variants whose power is known."""

    plan: Plan
    effect: Effect
    power: float
    printed: float


def _stand_in(effect: Effect) -> str:
    return f" ({effect.stand_in.replace('`', '')})" if effect.stand_in else ""


def find_blind_ablations(evidence: Evidence) -> Iterator[Finding]:
    """Find printed differences that our own trainings would more likely miss than find, if they were true."""
    plans, effects = judged_plans(), evidence.effects
    family = sum(effect.judgement.p_value is not None for compared in effects.values() for effect in compared)
    for protocol, budget in BUDGETS.items():
        trained = [
            _Trained(plan, effect, effect.judgement.power, abs(effect.printed))
            for plan in plans
            if plan.protocol == protocol
            for effect in effects[plan.ablation.name, protocol]
            if effect.judgement.power is not None and effect.printed and min(effect.seeds) > 1
        ]
        blind = [each for each in trained if each.power < MIN_POWER]
        for each in blind if len(trained) >= MIN_COMPARISONS else ():
            ablation, comparison = each.plan.ablation, each.effect.comparison
            paper = evidence.papers[ablation.paper]
            runs = [
                run
                for name in (comparison.better, comparison.worse)
                for run in variant_results(ablation, ablation.variant(name), protocol, each.effect.metric, evidence.records)
            ]
            yield Finding(
                sentence=f"If the papers' differences held on {DATASETS[budget.dataset]}, our trainings would more likely miss "
                f"than find {len(blind)} of {len(trained)}, such as {paper.short}'s {each.printed:.3g} points for "
                f"“{ablation.title}”{_stand_in(each.effect)}: power "
                f"{format_power(each.effect.judgement)} at 5 % / {family}, measured "
                f"{format_difference(each.effect.difference, each.effect.estimate)}.",
                strength=each.printed,
                page="ablations.md#overview",
                cells=evaluate_expression(comparison.printed, paper, evidence.papers).cells,
                records=tuple(runs),
            )
