"""Watch what the code of a network can change in its process: read, put back after the network is built, and compared later."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.backends import cudnn, mkldnn

from benchmark.core.processes import KEEP_MEMORY, THREAD_VARIABLES

State = Mapping[str, Any]


def _flushes_denormals() -> bool:
    """Find out by a product, as PyTorch has no function that says so."""
    return (torch.tensor(1e-40, dtype=torch.float32, device="cpu") * 1).item() == 0


def _set_default_device(device: torch.device) -> None:
    torch.set_default_device(None if device.type == "cpu" else device)  # None costs nothing in each call, "cpu" does


def _opencv_threads() -> int | None:
    return sys.modules["cv2"].getNumThreads() if "cv2" in sys.modules else None


def _set_opencv_threads(number: int | None) -> None:
    if number is not None:
        sys.modules["cv2"].setNumThreads(number)


def _processors() -> set[int] | None:
    return os.sched_getaffinity(0) if sys.platform == "linux" else None


def _set_processors(numbers: set[int] | None) -> None:
    if numbers is not None:
        os.sched_setaffinity(0, numbers)


def _attribute(holder: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    return lambda: getattr(holder, name), lambda value: setattr(holder, name, value)


def _variable(name: str) -> tuple[Callable[[], Any], Callable[[Any], object]]:
    def write(value: str | None) -> None:
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

    return lambda: os.environ.get(name), write


# By name: how a value is read, and how it is set.
_VALUES: Mapping[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "processors": (_processors, _set_processors),  # first, as threads inherit them
    "number of threads": (torch.get_num_threads, torch.set_num_threads),
    "number of OpenCV's threads": (_opencv_threads, _set_opencv_threads),
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "default device": (torch.get_default_device, _set_default_device),
    "precision of products": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "deterministic mode": (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    "gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "anomaly detection": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "autocast": (lambda: torch.is_autocast_enabled("cpu"), lambda value: torch.set_autocast_enabled("cpu", value)),
    "autocast of CUDA": (lambda: torch.is_autocast_enabled("cuda"), lambda value: torch.set_autocast_enabled("cuda", value)),
    "denormal numbers": (_flushes_denormals, torch.set_flush_denormal),
    **{f"cudnn.{name}": _attribute(cudnn, name) for name in ("enabled", "benchmark", "deterministic", "allow_tf32")},
    "mkldnn.enabled": _attribute(mkldnn, "enabled"),
    **{name: _variable(name) for name in (*THREAD_VARIABLES, *KEEP_MEMORY)},
    "working folder": (os.getcwd, os.chdir),
}


def read_state() -> State:
    """Return the values of this process that the code of a network may change, by name."""
    return {name: read() for name, (read, _) in _VALUES.items()}


def changed_values(state: State) -> dict[str, Any]:
    """Return the values that are no longer those of ``state``, by name."""
    return {name: value for name, value in read_state().items() if value != state[name]}


@contextmanager
def kept_state(argument: str) -> Iterator[None]:
    """Put back what the body changes in this process, and hide the arguments of our command from it.

    What a network needs later stays: the modules that it has imported, where it imports from, and variables of its own.

    Args:
        argument: The only element of ``sys.argv`` in the body.
    """
    state, arguments = read_state(), sys.argv
    sys.argv = [argument]
    try:
        with warnings.catch_warnings():
            yield
    finally:
        sys.argv = arguments
        for name in changed_values(state):
            _VALUES[name][1](state[name])
