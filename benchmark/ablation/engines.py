"""Run jobs in this process or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.ablation.jobs import AblateArguments, Job, run_job
from benchmark.core.errors import InputError


def run_locally(jobs: Sequence[Job], arguments: AblateArguments, folder: Path, progress: Callable[[Job], object]) -> None:
    """Run one job after another in this process; jobs that other processes are running come last, and are waited for.

    Args:
        folder: Folder of the records.
        progress: Called after each job.
    """
    locked = []
    for job in jobs:
        if run_job(job, arguments, folder):
            progress(job)
        else:
            locked.append(job)
    for job in locked:
        run_job(job, arguments, folder, wait=True)
        progress(job)


def run_on_ray(jobs: Sequence[Job], arguments: AblateArguments, folder: Path, progress: Callable[[Job], object]) -> None:
    """Run all jobs on a Ray cluster; if a worker dies, another one resumes its job from the checkpoint.

    Args:
        folder: Folder of the records.
        progress: Called after each job.

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
    # Workers run in folders of their own.
    paths = {name: path.resolve() for name in ("root", "work", "cache") if (path := getattr(arguments, name))}
    arguments = replace(arguments, **paths)
    remote: Any = ray.remote(num_cpus=arguments.cpus, num_gpus=arguments.gpus, max_retries=3)(run_job)
    pending = {remote.remote(job, arguments, folder.resolve(), True): job for job in jobs}
    try:
        while pending:
            (ready,), _ = ray.wait(list(pending), num_returns=1)
            ray.get(ready)
            progress(pending.pop(ready))
    finally:
        if started:
            ray.shutdown()
