"""Latencies: settled before they count, taken in turns, refused where they scatter, each in a process of its own."""

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
import jsonschema
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
from benchmark.measure.latency import LatencyCommand

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

def telling(joints):
    print("this must not get among the replies")
    with open(os.environ["TOLD"], "a") as file:
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


def timing(model: str = SMALL, rounds: Any = None, **given: Any) -> Timing:
    """A made-up measurement: by default 20 rounds of 4 calls of about 10 ms."""
    if rounds is None:
        rounds = 0.010 + 0.0001 * np.random.default_rng(0).standard_normal((20, 4))
    return Timing(setting=Setting(model=model), rounds=np.asarray(rounds, float), device="a processor", **given)


# --- settings -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [
        Setting(model=SMALL),
        Setting(model=SMALL, input="256x192", joints=17, batch=32, threads=2, device="cuda", layout="nhwc", backend="compile"),
        Setting(model=SMALL, part="pipeline", backend="openvino"),
    ],
)
def test_a_setting_can_be_read_back(cell: Setting) -> None:
    assert Setting.of({**cell.conditions(), "unstable": True}, SMALL) == cell


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
    found = timing(rounds=np.arange(1, 101).reshape(20, 5))
    assert (found.median, found.p10, found.p90, found.iqr) == pytest.approx((50.5, 10.9, 90.1, 49.5))
    assert found.interval[0] < 50.5 < found.interval[1]


def test_quartiles_more_than_a_tenth_apart_are_noisy() -> None:
    assert not timing(rounds=[[0.95, 1.0, 1.0, 1.04]] * 2).unstable
    assert timing(rounds=[[0.9, 0.92, 1.0, 1.1, 1.2]] * 2).unstable


def test_drift_that_hits_both_cancels_in_the_ratio() -> None:
    """A machine that becomes three times slower moves the medians, but neither the ratio nor its interval."""
    drift = np.linspace(1, 3, 20)[:, None] * np.ones((20, 4))
    value, interval = timing_ratio(timing(rounds=2 * drift), timing(rounds=drift))
    assert value == pytest.approx(2)
    assert interval == pytest.approx((2, 2))


def test_an_interval_covers_the_true_ratio_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        one, other = (timing(rounds=size * random.lognormal(0, 0.1, (20, 4))) for size in (1.5, 1.0))
        low, high = timing_ratio(one, other)[1]
        covered += low <= 1.5 <= high
    assert 88 <= covered <= 100


def test_cells_of_different_rounds_did_not_take_turns() -> None:
    with pytest.raises(ValueError, match="did not take turns"):
        timing_ratio(timing(rounds=np.ones((3, 2))), timing(rounds=np.ones((4, 2))))


def test_kendalls_tau_is_scipys_where_nothing_ties() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        one, other = random.random((2, 7))
        assert kendall_tau(one, other) == pytest.approx(kendalltau(one, other).statistic)
    assert kendall_tau([1, 1], [2, 3]) is None


# --- the clock and the warm-up ------------------------------------------------------------------------------------------------


def sleepy() -> Iterator[str]:
    for part in ("one", "two"):
        import time

        time.sleep(0.02)
        yield part


def test_each_part_is_timed() -> None:
    found = time_on_cpu(sleepy)
    assert list(found) == ["one", "two"]
    assert all(0.02 <= seconds < 0.2 for seconds in found.values())


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


class Acting:
    """Stands for a worker and its process; notes whose turn it was."""

    turns: list[str] = []  # noqa: RUF012

    def __init__(self, cell: Setting, onnx: str = "") -> None:
        self.setting, self.bursts = cell, list[dict[str, list[float]]]()

    def __enter__(self) -> Acting:
        return self

    def __exit__(self, *_: object) -> None: ...

    def open(self) -> None:
        self.turns.append("open " + self.setting.model)

    def warm(self) -> None:
        self.turns.append("warm " + self.setting.model)

    def burst(self) -> None:
        self.turns.append(self.setting.model)

    def timing(self) -> Timing:
        return Timing(setting=self.setting, rounds=np.ones((len(self.bursts), 2)))


def test_all_are_warm_and_then_take_turns_there_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timer, "Worker", Acting)
    monkeypatch.setattr(Acting, "turns", [])
    steps: list[tuple[int, int]] = []
    found = measure_latency(
        [Setting(model=m) for m in "ABC"], rounds=2, progress=lambda done, total: steps.append((done, total))
    )
    assert Acting.turns == ["open A", "open B", "open C", "warm A", "warm B", "warm C", *"ABCCBA", *"ABCCBA"]
    assert steps == [(done, 15) for done in range(1, 16)]
    assert [t.setting.model for t in found] == list("ABC")


