"""Latencies: warm-up, interleaved rounds in separate processes, refusal of unstable times, records and the command."""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from scipy.stats import kendalltau

from benchmark.analysis.latency import (
    Estimate,
    Session,
    coverage_over_rounds,
    coverage_over_runs,
    estimate_over_runs,
    exact_coverage,
    load_sessions,
    spread_between_runs,
)
from benchmark.config.identities import current_records, load_current
from benchmark.config.latency import ESTIMATORS, MIN_RUNS, Setting
from benchmark.config.protocols import PROTOCOLS
from benchmark.core.errors import InputError
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.core.records import Record, append_record, append_records, load_records, select
from benchmark.core.statistics import kendall_tau
from benchmark.evaluation.backends import Backend
from benchmark.evaluation.inference import predict_people
from benchmark.latency import timer
from benchmark.latency.clocks import hardware_counters, time_on_cpu, time_on_cuda, time_with_cpu, timer_overhead, warm_up
from benchmark.latency.records import latency_records
from benchmark.latency.timer import Timing, measure_latency, worker_variables
from benchmark.latency.worker import PreparedNetwork
from benchmark.latency.workloads import export_onnx, network_function, pipeline_pass, synthetic_people
from benchmark.measure import latency as latency_command
from benchmark.measure.latency import LatencyCommand, LatencyReport

SMALL, LARGE = "efficientpose_nas/A", "baselines/hrnet-w32"
NETWORKS = """
import os, signal
import torch
from torch import nn

def narrow(joints):
    print("this must not mix with the replies")
    if "NOTES" in os.environ:
        with open(os.environ["NOTES"], "a") as file:
            print(os.getpid(), torch.get_num_threads(), os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"], file=file)
    return nn.Conv2d(3, joints, 3, stride=4, padding=1)

def wide(joints):
    first, last = nn.Conv2d(3, 256, 3, padding=1), nn.Conv2d(256, joints, 3, stride=4, padding=1)
    narrow(joints)
    return nn.Sequential(first, nn.Conv2d(256, 256, 3, padding=1), last)

def heavy(joints):
    network = narrow(joints)
    network.ballast = nn.Parameter(torch.ones(25_000_000))
    return network

class Dying(nn.Conv2d):
    def forward(self, images):
        os.kill(os.getpid(), signal.SIGKILL)

def dying(joints):
    return Dying(3, joints, 3)

class Failing(nn.Conv2d):
    def forward(self, images):
        return {"maps": images}["heatmaps"]

def failing(joints):
    return Failing(3, joints, 3)
"""


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("networks") / "latency_nets.py"
    path.write_text(NETWORKS)
    return str(path)


def timing(model: str = SMALL, rounds: Any = None, **fields: Any) -> Timing:
    """Return a made-up timing: by default 20 rounds of 4 calls of about 10 ms, on an idle machine."""
    if rounds is None:
        rounds = 0.010 + 0.0001 * np.random.default_rng(0).standard_normal((20, 4))
    rounds = np.asarray(rounds, float)
    return Timing(**{"setting": Setting(model=model), "rounds": rounds, "cpu": rounds, "device": "a processor"} | fields)


START = datetime(2026, 1, 1, tzinfo=UTC)


def session_of_runs(seconds: dict[str, list[float]], *, minutes: float = 2, scatter: float = 0.0, seed: int = 0) -> Session:
    """Return the session of models that took these seconds in each run; calls scatter within a run."""
    random = np.random.default_rng(seed)
    records = []
    for run, of_run in enumerate(zip(*seconds.values(), strict=True), 1):
        timings = [timing(m, mean * random.lognormal(0, scatter, (10, 4))) for m, mean in zip(seconds, of_run, strict=True)]
        ended = START + timedelta(minutes=run * minutes)
        records += [replace(record, time=ended.isoformat()) for record in latency_records(timings, "a command", run=run)]
    (session,) = load_sessions(records)
    return session


