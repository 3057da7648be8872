"""List, plan and run the jobs of an ablation: one variant with one seed each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from benchmark.ablation.arguments import AblateArguments
from benchmark.ablation.feature_maps import measure_feature_maps
from benchmark.analysis.effects import detectable_difference
from benchmark.analysis.runs import DECODERS_CHOSEN_ON, EFFECT_METRICS, published_protocol
from benchmark.analysis.trials import TRIAL_SEED, family_trials, planned_rate
from benchmark.config.ablations import (
    BUDGETS,
    Ablation,
    Trial,
    Variant,
    family_variant,
    find_ablation,
    known_ablations,
    variant_model,
    variant_recipe,
    variant_search,
)
from benchmark.config.identities import load_current
from benchmark.config.packages import find_search
from benchmark.config.recipes import Recipe
from benchmark.core.errors import InputError, print_note
from benchmark.core.files import lock_file
from benchmark.core.keypoints import joint_set_of
from benchmark.core.records import Record, append_records, record_id
from benchmark.data.people import People
from benchmark.evaluation.distributed import choose_device
from benchmark.evaluation.run import EvaluateArguments, evaluate_model
from benchmark.nas.run import SearchArguments, estimate_search_seconds, recorded_search, search_and_train
from benchmark.training.loader import BatchLoader, cached_crops, load_training_people
from benchmark.training.records import find_training_records, run_identity
from benchmark.training.run import execute_training, format_duration, with_found_rate, with_people
from benchmark.training.trainer import TrainingRun, time_steps
from benchmark.training.validation import MAIN_METRIC

LoadedPeople = dict[tuple[tuple[str, str], ...], People]  # by the splits of a recipe


class Job(NamedTuple):
    """One training, or a search and the training of its architecture; it can be sent to another process.

    Attributes:
        rate: Factor of the recipe's learning rate.
        trial: What the training chooses for the variant's family; empty for a training that is compared.
    """

    ablation: str
    variant: str
    protocol: str
    seed: int
    rate: float = 1.0
    trial: Trial = ""

    def __str__(self) -> str:
        rate = f", rate x{self.rate:g}" if self.rate != 1 else ""
        trial = f", trial of the {self.trial}" if self.trial else ""
        return f"{self.ablation}: {self.variant}, seed {self.seed}{rate}{trial}"

    def planned(self) -> tuple[Ablation, Variant]:
        """Return the ablation, and the variant or, for a trial, the one that stands for its family."""
        ablation = find_ablation(self.ablation)
        variant = ablation.variant(self.variant)
        return ablation, family_variant(variant) if self.trial else variant


# --- plan --------------------------------------------------------------------------------------------------------------------


def list_trials(ablation: Ablation, protocol: str, records: Mapping[str, Record]) -> list[Job]:
    """List the trials that come next, one family of variants after another; none where the records suffice."""
    jobs: dict[tuple[str, str], list[Job]] = {}
    for variant in ablation.variants:
        if variant.weights or variant.scale or not BUDGETS[protocol].held_out:
            continue
        family = family_variant(variant)
        trials = family_trials(ablation, variant, protocol, records)
        planned: list[tuple[float, Trial]] = [(rate, "rate") for rate in trials.untried_rates()]
        if not planned and trials.longer is None and (best := trials.best_rate()) is not None:
            planned = [(best, "length")]
        key = variant_model(ablation, family, protocol), repr(variant_recipe(ablation, family, protocol))
        jobs.setdefault(key, [Job(ablation.name, variant.name, protocol, TRIAL_SEED, *choice) for choice in planned])
    return [job for listed in jobs.values() for job in listed]


def list_jobs(ablation: Ablation, arguments: AblateArguments, records: Mapping[str, Record]) -> list[Job]:
    """List the trainings of an ablation seed by seed, so that an interrupted grid has complete comparisons.

    Variants whose learning rate the trials do not show are left out.
    """
    protocol = arguments.protocol
    rates = {
        variant.name: rate
        for variant in ablation.variants
        if not variant.weights and (rate := planned_rate(ablation, variant, protocol, records)) is not None
    }
    seeds = range(arguments.seeds or BUDGETS[protocol].seeds)
    return [Job(ablation.name, name, protocol, seed, rate) for seed in seeds for name, rate in rates.items()]


def job_recipe(job: Job) -> Recipe:
    """Return the recipe of a job."""
    return variant_recipe(*job.planned(), job.protocol, job.rate, job.trial)[0]


def job_people(job: Job, arguments: AblateArguments, loaded: LoadedPeople) -> People:
    """Return the people that a job trains on; many jobs share them, and ``loaded`` keeps them for the next."""
    recipe = job_recipe(job)
    if recipe.train not in loaded:
        loaded[recipe.train] = load_training_people(recipe, arguments.root)[0]
    return loaded[recipe.train]


def plan_job(job: Job, arguments: AblateArguments, people: People, folder: Path) -> TrainingRun:
    """Plan the training of a job.

    Args:
        folder: Folder of the records.

    Raises:
        InputError: its recipe only states how to find a learning rate, and none is on record.
    """
    ablation, variant = job.planned()
    recipe, overrides = variant_recipe(ablation, variant, job.protocol, job.rate, job.trial)
    run = TrainingRun(
        model=variant_model(ablation, variant, job.protocol),
        recipe=recipe,
        start=recipe.start,
        seed=job.seed,
        overrides=overrides,
        rate=job.rate,
        weights_of=overrides.get("weights_of", ""),
        snapshots=not job.trial,
        device=choose_device(arguments.device),
        folder=Path(),
    )
    run = with_people(with_found_rate(run, folder), people)
    return replace(run, folder=arguments.work / record_id(run_identity(run, MAIN_METRIC[joint_set_of(recipe.dataset)])))


def job_search(job: Job, arguments: AblateArguments) -> SearchArguments | None:
    """Return the search of a job, without a random search; None for a training."""
    variant = find_ablation(job.ablation).variant(job.variant)
    config = variant_search(variant, job.protocol)
    if config is None:
        return None
    package = variant.model.partition("/")[0]
    out = arguments.work / f"search-{package}-{config.name}-s{job.seed}"
    return SearchArguments(
        package=package,
        scale=config.name,
        seed=job.seed,
        random=False,
        root=arguments.root,
        out=out,
        table=out.with_suffix(".json"),
        cache=arguments.cache,
        device=arguments.device,
        as_json=True,  # prints nothing
    )


# --- run ---------------------------------------------------------------------------------------------------------------------


def is_done(job: Job, arguments: AblateArguments, people: People, folder: Path) -> bool:
    """Return whether the job's results are on record in ``folder``."""
    if search := job_search(job, arguments):
        return bool(recorded_search(search, find_search(search.package, search.scale), "", folder))
    run = plan_job(job, arguments, people, folder)
    return bool(find_training_records(run, MAIN_METRIC[joint_set_of(run.recipe.dataset)], folder))


