"""Several processes of one command, started by torchrun: who this one is, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

from benchmark.core.errors import InputError

T = TypeVar("T")
PATIENCE = timedelta(days=1)  # the last process may be long after the first


def process_rank() -> int:
    """This process's number; the first is 0, and is the only one to print and to record."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def process_group() -> Iterator[tuple[int, int]]:
    """(which process this is, how many there are): under torchrun they are connected while this lasts."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count > 1:
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        store, number, _ = next(iter(dist.rendezvous("env://", timeout=PATIENCE)))
        # torchrun keeps its store when it starts processes again, and the addresses of the dead ones with it.
        store = dist.PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
        dist.init_process_group(backend, store=store, rank=number, world_size=count, timeout=PATIENCE)
    try:
        yield (dist.get_rank(), count) if count > 1 else (0, 1)
    finally:
        if count > 1:
            dist.destroy_process_group()


def choose_device(name: str | None) -> torch.device:
    """The device asked for; by default this process's GPU, or the CPU where there is none.

    Raises:
        InputError: PyTorch knows no such device.
    """
    local = os.environ.get("LOCAL_RANK", "0")
    try:
        found = torch.device(name or (f"cuda:{local}" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as problem:
        raise InputError(f"--device {name}: {str(problem).splitlines()[0]}") from None
    if found.type == "cuda":
        if not torch.cuda.is_available():
            raise InputError(f"--device {name}: PyTorch finds no GPU here")
        torch.cuda.set_device(found)
    return found


def gather_parts(part: T) -> list[T]:
    """Every process's part, in the first process; nothing in the others."""
    if not dist.is_initialized():
        return [part]
    parts: list[T] | None = [part] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(part, parts)
    return parts or []


def broadcast(found: T) -> T:
    """What the first process found, in all processes."""
    shared = [found]
    if dist.is_initialized():
        dist.broadcast_object_list(shared)
    return shared[0]


def rank_and_world_size() -> tuple[int, int]:
    """(which process this is, how many there are), whether or not they are connected."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def mean_over_processes(value: torch.Tensor) -> torch.Tensor:
    """The mean of all processes' values, in all processes."""
    if dist.is_initialized():
        dist.all_reduce(value)
        value = value / dist.get_world_size()
    return value
