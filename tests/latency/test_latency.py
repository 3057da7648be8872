"""Latencies: warm-up, interleaved rounds in separate processes, refusal of unstable times, records and the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from scipy.stats import kendalltau

from benchmark.analysis.latency import Session, compare_sessions, load_sessions
from benchmark.config.identities import current_records
from benchmark.config.latency import Setting
from benchmark.config.protocols import PROTOCOLS
from benchmark.core.errors import InputError
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.core.records import Record, append_record, load_records
from benchmark.core.statistics import kendall_tau
from benchmark.evaluation.backends import Backend
from benchmark.evaluation.inference import predict_people
from benchmark.latency import timer
from benchmark.latency.clocks import time_on_cpu, time_on_cuda, timer_overhead, warm_up
from benchmark.latency.records import latency_records, session_from_timings
from benchmark.latency.timer import Timing, measure_latency, timing_ratio
from benchmark.latency.workloads import export_onnx, heatmap_function, pipeline_pass, synthetic_people
from benchmark.measure.latency import LatencyCommand, LatencyReport

SMALL, LARGE = "efficientpose_nas/A", "baselines/hrnet-w32"
NETWORKS = """
import os, signal
import torch
from torch import nn

def narrow(joints):
    return nn.Conv2d(3, joints, 3, stride=4, padding=1)

def wide(joints):
    first, last = nn.Conv2d(3, 256, 3, padding=1), nn.Conv2d(256, joints, 3, stride=4, padding=1)
    return nn.Sequential(first, nn.Conv2d(256, 256, 3, padding=1), last)

def heavy(joints):
    network = narrow(joints)
    network.ballast = nn.Parameter(torch.ones(25_000_000))
    return network

