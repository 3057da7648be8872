"""The process of one latency cell: builds a network, warms it up, and times it when asked to.

``python -m benchmark.latency.worker`` reads one JSON object a line and answers each with one; :mod:`benchmark.latency.timer`
leads
the conversation.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import torch

from benchmark.config.latency import RUNTIMES, Setting
from benchmark.core.errors import InputError
from benchmark.latency.clocks import Timer, device_name, time_on_cpu, time_on_cuda, timer_overhead, warm_up
from benchmark.latency.workloads import export_onnx, forward_pass, heatmap_function, pipeline_pass

# --- the process and its conversation -----------------------------------------------------------------------------------------


class Workbench:
    """A cell made ready: its pass, its timer, and what memory was taken before it."""

    def __init__(self, cell: Setting, onnx: str) -> None:
        if cell.device == "cuda" and not torch.cuda.is_available():
            raise InputError("--device cuda: this machine has no CUDA device that torch can use")
        torch.set_num_threads(cell.threads)
        torch.set_num_interop_threads(1)
        cv2.setNumThreads(cell.threads)
        torch.set_flush_denormal(True)  # processors are slow with them; untrained signals may fade to them, trained ones do not
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = False
        self.setting = cell
        self.timed: Timer = time_on_cuda if cell.device == "cuda" else time_on_cpu
        if cell.backend != "eager":
            # Imported now, it does not count as the network's memory.
            import_module({"compile": "torch._inductor.compile_fx"}.get(cell.backend, cell.backend))
        self.before = _reset_peak_memory() if cell.device == "cpu" else 0
        maps = heatmap_function(cell, onnx)
        self.run = (pipeline_pass if cell.part == "pipeline" else forward_pass)(cell, maps)

    @torch.inference_mode()
    def call(self) -> dict[str, float]:
        """Seconds of each part of one pass."""
        return self.timed(self.run)

    def memory(self) -> int:
        """Bytes at the highest mark, less what was there before the network."""
        if self.setting.device == "cuda":
            return torch.cuda.max_memory_allocated()
        return max(0, _status_bytes("VmHWM") - self.before)


def _reset_peak_memory() -> int:
    """Bytes resident now; the high water mark starts again from here, where the system lets it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _status_bytes("VmHWM")
    return _status_bytes("VmRSS")


def _status_bytes(line: str) -> int:
    """A figure of this process in bytes. Not ``getrusage``, where Linux has better: its mark is inherited from the parent."""
    try:
        text = Path("/proc/self/status").read_text()
        return int(next(row for row in text.splitlines() if row.startswith(line)).split()[1]) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def worker_environment(bench: Workbench) -> dict[str, Any]:
    """What a record says of where its figure was measured."""
    found: dict[str, Any] = {"torch": torch.__version__, "threads": torch.get_num_threads(), "processors": os.cpu_count()}
    if bench.setting.backend in RUNTIMES:
        found[bench.setting.backend] = version(bench.setting.backend)
    return found | {"timer overhead": float(f"{timer_overhead(200, bench.timed):.3g}")}


def handle_message(message: Mapping[str, Any], bench: list[Workbench]) -> dict[str, Any]:
    """Do what a message asks; ``bench`` holds the cell once it is open."""
    cell = Setting(**message["cell"])
    match message["do"]:
        case "export":
            return {"path": str(export_onnx(cell, Path(message["path"])))}
        case "open":
            bench[:] = [Workbench(cell, message["onnx"])]
            return {"device": device_name(cell.device), "environment": worker_environment(bench[0])}
        case "warm":
            median, stable = warm_up(lambda: sum(bench[0].call().values()))
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
    bench: list[Workbench] = []
    for line in sys.stdin:
        message = json.loads(line)
        try:
            reply = handle_message(message, bench)
        except InputError as mistake:
            reply = {"error": str(mistake)}
        except Exception as problem:  # a user's network may raise anything
            cell = Setting(**message["cell"])
            said = next(iter(str(problem).splitlines()), "")
            reply = {"error": f"{cell.model} cannot be run at {cell.label}: {type(problem).__name__}: {said}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
