"""Time networks reliably: each in a process of its own, all of them warm, in interleaved rounds.

A worker (:mod:`benchmark.latency.worker`) is the process of one network under one setting. Its threads are pinned, and it warms
up until its times are stable. The workers are then timed in rounds of the order ``A B C C B A``, in short bursts, so that a
drift of the machine's speed affects all of them alike. One call of :func:`measure_latency` is a run. The rounds of a run share
the state of the machine and the memory that each process was given, so an interval is taken over separate runs
(:mod:`benchmark.analysis.latency`).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmark.config.latency import ESTIMATORS, RUNTIMES, Setting
from benchmark.core.errors import InputError
from benchmark.core.processes import KEEP_MEMORY, THREAD_VARIABLES, NetworkProcess

DEFAULT_ROUNDS = 10
BURST_SECONDS, MAX_BURST_CALLS = 0.1, 8  # a burst lasts about this long and has at most this many calls
LONG_CALL_SECONDS = 0.5  # calls shorter than this get an untimed one at the start of each burst
PAUSE_SECONDS = 0.01  # between bursts, so that the threads of the last worker stop spinning


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The times of one network under one setting in one run.

    Attributes:
        rounds: Seconds of every timed call, ``[R, B]``; a row holds both bursts of a round.
        cpu: CPU seconds of the same calls, ``[R, B]``, summed over threads.
        memory: Bytes that building and running the network added at most.
        parts: Seconds of each part of a pipeline, ``[R, B]`` each; empty for the network alone.
        device: Model name of the CPU or GPU.
        stable: Whether the times converged in the warm-up.
        environment: Versions and thread counts of the worker.
    """

    setting: Setting
    rounds: np.ndarray
    cpu: np.ndarray
    memory: int = 0
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    device: str = ""
    stable: bool = True
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def estimates(self) -> dict[str, float]:
        """The network's time in seconds by every estimator."""
        clocks = {"seconds": self.rounds, "cpu_seconds": self.cpu}
        return {name: float(np.percentile(clocks[clock], percentile)) for name, (clock, percentile) in ESTIMATORS.items()}

    @property
    def seconds(self) -> float:
        """The network's time in seconds by the setting's estimator."""
        return self.estimates[self.setting.estimator]

    @property
    def percentiles(self) -> tuple[float, float]:
        """The 10th and the 90th percentile of all calls in seconds."""
        low, high = np.percentile(self.rounds, [10, 90])
        return float(low), float(high)

    @property
    def part_medians(self) -> dict[str, float]:
        """The median over all calls of each part of a pipeline, in seconds."""
        return {part: float(np.median(seconds)) for part, seconds in self.parts.items()}


def show_progress(bar: tqdm) -> Callable[[int, int], object]:
    """Return a function that shows on a bar how many runs of how many are done, for :func:`measure_latency`."""

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return show


def measure_latency(
    settings: Sequence[Setting],
    *,
    rounds: int = DEFAULT_ROUNDS,
    progress: Callable[[int, int], object] | None = None,
    failed: Callable[[int, InputError], object] | None = None,
) -> list[Timing]:
    """Time networks in interleaved rounds; all of them are in memory at once.

    Args:
        settings: one network under one setting each.
        progress: called with the number of steps done and the number of all steps.
        failed: called with the number of a setting whose network cannot be built or run, and the reason; it is left out.

    Raises:
        InputError: a setting is impossible; or, without ``failed``, a network cannot be found, built or run under its setting.
    """
    if not settings or rounds < 2:
        raise InputError("latency needs at least one model and two rounds")
    for setting in settings:
        setting.check()
    done, total = 0, (1 + 2 * rounds) * len(settings)

    def count_step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    workers: dict[int, Worker] = {}  # by number of the setting
    excluded: set[int] = set()

    def take(step: Callable[[int], object], numbers: Iterable[int]) -> None:
        """Take a step with one network after another, except with those that have failed before."""
        for number in numbers:
            try:
                if number not in excluded:
                    step(number)
            except InputError as problem:
                if failed is None:
                    raise
                excluded.add(number)
                workers.pop(number, None)
                failed(number, problem)

    def start(number: int) -> None:
        onnx = _export_if_needed(settings[number], folder)
        workers[number] = stack.enter_context(Worker(settings[number], onnx))

    def warm(number: int) -> None:
        workers[number].warm()
        count_step()

    def burst(number: int) -> None:
        time.sleep(PAUSE_SECONDS)
        workers[number].burst()
        count_step()

    with ExitStack() as stack:
        # Start a process per network, and build the networks.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        take(start, range(len(settings)))
        take(lambda number: workers[number].open(), list(workers))

        # Warm up one network after another, so that no other worker is busy meanwhile.
        take(warm, list(workers))

        # Time the networks in interleaved rounds, A B C C B A: each has a burst on the way there and one on the way back, so
        # that a drift of the machine's speed affects all of them alike.
        for _ in range(rounds):
            for worker in workers.values():
                worker.start_round()
            take(burst, [*workers, *reversed(workers)])
        return [worker.timing() for worker in workers.values()]


