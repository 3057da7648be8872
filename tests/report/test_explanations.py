"""The share that chance explains stands beside the number of explanations, and each says what it is worth."""

from __future__ import annotations

import re

import pytest

from benchmark.analysis.effects import judged_plans, measure_effects
from benchmark.config.identities import load_current
from benchmark.ledger.tokens import Verdict, counted
from benchmark.ledger.verdicts import judge_all
from benchmark.papers.tables import load_papers
from benchmark.report.explanations import explanation_sentence
from benchmark.report.index import count_by_kind
from benchmark.report.papers import paper_page


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return judge_all()


@pytest.fixture(scope="module")
def costs(verdicts: list[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.kind == "cost"]


def test_the_sentence_counts_what_the_table_above_it_counts(verdicts: list[Verdict]) -> None:
    sentence = explanation_sentence(load_papers(), load_current(), verdicts)
    compared, differing, explained, numbers, by_one_rule, ambiguous, contradicted = map(
        int, re.findall(r"(\d+) (?:printed|differ|`|different|by)", sentence)[:7]
    )
    own = [v for v in counted(verdicts) if v.kind == "cost" and v.measured == "explained"]
    assert numbers == len({(v.record, v.metric, v.printed) for v in own}) < explained
    assert by_one_rule == sum("source_setting: lite_hrnet:" in v.cause for v in own)
    assert re.search(r"For those that are `explained`, it is \d+ % \(at most 25 %\)", sentence)
    row = next(line for line in count_by_kind(verdicts).splitlines() if line.startswith("| cost |"))
    _kind, _values, agrees, *groups = row.strip("| ").split(" | ")
    assert [explained, ambiguous, contradicted] == [int(group) for group in groups[:3]]
    assert differing == explained + ambiguous + contradicted
    assert compared == int(agrees) + differing


def test_chance_alone_would_explain_less_than_was_explained(verdicts: list[Verdict], costs: list[Verdict]) -> None:
    sentence = explanation_sentence(load_papers(), load_current(), verdicts)
    match = re.search(r"that differ, ([\d.]+) and ([\d.]+) would be expected by chance", sentence)
    assert match
    expected, ambiguous = map(float, match.groups())
    explained = sum(verdict.measured == "explained" for verdict in costs)
    assert 0 < expected < explained / 5
    assert ambiguous > expected


def test_every_explained_or_ambiguous_cost_states_reach_support_rivals_and_chance(costs: list[Verdict]) -> None:
    judged = [verdict for verdict in costs if verdict.measured in ("explained", "ambiguous")]
    assert judged
    for verdict in judged:
        assert re.search(r"; reach: fits \d+ of \d+ .*; support: .*; rivals: .*; chance: of \d+ strings", verdict.cause), (
            verdict
        )


def test_a_page_names_the_sources_of_its_rows_and_what_was_fitted() -> None:
    papers, records = load_papers(), load_current()
    effects = measure_effects(judged_plans(), records)
    page = paper_page(papers["efficientpose_nas"], judge_all(records), records, effects)
    assert "- Source of `cpn`: the CPN paper" in page
    assert "- `du_net_8m`, counted as `baselines/du_net+nets=8`, fitted: the number of U-Nets is not printed" in page
    assert "- `hourglass`, counted as `baselines/hourglass-8`, fitted: the authors' code has two layouts" in page
    assert "14 joints; fitted: that true multiply-accumulates are counted" in page
    assert "- `stage3_rest`, small: the table is of the search space" in page
    proxyless = next(line for line in page.splitlines() if line.startswith("| `efficientpose_nas/proxyless_cpu` |"))
    assert "was chosen so that the operations are the printed ones" in proxyless