def test_a_larger_network_takes_longer(nets: str) -> None:
    narrow, wide = measure_latency([Setting(model=f"{nets}:{name}", input="64x64") for name in ("narrow", "wide")], rounds=4)
    assert narrow.rounds.shape[0] == wide.rounds.shape[0] == 4
    assert (narrow.rounds > 0).all()
    value, (low, high) = timing_ratio(wide, narrow)
    assert 5 < low <= value <= high
    assert narrow.device == wide.device != ""


def test_each_cell_has_its_own_process_with_its_own_threads(nets: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    measure_latency([Setting(model=f"{nets}:telling", input="32x32")] * 2, rounds=2)
    (one, *settings), (other, *others) = (line.split() for line in (tmp_path / "told").read_text().splitlines())
    assert len({one, other, str(os.getpid())}) == 3
    assert settings == others == ["1", "1", "1"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured in /proc")
def test_memory_is_what_the_network_added(nets: str) -> None:
    found = measure_latency([Setting(model=f"{nets}:{name}", input="32x32") for name in ("narrow", "heavy")], rounds=2)
    light, heavy = (t.memory for t in found)
    assert light < 40e6
    assert 100e6 <= heavy - light < 140e6  # 25 million weights of four bytes


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dying", "its process was ended by SIGKILL"),
        ("failing", "cannot be run at 32x32, 16 joints, batch 1, .*: KeyError: 'heatmaps'"),
        ("nobody", "nobody is not there"),
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
    cell = Setting(model=f"{nets}:wide", input="64x32", batch=2, backend=backend)
    run = heatmap_function(cell, str(export_onnx(cell, tmp_path / "net.onnx")))
    eager = heatmap_function(replace(cell, backend="eager"), "")
    one, other = torch.rand(2, 2, 3, 64, 32)
    with torch.inference_mode():
        found = run(one), run(other)  # the second must not overwrite the first
        for maps, images in zip(found, (one, other), strict=True):
            torch.testing.assert_close(maps, eager(images), rtol=1e-4, atol=1e-5)


def test_a_pipeline_finds_what_evaluation_finds(nets: str, tmp_path: Path) -> None:
    cell = Setting(model=f"{nets}:wide", input="64x64", batch=3, part="pipeline")
    maps = heatmap_function(cell, "")
    run, parts = pipeline_pass(cell, maps)(), []
    with torch.inference_mode():
        while True:
            try:
                parts.append(next(run))
            except StopIteration as end:
                joints = end.value
                break
    assert parts == ["crop", "normalise", "forward", "flipped forward", "average", "decode"]

    people, photographs = synthetic_people(3, MPII_JOINTS)
    paths = tuple(tmp_path / path.name for path in people.images)
    for path, photograph in zip(paths, photographs, strict=True):
        cv2.imwrite(str(path), photograph[..., ::-1])
    backend = Backend(lambda images: (maps(images),), MPII_JOINTS, (64, 64), "-")
    chosen = {"hrnet": PROTOCOLS["hrnet"]}
    with torch.inference_mode():
        done = predict_people(replace(people, images=paths), backend, chosen, tmp_path / "chunks")
    np.testing.assert_allclose(joints, done[0]["hrnet"].joints, atol=1e-3)


def test_a_pipeline_is_the_sum_of_its_parts(nets: str) -> None:
    (found,) = measure_latency([Setting(model=f"{nets}:narrow", input="64x64", batch=2, part="pipeline")], rounds=2)
    assert len(found.parts) == 6
    np.testing.assert_allclose(sum(found.parts.values()), found.rounds)


# --- records ------------------------------------------------------------------------------------------------------------------


def test_ratios_can_be_read_back_from_records() -> None:
    random = np.random.default_rng(1)
    measured = [timing(m, s * random.lognormal(0, 0.02, (20, 4))) for m, s in ((SMALL, 1.0), (LARGE, 3.0), ("net.py:f", 2.0))]
    kept = latency_records(measured, "a command")
    assert [r.metric for r in kept] == ["milliseconds"] * 3 + ["ratio"] * 2
    assert [r.setting["to"] for r in kept] == [""] * 3 + [SMALL] * 2
    (found,) = load_sessions(kept)
    assert set(found.rounds) == {SMALL, LARGE, "net.py:f"}
    value, interval = timing_ratio(measured[1], measured[2])
    assert found.ratio(LARGE, "net.py:f")[0] == pytest.approx(value, rel=1e-3)
    assert found.ratio(LARGE, "net.py:f")[1] == pytest.approx(interval, rel=1e-3)
    assert found.times[LARGE][0] == pytest.approx(1e3 * measured[1].median, rel=1e-5)


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
    kept = latency_records([timing(), timing(LARGE)], "a command")
    older = [replace(record, versions={**record.versions, "latency": 0}) for record in kept]
    assert len(current_records({r.id: r for r in kept})) == 3
    assert not list(load_sessions(current_records({r.id: r for r in older}).values()))


def test_two_measurements_of_one_set_are_compared() -> None:
    def found(factors: dict[str, float], seed: int) -> Session:
        random = np.random.default_rng(seed)
        return session_from_timings([timing(m, f * random.lognormal(0, 0.01, (20, 4))) for m, f in factors.items()])

    one = found({"a": 1, "b": 2, "c": 3, "d": 3.001}, 0)
    other = found({"a": 1.1, "b": 2, "c": 1.5, "d": 1.501}, 1)
    both = compare_sessions(one, other)
    assert ("c", "d") not in both.pairs  # undecided
    assert set(both.pairs) - set(both.kept) == {("b", "c"), ("b", "d")}
    assert both.spread["a"] == pytest.approx(1.1, rel=0.02)
    assert both.tau is not None
    assert both.tau < 1


# --- the command --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command keeps its records."""
    append = append_record
    monkeypatch.setattr("benchmark.measure.latency.append_record", lambda record: append(record, tmp_path))
    return tmp_path


def pretend(monkeypatch: pytest.MonkeyPatch, scatter: float) -> None:
    def made_up(cells: list[Setting], **_: object) -> list[Timing]:
        random = np.random.default_rng(0)
        return [
            Timing(setting=cell, rounds=place * random.lognormal(0, scatter, (20, 8)), device="a processor")
            for place, cell in enumerate(cells, 1)
        ]

    monkeypatch.setattr("benchmark.measure.latency.measure_latency", made_up)


def test_a_noisy_cell_is_refused_and_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, kept: Path) -> None:
    pretend(monkeypatch, scatter=0.3)
    with pytest.raises(InputError, match=r"baselines/hrnet-w32 at 256x256.* \(and 1 more\): the quartiles lie .* by --noisy"):
        LatencyCommand(models=(SMALL, LARGE), keep=True)()
    assert not list(kept.iterdir())


def test_noisy_figures_are_kept_as_noisy_when_asked_to(monkeypatch: pytest.MonkeyPatch, kept: Path) -> None:
    pretend(monkeypatch, scatter=0.3)
    LatencyCommand(models=(SMALL, LARGE), keep=True, noisy=True)()
    found = load_records(kept).values()
    assert len(found) == 3
    assert all(r.setting["unstable"] for r in found)
    pretend(monkeypatch, scatter=0.01)  # the machine is quiet now: these do not count as on record already
    LatencyCommand(models=(SMALL, LARGE), keep=True)()
    assert sum(not r.setting["unstable"] for r in load_records(kept).values()) == 3


def test_what_is_on_record_is_said_not_to_be_kept(
    monkeypatch: pytest.MonkeyPatch, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, scatter=0.01)
    for _ in range(2):
        LatencyCommand(models=(SMALL,), keep=True)()
    assert "on record already, so not kept: efficientpose_nas/A, 256x256" in capsys.readouterr().err


def test_what_was_measured_twice_is_kept_whole_beside_what_was_measured_before(
    monkeypatch: pytest.MonkeyPatch, kept: Path
) -> None:
    pretend(monkeypatch, scatter=0.01)
    LatencyCommand(models=(SMALL,), keep=True)()
    LatencyCommand(models=(SMALL,), keep=True, twice=True)()
    repeats = [(record.metric, record.setting["repeat"]) for record in load_records(kept).values()]
    assert repeats == [("milliseconds", ""), ("milliseconds", "once"), ("milliseconds", "again")]


@pytest.mark.parametrize("twice", [False, True])
def test_json_fits_its_schema(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], twice: bool) -> None:
    pretend(monkeypatch, scatter=0.01)
    LatencyCommand(models=(SMALL, LARGE), batch="1,8", layout="nchw,nhwc", twice=twice, json=True)()
    printed = json.loads(capsys.readouterr().out)
    validate(printed)
    assert len(printed["settings"]) == 4
    assert (printed["twice"] is not None) is twice


def validate(printed: Any) -> None:
    schema = Path(__file__).parents[2] / "benchmark" / "schemas" / "latency.schema.json"
    jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate(printed)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": ()}, "give models"),
        ({"models": (SMALL, SMALL)}, "is named twice"),
        ({"models": (SMALL,), "batch": "1,x"}, "--batch '1,x': write whole numbers"),
        ({"models": (SMALL,), "layout": "chwn"}, "--layout 'chwn' is not one of"),
    ],
)
def test_a_wrong_command_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LatencyCommand(**given)()


def test_the_command_from_end_to_end(nets: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "benchmark.measure.__main__",
            "latency",
            *arguments,
            "--rounds",
            "2",
            "--noisy",
            "--keep",
        ]
        fresh = os.environ | {"POSE_RECORDS": str(tmp_path)}
        return subprocess.run(command, env=fresh, capture_output=True, text=True)

    done = run(f"{nets}:narrow", f"{nets}:wide", "--input", "32x32", "--json")
    assert done.returncode == 0, done.stderr
    validate(json.loads(done.stdout))
    assert len(load_records(tmp_path)) == 3
    refused = run(f"{nets}:narrow", "--threads", "10000")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: --threads 10000: there are ")
