"""Every finding is true of the data that it states, changes with them, and can be followed to them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from benchmark.analysis import effects
from benchmark.analysis.effects import judged_plans, measure_effects
from benchmark.config.identities import cost_record_id, load_current
from benchmark.core.records import Record, select
from benchmark.ledger.verdicts import Verdict, judge_all
from benchmark.papers.consistency import VISIBLE_JOINT_COUNTS
from benchmark.papers.expressions import printed_value
from benchmark.papers.tables import Cell, Paper, load_papers
from benchmark.report.finding_rules.accuracy import find_noise, stated_gains
from benchmark.report.finding_rules.cost import find_ratios, find_release_costs, find_structures, flops_columns
from benchmark.report.finding_rules.finding import Evidence, Finding
from benchmark.report.finding_rules.latency import find_slow_networks
from benchmark.report.finding_rules.printed import find_sentences
from benchmark.report.findings import CHOSEN, RULES, choose_findings, find_all, findings_block, findings_page
from benchmark.report.markdown import code, heading_anchor
from benchmark.report.names import printed_name
from tests.latency.made_up_runs import timed
from tests.report.test_ablations import small_runs

MAX_WORDS = 45
MANY_VALUES = ("Means of parts", "What an ablation can see")  # in each finding: they take half a minute


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """Return what the committed report rests on, with drawn times and trainings, without differences as wide as another."""
    differences = select(load_current(), kind="predictions", metric="pckh@0.5 (hrnet)")
    widths = {record.id: round(np.ptp(record.interval), 1) for record in differences if record.setting["over"]}
    twins = [id_ for number, (id_, width) in enumerate(widths.items()) if width in [*widths.values()][:number]]
    records = {id_: record for id_, record in load_current().items() if id_ not in twins}
    drawn = {record.id: record for record in drawn_times(scatter=0.01)} | blind_trainings()
    return evidence_of(records | drawn, judge_all(records))


def evidence_of(records: Mapping[str, Record], verdicts: Sequence[Verdict]) -> Evidence:
    effects = measure_effects(judged_plans(), records)
    return Evidence(papers=load_papers(), records=records, verdicts=verdicts, effects=effects)


def drawn_times(scatter: float) -> list[Record]:
    """Return runs in which Lite-HRNet takes longer than a network with 27 times as many multiply-accumulates."""
    times = {"baselines/lite_hrnet-18": 80.0, "baselines/simple_baseline-r50": 60.0}
    return timed(times, "cpu", scatter=scatter, input="256x192", joints=17)


def blind_trainings() -> dict[str, Record]:
    """Return drawn trainings of three comparisons, too few to find what the papers print."""
    widths = small_runs("head_widths", {"64, 32": 60.0, "64, 64": 60.1, "96, 96": 60.2}, 1.0)
    return small_runs("sic", {"on": 61.0, "off": 61.0}, 1.0) | widths


@pytest.fixture(scope="module")
def findings(evidence: Evidence) -> Mapping[str, Any]:
    return find_all(evidence)


def sentences(rule: Any, evidence: Evidence) -> set[str]:
    return {finding.sentence for finding in rule.find(evidence)}


# --- what the first page shows -----------------------------------------------------------------------------------------------


def test_the_first_page_opens_with_ten_findings_and_the_readme_with_three(built_report) -> None:
    for name, folder, count in (("README.md", "", CHOSEN), ("../README.md", "reports/", 3)):
        lines = built_report.pages[name].splitlines()
        numbered = [line for line in lines if re.match(r"\d+\. ", line)]
        assert [int(line.partition(".")[0]) for line in numbered] == list(range(1, count + 1))
        assert all(f"]({folder}findings.md#" in line for line in numbered)
        first_table = next(number for number, line in enumerate(lines) if line.startswith("|"))
        assert lines.index(numbered[-1]) < first_table


def test_the_chosen_are_the_strongest_of_each_rule_in_the_order_of_the_rules(findings) -> None:
    chosen = choose_findings(findings)
    fruitful = [rule.title for rule in RULES if findings[rule.title]]
    assert [title for title, _ in chosen] == fruitful[:CHOSEN]
    for title, finding in chosen:
        assert finding.strength == max(other.strength for other in findings[title])


def test_rules_that_find_nothing_leave_their_place_to_second_findings() -> None:
    first, second, third = (Finding(sentence=name, strength=1.0, page="") for name in ("a", "b", "c"))
    chosen = choose_findings({"one": [first, second], "none": [], "two": [third]})
    assert [(title, finding.sentence) for title, finding in chosen] == [("one", "a"), ("two", "c"), ("one", "b")]


def test_without_records_no_finding_is_called_measured(evidence: Evidence) -> None:
    found = find_all(evidence_of({}, judge_all({})))
    everything = [finding for of_rule in found.values() for finding in of_rule]
    assert everything
    assert {finding.basis for finding in everything} == {"printed"}
    assert "measured" not in findings_block(found)


def test_the_basis_is_stated_with_every_sentence(findings) -> None:
    block = findings_block(findings).splitlines()
    for line, (_, finding) in zip(block, choose_findings(findings), strict=True):
        assert f"([{finding.basis}](" in line
        assert (finding.basis == "measured") == (bool(finding.records) and not finding.cells)
        assert finding.cells or finding.records


# --- every sentence ----------------------------------------------------------------------------------------------------------


def test_a_sentence_is_one_and_short(findings) -> None:
    for finding in (finding for of_rule in findings.values() for finding in of_rule):
        assert len(finding.sentence.split()) <= MAX_WORDS, finding.sentence
        assert finding.sentence.endswith(".")
        abbreviations = re.sub(r"\b(Sec|Fig|Eq|App|Tab)\. ", "", finding.sentence)
        assert not re.search(r"[.?!] [A-Z]", abbreviations), finding.sentence


def test_a_sentence_names_no_id_of_this_project(findings) -> None:
    for finding in (finding for of_rule in findings.values() for finding in of_rule[:1]):
        assert not re.search(
            r"baselines/|efficientpose_nas|heatmap_weighting|\b(hrnet|mmcv|tf_profiler|macs)\b", finding.sentence
        )


def test_every_printed_number_of_a_sentence_is_among_its_cells(findings) -> None:
    """Take the printed cells of each finding: the sentence states each, or a number that follows from it."""
    for title in ("Counting conventions", "Order of networks", "Printed and released networks", "Printed and released cost"):
        for finding in findings[title]:
            for cell in finding.cells:
                assert cell.printed in finding.sentence or str(cell.number) in finding.sentence


def test_the_page_lists_the_values_of_every_chosen_finding(findings) -> None:
    page = findings_page(findings)
    for _, finding in choose_findings(findings):
        assert f"**{finding.sentence}**" in page
        for cell in finding.cells:
            assert f"{cell.row.id}, {cell.column.header} | {cell.printed} |" in page
        for record in finding.records:
            assert code(record.command) in page


# --- a sentence changes with each value that it states -----------------------------------------------------------------------


def with_cell(papers: Mapping[str, Paper], cell: Cell, printed: str) -> dict[str, Paper]:
    """Return the papers with another printed string in a cell."""
    paper = papers[cell.paper]
    table = paper.tables[cell.table.id]
    changed = replace(table, printed={**table.printed, (cell.row.id, cell.column.name): printed})
    return {**papers, paper.id: replace(paper, tables={**paper.tables, table.id: changed})}


def perturb_printed(printed: str) -> str:
    """Return a printed string with another number: 1.37 -> 2.48, [160, s2]×10 -> [271, s3]×21."""
    return re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), printed)


def perturb_value(value: Any) -> Any:
    """Return another value of a record: numbers grow by a third, digits in text change."""
    if isinstance(value, dict):
        return {key: perturb_value(inner) for key, inner in value.items()}
    if isinstance(value, str):
        return perturb_printed(value)
    return round(value * 4 / 3) if isinstance(value, int) else value * 4 / 3


def with_own_effects(evidence: Evidence, finding: Finding) -> Evidence:
    """Return the evidence with the differences that its records give, where the finding is about differences."""
    if not finding.page.startswith("ablations"):
        return evidence
    return replace(evidence, effects=measure_effects(judged_plans(), evidence.records))


@pytest.mark.parametrize("findings_of_a_rule", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(rule, id=rule.title, marks=pytest.mark.slow if rule.title in MANY_VALUES else [])  # type: ignore[arg-type]
        for rule in RULES
    ],
)
def test_the_strongest_findings_change_with_every_value_that_they_state(
    rule: Any, findings_of_a_rule: int, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sorted(rule.find(evidence), key=lambda finding: -finding.strength)[:findings_of_a_rule]
    assert found, "the rule finds nothing"
    for finding in found:
        for cell in finding.cells:
            papers = with_cell(evidence.papers, cell, perturb_printed(cell.printed))
            monkeypatch.setattr(effects, "load_papers", partial(dict, papers))
            changed = replace(evidence, papers=papers, verdicts=judge_all(evidence.records, papers))
            changed = with_own_effects(changed, finding)
            assert finding.sentence not in sentences(rule, changed), f"{cell.name} makes no difference"
        monkeypatch.undo()
        for record in finding.records:
            interval = record.interval and (record.interval[0] * 4 / 3, record.interval[1] * 4 / 3)
            other = replace(record, value=perturb_value(record.value), interval=interval)
            changed = with_own_effects(replace(evidence, records={**evidence.records, record.id: other}), finding)
            assert finding.sentence not in sentences(rule, changed), f"{record.id} makes no difference"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.title)
def test_a_rule_without_its_records_says_nothing_measured(rule: Any, evidence: Evidence) -> None:
    assert all(not finding.records for finding in rule.find(replace(evidence, records={})))


# --- what single rules find --------------------------------------------------------------------------------------------------


def test_a_convention_is_compared_with_that_of_another_paper(findings, evidence: Evidence) -> None:
    strongest = findings["Counting conventions"][0]
    (cell,), (record,) = strongest.cells, strongest.records
    assert record.id == cost_record_id(cell.row.model, cell.dataset, cell.input)
    flops = record.value["flops"]
    ratio = flops["hrnet"] / 2**30 / (flops["mmcv"] / 1e9)
    assert cell.column.convention == "mmcv"
    assert strongest.strength == pytest.approx(ratio, rel=1e-3)
    assert f"{ratio:.1f} times as many" in strongest.sentence


def test_a_reversal_is_one(findings) -> None:
    for finding in findings["Order of networks"]:
        less, more = finding.cells
        less_record, more_record = finding.records
        assert printed_value(less) < printed_value(more)
        assert less_record.value["flops"]["macs"] > more_record.value["flops"]["macs"]
        stated = re.search(r"(?:one of (\d+) reversals|the one reversal) among (\d+) pairs", finding.sentence)
        count, pairs = int(stated[1] or 1), int(stated[2])
        assert len(findings["Order of networks"]) == count < pairs
        assert finding.details.count("\n") == count + 1  # below two lines of header


def test_a_reversal_is_one_of_a_table_at_one_size_with_both_costs_reproduced(findings, evidence: Evidence) -> None:
    """So neither Hourglass, whose layout was fitted, nor networks of two papers, as EfficientPose-A and RT, are compared."""
    measured = {verdict.name: verdict.measured for verdict in evidence.verdicts}
    assert findings["Order of networks"]
    for finding in findings["Order of networks"]:
        less, more = finding.cells
        assert less.table is more.table
        assert less.input == more.input
        assert {measured[less.name], measured[more.name]} == {"reproduced"}


@pytest.mark.parametrize("title", ["Counting conventions", "Order of networks"])
def test_what_is_called_reproduced_is_so_by_its_verdict(title: str, findings, evidence: Evidence) -> None:
    (rule,) = (rule for rule in RULES if rule.title == title)
    spoiled = {cell.name for finding in findings[title] for cell in finding.cells}
    assert spoiled
    for token in ("fitted", "as_built", "ambiguous"):
        verdicts = [replace(v, measured=token) if v.name in spoiled else v for v in evidence.verdicts]
        left = {cell.name for finding in rule.find(replace(evidence, verdicts=verdicts)) for cell in finding.cells}
        assert not left & spoiled


def test_a_released_network_is_counted_at_the_size_of_the_rows_source(findings) -> None:
    """CPM's 175.0 is no count of the table's 256x256, but nearly the 175.4 of its authors' 368x368."""
    found = findings["Printed and released cost"]
    assert found
    assert not any("175.0" in finding.sentence for finding in found)


