"""The command ``python -m benchmark.measure latency``: time networks, print the times, and store them as records."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Any, Literal, cast

import tyro
from tqdm import tqdm
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.analysis.latency import Repeatability, compare_sessions
from benchmark.config.identities import AGAIN, ONCE, describe_setting
from benchmark.config.latency import MAX_RELATIVE_IQR, BackendName, MemoryLayout, Setting, TimedPart
from benchmark.core.errors import InputError
from benchmark.core.records import append_record
from benchmark.core.statistics import round_digits
from benchmark.latency.records import latency_records, session_from_timings
from benchmark.latency.timer import DEFAULT_ROUNDS, Timing, measure_latency, show_progress, timing_ratio
from benchmark.models.external import MODEL_SPECS_ONNX

Device = Literal["cpu", "cuda"]
Group = Sequence[Timing]  # models timed in interleaved rounds under one setting
Run = Sequence[Group]  # one measurement of all settings


@dataclass
class LatencyCommand:
    """Time networks in interleaved rounds, each in a process of its own; ratios come with 95 % intervals.

    Example: python -m benchmark.measure latency efficientpose_nas/A baselines/hrnet-w32 --input 256x192 --joints 17
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
    rounds: int = DEFAULT_ROUNDS
    """Number of interleaved rounds."""
    twice: bool = False
    """Measure everything twice, and report which orders of networks are repeated."""
    accept_unstable: Annotated[bool, tyro.conf.arg(aliases=["--noisy"])] = False
    """Accept and mark times whose interquartile range exceeds a tenth of the median."""
    keep: bool = False
    """Store the results as records under reports/records."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        """Measure, print and store.

        Raises:
            InputError: an option is wrong, a network cannot be run, or times are unstable.
        """
        settings = list(self.settings())
        for group in settings:
            for setting in group:
                setting.check()
        runs = [self._measure(settings, suffix) for suffix in ("", f" {AGAIN}")[: 1 + self.twice]]
        print(json.dumps(latency_report(runs)) if self.json else format_latency(runs))
        if self.keep:
            self._store(runs)
        unstable = [timing for run in runs for group in run for timing in group if timing.unstable]
        if unstable and not self.accept_unstable:
            raise InputError(unstable_message(unstable, self.keep))

    def settings(self) -> Iterator[list[Setting]]:
        """Iterate over all combinations of the comma-separated options; each holds all models.

        Raises:
            InputError: no model is given, a model is given twice, or a list cannot be read.
        """
        if not self.models:
            raise InputError("give at least one model")
        if len(set(self.models)) < len(self.models):
            raise InputError(f"{next(model for model in self.models if self.models.count(model) > 1)} is given twice")
        numbers = [_split_list(name, getattr(self, name), int) for name in ("batch", "threads")]
        words: list[list[Any]] = [_split_list(name, getattr(self, name), str) for name in ("layout", "backend", "part")]
        for batch, threads, layout, backend, part in product(*numbers, *words):
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
                )
                for model in self.models
            ]

    def _measure(self, settings: Sequence[Sequence[Setting]], suffix: str) -> Run:
        run = []
        for group in settings:
            label = group[0].label + suffix
            with tqdm(total=1, desc=label, bar_format="{desc} {bar} {percentage:.0f} %, {remaining} left") as bar:
                run.append(measure_latency(group, rounds=self.rounds, progress=show_progress(bar)))
        return run

    def _store(self, runs: Sequence[Run]) -> None:
        """Append the records of every group; a group with unstable times is left out unless these are accepted."""
        repeats = (ONCE, AGAIN) if self.twice else ("",)
        for repeat, run in zip(repeats, runs, strict=True):
            for group in run:
                if any(timing.unstable for timing in group) and not self.accept_unstable:
                    continue
                for record in latency_records(group, repeat=repeat):
                    if not append_record(record):
                        label = f"{record.subject}, {describe_setting(record)}, {record.metric}"
                        print(f"not recorded, as it is on record already: {label}", file=sys.stderr)


def _split_list(name: str, text: str, kind: Callable[[str], Any]) -> list[Any]:
    try:
        return list(dict.fromkeys(kind(word.strip()) for word in text.split(",")))
    except ValueError:
        raise InputError(f"--{name} {text!r}: give whole numbers, comma-separated, as in 1,32") from None


def unstable_message(unstable: Sequence[Timing], keep: bool) -> str:
    """Describe the most unstable of these timings, and what to do about it, in one line.

    Args:
        keep: whether the results were to be stored.
    """
    worst = max(unstable, key=lambda timing: timing.iqr / timing.median)
    more = f" (and {len(unstable) - 1} more)" if len(unstable) > 1 else ""
    spread = (
        f"unstable: the interquartile range is {worst.iqr / worst.median:.0%} of the median, more than {MAX_RELATIVE_IQR:.0%}"
    )
    consequence = "; settings with unstable times were not recorded" if keep else ""
    advice = "measure on an idle machine, or pass --accept-unstable"
    return f"{worst.setting.model} at {worst.setting.label}{more}: {spread}{consequence}; {advice}"


# --- JSON ---------------------------------------------------------------------------------------------------------------------


class Milliseconds(TypedDict):
    """Percentiles of all timed calls; ``iqr`` is the interquartile range."""

    median: float
    p10: float
    p90: float
    iqr: float


class Ratio(TypedDict):
    """Ratio of a model's time to that of the model ``to``, with the 95 % interval [low, high] over rounds."""

    to: str
    value: float
    ci95: list[float]


