"""Run jobs in this process, in several processes within a time budget, or on a Ray cluster."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmark.ablation.arguments import AblateArguments, parse_budget
from benchmark.ablation.jobs import (
    Job,
    LoadedPeople,
    estimate_seconds,
    is_done,
    job_people,
    list_jobs,
    list_trials,
    run_job,
)
from benchmark.analysis.effects import Plan, measure_effects
from benchmark.config.ablations import Ablation
from benchmark.config.identities import load_current
from benchmark.core.errors import InputError
from benchmark.core.processes import process_pool
from benchmark.core.records import Record
from benchmark.core.text import printable

# --- the jobs of ablations ---------------------------------------------------------------------------------------------------


def run_plan(ablations: Sequence[Ablation], arguments: AblateArguments, folder: Path) -> None:
    """Run the jobs of ablations that are not done: trials, each following from those before it, and then trainings."""
    if arguments.budget or arguments.jobs > 1:
        with tqdm(unit=" jobs", disable=True if arguments.as_json else None) as bar:
            run_in_processes(ablations, arguments, folder, lambda job: show_progress(bar, job))
        return
    records = load_current(folder)
    while trials := [job for ablation in ablations for job in list_trials(ablation, arguments.protocol, records)]:
        run_jobs(trials, arguments, folder)
        records = load_current(folder)
    if not arguments.trials_only:
        run_jobs([job for ablation in ablations for job in list_jobs(ablation, arguments, records)], arguments, folder)


def run_jobs(jobs: Sequence[Job], arguments: AblateArguments, folder: Path) -> None:
    """Run the jobs that are not done, in any number of processes, with a progress bar."""
    run = run_on_ray if arguments.engine == "ray" else run_locally
    with tqdm(total=len(jobs), unit=" jobs", disable=True if arguments.as_json else None) as bar:
        run(jobs, arguments, folder, lambda job: show_progress(bar, job))


def show_progress(bar: tqdm, job: Job) -> None:
    """Advance a bar by one job, and name it."""
    bar.update()
    bar.set_postfix_str(printable(job))


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


# --- in several processes, within a time budget ------------------------------------------------------------------------------


def run_in_processes(
    ablations: Sequence[Ablation], arguments: AblateArguments, folder: Path, progress: Callable[[Job], object]
) -> None:
    """Run ``arguments.jobs`` jobs at a time, each chosen when one before it is on record; stop when no other fits.

    Args:
        folder: Folder of the records.
        progress: Called after each job.
    """
    os.environ["TQDM_DISABLE"] = "1"  # for the processes, whose bars would overlap: in this one, tqdm is already imported
    end = time.monotonic() + parse_budget(arguments.budget)
    seconds: dict[tuple[str, str, str], float] = {}  # by ablation, variant and trial, as seeds and rates take equally long
    running: dict[Future[bool], tuple[Job, float]] = {}
    tried: set[Job] = set()
    loaded: LoadedPeople = {}  # once, as the jobs are gone through after each end

    def fits(job: Job) -> bool:
        """Return whether a job can be started: it is neither tried nor on record, and would end in time."""
        if job in tried:
            return False
        people = job_people(job, arguments, loaded)
        if is_done(job, arguments, people, folder):
            return False
        if arguments.budget and _kind(job) not in seconds:
            seconds[_kind(job)] = estimate_seconds(job, arguments, people, folder)
        return time.monotonic() + seconds.get(_kind(job), 0.0) < end

    with process_pool(arguments.jobs) as pool:
        while True:
            # Start what fits, the most uncertain first.
            for job in order_jobs(ablations, arguments, load_current(folder)):
                if len(running) == arguments.jobs:
                    break
                if fits(job):
                    tried.add(job)
                    running[pool.submit(run_job, job, arguments, folder)] = job, time.monotonic()
            if not running:
                return

            # Wait for one to end. What it took replaces the estimate.
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, begun = running.pop(future)
                if future.result():
                    seconds[_kind(job)] = time.monotonic() - begun
                    progress(job)


def _kind(job: Job) -> tuple[str, str, str]:
    return job.ablation, job.variant, job.trial


def order_jobs(ablations: Sequence[Ablation], arguments: AblateArguments, records: Mapping[str, Record]) -> list[Job]:
    """List the jobs that can come next: those of the ablation whose differences are the most uncertain first.

    A difference without an interval is the most uncertain of all. Of ablations that are equally uncertain, the one with the
    fewest jobs comes first. Each has its trials before its trainings, and these seed by seed.
    """
    effects = measure_effects([Plan(ablation, arguments.protocol) for ablation in ablations], records)
    ordered = []
    for ablation in ablations:
        errors = [
            effect.estimate.error if effect.estimate else math.inf for effect in effects[ablation.name, arguments.protocol]
        ]
        jobs = list_trials(ablation, arguments.protocol, records)
        if not arguments.trials_only:
            jobs += list_jobs(ablation, arguments, records)
        ordered.append((-max(errors, default=0.0), len(jobs), jobs))
    return [job for _, _, jobs in sorted(ordered) for job in jobs]


# --- on a cluster ------------------------------------------------------------------------------------------------------------


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
