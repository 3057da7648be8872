"""A direction is judged only where every condition holds; each is taken away in turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.analysis.judgement import (
    Judgement,
    Pair,
    format_difference,
    format_p_value,
    format_power,
    judge_pairs,
    learning_obstacle,
)
from benchmark.core.inference import Estimate
from benchmark.core.records import Record

CLEAR = Pair(run=True, estimate=Estimate(2.0, 0.1**2, 20), printed=1.0, obstacles=())


def judge(pair: Pair, *others: Pair) -> Judgement:
    return judge_pairs([pair, *others])[0]


def test_where_everything_holds_the_direction_is_judged() -> None:
    assert judge(CLEAR).word == "agrees"
    assert judge(replace(CLEAR, printed=-1.0)).word == "opposite"
    assert judge(replace(CLEAR, estimate=Estimate(-2.0, 0.1**2, 20), printed=-1.0)).word == "agrees"


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (replace(CLEAR, obstacles=("on has not learned in every run",)), "on has not learned in every run"),
        (replace(CLEAR, printed=None), "no difference is printed"),
        (replace(CLEAR, printed=0.0), "the printed difference is zero"),
        (replace(CLEAR, printed=0.15), "power below 50 %"),  # 1.5 standard errors
        (replace(CLEAR, estimate=Estimate(0.1, 0.1**2, 20)), "not significant"),
    ],
)
def test_without_one_condition_it_is_not(pair: Pair, reason: str) -> None:
    judgement = judge(pair)
    assert judgement.word == "not judged"
    assert judgement.reasons == (reason,)
    assert str(judgement) == f"not judged: {reason}"


def test_all_reasons_are_given() -> None:
    pair = Pair(run=True, estimate=Estimate(0.1, 1.0, 4), printed=0.2, obstacles=("one", "another"))
    assert judge(pair).reasons == ("one", "another", "power below 50 %", "not significant")


def test_without_an_interval_there_is_neither_power_nor_a_test() -> None:
    judgement = judge(Pair(run=True, estimate=None, printed=1.0, obstacles=("one seed",)))
    assert judgement == Judgement("not judged", ("one seed",), None, None)
    assert (format_power(judgement), format_p_value(judgement)) == ("unknown", "")


@pytest.mark.parametrize(
    ("power", "text"),
    [(0.494, "49 %"), (0.4999, "below 50 %"), (0.5, "50 %"), (0.504, "50 %"), (0.996, "100 %"), (None, "unknown")],
)
def test_a_power_that_is_too_low_is_not_printed_as_one_that_suffices(power: float | None, text: str) -> None:
    assert format_power(Judgement("not judged", (), power, None)) == text


def test_what_was_not_run_has_no_reasons() -> None:
    assert judge(Pair(run=False, estimate=None, printed=1.0, obstacles=())) == Judgement("not run", (), None, None)


def test_more_comparisons_on_the_page_need_more_of_each() -> None:
    """One of twenty at p = 0.03 is what chance gives; and each has less power."""
    doubtful = replace(CLEAR, estimate=Estimate(0.233, 0.1**2, 20), printed=0.3)  # t = 2.33, p = 0.03
    assert judge(doubtful).word == "agrees"
    alone, among = judge(doubtful), judge(doubtful, *[doubtful] * 19)
    assert "not significant" in among.reasons
    assert among.p_value == pytest.approx(20 * (alone.p_value or 0))
    assert (among.power or 0) < (alone.power or 0)
    not_run = Pair(run=False, estimate=None, printed=None, obstacles=())
    assert judge(doubtful, *[not_run] * 19) == alone, "only comparisons with an interval count"
    never = replace(doubtful, testable=False, obstacles=("both sides are the weights of one training",))
    assert judge(doubtful, *[never] * 19) == alone, "and those that could be judged"
    assert judge(never, doubtful) == Judgement("not judged", never.obstacles, None, None)


# --- what forbids a judgement ------------------------------------------------------------------------------------------------


def run(value: float, half: float = 0.5) -> Record:
    fields = {"kind": "accuracy", "subject": "a", "metric": "pck@0.2", "versions": {}, "command": ""}
    return Record(**fields, value=value, interval=(value - half, value + half))  # type: ignore[arg-type]


def test_a_side_has_learned_if_all_its_runs_are_beyond_the_mean_pose() -> None:
    assert learning_obstacle("on", [run(12), run(11)], floor=9.0) == ""
    assert learning_obstacle("on", [run(12), run(8)], floor=9.0) == "on has not learned in every run"
    assert learning_obstacle("on", [run(12), run(9.2)], floor=9.0) == "on has not learned in every run", "within noise"
    assert learning_obstacle("on", [run(12)], floor=None) == "no mean pose on record"


def test_figures_are_formatted_for_tables() -> None:
    assert format_difference(1.0, Estimate(1.0, 0.5**2, 1e9)) == "+1.00 [+0.02, +1.98]"
    assert format_difference(1.0, None) == "+1.00"
    assert format_difference(None, None) == ""
    assert format_power(judge(CLEAR)) == "100 %"
    assert format_p_value(judge(CLEAR)) == "< 0.001"