def test_a_structure_that_the_paper_allows_is_not_called_different(findings) -> None:
    shown = {cell.name for finding in findings["Printed and released networks"] for cell in finding.cells}
    assert "efficientpose_nas/table1[stage4, large]" in shown
    assert "efficientpose_nas/table1[stage3_rest, small]" not in shown
    assert (
        "3 of 19 compared values of this table differ from the release, 2 of which the paper may allow."
        in findings["Printed and released networks"][0].sentence
    )


@pytest.mark.parametrize(("token", "end"), [("ambiguous", "2 of which the paper may allow."), ("matches_release", "release.")])
def test_a_structure_that_the_paper_allows_is_counted_all_the_same(token: str, end: str, evidence: Evidence) -> None:
    allowed = [
        v.name for v in evidence.verdicts if v.name.startswith("efficientpose_nas/table1[") and v.measured == "ambiguous"
    ]
    assert len(allowed) == 2
    verdicts = [replace(v, measured=token) if v.name in allowed else v for v in evidence.verdicts]
    (finding,) = find_structures(replace(evidence, verdicts=verdicts))
    count = (
        "3 of 19 compared values of this table differ "
        if token == "ambiguous"
        else "1 of 19 compared values of this table differs "
    )
    assert count in finding.sentence
    assert finding.sentence.endswith(end)


