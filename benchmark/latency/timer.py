"""Time networks reliably: each in a process of its own, all of them warm, in interleaved rounds.

A worker (:mod:`benchmark.latency.worker`) is the process of one network under one setting. Its threads are pinned, and it warms
up until its times are stable. The workers are then timed in rounds of the order ``A B C C B A``, in short bursts, so that a
drift of the machine's speed affects all of them alike. Two networks are compared round by round, and the interval of a ratio is
taken over rounds.
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

from benchmark.config.latency import MAX_RELATIVE_IQR, RUNTIMES, Setting
from benchmark.core.errors import InputError
from benchmark.core.statistics import draw_rounds, median_with_interval, percentile_interval

DEFAULT_ROUNDS = 20
BURST_SECONDS, MAX_BURST_CALLS = 0.1, 8  # a burst lasts about this long and has at most this many calls
LONG_CALL_SECONDS = 0.5  # calls shorter than this get an untimed one at the start of each burst
PAUSE_SECONDS = 0.01  # between bursts, so that the threads of the last worker stop spinning
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The times of one network under one setting.

    Attributes:
        rounds: Seconds of every timed call, ``[R, B]``; a row holds both bursts of a round.
        memory: Bytes that building and running the network added at most.
        parts: Seconds of each part of a pipeline, ``[R, B]`` each; empty for the network alone.
        device: Model name of the CPU or GPU.
        stable: Whether the times converged in the warm-up.
        environment: Versions and thread counts of the worker.
    """

    setting: Setting
    rounds: np.ndarray
    memory: int = 0
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    device: str = ""
    stable: bool = True
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """The median call in seconds."""
        return float(np.median(self.rounds))

    @property
    def p10(self) -> float:
        """The 10th percentile of all calls in seconds."""
        return float(np.percentile(self.rounds, 10))

    @property
    def p90(self) -> float:
        """The 90th percentile of all calls in seconds."""
        return float(np.percentile(self.rounds, 90))

    @property
    def iqr(self) -> float:
        """The interquartile range of all calls in seconds."""
        low, high = np.percentile(self.rounds, [25, 75])
        return float(high - low)

    @property
    def unstable(self) -> bool:
        """True if the interquartile range exceeds a tenth of the median."""
        return self.iqr > MAX_RELATIVE_IQR * self.median

    @property
    def part_medians(self) -> dict[str, float]:
        """The median over all calls of each part of a pipeline, in seconds."""
        return {part: float(np.median(seconds)) for part, seconds in self.parts.items()}

    @property
    def by_round(self) -> np.ndarray:
        """The median call of each round, ``[R]`` seconds."""
        return np.median(self.rounds, axis=1)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the median in seconds, by a bootstrap that draws rounds with all their calls."""
        replicates = self.rounds[draw_rounds(len(self.rounds))]
        return percentile_interval(np.median(replicates, axis=(1, 2)))


def timing_ratio(timing: Timing, reference: Timing) -> tuple[float, tuple[float, float]]:
    """Return how many times as long a network takes as one timed in the same rounds, with the 95 % interval over rounds.

    Raises:
        ValueError: the two have different numbers of rounds.
    """
    if len(timing.rounds) != len(reference.rounds):
        raise ValueError(f"{len(timing.rounds)} and {len(reference.rounds)} rounds: these were not timed in interleaved rounds")
    return median_with_interval(timing.by_round / reference.by_round)


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
                worker.bursts.append({})
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


class Worker:
    """The process of one network; requests and replies are JSON objects, one per line."""

    def __init__(self, setting: Setting, onnx: str = "") -> None:
        self.setting, self.onnx = setting, onnx
        self.state: dict[str, Any] = {}  # replies to `open` and `warm`
        self.bursts: list[dict[str, list[float]]] = []  # for each round, the seconds of each part
        self.calls_per_burst = 1
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by __exit__)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmark.latency.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(setting.threads)),
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

    def burst(self) -> None:
        """Time one burst, and add its times to the current round's."""
        untimed = int(self.state["median"] < LONG_CALL_SECONDS)
        for part, seconds in self.ask("burst", calls=self.calls_per_burst, untimed=untimed)["seconds"].items():
            self.bursts[-1].setdefault(part, []).extend(seconds)

    def timing(self) -> Timing:
        """Return the times of all bursts."""
        parts = {part: np.array([burst[part] for burst in self.bursts]) for part in self.bursts[0]}
        return Timing(
            setting=self.setting,
            rounds=sum(parts.values(), np.zeros(())),
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
