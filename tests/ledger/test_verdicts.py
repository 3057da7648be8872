"""Verdicts follow from a printed string and a count, and each can be traced."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from benchmark.analysis.latency import load_sessions
from benchmark.config.identities import cost_identity, current_records, load_current
from benchmark.core.errors import InputError
from benchmark.core.records import RECORDS, Record, load_records
from benchmark.ledger.derived import Measurement, Sources, judge_by_sources
from benchmark.ledger.explanations import PREDICATES, explain_cost
from benchmark.ledger.internal import NOTHING
from benchmark.ledger.latency import PrintedTimeComparison, compare_printed_time
from benchmark.ledger.predicates import CountedCell
from benchmark.ledger.tokens import (
    BUILT_BY_US,
    MEASURED,
    SETTINGS,
    VERDICT_COLUMNS,
    VERDICT_SCHEMA,
    Measured,
    Verdict,
    count_groups,
    counted,
    measurable,
)
from benchmark.ledger.verdicts import judge_all, judge_cell, measure
from benchmark.models.registry import find_entry
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.tables import Cell, Released, load_papers
from tests.latency.made_up_runs import timed
from tests.ledger.made_up import by_name, cost_column

SIMPLE = "baselines/simple_baseline-r50"


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return judge_all()


def cell(printed: str, metric: str = "flops") -> Cell:
    """Return a cell of SimpleBaseline-R50's row in EfficientPose-NAS Table 4 with another string printed in it."""
    table = load_papers()["efficientpose_nas"].tables["table4"]
    original = next(c for c in table.cells() if c.row.model == SIMPLE and c.column.metric == metric)
    return replace(original, printed=printed)


def record(flops: float = 8.96e9, params: float = 34e6, size: str = "256x192", subject: str = SIMPLE) -> Record:
    """Return a made-up count: ``flops`` under hrnet, half of it as true MACs."""
    counts = {"params": {"trainable": int(params), "stored": int(params) + 50_000, "weights": 1}}
    operations = {"hrnet": int(flops), "hrnet_1e9": int(flops), "macs": int(flops / 2), "mmcv": int(flops / 2) + 40_000_000}
    return Record(
        **cost_identity(subject, "coco", size),
        value=counts | {"flops": operations | {"tf_profiler": int(flops) + 1, "torchstat": 1, "exact": 1}, "scopes": {}},
        command="a command",
    )


def verdict(printed: str, measured: Record, metric: str = "flops") -> Verdict:
    return judge_cell(cell(printed, metric), {measured.id: measured})


# --- one verdict at a time ----------------------------------------------------------------------------------------------------


def test_a_count_that_rounds_to_the_printed_string_is_reproduced() -> None:
    assert verdict("8.3", record(8.96e9)).measured == "reproduced"  # 8.96e9 / 2^30 = 8.345
    assert verdict("8.34", record(8.96e9)).measured == "reproduced"
    assert verdict("34.0M", record(), "params").measured == "reproduced"


@pytest.mark.parametrize("printed", ["8.3", "8.9", "7.7"])
def test_a_verdict_names_what_its_count_leaves_out(printed: str) -> None:
    counted = record(8.96e9)
    incomplete = replace(counted, value=counted.value | {"not_counted": {"torchvision::nms": 2}})
    whole, cut = verdict(printed, counted), verdict(printed, incomplete)
    assert (cut.measured, cut.cause) == (whole.measured, f"{whole.cause}; not counted: torchvision::nms ×2")


def test_the_printed_decimals_are_the_precision() -> None:
    assert verdict("8.344", record(8.96e9)).measured == "ambiguous"  # 8.3446: truncated
    assert verdict("8.350", record(8.96e9)).measured == "contradicted"


@pytest.mark.parametrize(
    ("printed", "flops", "predicate"),
    [
        ("8.9", 8.99 * 2**30, "truncated"),
        ("9.1", 9.046 * 2**30, "rounded_twice"),
        ("9.10", 9.14 * 2**30, "padded"),
        ("9.6", 9.6e9, "other_convention"),
        ("4.8", 9.6e9, "other_convention"),
    ],
)
def test_each_predicate_yields_the_printed_string_and_is_named(printed: str, flops: float, predicate: str) -> None:
    judged = verdict(printed, record(flops))
    assert (judged.measured, judged.cause.split(":")[0]) == ("ambiguous", predicate)  # a number alone has no support


def test_a_count_of_another_variant_explains() -> None:
    variant = record(12.0 * 2**30, subject=SIMPLE + "+some=switch")
    explanation = explain_cost(cell("12.0"), record(8.99 * 2**30), [variant])
    assert explanation is not None
    assert (explanation.predicate, explanation.record) == ("other_variant", variant.id)


def test_what_no_predicate_yields_is_contradicted() -> None:
    contradicted = verdict("7.7", record(8.96e9))
    assert contradicted.measured == "contradicted"
    assert "8.34" in contradicted.cause


