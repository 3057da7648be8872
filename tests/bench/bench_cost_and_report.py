"""Time counting, the report and PCKh beside the usual alternatives: ``make bench``."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fvcore.nn import FlopCountAnalysis

from benchmark.core.input_size import parse_size
from benchmark.core.records import load_records
from benchmark.cost.counters import count_operations
from benchmark.cost.records import measure_cost
from benchmark.cost.trace import trace_network
from benchmark.ledger.verdicts import required_costs
from benchmark.models.registry import build_model, build_on_meta, find_entry
from benchmark.papers.tables import load_papers
from tests.bench.table import MODELS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("model", MODELS)
def test_trace(benchmark, model: str) -> None:
    """Build on the meta device, trace and count under every convention in less than 1 s."""
    height, width = parse_size(find_entry(model).inputs[0])
    benchmark.pedantic(lambda: measure_cost(model, 16, height, width), rounds=3, warmup_rounds=1)
    assert benchmark.stats.stats.median < 1


@pytest.mark.parametrize("model", MODELS)
def test_trace_by_fvcore(benchmark, model: str) -> None:
    """Count the same by fvcore, which runs the network."""
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    height, width = parse_size(find_entry(model).inputs[0])

    def count() -> int:
        network = build_model(model, joints=16).eval()
        analysis = FlopCountAnalysis(network, torch.zeros(1, 3, height, width))
        return analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none").total()

    benchmark.pedantic(count, rounds=1)


def test_report_from_stored_records(benchmark, tmp_path: Path) -> None:
    """Write the whole report in a fresh process in less than 5 s."""
    command = [sys.executable, "-m", "benchmark.report", "--out", str(tmp_path)]
    benchmark.pedantic(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True), rounds=3)
    assert benchmark.stats.stats.median < 5


def test_every_cost_and_the_report_from_nothing(benchmark, tmp_path: Path) -> None:
    """Measure the cost of all models and write the report, in fresh processes without any record, in less than 60 s."""
    environment = os.environ | {"POSE_RECORDS": str(tmp_path / "records")}

    def measure_and_report() -> None:
        for command in (["benchmark.measure.__main__", "cost", "--all"], ["benchmark.report", "--out", str(tmp_path)]):
            subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=True, capture_output=True)

    benchmark.pedantic(measure_and_report, rounds=1)
    assert benchmark.stats.stats.max < 60
    assert len(load_records(tmp_path / "records")) >= len(list(required_costs(load_papers())))


def test_pckh(benchmark, pose_data: Path) -> None:
    """Score four presets, two thresholds and 1,000 replicates of 2,958 people in a fresh process."""
    annotations, predictions = pose_data / "mpii" / "gt_valid.mat", pose_data / "mpii" / "predictions" / "hourglass_s2_b1.mat"
    command = [sys.executable, "-m", "benchmark.score", "--dataset", "mpii"]
    command += ["--annotations", str(annotations), "--predictions", str(predictions), "--json"]
    benchmark.pedantic(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True), rounds=3)


def test_counting_rules(benchmark) -> None:
    """Apply the counting rules alone to one large trace."""
    trace = trace_network(build_on_meta("baselines/hrnet-w48", joints=17), 384, 288)
    benchmark(count_operations, trace.ops)