# --- settings -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        Setting(model=SMALL),
        Setting(model=SMALL, input="256x192", joints=17, batch=32, threads=2, device="cuda", layout="nhwc", backend="compile"),
        Setting(model=SMALL, part="pipeline", backend="openvino"),
    ],
)
def test_a_setting_can_be_read_back(setting: Setting) -> None:
    assert Setting.of({**setting.conditions(), "run": 1}, SMALL) == setting


def test_other_protocols_are_no_settings() -> None:
    with pytest.raises(KeyError):
        Setting.of({"input": "256x192"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": "256"}, "'256' is not an input size"),
        ({"batch": 0}, "--batch 0"),
        ({"threads": 10_000}, "--threads 10000: there are"),
        ({"allocator": "arena"}, "--allocator 'arena' is not one of keep, default"),
        ({"backend": "tensorflow"}, "--backend 'tensorflow' is not one of eager, compile, onnxruntime, openvino"),
        ({"backend": "onnxruntime", "layout": "nhwc"}, "chooses its own layout"),
        ({"part": "pipeline", "joints": 5}, "needs the joints of a dataset"),
    ],
)
def test_an_impossible_setting_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure_latency([Setting(model=SMALL, **given)])


def test_a_missing_runtime_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.config.latency.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs onnx and openvino \\(the extra 'runtimes'\\)"):
        Setting(model=SMALL, backend="openvino").check()


# --- statistics ---------------------------------------------------------------------------------------------------------------


def test_every_estimator_is_a_percentile_of_all_calls_of_a_run() -> None:
    made_up = timing(rounds=np.arange(1, 102).reshape(-1, 1), cpu=2.0 * np.arange(1, 102).reshape(-1, 1))
    wall, cpu = (51, 11, 6, 1), (102, 22, 2)
    assert list(made_up.estimates.values()) == pytest.approx([*wall, *cpu])
    assert made_up.estimates.keys() == ESTIMATORS.keys()
    assert made_up.percentiles == (11, 91)


@pytest.mark.parametrize(
    ("conditions", "seconds"), [({}, 0.01), ({"threads": 2}, 0.05), ({"device": "cuda"}, 0.05), ({"part": "pipeline"}, 0.01)]
)
def test_cpu_time_counts_on_one_thread_of_a_cpu_alone(conditions: dict[str, Any], seconds: float) -> None:
    """Let other processes interrupt all calls: on one thread, CPU time is what the wall clock would have shown."""
    interrupted = timing(rounds=np.full((10, 4), 0.05), cpu=np.full((10, 4), 0.01), setting=Setting(model=SMALL, **conditions))
    assert interrupted.seconds == pytest.approx(seconds)


def test_drift_that_hits_both_cancels_in_the_ratio() -> None:
    """Let the machine be up to three times slower from run to run: the times change, but neither the ratio nor its interval."""
    session = session_of_runs({"slow": [2.0, 4.0, 6.0, 3.0, 5.0], "fast": [1.0, 2.0, 3.0, 1.5, 2.5]})
    value, interval, runs = session.ratio("slow", "fast")
    assert (value, runs) == (pytest.approx(2), 5)
    assert interval == pytest.approx((2, 2))
    assert session.ratio("slow", "fast").is_precise
    assert not session.time("slow").is_precise


@pytest.mark.parametrize("runs", range(1, 12))
def test_there_is_an_interval_over_five_runs_or_more(runs: int) -> None:
    estimate = estimate_over_runs(np.linspace(1.0, 1.01, runs))
    assert (estimate.interval is not None) is (runs >= 5)
    assert estimate.is_precise is (runs >= 5)
    assert estimate.runs == runs


def test_an_interval_of_five_runs_reaches_from_the_lowest_to_the_highest() -> None:
    assert estimate_over_runs(np.array([5.0, 1, 4, 2, 3])) == Estimate(3, (1, 5), 5)


def test_the_noise_gate_is_an_interval_of_at_most_a_tenth_of_the_value() -> None:
    assert estimate_over_runs(np.array([0.96, 1, 1, 1, 1.05])).is_precise
    assert not estimate_over_runs(np.array([0.94, 1, 1, 1, 1.05])).is_precise