def test_what_was_not_measured_says_how_to(tmp_path: Path) -> None:
    not_run = judge_cell(cell("8.9"), {})
    assert not_run.measured == "not_run"
    assert not_run.cause == f"python -m benchmark.measure cost {SIMPLE} --input 256x192 --joints 17 --keep"
    program, *arguments = shlex.split(not_run.cause)
    assert program == "python"
    subprocess.run([sys.executable, *arguments], check=True, env=os.environ | {"POSE_RECORDS": str(tmp_path)})
    assert judge_cell(cell("8.9"), current_records(load_records(tmp_path))).measured == "ambiguous"


def test_a_sentence_that_fixes_no_reading_has_no_definition(verdicts: list[Verdict]) -> None:
    saving = next(v for v in verdicts if (v.paper, v.column) == ("fasterpose", "flops_saving"))
    assert (saving.measured, saving.ours) == ("no_definition", "-")
    assert "names neither the network" in saving.cause


def test_a_record_of_an_older_counter_does_not_judge() -> None:
    old = replace(record(8.96e9), versions={"cost": 1, "model": 1})
    assert judge_cell(cell("8.3"), {old.id: old}).measured == "not_run"


def test_an_unknown_model_is_refused_with_its_cell() -> None:
    wrong = cell("8.9")
    wrong = replace(wrong, row=replace(wrong.row, model="baselines/simple_baselin-r50"))
    with pytest.raises(InputError, match=r"efficientpose_nas/table4.*did you mean baselines/simple_baseline-r50"):
        judge_cell(wrong, {})


# --- times --------------------------------------------------------------------------------------------------------------------

TIMED = {"A": "efficientpose_nas/A", "B": "efficientpose_nas/B"}
SPEED = {"first": "baselines/simple_baseline-mobilenet_v2", "ours": "heatmap_weighting/mobilenet_v3"}


def judged(
    row: str, *measured: list[Record], paper: str = "efficientpose_nas", table: str = "text_latency", column: str = "latency"
) -> Verdict:
    cells = load_papers()[paper].tables[table].cells()
    chosen = next(c for c in cells if (c.row.id, c.column.name) == (row, column))
    return judge_cell(chosen, current_records({r.id: r for records in measured for r in records}))


def judged_speed(*measured: list[Record], row: str = "ours", column: str = "fps_cpu") -> Verdict:
    return judged(row, *measured, paper="heatmap_weighting", table="table5", column=column)


def test_a_printed_time_is_a_ratio_to_the_first_and_never_reproduced() -> None:
    runs = timed({TIMED["A"]: 1.0, TIMED["B"]: 1.7})  # printed: 23.95 / 13.73 = 1.744; the third run has 1.751
    proxy = judged("efficientpose_b", runs)
    assert (proxy.measured, proxy.ours, proxy.record) == ("proxy", "1.75× on a cuda", runs[1].id)
    assert proxy.cause.startswith(
        "a cuda stands in for a GeForce RTX 2080 Ti; 1.75 [1.72, 1.78] times efficientpose_a's on a cuda"
    )
    assert proxy.cause.endswith("5 runs); printed 1.74 times")


def test_the_first_network_is_what_the_others_are_compared_with() -> None:
    reference = judged("efficientpose_a", timed({TIMED["A"]: 13.73, TIMED["B"]: 23.95}))  # the printed time: still no match
    assert (reference.measured, reference.ours) == ("not_run", "-")
    assert "the other networks of the column are compared with this one; 13.73 ms on a cuda" in reference.cause


@pytest.mark.parametrize(("ratio", "agrees"), [(1.7, True), (1.6, False), (1.74, False)])
def test_a_comparison_tells_whether_the_printed_ratio_agrees(ratio: float, agrees: bool) -> None:
    compared = compared_time("efficientpose_b", timed({TIMED["A"]: 1.0, TIMED["B"]: ratio}))
    assert (compared.outcome, compared.agrees) == ("compared", agrees)
    assert (compared.printed_kind, compared.measured_kind) == ("cuda", "cuda")
    assert compared.printed == pytest.approx((23.945 / 13.735, 23.955 / 13.725))


def compared_time(row: str, records: list[Record]) -> PrintedTimeComparison:
    cells = load_papers()["efficientpose_nas"].tables["text_latency"].cells()
    chosen = next(c for c in cells if (c.row.id, c.column.name) == (row, "latency"))
    comparison = compare_printed_time(chosen, load_sessions(records))
    assert comparison is not None
    return comparison


def test_a_time_from_another_kind_of_device_gives_no_verdict() -> None:
    """Not in either direction, and not even where the ratio is the printed one."""
    as_printed = {TIMED["A"]: 13.73, TIMED["B"]: 23.95}
    verdict = judged("efficientpose_b", timed(as_printed, "cpu"))
    assert (verdict.measured, verdict.ours, verdict.record) == ("not_run", "-", "-")
    assert "no verdict between kinds of device: needs a GeForce RTX 2080 Ti; 1.8" in verdict.cause
    compared = compared_time("efficientpose_b", timed(as_printed, "cpu", scatter=0))
    assert (compared.outcome, compared.measured_kind, compared.agrees) == ("other device", "cpu", False)
    on_gpu = timed({SPEED["first"]: 1.0, SPEED["ours"]: 1.0}, "cuda", input="256x192", joints=17)
    assert judged_speed(on_gpu).measured == "not_run"
    assert judged_speed(on_gpu, column="fps_gpu").measured == "proxy"


