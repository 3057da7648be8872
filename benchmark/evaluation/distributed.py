"""Processes of one command that torchrun started: ranks, devices, and the exchange of results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from benchmark.core.errors import InputError
from benchmark.core.processes import end_with_parent

T = TypeVar("T")
TIMEOUT = timedelta(days=1)  # the slowest process may finish long after the fastest


def process_rank() -> int:
    """Return this process's rank; only the process of rank 0 prints and writes records."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def process_group() -> Iterator[tuple[int, int]]:
    """Yield rank and world size; under torchrun, the processes are connected inside the context."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size > 1:
        end_with_parent()
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        store, rank, _ = next(iter(dist.rendezvous("env://", timeout=TIMEOUT)))
        # When torchrun restarts the processes, it keeps its store, which still holds the addresses of the dead ones.
        store = dist.PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=TIMEOUT)
    try:
        yield rank_and_world_size()
    finally:
        if world_size > 1:
            dist.destroy_process_group()


def rank_and_world_size() -> tuple[int, int]:
    """Return rank and world size; (0, 1) where the processes are not connected."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def choose_device(name: str | None) -> torch.device:
    """Return the named device; by default this process's GPU, or the CPU where there is no GPU.

    Raises:
        InputError: PyTorch does not know the device, or finds no GPU.
    """
    local_rank = os.environ.get("LOCAL_RANK", "0")
    try:
        device = torch.device(name or (f"cuda:{local_rank}" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as problem:
        raise InputError(f"--device {name}: {str(problem).splitlines()[0]}") from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise InputError(f"--device {name}: PyTorch finds no GPU on this machine")
        torch.cuda.set_device(device)
    return device


def gather_parts(part: T) -> list[T]:
    """Return the parts of all processes in the first process, and an empty list in the others."""
    if not dist.is_initialized():
        return [part]
    parts: list[T] | None = [part] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(part, parts)
    return parts or []


def broadcast(value: T) -> T:
    """Return the first process's value in all processes."""
    values = [value]
    if dist.is_initialized():
        dist.broadcast_object_list(values)
    return values[0]


def mean_over_processes(value: torch.Tensor) -> torch.Tensor:
    """Return the mean of all processes' values in all processes."""
    if dist.is_initialized():
        dist.all_reduce(value)
        value = value / dist.get_world_size()
    return value
