"""Latency that can be trusted: each cell in a process of its own, all of them warm, taking turns.

A cell is one network under one setting. Its process (:mod:`benchmark.latency.worker`) has its threads pinned and warms up until
its times are stable. Then the cells take turns in rounds ``A B C C B A``, a short burst a turn, so that whatever drifts on the
machine hits all of them alike; two cells are compared round by round, and the interval of a ratio is over rounds.
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
from typing import Any

import numpy as np

from benchmark.config.latency import MAX_RELATIVE_IQR, RUNTIMES, Setting
from benchmark.core.errors import InputError
from benchmark.core.statistics import draw_rounds, median_with_interval, percentile_interval

DEFAULT_ROUNDS = 20
BURST_SECONDS, MAX_BURST_CALLS = 0.1, 8  # seconds and calls that a turn aims at
LONG_CALL_SECONDS = 0.5  # seconds: a call of that length needs no untimed one before it
PAUSE_SECONDS = 0.01  # seconds between turns, for the threads of the last one to stop spinning
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What was measured of a cell. ``rounds``: seconds of every timed call, ``[R, B]``, a round's two turns side by side."""

    setting: Setting
    rounds: np.ndarray
    memory: int = 0  # bytes that building and running added, at most
    parts: dict[str, np.ndarray] = field(default_factory=dict)  # seconds [R, B] of each part of a pipeline
    device: str = ""  # the CPU's or GPU's model name
    stable: bool = True  # whether the warm-up ended with times that agree
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float:
        """Seconds a call."""
        return float(np.median(self.rounds))

    @property
    def p10(self) -> float:
        """Seconds: a tenth of the calls were faster."""
        return float(np.percentile(self.rounds, 10))

    @property
    def p90(self) -> float:
        """Seconds: nine tenths of the calls were faster."""
        return float(np.percentile(self.rounds, 90))

    @property
    def iqr(self) -> float:
        """Seconds between the quartiles."""
        low, high = np.percentile(self.rounds, [25, 75])
        return float(high - low)

    @property
    def unstable(self) -> bool:
        """Whether the quartiles lie further apart than a tenth of the median."""
        return self.iqr > MAX_RELATIVE_IQR * self.median

    @property
    def part_medians(self) -> dict[str, float]:
        """Seconds of each part of a pipeline: the median over all calls."""
        return {part: float(np.median(seconds)) for part, seconds in self.parts.items()}

    @property
    def by_round(self) -> np.ndarray:
        """[R] seconds: the median call of each round."""
        return np.median(self.rounds, axis=1)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the median, seconds: rounds are drawn, with all their calls."""
        drawn = self.rounds[draw_rounds(len(self.rounds))]
        return percentile_interval(np.median(drawn, axis=(1, 2)))


def timing_ratio(one: Timing, other: Timing) -> tuple[float, tuple[float, float]]:
    """How many times as long ``one`` takes as ``other`` that took turns with it, with the 95 % interval over rounds.

    Raises:
        ValueError: they were not measured in the same number of rounds.
    """
    if len(one.rounds) != len(other.rounds):
        raise ValueError(f"{len(one.rounds)} rounds against {len(other.rounds)}: these did not take turns")
    return median_with_interval(one.by_round / other.by_round)


def measure_latency(
    cells: Sequence[Setting], *, rounds: int = DEFAULT_ROUNDS, progress: Callable[[int, int], object] | None = None
) -> list[Timing]:
    """Measure cells that take turns; all their networks are in memory at once.

    Args:
        progress: called with the steps done and the steps in all.

    Raises:
        InputError: a setting that is impossible, or a network that cannot be found, built or run under it.
    """
    if not cells or rounds < 2:
        raise InputError("latency takes at least one model and two rounds")
    for cell in cells:
        cell.check()
    done, total = 0, (1 + 2 * rounds) * len(cells)

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = [stack.enter_context(Worker(cell, _export_if_needed(cell, folder))) for cell in cells]
        for worker in workers:
            worker.open()
        for worker in workers:  # one after another, when no other is still busy starting
            worker.warm()
            step()
        for _ in range(rounds):
            for worker in workers:
                worker.bursts.append({})
            for worker in [*workers, *reversed(workers)]:
                time.sleep(PAUSE_SECONDS)
                worker.burst()
                step()
        return [worker.timing() for worker in workers]


def _export_if_needed(cell: Setting, folder: Path) -> str:
    """The ONNX file of a cell that runs one. Exporting has a process of its own, so that it does not count as memory."""
    if cell.backend not in RUNTIMES:
        return ""
    names = [cell.model, cell.input, cell.joints, cell.batch]
    path = folder / ("-".join(map(str, names)).replace("/", "_") + ".onnx")
    if path.exists():
        return str(path)
    with Worker(replace(cell, threads=1)) as worker:
        return str(worker.ask("export", path=str(path))["path"])


class Worker:
    """A cell's process, and the conversation with it: one JSON object a line, each way."""

    def __init__(self, cell: Setting, onnx: str = "") -> None:
        self.setting, self.onnx = cell, onnx
        self.told: dict[str, Any] = {}
        self.bursts: list[dict[str, list[float]]] = []  # one a round: seconds of each part
        self.calls = 1
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by __exit__)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmark.latency.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=os.environ | dict.fromkeys(THREAD_VARIABLES, str(cell.threads)),
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()

    def open(self) -> None:
        """Build the network."""
        self.told |= self.ask("open", onnx=self.onnx)

    def warm(self) -> None:
        """Run the network until its times are stable, and fix how many calls a turn has."""
        self.told |= self.ask("warm")
        self.calls = int(np.clip(BURST_SECONDS / self.told["median"], 1, MAX_BURST_CALLS))

    def burst(self) -> None:
        """One turn; its times are added to the round's."""
        untimed = int(self.told["median"] < LONG_CALL_SECONDS)
        for part, seconds in self.ask("burst", calls=self.calls, untimed=untimed)["seconds"].items():
            self.bursts[-1].setdefault(part, []).extend(seconds)

    def timing(self) -> Timing:
        """All turns together."""
        parts = {part: np.array([burst[part] for burst in self.bursts]) for part in self.bursts[0]}
        return Timing(
            setting=self.setting,
            rounds=sum(parts.values(), np.zeros(())),
            memory=self.ask("memory")["bytes"],
            parts=parts if len(parts) > 1 else {},
            device=self.told["device"],
            stable=self.told["stable"],
            environment=self.told["environment"],
        )

    def ask(self, do: str, **given: object) -> dict[str, Any]:
        """Send a message and wait for what comes of it.

        Raises:
            InputError: the network cannot be found, built or run, or its process was killed.
            RuntimeError: the process died of a bug; what it said is told.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, "cell": asdict(self.setting), **given}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._died()
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise InputError(reply["error"])
        return reply

    def _died(self) -> None:
        status = self.process.wait()
        if status < 0:
            hint = ", as a system does that runs out of memory" if -status == signal.SIGKILL else ""
            raise InputError(f"{self.setting.model}: its process was ended by {signal.Signals(-status).name}{hint}")
        self.log.seek(0)
        raise RuntimeError(f"the process that timed {self.setting.model} failed:\n{self.log.read()}")
