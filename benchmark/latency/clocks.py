"""Time passes on CPU and CUDA, and warm up until the times are stable.

A pass has its time on the wall clock and its CPU time. The latter leaves out the work of other processes on this machine, but
not that of other machines on the same host, nor what either does to the caches. A count of instructions would depend on none of
them, and one of cycles on the caches alone. Many hypervisors hide these counters: ``perf stat -e instructions:u,cycles:u true``
then says "not supported". :func:`hardware_counters` finds out and records say so; no estimator uses them.
"""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmark.core.errors import InputError
from benchmark.latency.workloads import Pass

STABLE_WITHIN = 0.02  # largest relative difference between the medians of two successive windows that count as stable
WINDOW_CALLS, WINDOW_SECONDS = 5, 0.2  # smallest number of calls and smallest duration of a window
MAX_WARMUP_SECONDS = 30.0  # a warm-up that has not converged by then is given up
COUNTERS = ("instructions", "cycles")

Timer = Callable[[Pass], dict[str, float]]


def time_on_cpu(run: Pass) -> dict[str, float]:
    """Return the seconds of each part of one pass."""
    parts, marks = [], [time.perf_counter()]
    for part in run():
        marks.append(time.perf_counter())
        parts.append(part)
    return {part: end - start for part, start, end in zip(parts, marks, marks[1:], strict=False)}


def time_on_cuda(run: Pass) -> dict[str, float]:
    """Return the seconds of each part of one pass between CUDA events; they include CPU work that the GPU waits for."""

    def mark() -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    parts, marks = [], [mark()]
    for part in run():
        marks.append(mark())
        parts.append(part)
    torch.cuda.synchronize()
    return {part: start.elapsed_time(end) / 1e3 for part, start, end in zip(parts, marks, marks[1:], strict=False)}


def time_with_cpu(run: Pass, timed: Timer) -> tuple[dict[str, float], float]:
    """Return the seconds of each part of one pass, and the CPU seconds of the whole, summed over threads."""
    start = time.process_time()
    return timed(run), time.process_time() - start


def hardware_counters() -> list[str]:
    """Return those of the counters of instructions and cycles that the kernel gives to processes; empty without perf."""
    command = ["perf", "stat", "-x", ",", "-e", ",".join(f"{counter}:u" for counter in COUNTERS), "true"]
    try:
        counted = subprocess.run(command, capture_output=True, text=True).stderr
    except OSError:
        return []
    values = [line.split(",")[0] for line in counted.splitlines()]
    return [counter for counter, value in zip(COUNTERS, values, strict=False) if value.isdigit()]


def timer_overhead(calls: int = 2000, timed: Timer = time_on_cpu) -> float:
    """Return the median seconds that the timer measures for an empty pass, which it adds to every call."""

    def nothing() -> Iterator[str]:
        yield "nothing"

    return float(np.median([timed(nothing)["nothing"] for _ in range(calls)]))


def warm_up(call: Callable[[], float], *, patience: float = MAX_WARMUP_SECONDS) -> tuple[float, bool]:
    """Call until the medians of two successive windows agree; return the last median and whether the times converged.

    Args:
        call: runs once and returns its seconds.
        patience: seconds after which the warm-up is given up.
    """
    # The first call allocates memory and compiles, so it is in no window.
    call()
    start, previous = time.monotonic(), float("inf")
    while True:
        # Fill a window: enough calls for a median, and long enough for clock frequencies to settle.
        window: list[float] = []
        while len(window) < WINDOW_CALLS or sum(window) < WINDOW_SECONDS:
            window.append(call())
        median = float(np.median(window))

        # Converged: this window is as fast as the one before it.
        if abs(median - previous) <= STABLE_WITHIN * median:
            return median, True

        # Given up: the caller marks the times.
        if time.monotonic() - start > patience:
            return median, False
        previous = median


def device_name(device: str) -> str:
    """Return the model name of the GPU or CPU.

    Raises:
        InputError: there is no GPU.
    """
    if device == "cuda":
        if not torch.cuda.is_available():
            raise InputError("--device cuda: this machine has no CUDA device that torch can use")
        return torch.cuda.get_device_name()
    try:
        rows = Path("/proc/cpuinfo").read_text().splitlines()
        return next(row for row in rows if row.startswith("model name")).partition(":")[2].strip()
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