def fits(evidence: Evidence) -> dict[tuple[str, str], tuple[int, int]]:
    """Return how many released networks the column of operations of each table fits, and how many there are."""
    return {(c.table.paper, c.table.id): (c.fitting, c.counted) for c in flops_columns(evidence)}


def test_a_convention_fits_networks_that_are_reproduced_and_not_roughly_printed_ones(evidence: Evidence) -> None:
    table = ("efficientpose_nas", "table4")
    rough = [v for v in evidence.verdicts if (v.paper, v.table, v.metric, v.measured) == (*table, "flops", "inconclusive")]
    assert rough
    firm = [replace(v, measured="reproduced") if v in rough else v for v in evidence.verdicts]
    fitting, counted = fits(evidence)[table]
    assert fits(replace(evidence, verdicts=firm))[table] == (fitting + len(rough), counted)


def test_a_network_at_two_sizes_is_one_that_fits_at_both_or_at_none(evidence: Evidence) -> None:
    table = ("heatmap_weighting", "table1")
    cells = [c for c in evidence.papers[table[0]].tables[table[1]].cells() if c.column.metric == "flops"]
    models = [c.row.model for c in cells if c.name in reproduced(evidence)]
    twice = next(c for c in cells if c.name in reproduced(evidence) and models.count(c.row.model) == 2)
    fitting, counted = fits(evidence)[table]
    assert counted < sum(bool(c.row.model) for c in cells)
    spoiled = [replace(v, measured="contradicted") if v.name == twice.name else v for v in evidence.verdicts]
    assert fits(replace(evidence, verdicts=spoiled))[table] == (fitting - 1, counted)


