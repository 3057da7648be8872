"""Verdicts follow from a printed string and a count, and each can be traced."""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from benchmark.config.identities import cost_identity, current_records, latency_identity
from benchmark.config.latency import ESTIMATORS, Setting
from benchmark.core.errors import InputError
from benchmark.core.records import RECORDS, Record, load_records
from benchmark.ledger.explanations import PREDICATES, explain_cost
from benchmark.ledger.latency import PrintedTimeComparison, compare_printed_time
from benchmark.ledger.verdicts import TOKENS, VERDICT_COLUMNS, Verdict, judge_all, judge_cell
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.tables import Cell, load_papers

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
    assert verdict("8.3", record(8.96e9)).verdict == "reproduced"  # 8.96e9 / 2^30 = 8.345
    assert verdict("8.34", record(8.96e9)).verdict == "reproduced"
    assert verdict("34.0M", record(), "params").verdict == "reproduced"


def test_the_printed_decimals_are_the_precision() -> None:
    assert verdict("8.344", record(8.96e9)).verdict == "explained"  # 8.3446: truncated
    assert verdict("8.350", record(8.96e9)).verdict == "contradicted"


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
    explained = verdict(printed, record(flops))
    assert (explained.verdict, explained.cause.split(":")[0]) == ("explained", predicate)


def test_a_count_of_another_variant_explains() -> None:
    variant = record(12.0 * 2**30, subject=SIMPLE + "+some=switch")
    explanation = explain_cost(cell("12.0"), record(8.99 * 2**30), [variant])
    assert explanation is not None
    assert (explanation.predicate, explanation.record) == ("other_variant", variant.id)


def test_what_no_predicate_yields_is_contradicted() -> None:
    contradicted = verdict("7.7", record(8.96e9))
    assert contradicted.verdict == "contradicted"
    assert "8.34" in contradicted.cause


def test_what_was_not_measured_says_how_to(tmp_path: Path) -> None:
    not_run = judge_cell(cell("8.9"), {})
    assert not_run.verdict == "not_run"
    assert not_run.cause == f"python -m benchmark.measure cost {SIMPLE} --input 256x192 --joints 17 --keep"
    program, *arguments = shlex.split(not_run.cause)
    assert program == "python"
    subprocess.run([sys.executable, *arguments], check=True, env=os.environ | {"POSE_RECORDS": str(tmp_path)})
    assert judge_cell(cell("8.9"), current_records(load_records(tmp_path))).verdict == "explained"


def test_a_record_of_an_older_counter_does_not_judge() -> None:
    old = replace(record(8.96e9), versions={"cost": 1, "model": 1})
    assert judge_cell(cell("8.3"), {old.id: old}).verdict == "not_run"


def test_an_unknown_model_is_refused_with_its_cell() -> None:
    wrong = cell("8.9")
    wrong = replace(wrong, row=replace(wrong.row, model="baselines/simple_baselin-r50"))
    with pytest.raises(InputError, match=r"efficientpose_nas/table4.*did you mean baselines/simple_baseline-r50"):
        judge_cell(wrong, {})


# --- times --------------------------------------------------------------------------------------------------------------------

TIMED = {"A": "efficientpose_nas/A", "B": "efficientpose_nas/B"}
SPEED = {"first": "baselines/simple_baseline-mobilenet_v2", "ours": "heatmap_weighting/mobilenet_v3"}


def timed(
    milliseconds: dict[str, float], device: str = "cuda", *, runs: int = 5, scatter: float = 0.01, **conditions: Any
) -> list[Record]:
    """Return made-up runs, minutes apart, of networks whose times differ by ``scatter`` from one to the next."""
    return [
        Record(
            **latency_identity(
                Setting(model=model, device=device, **conditions), f"a {device}", together=[*milliseconds], run=run
            ),
            value=time,
            samples={"estimates": dict.fromkeys(ESTIMATORS, time * (1 + scatter * run * (model == list(milliseconds)[-1])))},
            command="a command",
            time=f"2026-01-01T00:{5 * run:02d}:00+00:00",
        )
        for run in range(1, runs + 1)
        for model, time in milliseconds.items()
    ]


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
    assert (proxy.verdict, proxy.ours, proxy.record) == ("proxy", "1.75× on a cuda", runs[1].id)
    assert proxy.cause.startswith(
        "a cuda stands in for a GeForce RTX 2080 Ti; 1.75 [1.72, 1.78] times efficientpose_a's on a cuda"
    )
    assert proxy.cause.endswith("5 runs); printed 1.74 times")


def test_the_first_network_is_what_the_others_are_compared_with() -> None:
    reference = judged("efficientpose_a", timed({TIMED["A"]: 13.73, TIMED["B"]: 23.95}))  # the printed time: still no match
    assert (reference.verdict, reference.ours) == ("not_run", "-")
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
    comparison = compare_printed_time(chosen, {record.id: record for record in records})
    assert comparison is not None
    return comparison


def test_a_time_from_another_kind_of_device_gives_no_verdict() -> None:
    """Not in either direction, and not even where the ratio is the printed one."""
    as_printed = {TIMED["A"]: 13.73, TIMED["B"]: 23.95}
    verdict = judged("efficientpose_b", timed(as_printed, "cpu"))
    assert (verdict.verdict, verdict.ours, verdict.record) == ("not_run", "-", "-")
    assert "no verdict between kinds of device: needs a GeForce RTX 2080 Ti; 1.8" in verdict.cause
    compared = compared_time("efficientpose_b", timed(as_printed, "cpu", scatter=0))
    assert (compared.outcome, compared.measured_kind, compared.agrees) == ("other device", "cpu", False)
    on_gpu = timed({SPEED["first"]: 1.0, SPEED["ours"]: 1.0}, "cuda", input="256x192", joints=17)
    assert judged_speed(on_gpu).verdict == "not_run"
    assert judged_speed(on_gpu, column="fps_gpu").verdict == "proxy"


