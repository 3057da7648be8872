"""Judge the direction of measured differences, and say what forbids it.

A direction is judged only where both sides have learned, each at the best of its learning rates, where the printed difference
would probably be found, and where the measured one is significant among all comparisons of its family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from benchmark.config.judgement import MIN_POWER
from benchmark.core.inference import LEVEL, Estimate, adjust_p_values
from benchmark.core.records import Record

Word = Literal["agrees", "opposite", "not judged", "not run"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A comparison before it is judged.

    Attributes:
        run: Both sides were run.
        estimate: The difference in the claimed direction; None if it has no interval over seeds.
        printed: The printed difference; None if none is printed.
        obstacles: What forbids a judgement, whatever the difference is.
        testable: It could be judged; a difference at test time between weights of one training never can, and takes no share of
            the family's level.
    """

    run: bool
    estimate: Estimate | None
    printed: float | None
    obstacles: tuple[str, ...]
    testable: bool = True


class Judgement(NamedTuple):
    """The judgement of a pair.

    Attributes:
        word: Whether the measured direction agrees with the printed one.
        reasons: Why it is not judged.
        power: Probability to find the printed difference; None without an interval, a printed difference or a test.
        p_value: Of no difference, by Holm's procedure among the family; None without an interval or a test.
    """

    word: Word
    reasons: tuple[str, ...]
    power: float | None
    p_value: float | None

    def __str__(self) -> str:
        return f"{self.word}: {'; '.join(self.reasons)}" if self.reasons else self.word


def judge_pairs(pairs: Sequence[Pair]) -> list[Judgement]:
    """Judge a family of comparisons.

    Holm's procedure needs no independence, so it also holds for comparisons that share the runs of a variant, or that are of
    two metrics of the same runs. Power is that of its first step, which tests each of m comparisons at 5 % / m.
    """
    family = [pair.estimate if pair.testable else None for pair in pairs]
    estimates = [estimate for estimate in family if estimate is not None]
    adjusted = iter(adjust_p_values([estimate.p_value() for estimate in estimates]))
    p_values = [None if estimate is None else next(adjusted) for estimate in family]
    level = LEVEL / max(len(estimates), 1)
    return [_judge(pair, p_value, level) for pair, p_value in zip(pairs, p_values, strict=True)]


def _judge(pair: Pair, p_value: float | None, level: float) -> Judgement:
    if not pair.run:
        return Judgement("not run", (), None, None)
    estimate, printed = pair.estimate, pair.printed
    reasons = list(pair.obstacles)
    power = estimate.power(printed, level) if estimate and printed and pair.testable else None
    if not printed:
        reasons.append("no difference is printed" if printed is None else "the printed difference is zero")
    elif power is not None and power < MIN_POWER:
        reasons.append(f"power below {100 * MIN_POWER:.0f} %")
    if p_value is not None and p_value > LEVEL:
        reasons.append("not significant")
    if reasons or not estimate or not printed:
        return Judgement("not judged", tuple(reasons), power, p_value)
    return Judgement("agrees" if (estimate.value > 0) == (printed > 0) else "opposite", (), power, p_value)


def learning_obstacle(name: str, runs: Sequence[Record], floor: float | None) -> str:
    """Return why a side has not learned: its runs do not all exceed the mean pose beyond noise; empty if they do.

    Args:
        name: Name of the side.
        runs: All its runs.
        floor: Accuracy of the mean pose; None if it is not on record.
    """
    if floor is None:
        return "no mean pose on record"
    lower_bounds = [run.interval[0] if run.interval else run.value for run in runs]
    return "" if all(bound > floor for bound in lower_bounds) else f"{name} has not learned in every run"


# --- formatting --------------------------------------------------------------------------------------------------------------


def format_power(judgement: Judgement) -> str:
    """Format the power of a comparison as text; one that is too low is never rounded up to the lowest that suffices."""
    if judgement.power is None:
        return "unknown"
    text, lowest = (f"{100 * power:.0f} %" for power in (judgement.power, MIN_POWER))
    return "below " * (judgement.power < MIN_POWER and text == lowest) + text


def format_p_value(judgement: Judgement) -> str:
    """Format the p-value of a comparison as text; empty if it was not tested."""
    if judgement.p_value is None:
        return ""
    return "< 0.001" if judgement.p_value < 0.001 else f"{judgement.p_value:.3f}"


def format_difference(difference: float | None, estimate: Estimate | None) -> str:
    """Format a difference with its 95 % interval as text; empty if it was not measured."""
    interval = " [{:+.2f}, {:+.2f}]".format(*estimate.interval()) if estimate else ""
    return "" if difference is None else f"{difference:+.2f}{interval}"