@pytest.mark.parametrize("runs", [5, 10])
def test_an_interval_covers_the_true_ratio_about_as_often_as_it_says(runs: int) -> None:
    """Each run has a state of its own that its rounds share: intervals over runs cover it, one over the rounds would not."""
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        ratios = 1.5 * random.lognormal(0, 0.1, runs)
        interval = estimate_over_runs(ratios).interval
        assert interval is not None
        covered += interval[0] <= 1.5 <= interval[1]
    assert 0.90 <= covered / 400 <= 0.98


@pytest.mark.parametrize("later", [1, 3, 5])
def test_an_interval_of_five_runs_holds_a_repeat_as_often_as_is_exact(later: int) -> None:
    random = np.random.default_rng(0)
    inside = 0
    for _ in range(600):
        runs = random.standard_normal(MIN_RUNS + later)
        interval = estimate_over_runs(runs[:MIN_RUNS]).interval
        assert interval is not None
        inside += interval[0] <= np.median(runs[MIN_RUNS:]) <= interval[1]
    assert inside / 600 == pytest.approx(exact_coverage(MIN_RUNS, later), abs=0.05)


def test_coverage_is_counted_on_later_runs() -> None:
    first, as_before, faster = [1.0, 1.1, 1.2, 1.3, 1.4], [1.2, 1.25, 1.2, 1.2, 1.3], [0.5, 0.6, 0.7, 0.5, 0.6]
    steady = [1.0] * 10
    session = session_of_runs({"steady": steady, "a": first + as_before, "b": first + faster})
    assert coverage_over_runs(session) == (3, 1, 5, pytest.approx(5 / 6))  # a/steady; neither b/steady nor a/b
    for runs, later in {9: 3, 8: 3, 7: 1, 6: 1}.items():
        coverage = coverage_over_runs(replace(session, runs=session.runs[:runs]))
        assert coverage is not None
        assert (coverage.covered, coverage.runs) == (1, later)
    assert coverage_over_runs(replace(session, runs=session.runs[:5])) is None


def test_rounds_of_a_run_do_not_show_what_differs_between_runs() -> None:
    """Let the calls of a run scatter by a percent, and the runs by ten: a run's interval misses most ratios of the next."""
    random = np.random.default_rng(0)
    seconds = {model: list(random.lognormal(0, 0.1, 10)) for model in "abcd"}
    session = session_of_runs(seconds, scatter=0.01)
    over_rounds, over_runs = coverage_over_rounds(session), coverage_over_runs(session)
    assert over_runs is not None
    assert (over_rounds.pairs, over_runs.pairs) == (6 * 9, 6)
    assert over_rounds.covered / over_rounds.pairs < 0.3 < over_runs.covered / over_runs.pairs


def test_occupancy_is_the_share_of_the_wall_clock_that_was_cpu_time() -> None:
    interrupted = timing(rounds=np.full((10, 4), 0.05), cpu=np.full((10, 4), 0.01))
    (session,) = load_sessions(latency_records([interrupted, replace(interrupted, setting=Setting(model=LARGE))], "-"))
    assert session.occupancy == pytest.approx([0.2])


def test_spread_is_relative_to_the_mean_of_all_runs() -> None:
    times, ratios = spread_between_runs(session_of_runs({"a": [1.0, 3.0], "b": [2.0, 2.0], "c": [1.0, 3.0]}), "minimum")
    deviation = 100 / np.sqrt(2)
    assert times == pytest.approx((deviation, deviation), rel=1e-3)
    assert ratios == pytest.approx((deviation, deviation), rel=1e-3)  # a/b 0.5 and 1.5, a/c 1 and 1, b/c 2 and 0.67


def test_kendalls_tau_is_scipys_where_nothing_ties() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        a, b = random.random((2, 7))
        assert kendall_tau(a, b) == pytest.approx(kendalltau(a, b).statistic)
    assert kendall_tau([1, 1], [2, 3]) is None