def test_a_ratio_that_does_not_pass_the_noise_gate_gives_no_verdict() -> None:
    networks = {TIMED["A"]: 1.0, TIMED["B"]: 1.744}
    for noisy in (timed(networks, scatter=0.05), timed(networks, runs=4)):
        verdict = judged("efficientpose_b", noisy)
        assert (verdict.measured, verdict.ours, verdict.record) == ("not_run", "-", "-")
        assert (
            "no verdict from a noisy ratio: needs 5 or more runs and an interval at most 10 % of the value wide"
            in verdict.cause
        )
        assert not compared_time("efficientpose_b", noisy).agrees


def test_a_ratio_of_rates_is_the_other_way_round() -> None:
    proxy = judged_speed(timed({SPEED["first"]: 1.0, SPEED["ours"]: 0.5}, "cpu", input="256x192", joints=17))
    assert (proxy.measured, proxy.ours) == ("proxy", "1.94× on a cpu")
    assert "1.94 [1.9, 1.98] times mobilenet_v2's" in proxy.cause
    assert "a cpu stands in for an Intel Core i7-10750H" in proxy.cause


def test_the_printed_kind_of_device_and_quiet_figures_come_first() -> None:
    networks = {TIMED["A"]: 1.0, TIMED["B"]: 2.0}
    on_cpu, on_gpu = (timed(networks, device) for device in ("cpu", "cuda"))
    noisy = timed({**networks, "efficientpose_nas/C": 3.0}, scatter=0.2)
    others = timed({TIMED["B"]: 1.0, TIMED["A"]: 2.0}, scatter=0.2)
    assert judged("efficientpose_b", on_cpu, others, on_gpu, noisy).record in {record.id for record in (*on_gpu, *noisy)}
    assert judged("efficientpose_b", on_cpu, others).measured == "not_run"
    assert judged("efficientpose_b", others, on_gpu).record == on_gpu[1].id
    assert judged("efficientpose_b", timed(networks, allocator="default"), on_gpu).record == on_gpu[1].id


def test_times_of_another_setting_or_an_older_network_do_not_judge() -> None:
    networks = {TIMED["A"]: 1.0, TIMED["B"]: 2.0}
    others = [
        [replace(record, versions={**record.versions, "model": 0}) for record in timed(networks)],
        *(timed(networks, **setting) for setting in ({"input": "256x192"}, {"joints": 17}, {"part": "pipeline"})),  # type: ignore[arg-type]
        timed({TIMED["A"]: 1.0, "efficientpose_nas/C": 2.0}),
    ]
    not_run = judged("efficientpose_b", *others)
    assert not_run.measured == "not_run"
    assert not_run.cause.startswith("python -m benchmark.measure latency efficientpose_nas/A efficientpose_nas/B ")
    options = "--input 256x256 --joints 16 --device cuda --runs 5 --keep"
    assert not_run.cause.endswith(f"{options}; needs a GeForce RTX 2080 Ti")


# --- the whole ledger ---------------------------------------------------------------------------------------------------------


def test_every_printed_figure_has_one_verdict_and_no_field_is_blank(verdicts: list[Verdict]) -> None:
    cells = [c for p in load_papers().values() for t in p.tables.values() for c in t.cells()]
    claims = [claim for p in load_papers().values() for claim in p.claims]
    assert len(verdicts) == len(cells) + len(claims)
    assert {v.measured for v in verdicts} <= set(MEASURED)
    assert all(all(getattr(v, column) != "" for column in VERDICT_COLUMNS) for v in verdicts)


def test_well_over_fifty_sentences_are_claims() -> None:
    assert sum(len(paper.claims) for paper in load_papers().values()) > 60


def test_every_verdict_with_a_value_of_ours_can_be_traced_to_commands(verdicts: list[Verdict]) -> None:
    """A value that follows from others names an expression whose sources are on record; every other one names its record."""
    records, papers = load_records(), load_papers()
    by_name = {verdict.name: verdict for verdict in verdicts}
    for v in verdicts:
        if v.group not in ("agrees", "explained", "ambiguous", "differs", "undecided") or v.kind == "setting":
            continue
        if v.record in records:
            assert records[v.record].command.startswith("python -m benchmark.")
        else:
            claim = next((c for c in papers[v.paper].claims if v.metric == "claim" and c.id == v.row_id), None)
            expression = claim.expression if claim else papers[v.paper].tables[v.table].columns[v.column].expression
            sources = evaluate_expression(expression, papers[v.paper], papers, "" if claim else v.row_id).cells
            assert sources
            assert all(by_name[cell.name].ours != "-" or cell.column.kind == "setting" for cell in sources)


def test_an_explained_figure_names_its_predicate(verdicts: list[Verdict]) -> None:
    explained = [v for v in counted(verdicts) if v.measured == "explained"]
    assert explained
    assert {v.cause.split(":")[0] for v in explained} <= set(PREDICATES)


def test_no_predicate_is_kept_that_explains_nothing(verdicts: list[Verdict]) -> None:
    """Or that is no other one's rival, which may keep it from explaining."""
    used = {cause.split(":")[0] for v in verdicts for cause in (v.cause, v.internal_cause)}
    used |= {
        rival.split()[0] for v in verdicts for rival in v.cause.partition("rivals: ")[2].split(";")[0].split(", ") if rival
    }
    assert set(PREDICATES) - used == set()


