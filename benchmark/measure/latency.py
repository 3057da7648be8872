"""The command ``python -m benchmark.measure latency``: time networks in separate runs, print and store the times."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count, product
from typing import Annotated, Any, Literal, cast

import tyro
from tqdm import tqdm
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.analysis.latency import Estimate, Session, load_sessions
from benchmark.config.identities import latency_identity, latency_subject, load_current
from benchmark.config.latency import (
    ESTIMATORS,
    MAX_RELATIVE_WIDTH,
    MIN_GAP,
    MIN_RUNS,
    AllocatorName,
    BackendName,
    MemoryLayout,
    Setting,
    TimedPart,
)
from benchmark.core.errors import InputError, report_failures
from benchmark.core.records import Record, append_records, check_store, record_id, select
from benchmark.latency.records import latency_records
from benchmark.latency.timer import DEFAULT_ROUNDS, measure_latency, show_progress
from benchmark.models.external import MODEL_SPECS_ONNX

Device = Literal["cpu", "cuda"]
Group = list[Setting]  # models that are timed in interleaved rounds under one setting


@dataclass
class LatencyCommand:
    """Time networks in interleaved rounds, each in a process of its own, in one run or in several separate ones.

    One run takes about a minute. It gives times and ratios, but no intervals: those are taken over five or more runs, minutes
    apart. With --keep, each run is stored as it comes, and a command that was stopped resumes with the run that is missing.

    Example: python -m benchmark.measure latency efficientpose_nas/A baselines/hrnet-w32 --input 256x192 --joints 17

    Example: python -m benchmark.measure latency efficientpose_nas/A baselines/hrnet-w32 --runs 5 --gap 120 --keep
    """

    models: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(help=f"Networks, each {MODEL_SPECS_ONNX}.")]
    input: str = "256x256"
    """Height x width of the image in pixels."""
    joints: int = 16
    """Number of keypoints of the head: 16 for MPII, 17 for COCO, 14 for LSP."""
    batch: str = "1"
    """Batch size, or several, comma-separated: 1,32."""
    threads: str = "1"
    """Number of threads per process, or several, comma-separated."""
    device: Device = "cpu"
    """Device on which the networks run."""
    layout: str = "nchw"
    """Memory layout of images: nchw, nhwc, or both, comma-separated."""
    backend: str = "eager"
    """Runtime of the networks: eager, compile, onnxruntime, openvino, or several, comma-separated."""
    part: str = "forward"
    """forward: the network alone; pipeline: all steps from decoded images to joints; or both, comma-separated."""
    allocator: str = "keep"
    """keep: freed memory is reused by the next call; default: as the C library has it; or both, comma-separated."""
    rounds: int = DEFAULT_ROUNDS
    """Number of interleaved rounds in a run."""
    runs: int = 1
    """Number of separate runs, each in new processes; with --keep, those on record count."""
    gap: float = 120.0
    """Seconds between the end of a run and the start of the next."""
    keep: bool = False
    """Store each run as records under reports/records, as soon as it is done."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Measure, store and print; a network that cannot be run is left out, and named once all others are timed.

        Raises:
            InputError: an option is wrong, or a network cannot be run.
        """
        if self.runs < 1:
            raise InputError(f"--runs {self.runs}: at least one is needed")
        if self.runs > 1 and not MIN_GAP <= self.gap < math.inf:
            raise InputError(f"--gap {self.gap:g}: runs less than {MIN_GAP:g} seconds apart share the state of the machine")
        if self.keep:
            check_store()
        groups = list(self.settings())
        for group in groups:
            for setting in group:
                setting.check()
        failures: dict[str, InputError] = {}
        sessions = self._measure(groups, failures)
        if sessions:
            print(json.dumps(latency_report(sessions)) if self.json else format_latency(sessions))
        report_failures(list(failures.values()))

    def _measure(self, groups: Sequence[Group], failures: dict[str, InputError]) -> list[Session]:
        """Measure the runs that are not on record; return the session of each group.

        A network that fails is removed from its group, and the reason is added to ``failures`` under its message.
        """
        from benchmark.latency.clocks import device_name  # imports torch, which is slow

        device = device_name(self.device)
        recorded = select(load_current(), kind="latency") if self.keep else []
        records = {record.id: record for record in recorded}
        for number in range(1, self.runs + 1):
            missing = [group for group in groups if group and len(_runs(group, device, records)) < number]
            last = [run for group in missing for run in _runs(group, device, records)[-1:]]
            if last:
                _wait(self.gap - min(map(_age, last)))
            for group in missing:
                label = f"run {number} of {self.runs}, " * (self.runs > 1)
                run = self._run(group, device, records, label, failures)
                records |= {record.id: record for record in run}
                if self.keep:
                    append_records(run)
        return [cast(Session, _session(group, device, records)) for group in groups if group]

    def _run(
        self, group: Group, device: str, records: Mapping[str, Record], label: str, failures: dict[str, InputError]
    ) -> list[Record]:
        bar_format, failed = "{desc} {bar} {percentage:.0f} %, {remaining} left", dict[int, InputError]()
        with tqdm(total=1, desc=label + group[0].label, bar_format=bar_format) as bar:
            timings = measure_latency(group, rounds=self.rounds, progress=show_progress(bar), failed=failed.__setitem__)
        group[:] = [setting for number, setting in enumerate(group) if number not in failed]
        failures |= {str(problem): problem for problem in failed.values()}
        together = [latency_subject(setting.model) for setting in group]

        def is_used(run: int) -> bool:
            """Return whether any model has this run on record: one that was cut off is not completed later."""
            identities = (latency_identity(setting, device, together=together, run=run) for setting in group)
            return any(record_id(identity) in records for identity in identities)

        return latency_records(timings, run=next(run for run in count(1) if not is_used(run)))

    def settings(self) -> Iterator[Group]:
        """Iterate over all combinations of the comma-separated options; each holds all models.

        Raises:
            InputError: no model is given, a model is given twice, or a list cannot be read.
        """
        if not self.models:
            raise InputError("give at least one model")
        subjects = [latency_subject(model) for model in self.models]
        if twice := next(
            (model for model, subject in zip(self.models, subjects, strict=True) if subjects.count(subject) > 1), ""
        ):
            raise InputError(f"{twice} is given twice")
        numbers = [_split_list(name, getattr(self, name), int) for name in ("batch", "threads")]
        names = ("layout", "backend", "part", "allocator")
        words: list[list[Any]] = [_split_list(name, getattr(self, name), str) for name in names]
        for batch, threads, layout, backend, part, allocator in product(*numbers, *words):
            yield [
                Setting(
                    model=model,
                    input=self.input,
                    joints=self.joints,
                    batch=batch,
                    threads=threads,
                    device=self.device,
                    layout=layout,
                    backend=backend,
                    part=part,
                    allocator=allocator,
                )
                for model in self.models
            ]


def _session(group: Group, device: str, records: Mapping[str, Record]) -> Session | None:
    """Return the session of a group on a device; None before its first run."""
    setting, models = replace(group[0], model=""), tuple(latency_subject(setting.model) for setting in group)
    for session in load_sessions(records):
        if (session.device, session.setting, session.models) == (device, setting, models):
            return session
    return None


def _runs(group: Group, device: str, records: Mapping[str, Record]) -> Sequence[Mapping[str, Record]]:
    session = _session(group, device, records)
    return session.runs if session else ()


def _age(run: Mapping[str, Record]) -> float:
    """Return the seconds since a run ended."""
    ended = datetime.fromisoformat(next(iter(run.values())).time)
    return (datetime.now(UTC) - ended).total_seconds()


def _wait(seconds: float) -> None:
    """Wait between two runs, with a bar."""
    for _ in tqdm(
        range(max(0, round(seconds))), desc="waiting before the next run", bar_format="{desc} {bar} {remaining} left"
    ):
        time.sleep(1)


def _split_list(name: str, text: str, kind: Callable[[str], Any]) -> list[Any]:
    try:
        return list(dict.fromkeys(kind(word.strip()) for word in text.split(",")))
    except ValueError:
        raise InputError(f"--{name} {text!r}: give whole numbers, comma-separated, as in 1,32") from None


# --- JSON ---------------------------------------------------------------------------------------------------------------------


class EstimateReport(TypedDict):
    """A value over separate runs.

    Attributes:
        ci95: Its 95 % interval [low, high] over runs; None with fewer than five runs.
        noisy: Whether the interval is missing, or wider than a tenth of the value.
    """

    value: float
    ci95: list[float] | None
    noisy: bool


class ModelLatency(TypedDict):
    """The times of one model.

    Attributes:
        milliseconds: The time of a batch.
        by_run: Milliseconds by every estimator, one value per run.
        ratio: Time relative to that of the first model of the setting.
        memory: Bytes that building and running the network added at most.
        shares: Share of each part of a pipeline; empty for the network alone.
        seconds: Every timed call, by run and round.
    """

    model: str
    milliseconds: EstimateReport
    by_run: dict[str, list[float]]
    images_per_second: float
    ratio: EstimateReport
    memory: int
    shares: dict[str, float]
    seconds: list[list[list[float]]]


class SettingLatency(TypedDict):
    """Models timed in interleaved rounds under one setting.

    Attributes:
        processor: The device's model name.
        estimator: How a run's time is computed from its calls.
    """

    input: str
    joints: int
    batch: int
    threads: int
    device: Device
    layout: MemoryLayout
    backend: BackendName
    part: TimedPart
    allocator: AllocatorName
    processor: str
    estimator: str
    runs: int
    models: list[ModelLatency]


class LatencyReport(TypedDict):
    """The output of ``python -m benchmark.measure latency --json``."""

    schema: Literal[2]
    settings: list[SettingLatency]


def latency_report(sessions: Sequence[Session]) -> LatencyReport:
    """Return the content of ``--json``."""
    return {"schema": 2, "settings": [_report_setting(session) for session in sessions]}


def _report_setting(session: Session) -> SettingLatency:
    setting = session.setting
    return {
        "input": setting.input,
        "joints": setting.joints,
        "batch": setting.batch,
        "threads": setting.threads,
        "device": cast(Device, setting.device),
        "layout": setting.layout,
        "backend": setting.backend,
        "part": setting.part,
        "allocator": setting.allocator,
        "processor": session.device,
        "estimator": setting.estimator,
        "runs": len(session.runs),
        "models": [_report_model(session, model) for model in session.models],
    }


def _report_model(session: Session, model: str) -> ModelLatency:
    time = session.time(model)
    samples = [run[model].samples for run in session.runs]
    return {
        "model": model,
        "milliseconds": _report_estimate(time),
        "by_run": {estimator: session.milliseconds(model, estimator).tolist() for estimator in ESTIMATORS},
        "images_per_second": 1e3 * session.setting.batch / time.value,
        "ratio": _report_estimate(session.ratio(model, session.models[0])),
        "memory": max(of_run["memory"] for of_run in samples),
        "shares": session.shares(model),
        "seconds": [of_run["seconds"] for of_run in samples],
    }


def _report_estimate(estimate: Estimate) -> EstimateReport:
    interval = list(estimate.interval) if estimate.interval else None
    return {"value": estimate.value, "ci95": interval, "noisy": not estimate.is_precise}


# --- text ---------------------------------------------------------------------------------------------------------------------


def format_latency(sessions: Sequence[Session]) -> str:
    """Format the times as text, one table per setting."""
    return "\n\n".join("\n".join(_table(session)) for session in sessions)


def _table(session: Session) -> Iterator[str]:
    runs = len(session.runs)
    number = f"{runs} run" + "s" * (runs > 1)
    yield f"{session.setting.label} on {session.device}; {number}, {session.setting.estimator} of the calls of each"
    with_interval = ", 95 % over runs" * (runs >= MIN_RUNS)
    width = max(map(len, session.models)) + 2
    yield f"{'':{width}}{'ms' + with_interval:34}{'images/s':>10}{'MB':>8}  ratio to the first{with_interval}"
    for model in session.models:
        time, ratio = session.time(model), session.ratio(model, session.models[0])
        rate = 1e3 * session.setting.batch / time.value
        memory = max(run[model].samples["memory"] for run in session.runs) / 1e6
        yield f"{model:{width}}{_format(time, 2):34}{rate:10.2f}{memory:8.1f}  {_format(ratio, 3)}"
        if shares := session.shares(model):
            yield f"{'':4}{', '.join(f'{part} {100 * share:.1f} %' for part, share in shares.items())}"
    if runs < MIN_RUNS:
        yield (
            f"No intervals: rounds of one run share the state of the machine, and {number} cannot show how much that matters. "
            f"--runs {MIN_RUNS} gives 95 % intervals over runs."
        )
    else:
        yield f"noisy: the interval is wider than {100 * MAX_RELATIVE_WIDTH:.0f} % of the value; more --runs may narrow it"


def _format(estimate: Estimate, decimals: int) -> str:
    if estimate.interval is None:
        return f"{estimate.value:.{decimals}f}"
    low, high = estimate.interval
    return f"{estimate.value:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]" + " noisy" * (not estimate.is_precise)