def reproduced(evidence: Evidence) -> set[str]:
    return {verdict.name for verdict in evidence.verdicts if verdict.measured == "reproduced"}


def test_a_released_cost_differs_by_more_than_the_printed_rounding_and_for_no_known_reason(
    findings, evidence: Evidence
) -> None:
    measured = {verdict.name: verdict.measured for verdict in evidence.verdicts}
    found = findings["Printed and released cost"]
    for finding in found:
        (cell,) = finding.cells
        assert measured[cell.name] == "contradicted"
        ours, decimals = float(re.search(r"code has ([\d.]+) ", finding.sentence)[1]), cell.number.decimals
        assert abs(ours - cell.number.value) > 0.5 * 10**-decimals + 0.015 * cell.number.value
    values = [(f.cells[0].row.model, f.cells[0].column.metric, f.cells[0].number.value) for f in found]
    assert len(set(values)) == len(values), "6.2 and 6.20 of two papers are one value"
    everything = [replace(v, measured="contradicted") for v in evidence.verdicts]
    more = {finding.cells[0].printed for finding in find_release_costs(replace(evidence, verdicts=everything))}
    assert "102.0M" in more, "a known reason is what leaves it out"
    assert not more & {"0.7", "2"}, "they are rounded"


@pytest.mark.parametrize("token", ["fitted", "as_built"])
def test_a_ratio_of_operations_needs_the_rows_own_networks(token: str, findings, evidence: Evidence) -> None:
    (cell, _) = findings["Ratios of operations"][0].cells
    verdicts = [replace(v, measured=token) if v.name == cell.name else v for v in evidence.verdicts]
    found = list(find_ratios(replace(evidence, verdicts=verdicts)))
    assert found
    assert all(cell not in finding.cells for finding in found)