def test_a_wrong_count_would_be_noticed(verdicts: list[Verdict]) -> None:
    """With a tenth more or less counted, no cost is reproduced any more, as none is printed so roughly as to allow that."""
    reproduced = {v.name for v in verdicts if v.kind == "cost" and v.measured == "reproduced"}
    assert len(reproduced) > 100
    cells = [c for p in load_papers().values() for t in p.tables.values() for c in t.cells() if c.name in reproduced]
    for factor in (0.9, 1.11):
        broken = {i: with_counts(r, factor) for i, r in load_current().items() if r.kind == "cost"}
        assert [c.name for c in cells if judge_cell(c, broken).measured == "reproduced"] == []


def with_counts(cost: Record, factor: float) -> Record:
    """Return a record in which everything is counted ``factor`` times."""

    def changed(value: Any) -> Any:
        return {key: changed(inner) for key, inner in value.items()} if isinstance(value, dict) else int(value * factor)

    return replace(
        cost, value={key: changed(value) for key, value in cost.value.items() if key in ("params", "flops", "scopes")}
    )


def test_the_committed_verdicts_fit_the_schema() -> None:
    adapter = TypeAdapter(Verdict)
    with open(RECORDS.parent / "verdicts.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {row.pop("schema") for row in rows} == {str(VERDICT_SCHEMA)}
    for row in rows:
        adapter.validate_python(row)
    for spoiled in (rows[0] | {"measured": "true"}, rows[0] | {"kind": "-"}, rows[0] | {"ours": ""}, rows[0] | {"extra": "1"}):
        with pytest.raises(ValueError, match="validation error"):
            adapter.validate_python(spoiled)


# --- settings and structures --------------------------------------------------------------------------------------------------


def named(verdicts: list[Verdict], name: str) -> Verdict:
    return next(verdict for verdict in verdicts if verdict.name == name)


def test_a_setting_is_compared_with_the_release_or_taken_over(verdicts: list[Verdict]) -> None:
    same = named(verdicts, "heatmap_weighting/text_recipe[learning_rate, value]")  # printed 5e-4, released 5e-4
    assert (same.measured, same.basis, same.record) == ("as_released", "-", "-")
    assert same.cause.startswith(
        "read in github.com/HAIV-Lab/ICPR22w at 8766918, whose files MMPose reads: 5e-4, from optimizer"
    )
    assert named(verdicts, "efficientpose_nas/text_data[mpii, images]").measured == "given"


@pytest.mark.parametrize(
    ("value", "unread", "allows", "measured"),
    [
        ("5e-4", False, "", "as_released"),
        ("0.0005", False, "", "as_released"),
        ("1e-3", False, "", "unlike_release"),
        ("1e-3", False, "the paper allows it", "release_unclear"),
        ("5e-4", True, "", "release_unclear"),
        ("1e-3", True, "", "release_unclear"),
    ],
)
def test_what_no_released_code_reads_decides_nothing_whether_it_agrees_or_not(
    value: str, unread: bool, allows: str, measured: str
) -> None:
    table = load_papers()["heatmap_weighting"].tables["text_recipe"]
    released = Released(value=value, source="a file", repository="a repository", unread=unread)
    changed = replace(table, released={("learning_rate", "value"): released})
    printed = changed.cell("learning_rate", "value")
    assert printed is not None
    row = replace(printed.row, allows={"value": allows} if allows else {})
    judged = judge_cell(replace(printed, table=changed, row=row), {})
    assert (judged.measured, judged.group) == (measured, "settings beside the release")
    assert ("which no released code reads" in judged.cause) == unread
    assert judged.cause.endswith(allows)


def test_all_settings_of_the_unreleased_training_are_judged_alike(verdicts: list[Verdict]) -> None:
    recipe = [v for v in verdicts if (v.paper, v.table) == ("efficientpose_nas", "text_recipe") and v.measured != "given"]
    same = [v for v in recipe if v.printed == v.ours or v.printed == "1e-3"]
    assert 0 < len(same) < len(recipe)
    assert {v.measured for v in recipe} == {"release_unclear"}


def test_without_records_nothing_agrees() -> None:
    judged = judge_all({}, load_papers())
    assert [v.name for v in judged if v.group == "agrees"] == []
    assert [v.name for v in judged if v.basis != "-"] == []
    assert any(v.measured == "as_released" for v in judged)  # by typed files, and so counted apart
    assert sum(sum(groups.values()) for groups in count_groups(judged).values()) == len(measurable(judged))
    assert all(SETTINGS not in groups and kind != "setting" for (_, kind), groups in count_groups(judged).items())


def test_a_structure_says_whether_it_was_counted_on_author_code_on_our_own_network_or_taken_over(
    verdicts: list[Verdict],
) -> None:
    counted_on = {
        "efficientpose_nas/table1[stage1_first, small]": "matches_release",
        "efficientpose_nas/table1[stage4, large]": "contradicted",
        "efficientpose/text_structure[openpose_kernel, structure]": "as_built",
        "autopose/text_structure[branches, structure]": "as_built",
        "autopose/text_structure[operations, structure]": "given",
        "efficientpose/text_scaling[depth, coefficient]": "given",
    }
    assert {name: named(verdicts, name).measured for name in counted_on} == counted_on
    assert not [v for v in verdicts if v.kind == "architecture" and v.measured in ("reproduced", "explained")]


def test_a_fitted_network_row_or_column_is_never_reproduced_or_explained(verdicts: list[Verdict]) -> None:
    papers = load_papers()
    fitted = []
    for v in verdicts:
        if v.kind == "cost":
            table = papers[v.paper].tables[v.table]
            row, column = table.rows[v.row_id], table.columns[v.column]
            if row.fitted or column.fitted or (row.model and find_entry(row.model).fitted):
                fitted.append(v)
    assert len(fitted) > 30
    assert {v.measured for v in fitted} == {"fitted"}
    assert all(" than printed; fitted: " in v.cause for v in fitted if v.ours_rounded != v.printed.rstrip("MG"))


def test_a_value_that_follows_from_others_rests_on_measurements_of_all_of_them(verdicts: list[Verdict]) -> None:
    missing = named(verdicts, "efficientpose/table3[efficientpose_rt, flop_reduction]")
    assert (missing.measured, missing.internal) == ("not_measured", "consistent")
    assert missing.cause == "no measurement of table3[openpose, flops] (fitted)"
    rivalled = named(verdicts, "efficientpose/claims[upscaling_flops_low, printed]")  # 7.70 / 7.37, or 1.0455 truncated
    assert (rivalled.printed, rivalled.ours_rounded, rivalled.measured) == ("1.04", "1.05", "ambiguous")
    assert rivalled.cause.endswith("rivals: truncated")
    nearly = named(verdicts, "heatmap_weighting/claims[mobilenet_v2_flops, printed]")  # "about 35 per cent"
    assert (nearly.ours_rounded, nearly.measured) == ("37", "inconclusive")
    doubtful = named(verdicts, "efficientpose_nas/claims[c_flops_of_hrnet, printed]")  # rests on C's ambiguous 2.0
    assert doubtful.measured == "ambiguous"
    differs = named(verdicts, "efficientpose_nas/claims[fewer_flops_than_resnet50, printed]")
    assert (differs.measured, differs.internal) == ("contradicted", "inconsistent")
    assert "these differ already: table3[resnet50, gflops]" in differs.cause


@pytest.mark.parametrize(
    ("printed", "unit", "token", "measured"),
    [
        ("1.11", "×", "reproduced", "reproduced"),
        ("1.11", "×", "explained", "reproduced"),
        ("1.11", "×", "ambiguous", "inconclusive"),
        ("1.11", "×", "contradicted", "inconclusive"),
        ("1.1", "×", "reproduced", "inconclusive"),  # an increase by 5 to 15 %
        ("1.1", "G", "reproduced", "reproduced"),
        ("true", "", "reproduced", "reproduced"),
        ("true", "", "explained", "reproduced"),
        ("true", "", "ambiguous", "inconclusive"),
        ("true", "", "contradicted", "inconclusive"),
        ("1.3", "×", "contradicted", "contradicted"),
    ],
)
def test_what_rests_on_a_value_in_doubt_does_not_agree_and_names_it(
    printed: str, unit: str, token: Measured, measured: str
) -> None:
    papers = load_papers()
    on, off = (f"table9[efficientpose_i_{upscaling}, flops]" for upscaling in ("on", "off"))
    measurements = {
        f"efficientpose/{on}": Measurement(1.675, "author code", "reproduced"),
        f"efficientpose/{off}": Measurement(1.510, "author code", token),
    }
    expression = f"{on} > {off}" if printed == "true" else f"{on} / {off}"
    judged = judge_by_sources(printed, expression, papers["efficientpose"], Sources(papers, measurements), NOTHING, unit=unit)
    assert judged.token == measured
    assert (f"these differ already: {off} ({token})" in judged.cause) == (token != "reproduced")


def test_no_derived_value_agrees_by_a_source_in_doubt(verdicts: list[Verdict]) -> None:
    papers, by_name = load_papers(), {v.name: v for v in verdicts}
    derived = [v for v in counted(verdicts) if v.kind == "derived" and v.group == "agrees"]
    assert derived
    for v in derived:
        claim = next((c for c in papers[v.paper].claims if v.metric == "claim" and c.id == v.row_id), None)
        expression = claim.expression if claim else papers[v.paper].tables[v.table].columns[v.column].expression
        sources = evaluate_expression(expression, papers[v.paper], papers, "" if claim else v.row_id).cells
        assert {by_name[cell.name].measured for cell in sources}.isdisjoint({"contradicted", "ambiguous"}), v.name
    upscaling = named(verdicts, "efficientpose/claims[upscaling_flops_high, printed]")
    assert upscaling.measured == "inconclusive"
    assert "table9[efficientpose_i_off, flops] (contradicted)" in upscaling.cause


def test_a_sentence_of_order_says_how_its_words_were_read(verdicts: list[Verdict]) -> None:
    far = named(verdicts, "efficientpose_nas/claims[c_far_less_flops, printed]")
    assert far.cause.endswith("the sentence says far less: only the order within the third group of Table 2 is checked")
    table = load_papers()["efficientpose_nas"].tables["table4"].printed
    for network in ("b", "c"):
        lowest = named(verdicts, f"efficientpose_nas/claims[coco_{network}_lowest_flops, printed]")
        own, smaller = table[f"efficientpose_{network}", "gflops"], table["lpn_50", "gflops"]
        assert float(smaller) < float(own)
        assert f"as LPN-50 has {smaller}" in lowest.cause
        assert lowest.cause.endswith(f"less than {network.upper()}'s {own}")


def test_nothing_that_follows_from_a_fitted_or_reconstructed_network_is_measured(verdicts: list[Verdict]) -> None:
    """Whether the network's own cost agrees with the printed one, as OpenPose's, or not, as ProxylessNAS's."""
    papers, by_name = load_papers(), {verdict.name: verdict for verdict in verdicts}
    doubtful = {
        name for name, v in by_name.items() if v.kind == "cost" and (v.basis == "reconstruction" or "fitted: " in v.cause)
    }
    doubtful |= {name for name, v in by_name.items() if v.measured in ("fitted", "as_built") and v.kind == "cost"}
    following = 0
    for v in verdicts:
        if v.metric == "claim":
            claim = next(c for c in papers[v.paper].claims if c.id == v.row_id)
            sources = {c.name for c in evaluate_expression(claim.expression, papers[v.paper], papers).cells}
            if sources & doubtful and v.repeats == "-":
                assert v.measured == "not_measured", v.name
                following += 1
    assert following > 10
    for name in ("least_mbconv_flops", "head_96_96_above_backbone", "a_far_less_flops"):
        assert by_name[f"efficientpose_nas/claims[{name}, printed]"].measured == "not_measured"


def test_what_is_typed_in_is_given_and_not_called_counted(verdicts: list[Verdict]) -> None:
    typed = [v for v in verdicts if v.column in ("depth_factor", "high_backbone", "low_backbone")]
    typed += [
        named(verdicts, f"efficientpose_nas/text_structure[{row}, structure]") for row in ("kernel_sizes", "expansion_ratios")
    ]
    assert len(typed) == 7 + 9 + 2
    assert {v.measured for v in typed} == {"given"}
    assert all("nothing is counted" in v.cause for v in typed)
    others = [v for v in verdicts if v.kind == "architecture" and v.measured in ("matches_release", "contradicted")]
    assert others
    assert all("counted as" in v.cause and v not in typed for v in others)


def test_stages_with_skipped_layers_are_judged_alike_in_all_networks(verdicts: list[Verdict]) -> None:
    """A builds 7 layers for 1 + 9, and C leaves out one of 1 + 5, which its released architecture lists as skipped."""
    small = named(verdicts, "efficientpose_nas/table1[stage3_rest, small]")
    large = named(verdicts, "efficientpose_nas/table1[stage1_rest, large]")
    assert (small.ours, large.ours) == ("[64, s1]×7", "[32, s1]×5 or [32, s1]×4")
    assert (small.measured, large.measured) == ("ambiguous", "ambiguous")


# --- one rule each ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        "baselines/fpd",
        "baselines/g_rmi-r101",
        "baselines/dlcm",
        "baselines/simple_baseline-mobilenet_v3",
        "efficientpose/I+low_level=off+outputs=final",
        "efficientpose/I+skeleton=off",
        "efficientpose/II+passes=3",
        "efficientpose_nas/A+tconv=mbv1",
        "efficientpose_nas/A+tconv=mbv2",
    ],
)
def test_a_network_that_we_built_is_neither_reproduced_nor_contradicted_nor_explained(model: str) -> None:
    assert find_entry(model).evidence in BUILT_BY_US
    for printed in ("8.3", "8.4", "4.8"):  # as counted, near it, and as another convention counts
        shown = cell(printed)
        shown = replace(shown, row=replace(shown.row, model=model))
        counts = record(8.96e9, subject=model)
        judged = judge_cell(shown, {counts.id: counts})
        assert (judged.measured, judged.basis) == ("as_built", find_entry(model).evidence)
        assert ("than printed" in judged.cause) == (printed != "8.3")


