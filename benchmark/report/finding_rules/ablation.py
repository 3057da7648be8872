"""Findings on what our own trainings of ablations could have seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmark.analysis.effects import Effect, measure_effects, variant_results
from benchmark.config.ablations import BUDGETS, Ablation, known_ablations
from benchmark.config.identities import SYNTHETIC
from benchmark.core.records import select
from benchmark.papers.expressions import evaluate_expression
from benchmark.report.finding_rules.accuracy import DATASETS
from benchmark.report.finding_rules.finding import Evidence, Finding


class _Trained(NamedTuple):
    """A comparison of trained variants with an interval over seeds, and a printed difference."""

    ablation: Ablation
    effect: Effect
    half_width: float
    printed: float


def find_blind_ablations(evidence: Evidence) -> Iterator[Finding]:
    """Compare printed differences with the half-widths of our own 95 % intervals."""
    recipes = {record.setting["recipe"] for record in select(evidence.records, kind="accuracy")}
    for protocol, budget in BUDGETS.items():
        if budget.dataset.startswith(SYNTHETIC) or budget.overrides.get("name") not in recipes:
            continue
        trained = [
            _Trained(ablation, effect, (effect.interval[1] - effect.interval[0]) / 2, abs(effect.printed))
            for ablation in known_ablations().values()
            if protocol in ablation.protocols
            for effect in measure_effects(ablation, protocol, evidence.records)
            if effect.interval and effect.printed and min(effect.seeds) > 1
        ]
        blind = [each for each in trained if each.half_width >= each.printed]
        for each in blind:
            ablation, comparison = each.ablation, each.effect.comparison
            paper = evidence.papers[ablation.paper]
            runs = [
                run
                for name in (comparison.better, comparison.worse)
                for run in variant_results(ablation, ablation.variant(name), protocol, each.effect.metric, evidence.records)
            ]
            metric = each.effect.metric.replace("pck", "PCK")
            yield Finding(
                sentence=f"Our own short trainings on {DATASETS[budget.dataset]} ({min(each.effect.seeds)} seeds a variant) "
                f"could not have seen {len(blind)} of the {len(trained)} printed differences that they test, such as "
                f"{paper.short}'s {each.printed:.2f} points for “{ablation.title}”, within their ±{each.half_width:.2f} "
                f"{metric}.",
                strength=each.printed,
                page="ablations.md#overview",
                cells=evaluate_expression(comparison.printed, paper, evidence.papers).cells,
                records=tuple(runs),
            )