def test_equal_counts_are_no_reversal(evidence: Evidence) -> None:
    (rule,) = (rule for rule in RULES if rule.title == "Order of networks")
    same = {
        record.id: replace(record, value={**record.value, "flops": {**record.value["flops"], "macs": 10**9}})
        for record in evidence.records.values()
        if record.kind == "cost"
    }
    assert list(rule.find(replace(evidence, records={**evidence.records, **same}))) == []


def test_an_impossible_mean_implies_a_neck_below_the_shoulders(findings) -> None:
    for finding in findings["Means of parts"]:
        values = {cell.column.part: printed_value(cell) for cell in finding.cells}
        total = sum(VISIBLE_JOINT_COUNTS.values())
        parts = sum(VISIBLE_JOINT_COUNTS[part] * value for part, value in values.items() if part != "mean")
        neck = (values["mean"] * total - parts) / VISIBLE_JOINT_COUNTS["neck"]
        low, high = map(
            float, re.search(r"only ([\d.]+) to ([\d.]+) % of the unprinted upper necks", finding.sentence).groups()
        )
        assert low < neck < high < values["shoulder"]


def test_approximate_sentences_are_left_out(findings, evidence: Evidence) -> None:
    about = [claim for paper in evidence.papers.values() for claim in paper.claims if "bout " in claim.description]
    assert len(about) > 5
    shown = " ".join(finding.sentence for finding in findings["Sentences and tables"])
    assert not any(claim.description in shown for claim in about)
    assert "AutoPose's AP is 5.6 above 8-stage Hourglass's" in shown


def test_every_sentence_that_does_not_follow_is_counted_whatever_its_reason(findings, evidence: Evidence) -> None:
    """A sentence that repeats a cell is none that could follow; one that misquotes it does not follow."""
    strongest = findings["Sentences and tables"][0]
    stated = r"mismatched: (\d+) of (\d+) exact sentences beyond quotations, (\d+) with known reasons or doubtful cells"
    mismatched, exact, doubtful = map(int, re.search(stated, strongest.sentence).groups())
    assert (mismatched, exact, doubtful) == (8, 68, 5)
    rows = strongest.details.splitlines()[4:]
    assert len(rows) == mismatched
    assert sum(not row.endswith("|  |") for row in rows) == doubtful
    assert mismatched - doubtful == len(findings["Sentences and tables"])
    for claim in ("efficientpose_nas-fewer_flops_than_resnet50", "efficientpose_nas-head_96_96_flops"):
        assert claim in strongest.details
    quoted = next(v for v in evidence.verdicts if v.name == "heatmap_weighting/claims[speed_gpu, printed]")
    follows = [replace(v, internal="consistent") if v is quoted else v for v in evidence.verdicts]
    assert "mismatched: 7 of 67 exact" in next(find_sentences(replace(evidence, verdicts=follows))).sentence


def test_gains_are_the_differences_and_orders_that_papers_state(evidence: Evidence) -> None:
    gains = {(better.name, worse.name) for better, worse in stated_gains(evidence.papers)}
    assert (
        "efficientpose_nas/table6[efficientpose_a_on, pckh]",
        "efficientpose_nas/table6[efficientpose_a_off, pckh]",
    ) in gains
    # "B is more accurate than Hourglass, SimpleBaseline-R101 and FPD": the most accurate of the three decides.
    assert ("efficientpose_nas/table2[efficientpose_b, pckh]", "efficientpose_nas/table2[hourglass, pckh]") in gains
    # "Widths 64 and 64 do not raise the accuracy" states no gain, and neither do PCKh@0.1, AP, or test sets.
    assert not any("tconv_64_64" in name for pair in gains for name in pair)
    assert not any("pckh10" in name or ", ap]" in name or "table4" in name for pair in gains for name in pair)