@pytest.mark.parametrize("model", ["efficientpose/I", "efficientpose/I+outputs=final", "efficientpose/I+passes=2", SIMPLE])
def test_a_released_form_or_switch_is_author_code(model: str) -> None:
    assert find_entry(model).evidence == "author code"


def test_another_network_of_the_authors_says_nothing_of_the_rows(verdicts: list[Verdict]) -> None:
    for name in ("table1[vipnas_256, params]", "table1[vipnas_256, gflops]", "table5[vipnas, gflops]"):
        released = named(verdicts, f"heatmap_weighting/{name}")
        assert released.measured == "as_built"
        assert "its paper counts another one" in released.cause
    for column in ("params", "gflops"):  # a network of others under the row's name
        assert named(verdicts, f"efficientpose_nas/table5[rmpe, {column}]").measured == "as_built"


@pytest.mark.parametrize(
    ("printed", "flops", "measured"),
    [
        ("1.0", 1.0, "inconclusive"),  # half a tenth is just 5 %
        ("1.1", 1.1, "reproduced"),
        ("0.7", 0.7, "inconclusive"),
        ("0.70", 0.7, "reproduced"),
        ("3", 3.0, "inconclusive"),
        ("10", 10.0, "inconclusive"),
        ("11", 11.0, "reproduced"),
        ("0.7", 0.9, "contradicted"),
    ],
)
def test_a_number_that_is_printed_too_roughly_is_not_reproduced(printed: str, flops: float, measured: str) -> None:
    judged = verdict(printed, record(flops * 2**30))
    assert judged.measured == measured
    assert ("printed so roughly that any value from " in judged.cause) == (measured == "inconclusive")