# --- the clock and the warm-up ------------------------------------------------------------------------------------------------


def sleepy() -> Iterator[str]:
    for part in ("one", "two"):
        import time

        time.sleep(0.02)
        yield part


def test_each_part_is_timed() -> None:
    parts = time_on_cpu(sleepy)
    assert list(parts) == ["one", "two"]
    assert all(0.02 <= seconds < 0.2 for seconds in parts.values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="not_run: no GPU at hand")
def test_each_part_is_timed_on_a_gpu() -> None:
    assert all(0.02 <= seconds < 0.2 for seconds in time_on_cuda(sleepy).values())


def test_the_timer_adds_microseconds() -> None:
    assert 0 < timer_overhead(200) < 2e-5


def test_cpu_time_leaves_out_waiting_and_counts_work() -> None:
    def wait() -> Iterator[str]:
        time.sleep(0.05)
        yield "wait"

    def work() -> Iterator[str]:
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
        yield "work"

    parts, cpu = time_with_cpu(wait, time_on_cpu)
    assert parts["wait"] >= 0.05
    assert cpu < 0.025
    assert time_with_cpu(work, time_on_cpu)[1] >= 0.05


def test_hardware_counters_are_those_that_perf_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def perf(text: str) -> None:
        monkeypatch.setattr("subprocess.run", lambda *_, **__: subprocess.CompletedProcess([], 0, stderr=text))

    perf("<not supported>,,instructions:u,0,100.00,,\n<not supported>,,cycles:u,0,100.00,,\n")
    assert hardware_counters() == []
    perf("123456,,instructions:u,456,100.00,,\n<not supported>,,cycles:u,0,100.00,,\n")
    assert hardware_counters() == ["instructions"]
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    assert hardware_counters() == []


def test_a_warm_up_ends_when_times_settle() -> None:
    times = iter([9.0, *[1.0] * 5, *[0.8] * 5, *[0.5] * 5, *[0.5] * 5])
    assert warm_up(lambda: next(times)) == (0.5, True)
    assert next(times, None) is None


def test_a_warm_up_that_never_settles_says_so() -> None:
    times = iter(2.0**-i for i in range(1000))
    assert warm_up(lambda: next(times), patience=-1)[1] is False


# --- processes and turns ------------------------------------------------------------------------------------------------------


class FakeWorker:
    """Replaces a worker and its process, and notes the order of the calls."""

    calls: list[str] = []  # noqa: RUF012

    def __init__(self, setting: Setting, onnx: str = "") -> None:
        self.setting, self.rounds = setting, 0

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None: ...

    def open(self) -> None:
        self.calls.append("open " + self.setting.model)

    def warm(self) -> None:
        self.calls.append("warm " + self.setting.model)

    def start_round(self) -> None:
        self.rounds += 1

    def burst(self) -> None:
        self.calls.append(self.setting.model)

    def timing(self) -> Timing:
        return timing(rounds=np.ones((self.rounds, 2)), setting=self.setting)


def test_all_are_warm_and_then_take_turns_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timer, "Worker", FakeWorker)
    monkeypatch.setattr(FakeWorker, "calls", [])
    steps: list[tuple[int, int]] = []
    timings = measure_latency(
        [Setting(model=model) for model in "ABCA"], rounds=2, progress=lambda done, total: steps.append((done, total))
    )
    assert FakeWorker.calls == [*(f"{step} {model}" for step in ("open", "warm") for model in "ABCA"), *"ABCAACBA" * 2]
    assert steps == [(done, 20) for done in range(1, 21)]
    assert [timing.setting.model for timing in timings] == list("ABCA")


@pytest.fixture(scope="module")
def measured(nets: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Timing], list[list[str]]]:
    """Time three networks together; return their timings, and what each noted: its process and its numbers of threads."""
    notes, names = tmp_path_factory.mktemp("notes") / "notes", ("narrow", "wide", "heavy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTES", str(notes))
        patch.setenv("OMP_NUM_THREADS", "7")
        timings = measure_latency([Setting(model=f"{nets}:{name}", input="64x64") for name in names], rounds=3)
    return dict(zip(names, timings, strict=True)), [line.split() for line in notes.read_text().splitlines()]