def noting(joints):
    print("this must not mix with the replies")
    with open(os.environ["NOTES"], "a") as file:
        print(os.getpid(), torch.get_num_threads(), os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"], file=file)
    return narrow(joints)

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
    """Return a made-up timing: by default 20 rounds of 4 calls of about 10 ms."""
    if rounds is None:
        rounds = 0.010 + 0.0001 * np.random.default_rng(0).standard_normal((20, 4))
    return Timing(setting=Setting(model=model), rounds=np.asarray(rounds, float), device="a processor", **fields)


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
    assert Setting.of({**setting.conditions(), "unstable": True}, SMALL) == setting


def test_other_protocols_are_no_settings() -> None:
    with pytest.raises(KeyError):
        Setting.of({"input": "256x192"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": "256"}, "'256' is not an input size"),
        ({"batch": 0}, "--batch 0"),
        ({"threads": 10_000}, "--threads 10000: there are"),
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


def test_percentiles_are_over_all_calls() -> None:
    made_up = timing(rounds=np.arange(1, 101).reshape(20, 5))
    assert (made_up.median, made_up.p10, made_up.p90, made_up.iqr) == pytest.approx((50.5, 10.9, 90.1, 49.5))
    assert made_up.interval[0] < 50.5 < made_up.interval[1]


def test_quartiles_more_than_a_tenth_apart_are_noisy() -> None:
    assert not timing(rounds=[[0.95, 1.0, 1.0, 1.04]] * 2).unstable
    assert timing(rounds=[[0.9, 0.92, 1.0, 1.1, 1.2]] * 2).unstable


def test_drift_that_hits_both_cancels_in_the_ratio() -> None:
    """Let the machine become three times slower: the medians change, but neither the ratio nor its interval."""
    drift = np.linspace(1, 3, 20)[:, None] * np.ones((20, 4))
    value, interval = timing_ratio(timing(rounds=2 * drift), timing(rounds=drift))
    assert value == pytest.approx(2)
    assert interval == pytest.approx((2, 2))


def test_an_interval_covers_the_true_ratio_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        slow, fast = (timing(rounds=size * random.lognormal(0, 0.1, (20, 4))) for size in (1.5, 1.0))
        low, high = timing_ratio(slow, fast)[1]
        covered += low <= 1.5 <= high
    assert 88 <= covered <= 100


def test_cells_of_different_rounds_did_not_take_turns() -> None:
    with pytest.raises(ValueError, match="not timed in interleaved rounds"):
        timing_ratio(timing(rounds=np.ones((3, 2))), timing(rounds=np.ones((4, 2))))


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
        self.setting, self.bursts = setting, list[dict[str, list[float]]]()

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None: ...

    def open(self) -> None:
        self.calls.append("open " + self.setting.model)

    def warm(self) -> None:
        self.calls.append("warm " + self.setting.model)

    def burst(self) -> None:
        self.calls.append(self.setting.model)

    def timing(self) -> Timing:
        return Timing(setting=self.setting, rounds=np.ones((len(self.bursts), 2)))


def test_all_are_warm_and_then_take_turns_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timer, "Worker", FakeWorker)
    monkeypatch.setattr(FakeWorker, "calls", [])
    steps: list[tuple[int, int]] = []
    timings = measure_latency(
        [Setting(model=model) for model in "ABC"], rounds=2, progress=lambda done, total: steps.append((done, total))
    )
    assert FakeWorker.calls == ["open A", "open B", "open C", "warm A", "warm B", "warm C", *"ABCCBA", *"ABCCBA"]
    assert steps == [(done, 15) for done in range(1, 16)]
    assert [timing.setting.model for timing in timings] == list("ABC")


def test_a_larger_network_takes_longer(nets: str) -> None:
    narrow, wide = measure_latency([Setting(model=f"{nets}:{name}", input="64x64") for name in ("narrow", "wide")], rounds=4)
    assert narrow.rounds.shape[0] == wide.rounds.shape[0] == 4
    assert (narrow.rounds > 0).all()
    value, (low, high) = timing_ratio(wide, narrow)
    assert 5 < low <= value <= high
    assert narrow.device == wide.device != ""


def test_each_cell_has_its_own_process_with_its_own_threads(nets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    measure_latency([Setting(model=f"{nets}:noting", input="32x32")] * 2, rounds=2)
    (first, *threads), (second, *more_threads) = (line.split() for line in (tmp_path / "notes").read_text().splitlines())
    assert len({first, second, str(os.getpid())}) == 3
    assert threads == more_threads == ["1", "1", "1"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured in /proc")
def test_memory_is_what_the_network_added(nets: str) -> None:
    timings = measure_latency([Setting(model=f"{nets}:{name}", input="32x32") for name in ("narrow", "heavy")], rounds=2)
    light, heavy = (timing.memory for timing in timings)
    assert light < 40e6
    assert 100e6 <= heavy - light < 140e6  # 25 million weights of four bytes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dying", "its process was ended by SIGKILL"),
        ("failing", "failed at 32x32, 16 joints, batch 1, .*: KeyError: 'heatmaps'"),
        ("nobody", "nobody is not defined"),
    ],
)
def test_what_cannot_be_run_is_one_line(nets: str, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure_latency([Setting(model=f"{nets}:{name}", input="32x32")])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_named(nets: str) -> None:
    with pytest.raises(InputError, match="no CUDA device"):
        measure_latency([Setting(model=f"{nets}:narrow", device="cuda")])


# --- what is timed ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_runtime_computes_the_same_maps(nets: str, backend: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="not_run: the extra 'runtimes' is not installed")
    pytest.importorskip(backend, reason="not_run: the extra 'runtimes' is not installed")
    setting = Setting(model=f"{nets}:wide", input="64x32", batch=2, backend=backend)
    run = heatmap_function(setting, str(export_onnx(setting, tmp_path / "net.onnx")))
    eager = heatmap_function(replace(setting, backend="eager"), "")
    batches = torch.rand(2, 2, 3, 64, 32)
    with torch.inference_mode():
        outputs = [run(images) for images in batches]  # the second must not overwrite the first
        for heatmaps, images in zip(outputs, batches, strict=True):
            torch.testing.assert_close(heatmaps, eager(images), rtol=1e-4, atol=1e-5)


def test_a_pipeline_finds_what_evaluation_finds(nets: str, tmp_path: Path) -> None:
    setting = Setting(model=f"{nets}:wide", input="64x64", batch=3, part="pipeline")
    heatmaps = heatmap_function(setting, "")
    run, parts = pipeline_pass(setting, heatmaps)(), []
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
    backend = Backend(lambda images: (heatmaps(images),), MPII_JOINTS, (64, 64), "-")
    protocols = {"hrnet": PROTOCOLS["hrnet"]}
    with torch.inference_mode():
        chunks = predict_people(replace(people, images=paths), backend, protocols, tmp_path / "chunks")
    np.testing.assert_allclose(joints, chunks[0]["hrnet"].joints, atol=1e-3)


def test_a_pipeline_is_the_sum_of_its_parts(nets: str) -> None:
    (pipeline,) = measure_latency([Setting(model=f"{nets}:narrow", input="64x64", batch=2, part="pipeline")], rounds=2)
    assert len(pipeline.parts) == 6
    np.testing.assert_allclose(sum(pipeline.parts.values()), pipeline.rounds)


# --- records ------------------------------------------------------------------------------------------------------------------


def test_ratios_can_be_read_back_from_records() -> None:
    random = np.random.default_rng(1)
    seconds = {SMALL: 1.0, LARGE: 3.0, "net.py:f": 2.0}
    timings = [timing(model, mean * random.lognormal(0, 0.02, (20, 4))) for model, mean in seconds.items()]
    records = latency_records(timings, "a command")
    assert [record.metric for record in records] == ["milliseconds"] * 3 + ["ratio"] * 2
    assert [record.setting["to"] for record in records] == [""] * 3 + [SMALL] * 2
    (session,) = load_sessions(records)
    assert set(session.rounds) == {SMALL, LARGE, "net.py:f"}
    value, interval = timing_ratio(timings[1], timings[2])
    assert session.ratio(LARGE, "net.py:f")[0] == pytest.approx(value, rel=1e-3)
    assert session.ratio(LARGE, "net.py:f")[1] == pytest.approx(interval, rel=1e-3)
    assert session.times[LARGE][0] == pytest.approx(1e3 * timings[1].median, rel=1e-5)


def test_records_fit_their_schema_and_stay_small(tmp_path: Path) -> None:
    long = np.ones((100, 16))
    for record in latency_records([timing(model, long) for model in (SMALL, LARGE)], "a command"):
        append_record(record, tmp_path)
    lines = (tmp_path / "latency.jsonl").read_text().splitlines()
    assert max(map(len, lines)) < 8000
    adapter = TypeAdapter(Record)
    for record in load_records(tmp_path).values():
        assert adapter.validate_python(record, strict=True) == record


def test_figures_of_an_older_instrument_are_no_session() -> None:
    records = latency_records([timing(), timing(LARGE)], "a command")
    older = [replace(record, versions={**record.versions, "latency": 0}) for record in records]
    assert len(current_records({record.id: record for record in records})) == 3
    assert not list(load_sessions(current_records({record.id: record for record in older}).values()))


def test_two_measurements_of_one_set_are_compared() -> None:
    def session(seconds: dict[str, float], seed: int) -> Session:
        random = np.random.default_rng(seed)
        return session_from_timings(
            [timing(model, mean * random.lognormal(0, 0.01, (20, 4))) for model, mean in seconds.items()]
        )

    first = session({"a": 1, "b": 2, "c": 3, "d": 3.001}, 0)
    second = session({"a": 1.1, "b": 2, "c": 1.5, "d": 1.501}, 1)
    repeatability = compare_sessions(first, second)
    assert ("c", "d") not in repeatability.pairs  # undecided
    assert set(repeatability.pairs) - set(repeatability.kept) == {("b", "c"), ("b", "d")}
    assert repeatability.spread["a"] == pytest.approx(1.1, rel=0.02)
    assert repeatability.tau is not None
    assert repeatability.tau < 1


# --- the command --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder to which the command writes its records."""
    append = append_record
    monkeypatch.setattr("benchmark.measure.latency.append_record", lambda record: append(record, tmp_path))
    return tmp_path


def fake_measurements(monkeypatch: pytest.MonkeyPatch, scatter: float) -> None:
    """Let the command get made-up times whose logarithms have the standard deviation ``scatter``."""

    def fake_measure(settings: list[Setting], **_: object) -> list[Timing]:
        random = np.random.default_rng(0)
        return [
            Timing(setting=setting, rounds=seconds * random.lognormal(0, scatter, (20, 8)), device="a processor")
            for seconds, setting in enumerate(settings, 1)
        ]

    monkeypatch.setattr("benchmark.measure.latency.measure_latency", fake_measure)


def test_a_noisy_cell_is_refused_and_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    fake_measurements(monkeypatch, scatter=0.3)
    with pytest.raises(InputError, match=r"baselines/hrnet-w32 at 256x256.* \(and 1 more\): unstable: .* --accept-unstable"):
        LatencyCommand(models=(SMALL, LARGE), keep=True)()
    assert not list(store.iterdir())


def test_noisy_figures_are_kept_as_noisy_when_asked_to(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    fake_measurements(monkeypatch, scatter=0.3)
    LatencyCommand(models=(SMALL, LARGE), keep=True, accept_unstable=True)()
    records = load_records(store).values()
    assert len(records) == 3
    assert all(record.setting["unstable"] for record in records)
    fake_measurements(monkeypatch, scatter=0.01)  # stable times are new records
    LatencyCommand(models=(SMALL, LARGE), keep=True)()
    assert sum(not record.setting["unstable"] for record in load_records(store).values()) == 3


def test_what_is_on_record_is_said_not_to_be_kept(
    monkeypatch: pytest.MonkeyPatch, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_measurements(monkeypatch, scatter=0.01)
    for _ in range(2):
        LatencyCommand(models=(SMALL,), keep=True)()
    assert "not recorded, as it is on record already: efficientpose_nas/A, 256x256" in capsys.readouterr().err


def test_what_was_measured_twice_is_kept_whole_beside_what_was_measured_before(
    monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    fake_measurements(monkeypatch, scatter=0.01)
    LatencyCommand(models=(SMALL,), keep=True)()
    LatencyCommand(models=(SMALL,), keep=True, twice=True)()
    repeats = [(record.metric, record.setting["repeat"]) for record in load_records(store).values()]
    assert repeats == [("milliseconds", ""), ("milliseconds", "once"), ("milliseconds", "again")]


@pytest.mark.parametrize("twice", [False, True])
def test_json_fits_its_schema(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], twice: bool) -> None:
    fake_measurements(monkeypatch, scatter=0.01)
    LatencyCommand(models=(SMALL, LARGE), batch="1,8", layout="nchw,nhwc", twice=twice, json=True)()
    printed = json.loads(capsys.readouterr().out)
    validate(printed)
    assert len(printed["settings"]) == 4
    assert (printed["twice"] is not None) is twice


def validate(printed: Any) -> None:
    """Check the printed JSON against its type; equality shows that it holds no other keys."""
    assert TypeAdapter(LatencyReport).validate_python(printed, strict=True) == printed
    for setting in [*printed["settings"], *(printed["again"] or [])]:
        assert setting["models"]
        for model in setting["models"]:
            intervals = (model["ci95"], model["ratio"]["ci95"])
            assert all(len(interval) == 2 and interval[0] > 0 for interval in intervals)
            assert all(model["milliseconds"][name] > 0 for name in ("median", "p10", "p90"))
            assert min(map(min, model["seconds"])) > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": ()}, "give at least one model"),
        ({"models": (SMALL, SMALL)}, "is given twice"),
        ({"models": (SMALL,), "batch": "1,x"}, "--batch '1,x': give whole numbers"),
        ({"models": (SMALL,), "layout": "chwn"}, "--layout 'chwn' is not one of"),
    ],
)
def test_a_wrong_command_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LatencyCommand(**given)()


def test_the_command_from_end_to_end(nets: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchmark.measure", "latency", *arguments, "--rounds", "2", "--keep"]
        variables = os.environ | {"POSE_RECORDS": str(tmp_path / arguments[0])}
        return subprocess.run(command, env=variables, capture_output=True, text=True)

    for option in ("--accept-unstable", "--noisy"):  # two names of one option
        measured = run(option, f"{nets}:narrow", f"{nets}:wide", "--input", "32x32", "--json")
        assert measured.returncode == 0, measured.stderr
        validate(json.loads(measured.stdout))
        assert len(load_records(tmp_path / option)) == 3
    refused = run("--noisy", f"{nets}:narrow", "--threads", "10000")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: --threads 10000: there are ")