def test_arithmetic_over_structure_and_settings_is_given(verdicts: list[Verdict]) -> None:
    for name in ("heatmap_weighting/claims[head_reduction, printed]", "efficientpose/claims[dense_nets_iii, printed]"):
        assert named(verdicts, name).measured == "given"


def test_a_repeat_has_the_verdict_of_its_cell(verdicts: list[Verdict]) -> None:
    by_name = {v.name: v for v in verdicts}
    repeats = [v for v in verdicts if v.repeats != "-"]
    assert len(repeats) > 60
    assert [v.name for v in repeats if v.measured != by_name[v.repeats].measured] == []
    rough = by_name["efficientpose_nas/text_cost[large, gflops]"]  # 2, which repeats 2.0
    assert (rough.measured, rough.repeats) == ("ambiguous", "efficientpose_nas/table2[efficientpose_c, gflops]")


def test_a_sentence_that_states_a_cells_number_in_its_unit_or_place_is_counted_with_it(verdicts: list[Verdict]) -> None:
    for paper in load_papers().values():
        cells = [c for t in paper.tables.values() for c in t.cells() if t.pseudo or c.column.expression]
        for claim in paper.claims:
            for same in cells:
                stated = number_and_unit(claim.printed, claim.unit)
                if stated and number_and_unit(same.printed, same.column.unit) == stated:
                    assert named(verdicts, f"{paper.id}/claims[{claim.id}, printed]").repeats != "-", (claim.id, same.name)
    assert (
        named(verdicts, "efficientpose/claims[rt_params, printed]").repeats == "efficientpose/table3[efficientpose_rt, params]"
    )


