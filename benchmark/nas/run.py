"""Plan, describe and execute one architecture search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmark.config.conventions import LOOKUP_CONVENTION
from benchmark.config.identities import search_identity
from benchmark.config.packages import find_search
from benchmark.config.recipes import Recipe
from benchmark.config.searches import RANDOM, SEARCHED, WEIGHTS_PHASE, DataPart, SearchConfig
from benchmark.core.files import check_output_folder
from benchmark.core.keypoints import joint_set_of
from benchmark.core.records import RECORDS, Record, append_record, check_store, load_records
from benchmark.data.people import People
from benchmark.evaluation.distributed import choose_device
from benchmark.nas.arguments import SearchArguments
from benchmark.nas.lookup_files import find_table
from benchmark.nas.lookup_table import COST_UNITS, LookupTable
from benchmark.nas.random_search import best_candidate, images_per_candidate, short_training_recipe, train_candidates
from benchmark.nas.records import matching_searches, random_record, searched_record
from benchmark.nas.trainer import (
    SearchPlan,
    SearchRun,
    run_search,
    search_module,
    split_people,
    time_search_steps,
    write_architecture,
)
from benchmark.training.loader import BatchLoader, cached_crops, load_training_people
from benchmark.training.run import execute_training, format_duration, with_people
from benchmark.training.trainer import TrainingRun
from benchmark.training.validation import MAIN_METRIC


def search_and_train(arguments: SearchArguments, folder: Path = RECORDS) -> list[Record]:
    """Search, retrain and record, unless that is on record; return the records, none after a dry run.

    Args:
        folder: Folder of the records.

    Raises:
        InputError: there is no such search, data is missing, or what :func:`benchmark.nas.trainer.run_search` and
            :func:`benchmark.training.trainer.train_network` raise.
    """
    config = find_search(arguments.package, arguments.scale, arguments.dataset)
    verbose = not arguments.as_json
    for place in (search_folder(arguments, config), arguments.cache):
        check_output_folder(place)
    if arguments.keep:
        check_store(folder)
    people, absent = load_training_people(config.recipe, arguments.root)
    table = find_table(arguments.package, config, arguments.cost, arguments.table, noisy=arguments.noisy, show=verbose)
    run = plan_search(arguments, config, table)
    if arguments.keep and (known := recorded_search(arguments, config, table.device, folder)):
        if verbose:
            print("on record: (to search again, and keep nothing: --no-keep)")
        return known
    parts = split_people(people, config)
    plan = plan_steps(run, parts, arguments)
    if verbose:
        print(describe_search(run, plan, parts, absent, arguments.random), flush=True)
    if verbose or arguments.dry_run:
        print(format_estimate(run, plan, arguments.random), flush=True)
    if arguments.dry_run:
        return []
    return execute_search(run, plan, people, parts, arguments, folder if arguments.keep else None)


def recorded_search(arguments: SearchArguments, config: SearchConfig, device: str, folder: Path) -> list[Record]:
    """Return the records of this search, if they are all there.

    Args:
        device: Device that costs were measured on; empty for operations.
    """
    strategies = [SEARCHED, RANDOM] if arguments.random else [SEARCHED]
    package, cost, seed = arguments.package, arguments.cost, arguments.seed
    metric = MAIN_METRIC[joint_set_of(config.recipe.dataset)]
    identities = [search_identity(package, config, cost, strategy, metric, device, seed) for strategy in strategies]
    return matching_searches(config, load_records(folder), identities)


# --- plan --------------------------------------------------------------------------------------------------------------------


def search_folder(arguments: SearchArguments, config: SearchConfig) -> Path:
    """Return the folder of a search."""
    return arguments.out or Path("out/search") / f"{arguments.package}-{config.name}-{arguments.cost}-s{arguments.seed}"


def plan_search(arguments: SearchArguments, config: SearchConfig, table: LookupTable) -> SearchRun:
    """Return the search as a run."""
    return SearchRun(
        model=arguments.package,
        recipe=config.recipe,
        start=config.start,
        seed=arguments.seed,
        device=choose_device(arguments.device),
        folder=search_folder(arguments, config),
        scale=config,
        table=table,
    )


def plan_steps(run: SearchRun, parts: Mapping[DataPart, People], arguments: SearchArguments) -> SearchPlan:
    """Return the order of the search's steps."""
    loaders = {part: search_loader(people, run.recipe, arguments, run.seed) for part, people in parts.items()}
    return SearchPlan(run.scale, loaders)


def search_loader(people: People, recipe: Recipe, arguments: SearchArguments, seed: int) -> BatchLoader:
    """Return the loader of a part of the people, with cached crops."""
    crops = cached_crops(people, recipe, arguments.cache, show=not arguments.as_json)
    return BatchLoader(people, recipe, seed, crops=crops, device=choose_device(arguments.device))


# --- execute -----------------------------------------------------------------------------------------------------------------