def run_job(job: Job, arguments: AblateArguments, folder: Path, wait: bool = False) -> bool:
    """Run a job unless it is done; return False if another process is running it.

    Args:
        folder: Folder of the records.
        wait: Wait for the other process to finish or die, instead of returning.
    """
    if search := job_search(job, arguments):
        assert search.out
        with lock_file(search.out.with_suffix(".lock"), wait=wait) as locked:
            if locked:
                search_and_train(search, folder)
            return locked
    people, _ = load_training_people(job_recipe(job), arguments.root)
    run = plan_job(job, arguments, people, folder)
    with lock_file(run.folder.with_suffix(".lock"), wait=wait) as locked:
        if locked:
            execute_training(run, people, root=arguments.root, cache=arguments.cache, folder=folder, verbose=False)
            measure_job_maps(job, run, arguments, folder)
        return locked


def evaluate_published_weights(ablation: Ablation, arguments: AblateArguments, folder: Path) -> None:
    """Evaluate the variants that are published weights, each comparison's two sides together.

    Where a side's decoder is chosen, all that it may be are evaluated first, on training images.
    """
    published = [variant for variant in ablation.variants if variant.weights]
    if not published:
        return

    def evaluate(split: str | None, *protocols: str) -> None:
        evaluate_model(
            EvaluateArguments(
                model=published[0].model,
                weights=Path(published[0].weights),
                dataset="lsp",
                split=split,
                protocol=tuple(dict.fromkeys(protocols)),
                root=arguments.root,
                device=arguments.device,
            ),
            folder,
        )

    if decoders := [decoder for variant in published for decoder in variant.decoders]:
        evaluate(DECODERS_CHOSEN_ON, *decoders)
    records = load_current(folder)
    for comparison in ablation.comparisons:
        metric = EFFECT_METRICS["lsp"][comparison.strict_threshold]
        sides = [ablation.variant(name) for name in (comparison.better, comparison.worse)]
        evaluate(None, *(published_protocol(ablation, side, arguments.protocol, metric, records) for side in sides))