def test_a_gain_lies_within_noise_up_to_the_half_width(evidence: Evidence) -> None:
    for half, expected in (
        (0.1, []),
        (0.19, [0.182]),
        (0.25, [0.182]),
        (0.5, [0.182, 0.29, 0.48, 0.5]),
    ):
        records = select(evidence.records, kind="predictions", metric="pckh@0.5 (hrnet)")
        record = next(record for record in records if record.setting["over"])
        record = replace(record, value=1.0, interval=(1.0 - half, 1.0 + half))
        found = list(find_noise(replace(evidence, records={record.id: record})))
        lines = [line for finding in found for line in finding.details.splitlines() if line.endswith("| yes |")]
        assert [float(line.split(" | ")[3]) for line in lines] == expected
        assert [int(re.search(r", (\d+) \(", finding.sentence)[1]) for finding in found] == (
            [len(expected)] if expected else []
        )


def test_a_difference_to_a_mean_that_was_averaged_otherwise_is_none_in_this_metric(findings, evidence: Evidence) -> None:
    """AutoPose's totals of ASR+AHO and Hourglass are plain averages of their parts, and another table quotes Hourglass's."""
    (finding,) = findings["Differences within noise"]
    left_out = [line for line in finding.details.splitlines() if line.endswith("| not the same metric |")]
    assert len(left_out) == 2
    assert any("asr_aho 87.8" in line for line in left_out)
    assert any("hourglass 89.2" in line for line in left_out)
    stated = stated_gains(evidence.papers)
    elsewhere = [better for better, _ in stated if better.table.own_split]  # on EfficientPose's own random split
    assert {better.paper for better in elsewhere} == {"efficientpose"}
    assert f"Of {len(stated) - len(elsewhere) - 2} differences" in finding.sentence
    assert "efficientpose |" not in finding.details
    total = evidence.papers["autopose"].tables["table3"].cell("asr_aho", "total")
    assert total is not None
    for printed in ("88.1", "88.2"):  # a mean over joints, so that only Hourglass's differences are left out
        papers = with_cell(evidence.papers, total, printed)
        (changed,) = find_noise(replace(evidence, papers=papers))
        assert "asr_aho" not in " ".join(line for line in changed.details.splitlines() if line.endswith("metric |"))


def test_published_predictions_give_the_known_noise_and_the_known_threshold() -> None:
    found = find_all(evidence_of(load_current(), []))
    (noise,), (threshold,) = found["Differences within noise"], found["Thresholds of PCKh"]
    assert (
        "are at most 0.37: half the narrowest of 6 intervals (95 %) of a difference between published predictions for 2,958"
        in noise.sentence
    )
    assert "PCKh@0.1 is PCKh@0.11; on 4 published prediction files" in threshold.sentence
    assert "adds 3.8 to 4.4 percentage points" in threshold.sentence


def test_options_at_test_time_are_those_whose_difference_excludes_zero(findings, evidence: Evidence) -> None:
    strongest = findings["Options at test time"][0]
    low, high, usual, larger = strongest.records
    assert low.value < usual.value < high.value
    assert {record.subject for record in (low, high, usual)} == {usual.subject}
    assert larger.protocol == usual.protocol
    for record in (low, high):
        (difference,) = (
            other
            for other in evidence.records.values()
            if (other.kind, other.subject, other.dataset, other.protocol, other.metric)
            == ("evaluation", record.subject, record.dataset, record.protocol, record.metric)
            and other.setting["over"] == usual.protocol
        )
        assert difference.value == pytest.approx(record.value - usual.value)
        assert np.sign(difference.interval[0]) == np.sign(difference.interval[1])


def test_another_order_of_released_weights_is_said(evidence: Evidence) -> None:
    (rule,) = (rule for rule in RULES if rule.title == "Released weights on other data")
    (finding,) = rule.find(evidence)
    assert "the order is that of their printed" in finding.sentence
    best = finding.records[-1]
    worse = replace(best, value=0.0)
    (changed,) = rule.find(replace(evidence, records={**evidence.records, best.id: worse}))
    assert "the order is not that of their printed" in changed.sentence