def test_a_ratio_that_does_not_pass_the_noise_gate_gives_no_verdict() -> None:
    networks = {TIMED["A"]: 1.0, TIMED["B"]: 1.744}
    for noisy in (timed(networks, scatter=0.05), timed(networks, runs=4)):
        verdict = judged("efficientpose_b", noisy)
        assert (verdict.verdict, verdict.ours, verdict.record) == ("not_run", "-", "-")
        assert (
            "no verdict from a noisy ratio: needs 5 or more runs and an interval at most 10 % of the value wide"
            in verdict.cause
        )
        assert not compared_time("efficientpose_b", noisy).agrees


def test_a_ratio_of_rates_is_the_other_way_round() -> None:
    proxy = judged_speed(timed({SPEED["first"]: 1.0, SPEED["ours"]: 0.5}, "cpu", input="256x192", joints=17))
    assert (proxy.verdict, proxy.ours) == ("proxy", "1.94× on a cpu")
    assert "1.94 [1.9, 1.98] times mobilenet_v2's" in proxy.cause
    assert "a cpu stands in for an Intel Core i7-10750H" in proxy.cause


def test_the_printed_kind_of_device_and_quiet_figures_come_first() -> None:
    networks = {TIMED["A"]: 1.0, TIMED["B"]: 2.0}
    on_cpu, on_gpu = (timed(networks, device) for device in ("cpu", "cuda"))
    noisy = timed({**networks, "efficientpose_nas/C": 3.0}, scatter=0.2)
    others = timed({TIMED["B"]: 1.0, TIMED["A"]: 2.0}, scatter=0.2)
    assert judged("efficientpose_b", on_cpu, others, on_gpu, noisy).record in {record.id for record in (*on_gpu, *noisy)}
    assert judged("efficientpose_b", on_cpu, others).verdict == "not_run"
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
    assert not_run.verdict == "not_run"
    assert not_run.cause.startswith("python -m benchmark.measure latency efficientpose_nas/A efficientpose_nas/B ")
    options = "--input 256x256 --joints 16 --device cuda --runs 5 --keep"
    assert not_run.cause.endswith(f"{options}; needs a GeForce RTX 2080 Ti")


# --- the whole ledger ---------------------------------------------------------------------------------------------------------


def test_every_printed_figure_has_one_verdict_and_no_field_is_blank(verdicts: list[Verdict]) -> None:
    cells = [c for p in load_papers().values() for t in p.tables.values() for c in t.cells()]
    claims = [claim for p in load_papers().values() for claim in p.claims]
    assert len(verdicts) == len(cells) + len(claims)
    assert {v.verdict for v in verdicts} <= set(TOKENS)
    assert all(all(getattr(v, column) != "" for column in VERDICT_COLUMNS) for v in verdicts)


def test_well_over_fifty_sentences_are_claims() -> None:
    assert sum(len(paper.claims) for paper in load_papers().values()) > 60


def test_reproduced_and_explained_can_be_traced_to_a_command_or_an_expression(verdicts: list[Verdict]) -> None:
    records, papers = load_records(), load_papers()
    for v in verdicts:
        if v.verdict not in ("reproduced", "explained"):
            continue
        if v.record in records:
            assert records[v.record].command.startswith("python -m benchmark.")
        elif v.metric == "claim":
            claim = next(c for c in papers[v.paper].claims if c.id == v.row_id)
            evaluate_expression(claim.expression, papers[v.paper], papers)
        else:
            column = papers[v.paper].tables[v.table].columns[v.column]
            evaluate_expression(column.expression, papers[v.paper], papers, v.row_id)


def test_an_explained_figure_names_its_predicate(verdicts: list[Verdict]) -> None:
    explained = [v for v in verdicts if v.verdict == "explained"]
    assert explained
    assert {v.cause.split(":")[0] for v in explained} <= set(PREDICATES)


def test_no_predicate_is_kept_that_explains_nothing(verdicts: list[Verdict]) -> None:
    used = {v.cause.split(":")[0] for v in verdicts if v.verdict == "explained"}
    assert set(PREDICATES) - used == set()


def test_a_wrong_count_would_be_noticed(verdicts: list[Verdict]) -> None:
    """With a tenth more operations counted, the reproduced GFLOPs are not reproduced any more."""
    reproduced = [v for v in verdicts if v.metric == "flops" and v.verdict == "reproduced"]
    broken = {
        i: replace(r, value=r.value | {"flops": {k: int(n * 1.1) for k, n in r.value["flops"].items()}})
        for i, r in load_records().items()
        if r.kind == "cost"
    }
    by_name = {c.name: c for p in load_papers().values() for t in p.tables.values() for c in t.cells()}
    again = [judge_cell(by_name[f"{v.paper}/{v.table}[{v.row_id}, {v.column}]"], broken) for v in reproduced]
    assert sum(v.verdict == "reproduced" and not v.record.startswith("expression") for v in again) < len(reproduced) / 10


def test_the_committed_verdicts_fit_the_schema() -> None:
    adapter = TypeAdapter(Verdict)
    with open(RECORDS.parent / "verdicts.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        adapter.validate_python(row)
    for spoiled in (rows[0] | {"verdict": "true"}, rows[0] | {"kind": "-"}, rows[0] | {"ours": ""}, rows[0] | {"extra": "1"}):
        with pytest.raises(ValueError, match="validation error"):
            adapter.validate_python(spoiled)
