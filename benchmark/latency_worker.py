"""The process of one latency cell: builds a network, warms it up, and times it when asked to.

``python -m benchmark.latency_worker`` reads one JSON object a line and answers each with one; :mod:`benchmark.latency` leads
the conversation.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmark.errors import InputError
from benchmark.latency import RUNTIMES, Cell
from benchmark.latency_passes import Pass, export, forward, maps_of, pipeline

AGREE = 0.02  # successive windows whose medians are that near are stable
WINDOW_CALLS, WINDOW_SECONDS = 5, 0.2  # a window has at least so many calls and lasts at least that long
PATIENCE = 30.0  # seconds after which a warm-up ends as it is

Timed = Callable[[Pass], dict[str, float]]


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


def overhead(calls: int = 2000, timed: Timed = time_on_cpu) -> float:
    """Median seconds that the timer finds where nothing is done: what it adds to every call."""

    def nothing() -> Iterator[str]:
        yield "nothing"

    return float(np.median([timed(nothing)["nothing"] for _ in range(calls)]))


def warm(call: Callable[[], float], *, patience: float = PATIENCE) -> tuple[float, bool]:
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
        if abs(median - before) <= AGREE * median:
            return median, True
        if time.monotonic() - start > patience:
            return median, False
        before = median


# --- the process and its conversation -----------------------------------------------------------------------------------------


class Bench:
    """A cell made ready: its pass, its timer, and what memory was taken before it."""

    def __init__(self, cell: Cell, onnx: str) -> None:
        if cell.device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: this machine has no CUDA device that torch can use")
        torch.set_num_threads(cell.threads)
        torch.set_num_interop_threads(1)
        cv2.setNumThreads(cell.threads)
        torch.set_flush_denormal(True)  # processors are slow with them; untrained signals may fade to them, trained ones do not
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = False
        self.cell = cell
        self.timed: Timed = time_on_cuda if cell.device == "cuda" else time_on_cpu
        if cell.backend != "eager":
            # Imported now, it does not count as the network's memory.
            import_module({"compile": "torch._inductor.compile_fx"}.get(cell.backend, cell.backend))
        self.before = _forget_peak() if cell.device == "cpu" else 0
        maps = maps_of(cell, onnx)
        self.run = (pipeline if cell.part == "pipeline" else forward)(cell, maps)

    @torch.inference_mode()
    def call(self) -> dict[str, float]:
        """Seconds of each part of one pass."""
        return self.timed(self.run)

    def memory(self) -> int:
        """Bytes at the highest mark, less what was there before the network."""
        if self.cell.device == "cuda":
            return torch.cuda.max_memory_allocated()
        return max(0, _status("VmHWM") - self.before)


def _forget_peak() -> int:
    """Bytes resident now; the high water mark starts again from here, where the system lets it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _status("VmHWM")
    return _status("VmRSS")


def _status(line: str) -> int:
    """A figure of this process in bytes. Not ``getrusage``, where Linux has better: its mark is inherited from the parent."""
    try:
        text = Path("/proc/self/status").read_text()
        return int(next(row for row in text.splitlines() if row.startswith(line)).split()[1]) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def device_name(device: str) -> str:
    """The GPU's or CPU's model name."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    try:
        rows = Path("/proc/cpuinfo").read_text().splitlines()
        return next(row for row in rows if row.startswith("model name")).partition(":")[2].strip()
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def environment(bench: Bench) -> dict[str, Any]:
    """What a record says of where its figure was measured."""
    found: dict[str, Any] = {"torch": torch.__version__, "threads": torch.get_num_threads(), "processors": os.cpu_count()}
    if bench.cell.backend in RUNTIMES:
        found[bench.cell.backend] = version(bench.cell.backend)
    return found | {"timer overhead": float(f"{overhead(200, bench.timed):.3g}")}


def answer(message: Mapping[str, Any], bench: list[Bench]) -> dict[str, Any]:
    """Do what a message asks; ``bench`` holds the cell once it is open."""
    cell = Cell(**message["cell"])
    match message["do"]:
        case "export":
            return {"path": str(export(cell, Path(message["path"])))}
        case "open":
            bench[:] = [Bench(cell, message["onnx"])]
            return {"device": device_name(cell.device), "environment": environment(bench[0])}
        case "warm":
            median, stable = warm(lambda: sum(bench[0].call().values()))
            return {"median": median, "stable": stable}
        case "burst":
            for _ in range(message["untimed"]):
                bench[0].call()
            calls = [bench[0].call() for _ in range(message["calls"])]
            return {"seconds": {part: [call[part] for call in calls] for part in calls[0]}}
        case "memory":
            return {"bytes": bench[0].memory()}
    raise ValueError(f"nobody does {message['do']!r}")


def main() -> None:
    """Answer until the other side hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that asks decides when this ends
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a user's module prints must not end up among the replies
    bench: list[Bench] = []
    for line in sys.stdin:
        message = json.loads(line)
        try:
            reply = answer(message, bench)
        except InputError as mistake:
            reply = {"error": str(mistake)}
        except Exception as problem:  # a user's network may raise anything
            cell = Cell(**message["cell"])
            said = next(iter(str(problem).splitlines()), "")
            reply = {"error": f"{cell.model} cannot be run at {cell.setting}: {type(problem).__name__}: {said}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
