"""The jobs of an ablation: one variant with one seed each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import tyro

from benchmark.ablation.feature_maps import measure_feature_maps
from benchmark.analysis.effects import detectable_difference
from benchmark.config.ablations import (
    BUDGETS,
    Ablation,
    find_ablation,
    variant_model,
    variant_recipe,
    variant_search,
)
from benchmark.config.identities import load_current
from benchmark.config.packages import find_search
from benchmark.config.recipes import Recipe
from benchmark.core.errors import InputError
from benchmark.core.files import lock_file
from benchmark.core.records import append_record, record_id
from benchmark.data.people import People
from benchmark.evaluation.distributed import choose_device
from benchmark.evaluation.run import EvaluateArguments, evaluate_model
from benchmark.nas.run import SearchArguments, estimate_search_seconds, recorded_search, search_and_train
from benchmark.training.loader import BatchLoader, cached_crops, joint_set, load_training_people
from benchmark.training.records import find_training_records, run_identity
from benchmark.training.run import CROP_CACHE, execute_training, format_duration, with_found_rate, with_people
from benchmark.training.trainer import TrainingRun, time_steps
from benchmark.training.validation import MAIN_METRIC


@dataclass(frozen=True, kw_only=True)
class AblateArguments:
    """Which ablation, under which protocol, where."""

    name: Annotated[str, tyro.conf.Positional]
    """The ablation: the name of a file under ablations/, or all."""
    protocol: Literal["lsp", "lsp-gpu", "mpii", "coco", "synthetic"] = "lsp"
    """What all variants share: data, size and length of the training."""
    seeds: int | None = None
    """So many, from 0 on; default: what the protocol plans."""
    check_rates: bool = False
    """Train the first variant at the planned factors of the learning rate instead, once each."""
    engine: Literal["here", "ray"] = "here"
    """here: one job after another. ray: on a Ray cluster (pip install '.[cluster]')."""
    address: str | None = None
    """Of a running Ray cluster; default: one is started on this machine."""
    gpus: float = 0.0
    """Ray: the share of a GPU that a job takes."""
    cpus: float = 1.0
    """Ray: the processors that a job takes."""
    dry_run: bool = False
    """Say what would be done, how long it would take, and what difference it could see; and stop."""
    root: Path | None = None
    """The data root; default: POSE_DATA."""
    work: Path = Path("out/ablate")
    """Where runs and locks are kept. Several machines must share it, and the records' folder."""
    cache: Path = CROP_CACHE
    """Where person crops are kept between runs."""
    device: str | None = None
    """As PyTorch calls it; default: a GPU if there is one."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print the effects as JSON."""


class Job(NamedTuple):
    """One training, or a search and the training of what it finds: everything that another process needs to know."""

    ablation: str
    variant: str
    protocol: str
    seed: int
    rate: float = 1.0  # a factor of the recipe's learning rate

    def __str__(self) -> str:
        rate = f", rate x{self.rate:g}" if self.rate != 1 else ""
        return f"{self.ablation}: {self.variant}, seed {self.seed}{rate}"


def list_jobs(ablation: Ablation, arguments: AblateArguments) -> list[Job]:
    """All jobs of an ablation, seed by seed, so that an interrupted grid has whole comparisons; of the planned rates the first
    variant alone.

    Raises:
        InputError: the ablation makes no sense under the protocol, or there is no seed.
    """
    if arguments.seeds is not None and arguments.seeds < 1:
        raise InputError(f"--seeds {arguments.seeds}: at least one is needed")
    for variant in ablation.variants:
        variant_recipe(ablation, variant, arguments.protocol)
    if arguments.check_rates:
        if BUDGETS[arguments.protocol].papers_own:
            raise InputError(f"--check-rates: under {arguments.protocol} the rate is the paper's own")
        first = ablation.variants[0].name
        return [Job(ablation.name, first, arguments.protocol, 0, rate) for rate in ablation.rates]
    seeds = range(arguments.seeds or BUDGETS[arguments.protocol].seeds)
    trained = [variant for variant in ablation.variants if not variant.weights]
    return [Job(ablation.name, variant.name, arguments.protocol, seed) for seed in seeds for variant in trained]


def plan_job(job: Job, arguments: AblateArguments, people: People, folder: Path) -> TrainingRun:
    """Plan the training that a job is.

    Raises:
        InputError: its recipe says how to find a learning rate, and none is on record.
    """
    ablation = find_ablation(job.ablation)
    variant = ablation.variant(job.variant)
    recipe, overrides = variant_recipe(ablation, variant, job.protocol, job.rate)
    run = TrainingRun(
        model=variant_model(ablation, variant, job.protocol),
        recipe=recipe,
        start=recipe.start,
        seed=job.seed,
        overrides=overrides,
        rate=job.rate,
        snapshots=True,
        device=choose_device(arguments.device),
        folder=Path(),
    )
    run = with_people(with_found_rate(run, folder), people)
    return replace(run, folder=arguments.work / record_id(run_identity(run, MAIN_METRIC[joint_set(recipe)])))


