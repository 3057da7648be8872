"""Time passes on CPU and CUDA, and warm up until the times are stable."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmark.latency.workloads import Pass

STABLE_WITHIN = 0.02  # largest relative difference between the medians of two successive windows that count as stable
WINDOW_CALLS, WINDOW_SECONDS = 5, 0.2  # smallest number of calls and smallest duration of a window
MAX_WARMUP_SECONDS = 30.0  # a warm-up that has not converged by then is given up

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
    """Return the model name of the GPU or CPU."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    try:
        rows = Path("/proc/cpuinfo").read_text().splitlines()
        return next(row for row in rows if row.startswith("model name")).partition(":")[2].strip()
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