def execute_search(
    run: SearchRun,
    plan: SearchPlan,
    people: People,
    parts: Mapping[DataPart, People],
    arguments: SearchArguments,
    folder: Path | None,
) -> list[Record]:
    """Search and retrain the derived architecture, then the same by random search; return a record of each.

    Args:
        folder: Folder of the records; None keeps none.

    Raises:
        InputError: see :func:`benchmark.nas.trainer.run_search`.
    """
    # Search, and train the derived architecture on all people.
    text, progress = run_search(run, plan)
    name = f"{run.scale.name}-{run.table.cost}-s{run.seed}"
    model, trained = retrain_architecture(run, text, f"searched-{name}", people, arguments, folder)
    records = [_keep(searched_record(run, plan, progress, text, model, trained), folder)]
    if not arguments.random:
        return records

    # Train random architectures of equal cost for a short time, and the best of them on all people.
    loaders: dict[DataPart, BatchLoader] = {
        "trained": search_loader(parts["trained"], short_training_recipe(run.scale), arguments, run.seed),
        "held out": search_loader(parts["held out"], replace(run.recipe, augmentation="none"), arguments, run.seed),
    }
    cost = run.table.predict(search_module(run.model).used_components(text))
    candidates = train_candidates(run, plan, loaders, cost, show=not arguments.as_json)
    best = best_candidate(candidates)
    model, trained = retrain_architecture(run, best.text, f"random-{name}", people, arguments, folder)
    images = len(candidates) * images_per_candidate(run.scale, loaders["trained"])
    return [*records, _keep(random_record(run, images, candidates, best, model, trained), folder)]


def retrain_architecture(
    search: SearchRun, text: str, name: str, people: People, arguments: SearchArguments, folder: Path | None
) -> tuple[str, list[Record]]:
    """Train an architecture on all people by the config's recipe; return its id and the training's records."""
    model = write_architecture(search.model, text, search.folder, name)
    run = TrainingRun(
        model=model,
        recipe=search.scale.retrain,
        start=search.start,
        seed=search.seed,
        device=search.device,
        folder=search.folder / name,
    )
    run, verbose = with_people(run, people), not arguments.as_json
    return model, execute_training(run, people, root=arguments.root, cache=arguments.cache, folder=folder, verbose=verbose)


def _keep(record: Record, folder: Path | None) -> Record:
    if folder:
        append_record(record, folder)
    return record


# --- describe ----------------------------------------------------------------------------------------------------------------


def describe_search(run: SearchRun, plan: SearchPlan, parts: Mapping[DataPart, People], absent: int, random: bool) -> str:
    """Format a plan as text.

    Args:
        absent: Number of annotated people whose images are missing.
        random: Whether a random search follows.
    """
    config, table = run.scale, run.table
    measured = f"measured on {table.device}" if table.device else f"counted by the convention {LOOKUP_CONVENTION}"
    phases = ", ".join(f"{p.name} on {len(parts[p.part]):,} people from epoch {p.first + 1}" for p in config.phases)
    missing = f"; {absent:,} more are annotated, but their images are missing" if absent else ""
    candidates = plan.images // (config.candidate_epochs * len(parts["trained"]))
    lines = [
        f"{run.model}, scale {config.name} {config.version}: {config.description}",
        f"  people    {len(parts['trained']):,} for weights, {len(parts['held out']):,} held out{missing}",
        f"  cost      {COST_UNITS[table.cost]}, {measured} at {table.input}",
        f"  search    {config.recipe.epochs} epochs: {phases}; {plan.images:,} images; from {run.start}",
        f"  then      {config.retrain.name}, {config.retrain.epochs} epochs",
        *([f"  random    about {candidates} candidates, {config.candidate_epochs} epochs each"] if random else []),
        *(f"  assumed   {item.unspecified}: {item.choice} ({item.source})" for item in config.assumptions),
        f"  folder    {run.folder}",
    ]
    return "\n".join(lines)


def format_estimate(run: SearchRun, plan: SearchPlan, random: bool) -> str:
    """Time a few steps, and format an estimate of the whole duration as text."""
    search, retraining, random_search = estimate_phase_seconds(run, plan)
    line = f"  time      about {format_duration(search)} to search, {format_duration(retraining)} to train what is found"
    if random:
        line += f", {format_duration(random_search)} for the same at random"
    return line + "; tests not counted"


def estimate_search_seconds(arguments: SearchArguments) -> float:
    """Estimate the seconds that a search and the training of its architecture take on this machine.

    Raises:
        InputError: there is no such search, or data is missing.
    """
    config = find_search(arguments.package, arguments.scale, arguments.dataset)
    people, _ = load_training_people(config.recipe, arguments.root)
    run = plan_search(arguments, config, find_table(arguments.package, config, arguments.cost, arguments.table))
    search, retraining, _ = estimate_phase_seconds(run, plan_steps(run, split_people(people, config), arguments))
    return search + retraining


def estimate_phase_seconds(run: SearchRun, plan: SearchPlan) -> tuple[float, float, float]:
    """Estimate the seconds of the search, of training its architecture, and of both by random search, from a few steps.

    A training is assumed to take as long for each image as the weights' phase.
    """
    step_seconds = time_search_steps(run, plan)
    image_seconds = step_seconds[WEIGHTS_PHASE] / run.recipe.batch
    retraining = image_seconds * sum(len(loader.people) for loader in plan.loaders.values()) * run.scale.retrain.epochs
    search = sum(step_seconds[plan[step].phase] for step in range(plan.steps))
    return search, retraining, image_seconds * plan.images + retraining
