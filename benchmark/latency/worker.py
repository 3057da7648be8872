"""The worker of latency measurements: a process that builds one network, warms it up and times it on request.

It is run as ``python -m benchmark.latency.worker`` by :mod:`benchmark.latency.timer`, which sends the requests.
"""

from __future__ import annotations

import os
import resource
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import torch

from benchmark.config.latency import RUNTIMES, Setting
from benchmark.core.errors import InputError
from benchmark.core.processes import Request, answer_requests
from benchmark.latency.clocks import (
    Timer,
    device_name,
    hardware_counters,
    time_on_cpu,
    time_on_cuda,
    time_with_cpu,
    timer_overhead,
    warm_up,
)
from benchmark.latency.workloads import export_onnx, forward_pass, network_function, pipeline_pass
from benchmark.models.process_state import changed_values, read_state

WARM_UP_PATIENCE = 5.0  # seconds; on a busy machine, times may never converge, and slow calls count for little


class PreparedNetwork:
    """A network under one setting, ready to be timed.

    Raises:
        InputError: the device is missing, or the network cannot be built under this setting.
    """

    def __init__(self, setting: Setting, onnx: str) -> None:
        device_name(setting.device)  # raises an error if the device is missing
        torch.set_num_threads(setting.threads)
        cv2.setNumThreads(setting.threads)
        # Denormal numbers are slow to compute with. Untrained networks may produce them, trained ones do not.
        torch.set_flush_denormal(True)
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = False
        self.state = read_state()
        self.setting = setting
        self.timer: Timer = time_on_cuda if setting.device == "cuda" else time_on_cpu
        if setting.backend != "eager":
            # The runtime is imported here, so that its memory does not count as the network's.
            import_module({"compile": "torch._inductor.compile_fx"}.get(setting.backend, setting.backend))
        self.memory_before = _reset_peak_memory() if setting.device == "cpu" else 0
        network = network_function(setting, onnx)
        torch.manual_seed(0)  # the same images for all networks
        if torch.get_num_interop_threads() != 1:
            torch.set_num_interop_threads(1)  # after the network is built, as it can be set only once
        self.run = (pipeline_pass if setting.part == "pipeline" else forward_pass)(setting, network)
        self.check_state()

    def check_state(self) -> None:
        """Check that the process is as the setting has it: building a network cannot change that, running it could.

        Raises:
            InputError: a value has changed; it is named.
        """
        if changed := changed_values(self.state):
            values = ", ".join(f"{name} {value} instead of {self.state[name]}" for name, value in changed.items())
            raise InputError(f"{self.setting.model} cannot be timed at {self.setting.label}: as it runs, it sets {values}")

    @torch.inference_mode()
    def call(self) -> tuple[dict[str, float], float]:
        """Run one pass, and return the seconds of each part and the CPU seconds of the whole."""
        return time_with_cpu(self.run, self.timer)

    def added_memory(self) -> int:
        """Return the peak memory in bytes, less what was in use before the network was built."""
        if self.setting.device == "cuda":
            return torch.cuda.max_memory_allocated()
        return max(0, _status_bytes("VmHWM") - self.memory_before)


def _reset_peak_memory() -> int:
    """Return the bytes in use, and reset the peak to them where the system permits it, else return the peak."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _status_bytes("VmHWM")
    return _status_bytes("VmRSS")


def _status_bytes(name: str) -> int:
    """Return a memory value of this process from ``/proc/self/status`` in bytes; outside Linux, the peak of ``getrusage``.

    On Linux, ``getrusage`` is of no use, as its peak is inherited from the parent process.
    """
    try:
        text = Path("/proc/self/status").read_text()
        return int(next(row for row in text.splitlines() if row.startswith(name)).split()[1]) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def worker_environment(prepared: PreparedNetwork) -> dict[str, Any]:
    """Describe the environment for a record: versions, threads, processors and the timer's overhead."""
    environment: dict[str, Any] = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "hardware counters": hardware_counters(),
    }
    backend = prepared.setting.backend
    if backend in RUNTIMES:
        environment[backend] = version(backend)
    return environment | {"timer overhead": float(f"{timer_overhead(200, prepared.timer):.3g}")}


class RequestHandler:
    """Answers requests; the network is prepared by the request ``open``."""

    def __init__(self) -> None:
        self.prepared: PreparedNetwork | None = None

    def handle(self, message: Request) -> dict[str, Any]:
        """Carry out a request, and return the reply.

        Raises:
            InputError: the network cannot be built.
            ValueError: the request is unknown, or comes before ``open``.
        """
        setting = Setting(**message["setting"])
        match message["request"]:
            case "export":
                return {"path": str(export_onnx(setting, Path(message["path"])))}
            case "open":
                self.prepared = PreparedNetwork(setting, message["onnx"])
                return {"device": device_name(setting.device), "environment": worker_environment(self.prepared)}
        if self.prepared is None:
            raise ValueError(f"request {message['request']!r} before 'open'")
        call = self.prepared.call
        match message["request"]:
            case "warm":
                median, stable = warm_up(lambda: sum(call()[0].values()), patience=WARM_UP_PATIENCE)
                self.prepared.check_state()
                return {"median": median, "stable": stable}
            case "burst":
                for _ in range(message["untimed"]):
                    call()
                calls, cpu_seconds = zip(*(call() for _ in range(message["calls"])), strict=True)
                self.prepared.check_state()
                parts = {part: [seconds[part] for seconds in calls] for part in calls[0]}
                return {"seconds": parts, "cpu_seconds": cpu_seconds}
            case "memory":
                return {"bytes": self.prepared.added_memory()}
        raise ValueError(f"unknown request {message['request']!r}")


if __name__ == "__main__":
    answer_requests(RequestHandler().handle)
