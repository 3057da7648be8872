"""Time networks reliably: each in a process of its own, all of them warm, in interleaved rounds.

A worker (:mod:`benchmark.latency.worker`) is the process of one network under one setting. Its threads are pinned, and it warms
up until its times are stable. The workers are then timed in rounds of the order ``A B C C B A``, in short bursts, so that a
drift of the machine's speed affects all of them alike. One call of :func:`measure_latency` is a run. The rounds of a run share
the state of the machine and the memory that each process was given, so an interval is taken over separate runs
(:mod:`benchmark.analysis.latency`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from tqdm import tqdm

from benchmark.config.latency import ESTIMATORS, RUNTIMES, Setting
from benchmark.core.errors import InputError

DEFAULT_ROUNDS = 10
BURST_SECONDS, MAX_BURST_CALLS = 0.1, 8  # a burst lasts about this long and has at most this many calls
LONG_CALL_SECONDS = 0.5  # calls shorter than this get an untimed one at the start of each burst
PAUSE_SECONDS = 0.01  # between bursts, so that the threads of the last worker stop spinning
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# By default, glibc returns freed memory to the system: large blocks, and the end of its heap. Every call then waits for the
# kernel to map and clear the same pages again, which takes a good part of its time, and in each process another part.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}


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
    settings: Sequence[Setting], *, rounds: int = DEFAULT_ROUNDS, progress: Callable[[int, int], object] | None = None
) -> list[Timing]:
    """Time networks in interleaved rounds; all of them are in memory at once.

    Args:
        settings: one network under one setting each.
        progress: called with the number of steps done and the number of all steps.

    Raises:
        InputError: a setting is impossible, or a network cannot be found, built or run under its setting.
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

    with ExitStack() as stack:
        # Start a process per network, and build the networks.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = [stack.enter_context(Worker(setting, _export_if_needed(setting, folder))) for setting in settings]
        for worker in workers:
            worker.open()

        # Warm up one network after another, so that no other worker is busy meanwhile.
        for worker in workers:
            worker.warm()
            count_step()

        # Time the networks in interleaved rounds, A B C C B A: each has a burst on the way there and one on the way back, so
        # that a drift of the machine's speed affects all of them alike.
        for _ in range(rounds):
            for worker in workers:
                worker.start_round()
            for worker in [*workers, *reversed(workers)]:
                time.sleep(PAUSE_SECONDS)
                worker.burst()
                count_step()
        return [worker.timing() for worker in workers]


def _export_if_needed(setting: Setting, folder: Path) -> str:
    """Return the ONNX file of a setting that runs one, else an empty string.

    The export has a process of its own, so that its memory does not count as the network's.
    """
    if setting.backend not in RUNTIMES:
        return ""
    names = [setting.model, setting.input, setting.joints, setting.batch]
    path = folder / ("-".join(map(str, names)).replace("/", "_") + ".onnx")
    if path.exists():
        return str(path)
    with Worker(replace(setting, threads=1)) as worker:
        return str(worker.ask("export", path=str(path))["path"])


def worker_variables(setting: Setting) -> dict[str, str]:
    """Return the environment variables of the process that times a setting."""
    allocator = KEEP_MEMORY if setting.allocator == "keep" else {}
    return os.environ | dict.fromkeys(THREAD_VARIABLES, str(setting.threads)) | allocator


class Worker:
    """The process of one network; requests and replies are JSON objects, one per line."""

    def __init__(self, setting: Setting, onnx: str = "") -> None:
        self.setting, self.onnx = setting, onnx
        self.state: dict[str, Any] = {}  # replies to `open` and `warm`
        self.bursts: list[dict[str, list[float]]] = []  # for each round, the seconds of each part
        self.cpu: list[list[float]] = []  # for each round, the CPU seconds
        self.calls_per_burst = 1
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by __exit__)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmark.latency.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=worker_variables(setting),
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()

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
        """Send a request to the process, and return its reply.

        Raises:
            InputError: the network cannot be found, built or run, or the process was killed.
            RuntimeError: the process died of a bug; the message holds its log.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        message = {"request": request, "setting": asdict(self.setting), **arguments}
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._raise_exit()
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise InputError(reply["error"])
        return reply

    def _raise_exit(self) -> NoReturn:
        status = self.process.wait()
        if status < 0:
            hint = ", as happens when the system runs out of memory" if -status == signal.SIGKILL else ""
            raise InputError(f"{self.setting.model}: its process was ended by {signal.Signals(-status).name}{hint}")
        self.log.seek(0)
        raise RuntimeError(f"the process that timed {self.setting.model} failed:\n{self.log.read()}")
