"""Run jobs in this process or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.ablation.jobs import AblateArguments, Job, run_job
from benchmark.core.errors import InputError


def run_locally(grid: Sequence[Job], arguments: AblateArguments, folder: Path, progress: Callable[[Job], object]) -> None:
    """One job after another in this process; those that others are at come last, and are waited for."""
    later = []
    for job in grid:
        if run_job(job, arguments, folder):
            progress(job)
        else:
            later.append(job)
    for job in later:
        run_job(job, arguments, folder, wait=True)
        progress(job)


def run_on_ray(grid: Sequence[Job], arguments: AblateArguments, folder: Path, progress: Callable[[Job], object]) -> None:
    """All jobs on a Ray cluster; one whose worker dies is given to another, which goes on from its checkpoint.

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError:
        raise InputError("--engine ray needs Ray: pip install '.[cluster]'") from None
    started = not ray.is_initialized()
    if started:
        try:
            ray.init(address=arguments.address, log_to_driver=False, include_dashboard=False)
        except ConnectionError as problem:
            raise InputError(f"--address {arguments.address}: {problem}") from None
    absolute = replace(
        arguments, **{name: path.resolve() for name in ("root", "work", "cache") if (path := getattr(arguments, name))}
    )
    remote: Any = ray.remote(num_cpus=arguments.cpus, num_gpus=arguments.gpus, max_retries=3)(run_job)
    waiting = {remote.remote(job, absolute, folder.resolve(), True): job for job in grid}
    try:
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            ray.get(ready)
            progress(waiting.pop(ready))
    finally:
        if started:
            ray.shutdown()
