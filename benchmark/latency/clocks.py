"""Timers for CPU and CUDA, and the warm-up that ends when times are stable."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmark.latency.workloads import Pass

STABLE_WITHIN = 0.02  # successive windows whose medians are that near are stable
WINDOW_CALLS, WINDOW_SECONDS = 5, 0.2  # a window has at least so many calls and lasts at least that long
MAX_WARMUP_SECONDS = 30.0  # seconds after which a warm-up ends as it is

Timer = Callable[[Pass], dict[str, float]]


def time_on_cpu(run: Pass) -> dict[str, float]:
    """Seconds of each part of one pass."""
    parts, marks = [], [time.perf_counter()]
    for part in run():
        marks.append(time.perf_counter())
        parts.append(part)
    return {part: end - start for part, start, end in zip(parts, marks, marks[1:], strict=False)}


def time_on_cuda(run: Pass) -> dict[str, float]:
    """Seconds of each part of one pass, between CUDA events; work on the processor that the device waits for is in them."""

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
    """Median seconds that the timer finds where nothing is done: what it adds to every call."""

    def nothing() -> Iterator[str]:
        yield "nothing"

    return float(np.median([timed(nothing)["nothing"] for _ in range(calls)]))


def warm_up(call: Callable[[], float], *, patience: float = MAX_WARMUP_SECONDS) -> tuple[float, bool]:
    """Call until the medians of two successive windows agree; the last median, and whether they did before ``patience``.

    The first call of all, which allocates and compiles, is in no window.
    """
    call()
    start, before = time.monotonic(), float("inf")
    while True:
        window: list[float] = []
        while len(window) < WINDOW_CALLS or sum(window) < WINDOW_SECONDS:
            window.append(call())
        median = float(np.median(window))
        if abs(median - before) <= STABLE_WITHIN * median:
            return median, True
        if time.monotonic() - start > patience:
            return median, False
        before = median


def device_name(device: str) -> str:
    """The GPU's or CPU's model name."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    try:
        rows = Path("/proc/cpuinfo").read_text().splitlines()
        return next(row for row in rows if row.startswith("model name")).partition(":")[2].strip()
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