@pytest.mark.parametrize(
    ("intervals", "end"),
    [
        (((79.0, 80.0), (80.1, 81.0), (84.0, 85.0)), "82.88, 85.18 and 88.18."),
        (((79.0, 80.0), (79.9, 81.0), (84.0, 85.0)), "; intervals of RT and I overlap."),
        (((79.0, 80.0), (80.1, 84.0), (84.0, 85.0)), "; intervals of I and II overlap."),
        (((79.0, 81.0), (80.1, 84.0), (84.0, 85.0)), "; intervals of RT and I overlap; intervals of I and II overlap."),
    ],
)
def test_released_weights_whose_intervals_overlap_are_named(
    intervals: Sequence[tuple[float, float]], end: str, evidence: Evidence
) -> None:
    (rule,) = (rule for rule in RULES if rule.title == "Released weights on other data")
    (finding,) = rule.find(evidence)
    records = {r.id: replace(r, interval=interval) for r, interval in zip(finding.records, intervals, strict=True)}
    (changed,) = rule.find(replace(evidence, records={**evidence.records, **records}))
    assert changed.sentence.endswith(end)


def test_a_share_of_blind_comparisons_needs_three(evidence: Evidence) -> None:
    (rule,) = (rule for rule in RULES if rule.title == "What an ablation can see")
    few = {id_: record for id_, record in evidence.records.items() if record.kind != "accuracy"}
    few |= small_runs("sic", {"on": 61.0, "off": 61.0}, 1.0)
    assert (
        list(rule.find(with_own_effects(replace(evidence, records=few), Finding(sentence="", strength=0, page="ablations"))))
        == []
    )


def test_an_ablation_is_blind_if_its_power_is_below_one_half(findings) -> None:
    assert findings["What an ablation can see"]
    for finding in findings["What an ablation can see"]:
        assert re.search(r"% at 5 % / \d+, measured [+-][\d.]+ \[[^]]+\]\.$", finding.sentence)
        printed, power = map(float, re.search(r"'s ([\d.]+) points .* power (\d+) %", finding.sentence).groups())
        assert printed > 0
        assert power < 50


def test_the_page_says_without_what_a_rule_finds_nothing(findings) -> None:
    title = "What an ablation can see"
    assert "There is none. The rule looks at protocols under which at least 3 " in findings_page({**findings, title: []})
    assert "The rule looks at" not in findings_page(findings)


def test_only_times_that_pass_the_noise_gate_give_findings_on_slow_networks(findings, evidence: Evidence) -> None:
    found = findings["Time and operations"]
    assert found
    assert all(finding.strength > 1 for finding in found)
    others = {id_: record for id_, record in evidence.records.items() if record.kind != "latency"}
    noisy = {record.id: record for record in drawn_times(scatter=0.1)}
    assert list(find_slow_networks(replace(evidence, records=others | noisy))) == []


# --- names -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("heatmap_weighting/table1[ours_256, gflops]", "Heatmap weighting MobileNetV3"),
        ("heatmap_weighting/table1[lite_hrnet_18_256, gflops]", "Lite-HRNet-18"),
        ("efficientpose_nas/table4[hrnet_w32, gflops]", "HRNet-W32"),
        ("efficientpose_nas/table5[simple_baseline_r50, gflops]", "SimpleBaseline ResNet-50"),
        ("efficientpose_nas/text_cost[smallest, gflops]", "our smallest model"),
        ("efficientpose_nas/table7[tconv_64_32, head]", "tconv_64_32"),
    ],
)
def test_a_network_is_named_as_its_table_prints_it(cell: str, name: str) -> None:
    cells = {c.name: c for paper in load_papers().values() for table in paper.tables.values() for c in table.cells()}
    assert printed_name(cells[cell], load_papers()[cell.partition("/")[0]]) == name


def test_every_rule_has_its_section(findings) -> None:
    page = findings_page(findings)
    for rule in RULES:
        assert f"## {rule.title}" in page
        assert f"(#{heading_anchor(rule.title)})" in page
        assert rule.description.endswith(".")