def job_search(job: Job, arguments: AblateArguments) -> SearchArguments | None:
    """The search that a job is, without the random one beside it; None for a training."""
    variant = find_ablation(job.ablation).variant(job.variant)
    scale = variant_search(variant, job.protocol)
    if scale is None:
        return None
    package = variant.model.partition("/")[0]
    out = arguments.work / f"search-{package}-{scale.name}-s{job.seed}"
    return SearchArguments(
        package=package,
        scale=scale.name,
        seed=job.seed,
        random=False,
        root=arguments.root,
        out=out,
        table=out.with_suffix(".json"),
        cache=arguments.cache,
        device=arguments.device,
        as_json=True,  # says nothing until it is through
    )


def is_done(job: Job, arguments: AblateArguments, people: People, folder: Path) -> bool:
    """Whether the job's figures are on record."""
    if own := job_search(job, arguments):
        return bool(recorded_search(own, find_search(own.package, own.scale), "", folder))
    run = plan_job(job, arguments, people, folder)
    return bool(find_training_records(run, MAIN_METRIC[joint_set(run.recipe)], folder))


def run_job(job: Job, arguments: AblateArguments, folder: Path, wait: bool = False) -> bool:
    """Do a job unless it is done; False where another process is at it.

    Args:
        wait: until the other process is through, or gone.
    """
    if own := job_search(job, arguments):
        assert own.out
        with lock_file(own.out.with_suffix(".lock"), wait=wait) as mine:
            if mine:
                search_and_train(own, folder)
            return mine
    people, _ = load_training_people(job_recipe(job), arguments.root)
    run = plan_job(job, arguments, people, folder)
    with lock_file(run.folder.with_suffix(".lock"), wait=wait) as mine:
        if mine:
            execute_training(run, people, root=arguments.root, cache=arguments.cache, folder=folder, talks=False)
        return mine


def job_recipe(job: Job) -> Recipe:
    """The recipe of a job before any departure."""
    ablation = find_ablation(job.ablation)
    return variant_recipe(ablation, ablation.variant(job.variant), job.protocol)[0]


def evaluate_published_weights(ablation: Ablation, arguments: AblateArguments, folder: Path) -> None:
    """Test the variants that need no training: published weights under each variant's protocol, the others beside the first."""
    published = [variant for variant in ablation.variants if variant.weights]
    if not published:
        return
    first = published[0]
    assert arguments.protocol == "lsp"
    evaluate_model(
        EvaluateArguments(
            model=first.model,
            weights=Path(first.weights),
            dataset="lsp",
            protocol=tuple(variant.protocol for variant in published),
            root=arguments.root,
            device=arguments.device,
        ),
        folder,
    )


def measure_job_maps(ablation: Ablation, arguments: AblateArguments, folder: Path) -> None:
    """Measure the maps of the trained variants, where the ablation plans it and that is not done. Of a run whose record is here
    and whose weights are not, it is said that they cannot be."""
    if ablation.feature_maps is None or arguments.check_rates:
        return
    for job in list_jobs(ablation, arguments):
        people, _ = load_training_people(job_recipe(job), arguments.root)
        run = plan_job(job, arguments, people, folder)
        try:
            for record in measure_feature_maps(run, ablation.feature_maps, arguments.root, folder):
                append_record(record, folder)
        except InputError as problem:
            print(f"maps not measured: {problem}", file=sys.stderr)


def estimate_seconds(job: Job, arguments: AblateArguments, people: People, folder: Path) -> float:
    """Seconds that a job takes here, from a few steps of it."""
    if own := job_search(job, arguments):
        return estimate_search_seconds(own)
    run = plan_job(job, arguments, people, folder)
    feed = BatchLoader(people, run.recipe, 0, crops=cached_crops(people, run.recipe, arguments.cache), device=run.device)
    return time_steps(run, feed) * run.recipe.epochs * feed.steps_per_epoch


def forecast_jobs(ablation: Ablation, grid: Sequence[Job], arguments: AblateArguments, folder: Path) -> str:
    """Jobs, time here, and the smallest difference that could be seen."""
    lines = [f"{ablation.title} ({ablation.paper}, {ablation.table}): {ablation.description}"]
    lines.append(f"protocol {arguments.protocol}: {BUDGETS[arguments.protocol].description}")
    total = 0.0
    seconds: dict[str, float] = {}
    for job in grid:
        people, _ = load_training_people(job_recipe(job), arguments.root)
        if is_done(job, arguments, people, folder):
            lines.append(f"  {job!s:60} on record")
            continue
        if job.variant not in seconds:
            seconds[job.variant] = estimate_seconds(job, arguments, people, folder)
        total += seconds[job.variant]
        lines.append(f"  {job!s:60} about {format_duration(seconds[job.variant])}")
    lines.append(f"in all about {format_duration(total)} here, one job at a time, testing not counted")
    lines.append(detectable_difference(ablation, arguments.protocol, len({job.seed for job in grid}), load_current(folder)))
    return "\n".join(lines)