class ModelLatency(TypedDict):
    """The times of one model.

    Attributes:
        ci95: The 95 % interval of the median [low, high], milliseconds.
        noisy: The interquartile range exceeds a tenth of the median.
        stable: The times converged in the warm-up.
        memory: Bytes that building and running the network added.
        parts: Median milliseconds of each part of a pipeline; empty for the network alone.
        ratio: To the first model of the setting.
        seconds: Every timed call, by round.
    """

    model: str
    milliseconds: Milliseconds
    ci95: list[float]
    images_per_second: float
    noisy: bool
    stable: bool
    memory: int
    parts: dict[str, float]
    ratio: Ratio
    seconds: list[list[float]]


class SettingLatency(TypedDict):
    """Models timed in interleaved rounds under one setting; ``processor`` is the device's model name."""

    input: str
    joints: int
    batch: int
    threads: int
    device: Device
    layout: MemoryLayout
    backend: BackendName
    part: TimedPart
    processor: str
    models: list[ModelLatency]


class RepeatabilityReport(TypedDict):
    """Agreement of two measurements of one setting.

    Attributes:
        decided: Pairs of models whose ratio's interval excludes 1 both times.
        kept: Those of them whose order is the same both times.
        tau: Kendall's rank correlation of the two orders; None if it is undefined.
        spread: Second median of each model over its first.
    """

    setting: str
    decided: list[list[str]]
    kept: list[list[str]]
    tau: float | None
    spread: dict[str, float]


class LatencyReport(TypedDict):
    """The output of ``python -m benchmark.measure latency --json``.

    Attributes:
        again: The second measurement, with ``--twice``.
        twice: The agreement of both measurements by setting, with ``--twice``; None for a single model.
    """

    schema: Literal[1]
    settings: list[SettingLatency]
    again: list[SettingLatency] | None
    twice: list[RepeatabilityReport | None] | None


def latency_report(runs: Sequence[Run]) -> LatencyReport:
    """Return the content of ``--json``; ``runs``: one, or two with ``--twice``."""
    reports = [[_report_setting(group) for group in run] for run in runs]
    is_repeated = len(runs) == 2
    return {
        "schema": 1,
        "settings": reports[0],
        "again": reports[1] if is_repeated else None,
        "twice": [_report_repeatability(*groups) for groups in zip(*runs, strict=True)] if is_repeated else None,
    }


