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
from benchmark.config.latency import Setting
from benchmark.core.errors import InputError
from benchmark.core.records import RECORDS, Record, load_records
from benchmark.ledger.explanations import PREDICATES, explain_cost
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
    assert verdict("8.344", record(8.96e9)).verdict == "ambiguous"  # 8.3446: truncated
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
    judged = verdict(printed, record(flops))
    assert (judged.verdict, judged.cause.split(":")[0]) == ("ambiguous", predicate)  # a number alone has no support


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
    assert judge_cell(cell("8.9"), current_records(load_records(tmp_path))).verdict == "ambiguous"


def test_a_sentence_that_fixes_no_reading_has_no_definition(verdicts: list[Verdict]) -> None:
    saving = next(v for v in verdicts if (v.paper, v.column) == ("fasterpose", "flops_saving"))
    assert (saving.verdict, saving.ours) == ("no_definition", "-")
    assert "names neither the network" in saving.cause


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


def timed(
    model: str,
    value: float,
    to: str = "",
    device: str = "cpu",
    *,
    unstable: bool = False,
    repeat: str = "",
    interval: tuple[float, float] | None = None,
    **conditions: Any,
) -> Record:
    """Return a made-up time, or ratio of times to another network, under the setting of EfficientPose-NAS's latencies."""
    setting = Setting(model=model, device=device, **conditions)
    metric = "ratio" if to else "milliseconds"
    return Record(
        **latency_identity(setting, metric, f"a {device}", unstable=unstable, repeat=repeat, to=to),
        value=value,
        interval=interval or (0.9 * value, 1.1 * value),
        samples={},
        command="a command",
    )


def judged(
    row: str, *measured: Record, paper: str = "efficientpose_nas", table: str = "text_latency", column: str = "latency"
) -> Verdict:
    cells = load_papers()[paper].tables[table].cells()
    chosen = next(c for c in cells if (c.row.id, c.column.name) == (row, column))
    return judge_cell(chosen, current_records({r.id: r for r in measured}))


def test_a_printed_time_is_a_ratio_to_the_first_and_never_reproduced() -> None:
    ratio = timed(TIMED["B"], 1.75, TIMED["A"])  # printed: 23.95 / 13.73 = 1.744
    proxy = judged("efficientpose_b", ratio)
    assert (proxy.verdict, proxy.ours, proxy.record) == ("proxy", "1.75×", ratio.id)
    assert "printed 1.74 times, in it" in proxy.cause
    assert "on a cpu" in proxy.cause
    assert "outside" in judged("efficientpose_b", replace(ratio, value=3.0, interval=(2.9, 3.1))).cause


def test_the_first_network_is_what_the_others_are_compared_with() -> None:
    proxy = judged("efficientpose_a", timed(TIMED["A"], 13.73))  # the printed time: still no match
    assert (proxy.verdict, proxy.ours) == ("proxy", "1×")
    assert "13.73 ms on a cpu" in proxy.cause


def test_a_ratio_of_rates_is_the_other_way_round() -> None:
    first = "baselines/simple_baseline-mobilenet_v2"
    ratio = timed("heatmap_weighting/mobilenet_v3", 0.5, first, input="256x192", joints=17, interval=(0.4, 0.8))
    proxy = judged("ours", ratio, paper="heatmap_weighting", table="table5", column="fps_cpu")
    assert (proxy.verdict, proxy.ours) == ("proxy", "2×")
    assert "[1.25, 2.5]" in proxy.cause


def test_the_printed_kind_of_device_and_quiet_figures_come_first() -> None:
    on_cpu, on_gpu = (timed(TIMED["B"], 2, TIMED["A"], device) for device in ("cpu", "cuda"))
    unstable = timed(TIMED["B"], 2, TIMED["A"], "cuda", unstable=True)
    assert judged("efficientpose_b", on_cpu, unstable, on_gpu).record == on_gpu.id
    assert judged("efficientpose_b", on_cpu, unstable).record == on_cpu.id
    assert judged("efficientpose_b", unstable).verdict == "proxy"


def test_times_of_another_setting_or_an_older_network_do_not_judge() -> None:
    other_settings: list[dict[str, Any]] = [{"input": "256x192"}, {"joints": 17}, {"part": "pipeline"}, {"repeat": "again"}]
    others = [
        replace(timed(TIMED["B"], 2, TIMED["A"]), versions={"latency": 1, "model": 0}),
        *(timed(TIMED["B"], 2, TIMED["A"], **setting) for setting in other_settings),
    ]
    not_run = judged("efficientpose_b", *others)
    assert not_run.verdict == "not_run"
    assert not_run.cause.startswith("python -m benchmark.measure latency efficientpose_nas/A efficientpose_nas/B ")
    options = "--input 256x256 --joints 16 --device cuda --keep"
    assert f"{options}; the printed time is that of a GeForce RTX 2080 Ti" in not_run.cause


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
    used = {v.cause.split(":")[0] for v in verdicts if v.verdict in ("explained", "ambiguous")}
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
