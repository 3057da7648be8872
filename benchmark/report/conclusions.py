"""Conclude every ablation in one sentence, from its measured differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.analysis.effects import Effect
from benchmark.analysis.judgement import format_difference, format_power
from benchmark.config.ablations import BUDGETS, Ablation
from benchmark.config.judgement import MIN_POWER
from benchmark.report.finding_rules.finding import join_words
from benchmark.report.markdown import code

# What is said with the power and the interval themselves.
_SAID = (
    f"power below {100 * MIN_POWER:.0f} %",
    "not significant",
    "no difference is printed",
    "the printed difference is zero",
)


def main_protocol(effects: Mapping[str, Sequence[Effect]]) -> str:
    """Return the protocol whose evidence is the best: the last one with a measured difference; empty if there is none."""
    run = [name for name in BUDGETS if any(effect.difference is not None for effect in effects.get(name, ()))]
    return run[-1] if run else ""


def conclusion(ablation: Ablation, effects: Mapping[str, Sequence[Effect]]) -> str:
    """Return the conclusion of an ablation; empty if none of its comparisons was run.

    Args:
        ablation: Ablation that was run.
        effects: Its effects by protocol.
    """
    protocol = main_protocol(effects)
    if not protocol:
        return ""
    budget = BUDGETS[protocol]
    size = budget.overrides.get("input", "")
    trained = all(not variant.weights for variant in ablation.variants)
    where = f"on {budget.dataset.upper()}" + (f" at {size}" if size and trained else "")
    pairs: dict[tuple[str, str], list[Effect]] = {}
    for effect in effects[protocol]:
        pairs.setdefault((effect.comparison.better, effect.comparison.worse), []).append(effect)
    return f"{where[0].upper()}{where[1:]}, {'; '.join(map(_describe_pair, pairs.values()))}."


def _describe_pair(effects: Sequence[Effect]) -> str:
    """Describe the differences of two variants by one or two metrics, and why they are not judged."""
    pair = f"*{effects[0].comparison.better}* over *{effects[0].comparison.worse}*"
    measured = [effect for effect in effects if effect.difference is not None]
    if not measured:
        return f"{pair} was not run"
    reasons = dict.fromkeys(reason for effect in measured for reason in effect.judgement.reasons if reason not in _SAID)
    text = f"{pair} ({measured[0].population}) gives {', and '.join(map(_describe, measured))}"
    return f"{text}; not judged, as {join_words(list(reasons))}" if reasons else text


def _describe(effect: Effect) -> str:
    """Describe one difference: its size, whether the paper finds the same, and what could have been seen."""
    assert effect.difference is not None
    text = f"{format_difference(effect.difference, effect.estimate)} points of {code(effect.metric)}"
    word, printed = effect.judgement.word, effect.printed
    if word in ("agrees", "opposite"):
        return f"{text}, {'as' if word == 'agrees' else 'contrary to what'} the paper prints ({printed:+.2f})"
    if effect.estimate is None:
        return f"{text}, which says nothing yet"
    low, high = effect.estimate.interval()
    if low <= 0 <= high:
        text += f", less than {effect.estimate.equivalence_bound():.1f} either way"
    power = effect.judgement.power
    if printed and power is not None:
        could = "would probably have been seen" if power >= MIN_POWER else "could not have been seen reliably"
        return f"{text} (the printed {printed:+.2f} {could}, power {format_power(effect.judgement)})"
    return f"{text} (the paper prints {'no number' if printed is None else f'{printed:+.2f}'})"