def _export_if_needed(setting: Setting, folder: Path) -> str:
    """Return the ONNX file of a setting that runs one, else an empty string.

    The export has a process of its own, so that its memory does not count as the network's.
    """
    if setting.backend not in RUNTIMES:
        return ""
    identity = repr((setting.model, setting.input, setting.joints, setting.batch))
    path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()}.onnx"
    if path.exists():
        return str(path)
    with Worker(replace(setting, threads=1)) as worker:
        return str(worker.ask("export", path=str(path))["path"])


def worker_variables(setting: Setting) -> dict[str, str]:
    """Return the environment variables of the process that times a setting."""
    allocator = KEEP_MEMORY if setting.allocator == "keep" else {}
    return os.environ | dict.fromkeys(THREAD_VARIABLES, str(setting.threads)) | allocator


class Worker(NetworkProcess):
    """The process that times one network."""

    def __init__(self, setting: Setting, onnx: str = "") -> None:
        super().__init__("benchmark.latency.worker", f"{setting.model} failed at {setting.label}", worker_variables(setting))
        self.setting, self.onnx = setting, onnx
        self.state: dict[str, Any] = {}  # replies to `open` and `warm`
        self.bursts: list[dict[str, list[float]]] = []  # for each round, the seconds of each part
        self.cpu: list[list[float]] = []  # for each round, the CPU seconds
        self.calls_per_burst = 1

    def open(self) -> None:
        """Build the network."""
        self.state |= self.ask("open", onnx=self.onnx)

    def warm(self) -> None:
        """Run the network until its times are stable, and choose the number of calls per burst."""
        self.state |= self.ask("warm")
        self.calls_per_burst = int(np.clip(BURST_SECONDS / self.state["median"], 1, MAX_BURST_CALLS))

    def start_round(self) -> None:
        """Begin a round, to which the next bursts belong."""
        self.bursts.append({})
        self.cpu.append([])

    def burst(self) -> None:
        """Time one burst, and add its times to the current round's."""
        untimed = int(self.state["median"] < LONG_CALL_SECONDS)
        reply = self.ask("burst", calls=self.calls_per_burst, untimed=untimed)
        for part, seconds in reply["seconds"].items():
            self.bursts[-1].setdefault(part, []).extend(seconds)
        self.cpu[-1].extend(reply["cpu_seconds"])

    def timing(self) -> Timing:
        """Return the times of all bursts."""
        parts = {part: np.array([burst[part] for burst in self.bursts]) for part in self.bursts[0]}
        return Timing(
            setting=self.setting,
            rounds=sum(parts.values(), np.zeros(())),
            cpu=np.array(self.cpu),
            memory=self.ask("memory")["bytes"],
            parts=parts if len(parts) > 1 else {},
            device=self.state["device"],
            stable=self.state["stable"],
            environment=self.state["environment"],
        )

    def ask(self, request: str, **arguments: object) -> dict[str, Any]:
        """Send a request with the setting to the process, and return its reply; see :meth:`NetworkProcess.ask`."""
        return super().ask(request, setting=asdict(self.setting), **arguments)
