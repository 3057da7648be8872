"""How fast the instruments are, beside what one would use instead: ``make bench``."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fvcore.nn import FlopCountAnalysis

from benchmark import cost, ledger, measure, models, records, tables
from tests.bench_table import MODELS

ROOT = Path(records.__file__).parent.parent


@pytest.mark.parametrize("model", MODELS)
def test_trace(benchmark, model: str) -> None:
    """Building on the meta device, tracing and counting under every convention: under 1 s."""
    height, width = models.parse_size(models.find(model).inputs[0])
    benchmark.pedantic(lambda: measure.measure_cost(model, 16, height, width), rounds=3, warmup_rounds=1)
    assert benchmark.stats.stats.median < 1


@pytest.mark.parametrize("model", MODELS)
def test_trace_by_fvcore(benchmark, model: str) -> None:
    """The same count by fvcore, which runs the network."""
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    height, width = models.parse_size(models.find(model).inputs[0])

    def count() -> int:
        network = models.build(model, joints=16).eval()
        analysis = FlopCountAnalysis(network, torch.zeros(1, 3, height, width))
        return analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none").total()

    benchmark.pedantic(count, rounds=1)


def test_report_from_stored_records(benchmark, tmp_path: Path) -> None:
    """A whole report in a fresh process: under 5 s."""
    command = [sys.executable, "-m", "benchmark.report", "--out", str(tmp_path)]
    benchmark.pedantic(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True), rounds=3)
    assert benchmark.stats.stats.median < 5


def test_every_cost_and_the_report_from_nothing(benchmark, tmp_path: Path) -> None:
    """All cost figures of all models, and the report, in a fresh process without any record: under 60 s."""
    fresh = os.environ | {"POSE_RECORDS": str(tmp_path / "records")}

    def all_of_it() -> None:
        for command in (["benchmark.measure", "cost", "--all"], ["benchmark.report", "--out", str(tmp_path)]):
            subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=fresh, check=True, capture_output=True)

    benchmark.pedantic(all_of_it, rounds=1)
    assert benchmark.stats.stats.max < 60
    assert len(records.load(tmp_path / "records")) >= len(list(ledger.wanted(tables.papers())))


def test_pckh(benchmark, pose_data: Path) -> None:
    """Four presets, two thresholds, 1,000 replicates of 2,958 persons, in a fresh process."""
    truth, predictions = pose_data / "mpii" / "gt_valid.mat", pose_data / "mpii" / "predictions" / "hourglass_s2_b1.mat"
    command = [sys.executable, "-m", "benchmark.score", "--dataset", "mpii"]
    command += ["--annotations", str(truth), "--predictions", str(predictions), "--json"]
    benchmark.pedantic(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True), rounds=3)


def test_counting_rules(benchmark) -> None:
    """The counting rules alone, over one large trace."""
    found = cost.trace(models.outline("baselines/hrnet-w48", joints=17), 384, 288)
    benchmark(cost.counts, found.ops)