def _report_setting(group: Group) -> SettingLatency:
    setting = group[0].setting
    return {
        "input": setting.input,
        "joints": setting.joints,
        "batch": setting.batch,
        "threads": setting.threads,
        "device": cast(Device, setting.device),
        "layout": setting.layout,
        "backend": setting.backend,
        "part": setting.part,
        "processor": group[0].device,
        "models": [_report_model(timing, group[0]) for timing in group],
    }


def _report_model(timing: Timing, reference: Timing) -> ModelLatency:
    ratio, interval = timing_ratio(timing, reference)
    return {
        "model": timing.setting.model,
        "milliseconds": {
            "median": 1e3 * timing.median,
            "p10": 1e3 * timing.p10,
            "p90": 1e3 * timing.p90,
            "iqr": 1e3 * timing.iqr,
        },
        "ci95": [1e3 * bound for bound in timing.interval],
        "images_per_second": timing.setting.batch / timing.median,
        "noisy": timing.unstable,
        "stable": timing.stable,
        "memory": timing.memory,
        "parts": {part: 1e3 * seconds for part, seconds in timing.part_medians.items()},
        "ratio": {"to": reference.setting.model, "value": ratio, "ci95": list(interval)},
        "seconds": [[round_digits(seconds) for seconds in row] for row in timing.rounds],
    }


def _report_repeatability(first: Group, second: Group) -> RepeatabilityReport | None:
    if len(first) < 2:
        return None
    repeatability = compare_sessions(session_from_timings(first), session_from_timings(second))
    return {
        "setting": first[0].setting.label,
        "decided": [list(pair) for pair in repeatability.pairs],
        "kept": [list(pair) for pair in repeatability.kept],
        "tau": repeatability.tau,
        "spread": dict(repeatability.spread),
    }


# --- text ---------------------------------------------------------------------------------------------------------------------


def format_latency(runs: Sequence[Run]) -> str:
    """Format the times as text, one table per setting; ``runs``: one, or two with ``--twice``."""
    lines = []
    for run, suffix in zip(runs, ("", f" {AGAIN}"), strict=False):
        for group in run:
            lines += [f"{group[0].setting.label} on {group[0].device}{suffix}", *_table(group), ""]
    for first, second in zip(*runs, strict=True) if len(runs) == 2 else ():
        if len(first) > 1:
            lines += [format_repeatability(compare_sessions(session_from_timings(first), session_from_timings(second)))]
    return "\n".join(lines).rstrip("\n")


def _table(group: Group) -> Iterator[str]:
    yield f"{'':44}{'ms':>10}{'p10':>10}{'p90':>10}{'IQR %':>7}{'images/s':>10}{'MB':>8}  ratio to the first, 95 %"
    for timing in group:
        ratio, (low, high) = timing_ratio(timing, group[0])
        times = "".join(f"{1e3 * seconds:10.2f}" for seconds in (timing.median, timing.p10, timing.p90))
        rate = timing.setting.batch / timing.median
        marks = "  unstable" * timing.unstable + "  did not converge in warm-up" * (not timing.stable)
        metrics = f"{times}{100 * timing.iqr / timing.median:7.1f}{rate:10.2f}{timing.memory / 1e6:8.1f}"
        yield f"{timing.setting.model:44}{metrics}  {ratio:.3f} [{low:.3f}, {high:.3f}]{marks}"
        if timing.parts:
            parts = [f"{part} {1e3 * seconds:.2f}" for part, seconds in timing.part_medians.items()]
            yield f"{'':4}{', '.join(parts)} ms"


def format_repeatability(repeatability: Repeatability) -> str:
    """Format the agreement of two measurements as one line."""
    tau = "-" if repeatability.tau is None else f"{repeatability.tau:+.2f}"
    changes = ", ".join(f"{model} {100 * (change - 1):+.1f} %" for model, change in repeatability.spread.items())
    same = f"{len(repeatability.kept)} of {len(repeatability.pairs)} pairs decided both times keep their order"
    return f"twice: {same}; Kendall's tau {tau}; changes of the median: {changes}"