def test_a_larger_network_takes_longer(measured: tuple[dict[str, Timing], list[list[str]]]) -> None:
    narrow, wide = (measured[0][name] for name in ("narrow", "wide"))
    assert narrow.rounds.shape[0] == wide.rounds.shape[0] == 3
    assert (narrow.rounds > 0).all()
    assert wide.seconds > 5 * narrow.seconds
    assert narrow.cpu.shape == narrow.rounds.shape
    assert (narrow.cpu > 0).all()
    assert narrow.device == wide.device != ""


def test_each_cell_has_its_own_process_with_its_own_threads(measured: tuple[dict[str, Timing], list[list[str]]]) -> None:
    processes, threads = zip(*((process, rest) for process, *rest in measured[1]), strict=True)
    assert len({*processes, str(os.getpid())}) == 4
    assert threads == (["1", "1", "1"],) * 3


def test_a_process_keeps_the_memory_it_frees_unless_told_otherwise() -> None:
    """Free and take 40 MB again and again: kept memory costs no page faults, and returned memory does."""
    code = (
        "import resource\n"
        "count = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "size = 40_000_000; b'x' * size; before = count()\n"
        "for _ in range(20): b'x' * size\n"
        "print(count() - before)"
    )
    faults = {}
    for allocator in ("keep", "default"):
        variables = worker_variables(Setting(model=SMALL, allocator=allocator))
        faults[allocator] = int(subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True).stdout)
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("not_run: only glibc reads these variables")
    assert faults["keep"] < 100
    assert faults["default"] > 20 * 40e6 / resource.getpagesize() / 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured in /proc")