def measure_job_maps(job: Job, run: TrainingRun, arguments: AblateArguments, folder: Path) -> None:
    """Measure the feature maps that ablations plan for a job's training, now that its weights are at hand.

    A run that is on record may have left its weights on another machine; that is printed.
    """
    if job.trial:
        return
    specs = [
        ablation.feature_maps
        for ablation in known_ablations().values()
        if ablation.feature_maps and any(training == _training(job) for training in _trainings(ablation, job))
    ]
    try:
        for spec in specs:
            # A module's checkerboard, by which its maps are found, is written last.
            append_records(reversed(measure_feature_maps(run, spec, arguments.root, folder)), folder)
    except InputError as problem:
        print_note(f"maps not measured: {problem}")


def _trainings(ablation: Ablation, job: Job) -> Iterator[tuple[str, Recipe]]:
    """Iterate over the trainings of an ablation at a job's learning rate: model and recipe of each."""
    if job.protocol in ablation.protocols:
        yield from (_training(job._replace(ablation=ablation.name, variant=variant.name)) for variant in ablation.variants)


def _training(job: Job) -> tuple[str, Recipe]:
    ablation, variant = job.planned()
    return variant_model(ablation, variant, job.protocol), job_recipe(job)


# --- forecast ----------------------------------------------------------------------------------------------------------------


def estimate_seconds(job: Job, arguments: AblateArguments, people: People, folder: Path) -> float:
    """Estimate the seconds that a job takes on this machine, from a few of its steps."""
    if search := job_search(job, arguments):
        return estimate_search_seconds(search)
    run = plan_job(job, arguments, people, folder)
    loader = BatchLoader(people, run.recipe, 0, crops=cached_crops(people, run.recipe, arguments.cache), device=run.device)
    return time_steps(run, loader) * run.recipe.epochs * loader.steps_per_epoch


def forecast_jobs(ablation: Ablation, arguments: AblateArguments, folder: Path, loaded: LoadedPeople) -> str:
    """Format as text: the next jobs, their duration on this machine, and the smallest difference that they can detect.

    Args:
        folder: Folder of the records.
        loaded: See :func:`job_people`.
    """
    records = load_current(folder)
    trials = list_trials(ablation, arguments.protocol, records)
    jobs = trials or list_jobs(ablation, arguments, records)
    lines = [f"{ablation.title} ({ablation.paper}, {ablation.table}): {ablation.description}"]
    lines.append(f"protocol {arguments.protocol}: {BUDGETS[arguments.protocol].description}")
    total = 0.0
    seconds: dict[tuple[str, str], float] = {}  # by variant and trial, as seeds and rates take equally long
    for job in tqdm(jobs, desc=ablation.name, unit=" jobs", delay=1, leave=False, disable=None):
        people = job_people(job, arguments, loaded)
        if is_done(job, arguments, people, folder):
            lines.append(f"  {job!s:60} on record")
            continue
        kind = job.variant, job.trial
        if kind not in seconds:
            seconds[kind] = estimate_seconds(job, arguments, people, folder)
        total += seconds[kind]
        lines.append(f"  {job!s:60} about {format_duration(seconds[kind])}")
    if trials:
        lines.append("  then what follows from these trials")
    lines.append(f"in all about {format_duration(total)} on this machine, one job at a time, without tests")
    seeds = arguments.seeds or BUDGETS[arguments.protocol].seeds
    lines.append(detectable_difference(ablation, arguments.protocol, seeds, records))
    return "\n".join(lines)