def number_and_unit(printed: str, unit: str) -> tuple[str, str] | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(K|M|G|%|×)?", printed)
    return (match[1], match[2] or unit) if match else None


def test_a_printed_cell_that_spans_several_rows_is_counted_once(verdicts: list[Verdict]) -> None:
    def counted_in(column: str) -> list[str]:
        return [v.row_id for v in counted(verdicts) if (v.paper, v.table, v.column) == ("efficientpose", "table1", column)]

    assert counted_in("block1_conv") == ["b0", "b3", "b4", "b7"]
    assert counted_in("channels") == ["b0", "b2", "b4", "b5", "b7"]
    passes = [v for v in counted(verdicts) if (v.paper, v.table) == ("efficientpose", "table2") and v.column.startswith("pass")]
    assert [v.row_id for v in passes] == ["efficientpose_rt"] * 2
    lows = [v for v in counted(verdicts) if (v.paper, v.column) == ("efficientpose", "low_backbone")]
    assert len(lows) == 4  # I and II print the same name, in two cells


def test_a_width_that_is_printed_in_three_places_is_counted_once(verdicts: list[Verdict]) -> None:
    for number, width in ((1, "64"), (2, "32")):
        places = [f"table7[tconv_64_32, tconv{number}]", f"text_structure[tconv{number}_width, structure]"]
        whole = named(verdicts, f"efficientpose_nas/table1[trans_conv{number}, small]")
        assert (whole.printed, whole.repeats) == (f"[{width}, s2]", "-")
        for part in (named(verdicts, f"efficientpose_nas/{place}") for place in places):
            assert (part.printed, part.repeats, part.measured) == (width, whole.name, whole.measured)


def test_a_part_is_only_repeated_while_it_is_one() -> None:
    papers = load_papers()
    paper = papers["efficientpose_nas"]
    table = paper.tables["table7"]
    changed = replace(table, printed={**table.printed, ("tconv_64_32", "tconv1"): "2"})
    judged = judge_all(load_current(), {**papers, paper.id: replace(paper, tables={**paper.tables, "table7": changed})})
    verdict = named(judged, "efficientpose_nas/table7[tconv_64_32, tconv1]")
    assert (verdict.repeats, verdict.measured) == ("-", "unlike_release")


def test_a_spanning_cell_is_contradicted_by_any_of_its_networks() -> None:
    records = load_current()
    changed = {}
    for i, r in records.items():
        if r.kind == "architecture" and "b1/block1_conv" in r.value:
            value = dict(r.value)
            value["b1/block1_conv"] = {**value["b1/block1_conv"], "structure": "Conv(3×3,36,2) BN Swish"}
            changed[i] = replace(r, value=value)
    assert changed
    judged = {v.name: v.measured for v in judge_all({**records, **changed})}
    assert judged["efficientpose/table1[b0, block1_conv]"] == "contradicted"
    assert judged["efficientpose/table1[b2, block1_conv]"] == "contradicted"
    assert judged["efficientpose/table1[b3, block1_conv]"] == "matches_release"