def test_memory_is_what_the_network_added(measured: tuple[dict[str, Timing], list[list[str]]]) -> None:
    light, heavy = (measured[0][name].memory for name in ("narrow", "heavy"))
    assert light < 40e6
    assert 100e6 <= heavy - light < 140e6  # 25 million weights of four bytes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("dying", "its process was ended by SIGKILL", marks=pytest.mark.slow),
        ("failing", "failed at 32x32, 16 joints, batch 1, .*: KeyError: 'heatmaps'"),
        pytest.param("nobody", "nobody is not defined", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_be_run_is_one_line(nets: str, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure_latency([Setting(model=f"{nets}:{name}", input="32x32")])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_named(nets: str) -> None:
    with pytest.raises(InputError, match="no CUDA device"):
        PreparedNetwork(Setting(model=f"{nets}:narrow", device="cuda"), "")


# --- what is timed ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_runtime_computes_the_same_maps(nets: str, backend: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="not_run: the extra 'runtimes' is not installed")
    pytest.importorskip(backend, reason="not_run: the extra 'runtimes' is not installed")
    setting = Setting(model=f"{nets}:wide", input="64x32", batch=2, backend=backend)
    run = network_function(setting, str(export_onnx(setting, tmp_path / "net.onnx"))).run
    eager = network_function(replace(setting, backend="eager"), "").run
    batches = torch.rand(2, 2, 3, 64, 32)
    with torch.inference_mode():
        outputs = [run(images) for images in batches]  # the second must not overwrite the first
        for heatmaps, images in zip(outputs, batches, strict=True):
            torch.testing.assert_close(heatmaps, eager(images), rtol=1e-4, atol=1e-5)


def test_a_pipeline_finds_what_evaluation_finds(nets: str, tmp_path: Path) -> None:
    setting = Setting(model=f"{nets}:wide", input="64x64", batch=3, part="pipeline")
    network = network_function(setting, "")
    run, parts = pipeline_pass(setting, network)(), []
    with torch.inference_mode():
        while True:
            try:
                parts.append(next(run))
            except StopIteration as end:
                joints = end.value
                break
    assert parts == ["crop", "normalise", "forward", "flipped forward", "average", "decode"]

    people, images = synthetic_people(3, MPII_JOINTS)
    paths = tuple(tmp_path / path.name for path in people.images)
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(str(path), image[..., ::-1])
    backend = Backend(lambda images: (network.run(images),), MPII_JOINTS, (64, 64), "-")
    protocols = {"hrnet": PROTOCOLS["hrnet"]}
    with torch.inference_mode():
        chunks = predict_people(replace(people, images=paths), backend, protocols, tmp_path / "chunks")
    np.testing.assert_allclose(joints, chunks[0]["hrnet"].joints, atol=1e-3)


def test_a_pipeline_is_the_sum_of_its_parts(nets: str) -> None:
    (pipeline,) = measure_latency([Setting(model=f"{nets}:narrow", input="64x64", batch=2, part="pipeline")], rounds=2)
    assert len(pipeline.parts) == 6
    np.testing.assert_allclose(sum(pipeline.parts.values()), pipeline.rounds)


# --- records ------------------------------------------------------------------------------------------------------------------


def test_a_run_can_be_read_back_from_records() -> None:
    random = np.random.default_rng(1)
    seconds = {SMALL: 1.0, LARGE: 3.0, "net.py:f": 2.0}
    timings = [timing(model, mean * random.lognormal(0, 0.02, (20, 4))) for model, mean in seconds.items()]
    records = latency_records(timings, "a command")
    assert [record.subject for record in records] == list(seconds)
    (session,) = load_sessions(records)
    assert session.models == tuple(seconds)
    assert (session.setting, session.device) == (Setting(model=""), "a processor")
    assert session.time(LARGE).value == pytest.approx(1e3 * timings[1].seconds, rel=1e-3)
    assert session.ratio(LARGE, "net.py:f").value == pytest.approx(timings[1].seconds / timings[2].seconds, rel=1e-3)
    assert records[1].value == session.milliseconds(LARGE, "median")


def test_sets_devices_and_settings_are_sessions_of_their_own() -> None:
    alone, pair = [timing()], [timing(), timing(LARGE)]
    elsewhere = [replace(of_model, device="another") for of_model in pair]
    batch = [replace(of_model, setting=replace(of_model.setting, batch=8)) for of_model in pair]
    records = [record for timings in (alone, pair, elsewhere, batch) for record in latency_records(timings, "a command")]
    assert len({record.id for record in records}) == 7
    assert sorted(len(session.models) for session in load_sessions(records)) == [1, 2, 2, 2]


@pytest.mark.parametrize(("minutes", "runs"), [(2, 6), (0.5, 3), (0.1, 1)])
def test_runs_less_than_a_minute_apart_are_not_separate(minutes: float, runs: int) -> None:
    assert len(session_of_runs({"a": [1.0] * 6, "b": [1.0] * 6}, minutes=minutes).runs) == runs


def test_a_run_that_was_cut_off_is_left_out() -> None:
    session = session_of_runs({"a": [1.0, 2.0, 3.0], "b": [1.0] * 3})
    records = [record for run in session.runs for record in run.values()]
    cut = [record for record in records if (record.subject, record.setting["run"]) != ("b", 2)]
    (without,) = load_sessions(cut)
    assert list(without.milliseconds("a")) == [1e3, 3e3]


def test_records_fit_their_schema_and_stay_small(tmp_path: Path) -> None:
    long = np.ones((100, 16))
    for record in latency_records([timing(model, long) for model in (SMALL, LARGE)], "a command"):
        append_record(record, tmp_path)
    lines = (tmp_path / "latency.jsonl").read_text().splitlines()
    assert max(map(len, lines)) < 8000
    adapter = TypeAdapter(Record)
    for record in load_records(tmp_path).values():
        assert adapter.validate_python(record, strict=True) == record


@pytest.mark.parametrize("instrument", ["latency", "latency_runs"])
def test_figures_of_an_older_instrument_are_no_session(instrument: str) -> None:
    records = latency_records([timing(), timing(LARGE)], "a command")
    older = [replace(record, versions={**record.versions, instrument: 0}) for record in records]
    assert len(current_records({record.id: record for record in records})) == 2
    assert not list(load_sessions(current_records({record.id: record for record in older}).values()))


# --- the command --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which the command finds and stores its records."""
    monkeypatch.setattr("benchmark.measure.latency.append_records", lambda records: append_records(records, tmp_path))
    monkeypatch.setattr("benchmark.measure.latency.load_current", lambda: load_current(tmp_path))
    return tmp_path


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make up times, so that the command takes none; return its calls of sleep between runs, of a second each."""
    waited: list[float] = []
    numbers = count(1)

    def fake_measure(settings: list[Setting], **_: object) -> list[Timing]:
        random = np.random.default_rng(next(numbers))
        return [
            timing(rounds=seconds * random.lognormal(0, 0.01, (20, 8)), setting=setting)
            for seconds, setting in enumerate(settings, 1)
        ]

    def fake_records(timings: list[Timing], *, run: int) -> list[Record]:
        ended = datetime.now(UTC) + timedelta(seconds=len(waited))
        return [replace(record, time=ended.isoformat()) for record in latency_records(timings, "-", run=run)]

    monkeypatch.setattr("benchmark.measure.latency.measure_latency", fake_measure)
    monkeypatch.setattr("benchmark.measure.latency.latency_records", fake_records)
    monkeypatch.setattr("benchmark.measure.latency.time.sleep", waited.append)
    monkeypatch.setattr("benchmark.latency.clocks.device_name", lambda device: "a processor")
    return waited


def test_one_run_gives_times_without_intervals_and_says_so(waits: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    LatencyCommand(models=(SMALL, LARGE))()
    text = capsys.readouterr().out
    assert "No intervals: rounds of one run share the state of the machine, and 1 run cannot show" in text
    assert "[" not in text
    assert not waits


def test_networks_that_fail_are_named_once_the_others_are_timed(
    waits: list[float], store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_measure = latency_command.measure_latency

    def failing_measure(settings: list[Setting], failed: Callable[[int, InputError], object], **_: object) -> list[Timing]:
        good = [setting for setting in settings if setting.model in (SMALL, LARGE)]
        for number, setting in enumerate(settings):
            if setting not in good:
                failed(number, InputError(f"{setting.model} fails"))
        return fake_measure(good) if good else []

    monkeypatch.setattr(latency_command, "measure_latency", failing_measure)
    models = ("timm:resnet10t", SMALL, "torchvision:resnet18", LARGE)
    with pytest.raises(InputError, match=r"^torchvision:resnet18 fails$"):
        LatencyCommand(models=models, batch="1,8", runs=2, keep=True, json=True)()
    printed = capsys.readouterr()
    assert "error: timm:resnet10t fails" in printed.err
    settings = json.loads(printed.out)["settings"]
    assert [([model["model"] for model in setting["models"]], setting["runs"]) for setting in settings] == [
        ([SMALL, LARGE], 2)
    ] * 2
    assert len(load_records(store)) == 2 * 2 * 2

    with pytest.raises(InputError, match=r"^timm:resnet10t fails$"):
        LatencyCommand(models=("timm:resnet10t",), runs=2)()
    assert not capsys.readouterr().out


def test_five_runs_give_intervals_and_the_gap_lies_between_them(
    waits: list[float], store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LatencyCommand(models=(SMALL, LARGE), runs=5, gap=90, keep=True)()
    text = capsys.readouterr().out
    assert "5 runs" in text
    assert re.search(r"baselines/hrnet-w32 +\S+ \[\S+, \S+\] .* 2\.0\d\d? \[1\.\d+, 2\.\d+\]", text)
    assert "No intervals" not in text
    assert len(waits) >= 90 * 4
    (session,) = load_sessions(load_records(store).values())
    assert len(session.runs) == 5


def test_a_command_that_was_stopped_resumes_with_the_missing_runs(waits: list[float], store: Path) -> None:
    LatencyCommand(models=(SMALL, LARGE), runs=2, keep=True)()
    before = load_records(store)
    LatencyCommand(models=(SMALL, LARGE), runs=3, keep=True)()
    after = load_records(store)
    assert before.items() <= after.items()
    assert {record.setting["run"] for record in after.values()} == {1, 2, 3}
    waited = len(waits)
    LatencyCommand(models=(SMALL, LARGE), runs=3, keep=True)()
    assert (load_records(store), len(waits)) == (after, waited)


def test_a_run_that_was_cut_off_is_measured_again_under_a_new_number(waits: list[float], store: Path) -> None:
    LatencyCommand(models=(SMALL, LARGE), keep=True)()
    path = store / "latency.jsonl"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    LatencyCommand(models=(SMALL, LARGE), keep=True)()
    numbers = {model: [r.setting["run"] for r in select(load_records(store), subject=model)] for model in (SMALL, LARGE)}
    assert numbers == {SMALL: [1, 2], LARGE: [2]}


def test_without_keep_nothing_is_read_or_stored(waits: list[float], store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LatencyCommand(models=(SMALL,), keep=True)()
    before = load_records(store)
    LatencyCommand(models=(SMALL,), runs=2)()
    assert load_records(store) == before
    assert "; 2 runs, " in capsys.readouterr().out


@pytest.mark.parametrize("runs", [1, 5])
def test_json_fits_its_schema(waits: list[float], capsys: pytest.CaptureFixture[str], runs: int) -> None:
    LatencyCommand(models=(SMALL, LARGE), batch="1,8", layout="nchw,nhwc", runs=runs, json=True)()
    printed = json.loads(capsys.readouterr().out)
    validate(printed)
    assert len(printed["settings"]) == 4
    for setting in printed["settings"]:
        assert setting["runs"] == runs
        assert all((model["milliseconds"]["ci95"] is None) is (runs < 5) for model in setting["models"])


def validate(printed: Any) -> None:
    """Check the printed JSON against its type; equality shows that it holds no other keys."""
    assert TypeAdapter(LatencyReport).validate_python(printed, strict=True) == printed
    for setting in printed["settings"]:
        assert setting["models"]
        for model in setting["models"]:
            for estimate in (model["milliseconds"], model["ratio"]):
                low, high = estimate["ci95"] or [estimate["value"]] * 2
                assert 0 < low <= estimate["value"] <= high
            assert all(len(values) == setting["runs"] == len(model["seconds"]) for values in model["by_run"].values())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": ()}, "give at least one model"),
        ({"models": (SMALL, SMALL)}, "is given twice"),
        ({"models": (SMALL,), "batch": "1,x"}, "--batch '1,x': give whole numbers"),
        ({"models": (SMALL,), "layout": "chwn"}, "--layout 'chwn' is not one of"),
        ({"models": (SMALL,), "runs": 0}, "--runs 0: at least one"),
        ({"models": (SMALL,), "runs": 5, "gap": 10}, "--gap 10: runs less than 60 seconds apart share"),
    ],
)
def test_a_wrong_command_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LatencyCommand(**given)()


def test_the_command_from_end_to_end(nets: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchmark.measure", "latency", *arguments, "--rounds", "2", "--keep"]
        variables = os.environ | {"POSE_RECORDS": str(tmp_path / "records")}
        return subprocess.run(command, env=variables, capture_output=True, text=True)

    measured = run(f"{nets}:narrow", f"{nets}:wide", "--input", "32x32", "--json")
    assert measured.returncode == 0, measured.stderr
    validate(json.loads(measured.stdout))
    assert len(load_records(tmp_path / "records")) == 2
    again = run(f"{nets}:narrow", f"{nets}:wide", "--input", "32x32", "--json")
    assert again.stdout == measured.stdout  # from the records
    refused = run(f"{nets}:narrow", "--threads", "10000")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: --threads 10000: there are ")