# By paper and table, the settings of the paper's own networks that have no counterpart in its authors' release. What concerns
# other networks, data sets, devices, searches and trainings that were not released is left out by the table or the row.
NOT_RELEASED = {
    "efficientpose_nas": {"table7": {"tconv_64_64", "tconv_96_96"}, "text_search": None, "text_data": None},
    "efficientpose": {"table1": None, "table5": None, "text_data": None, "text_recipe": None, "text_optimizer": None},
    "autopose": {"table2": None, "table5": None, "text_recipe": None, "text_data": None},
    "heatmap_weighting": {"text_data": None, "text_recipe": {"decay"}, "text_speed": None},
}
NOT_RELEASED["efficientpose_nas"]["text_recipe"] = {"search_weights", "search_architecture"}
NOT_RELEASED["efficientpose"]["table8"] = {"efficientpose_i_1", "efficientpose_i_3", "efficientpose_ii_1", "efficientpose_ii_3"}


def test_every_setting_with_a_counterpart_in_the_release_is_compared() -> None:
    for paper in load_papers().values():
        for table in paper.tables.values():
            own = [c for c in table.cells() if c.column.kind == "setting" and c.row.model.startswith(f"{paper.id}/")]
            left = {c.row.id for c in own if (c.row.id, c.column.name) not in table.released}
            rows = NOT_RELEASED.get(paper.id, {}).get(table.id, set())
            assert rows is None or left == rows, f"{paper.id}/{table.id}"


# --- what a count took for granted --------------------------------------------------------------------------------------------


def test_the_form_of_a_network_is_stated_with_what_the_other_would_give(verdicts: list[Verdict]) -> None:
    for row, other in (("efficientpose_rt", "0.465608"), ("efficientpose_i", "0.726116")):
        judged = named(verdicts, f"efficientpose/table3[{row}, params]")
        assert judged.measured == "reproduced"
        assert judged.cause.startswith(f"stored, outputs=final (outputs=all would give {other}); outputs=final by github.com/")
    forms: dict[str, list[bool]] = {"counted": [], "rival": []}
    for row, column in product(("efficientpose_i_off", "efficientpose_ii_off"), ("params", "flops")):
        judged = named(verdicts, f"efficientpose/table9[{row}, {column}]")
        rival = re.search(r", outputs=all \(outputs=final would give ([\d.]+)\)", judged.cause)
        assert rival
        assert "outputs=all by github.com/DeepInMotion/Markerless" in judged.cause
        digits = judged.printed[:-1]
        forms["counted"].append(judged.ours_rounded == digits)
        forms["rival"].append(f"{float(rival[1]):.2f}" == digits)
    fits = f"outputs=all {sum(forms['counted'])}, outputs=final {sum(forms['rival'])}"
    assert (sum(forms["counted"]), sum(forms["rival"])) == (3, 1)
    assert judged.cause.endswith(f"of 4 numbers counted so, each form fits: {fits}")


def test_every_cost_column_says_why_it_is_counted_so() -> None:
    for paper in load_papers().values():
        columns = [c for t in paper.tables.values() for c in t.columns.values() if c.kind == "cost"]
        assert all(c.chosen and "gives no other reason" not in c.chosen.reason for c in columns), paper.id


def test_a_choice_that_was_made_because_it_fits_needs_three_numbers() -> None:
    rows = [("5.2", {"macs": 5.2}), ("7.3", {"macs": 7.3}), ("9.1", {"macs": 9.1})]

    def judged(cells: list[CountedCell]) -> list[str]:
        records = {c.record.id: c.record for c in cells}
        return [measure(c.cell, records, by_name(cells)).token for c in cells]

    assert judged(cost_column(*rows)) == ["reproduced"] * 3
    assert judged(cost_column(*rows[:2])) == ["fitted"] * 2
    assert judged(cost_column(*rows[:2], by_fit=False)) == ["reproduced"] * 2
    same = cost_column(rows[0], rows[0], rows[0], models=(SIMPLE,) * 3)
    assert judged(same) == ["fitted"] * 3  # one number, printed three times
    assert judged(cost_column(*rows, models=(SIMPLE, "baselines/hrnet-w32", "baselines/fpd"))) == [
        "fitted",
        "fitted",
        "as_built",
    ]


@pytest.mark.parametrize(
    ("printed", "allowed", "measured"),
    [
        ("[64, s1]×7", True, "matches_release"),
        ("[64, s1]×9", True, "ambiguous"),
        ("[64, s1]×9", False, "contradicted"),
        ("[32, s1]×9", False, "contradicted"),
    ],
)
def test_a_structure_that_the_papers_words_allow_is_not_contradicted(printed: str, allowed: bool, measured: str) -> None:
    original = load_papers()["efficientpose_nas"].tables["table1"].cell("stage3_rest", "small")
    assert original is not None
    changed = replace(original, printed=printed, row=replace(original.row, allows={"small": "skips"} if allowed else {}))
    assert judge_cell(changed, current_records(load_records())).measured == measured
