"""Plan, describe and execute one architecture search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from benchmark.config.identities import search_identity
from benchmark.config.packages import find_search
from benchmark.config.recipes import Recipe
from benchmark.config.searches import RANDOM, SEARCHED, WEIGHTS_PHASE, CostKind, DataPart, SearchConfig
from benchmark.core.records import RECORDS, Record, append_record, load_records
from benchmark.data.people import People
from benchmark.evaluation.distributed import choose_device
from benchmark.nas.lookup_files import find_table
from benchmark.nas.lookup_table import COST_UNITS, LOOKUP_CONVENTION, LookupTable
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
from benchmark.training.loader import BatchLoader, cached_crops, joint_set, load_training_people
from benchmark.training.run import CROP_CACHE, execute_training, format_duration, with_people
from benchmark.training.trainer import TrainingRun
from benchmark.training.validation import MAIN_METRIC


@dataclass(frozen=True, kw_only=True)
class SearchArguments:
    """What to search, how, and for what cost."""

    package: Annotated[str, tyro.conf.Positional]
    """The paper whose search it is, as in efficientpose_nas."""
    dataset: str | None = None
    """Whose joints to learn; default: the scale's."""
    scale: str = "small"
    """How large a search: a name in the package's searches.py."""
    cost: CostKind = "flops"
    """What is to be saved: operations, or the latency that a lookup table measured here predicts, cpu or cuda."""
    seed: int = 0
    """Decides initial weights, order, views, and all that is drawn."""
    random: bool = True
    """Search at random at equal cost, too."""
    dry_run: bool = False
    """Say what would be done and how long it would take, and stop."""
    noisy: bool = False
    """Accept a lookup table whose times scatter."""
    table: Path | None = None
    """The lookup table's file, measured if it is not there; default: out/lookup/<package>-<scale>-<cost>.json."""
    root: Path | None = None
    """The data root; default: POSE_DATA."""
    out: Path | None = None
    """The search's folder; default: out/search/<package>-<scale>-<cost>-s<seed>."""
    cache: Path = CROP_CACHE
    """Where person crops are kept between runs."""
    device: str | None = None
    """As PyTorch calls it; default: a GPU if there is one."""
    keep: bool = True
    """Keep the figures as records under reports/records."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print the figures as JSON; benchmark/schemas/search.schema.json describes it."""


def search_and_train(arguments: SearchArguments, folder: Path = RECORDS) -> list[Record]:
    """The records of a search: those that it keeps, or that are there already; none after a dry run.

    Raises:
        InputError: no such search, missing data, or what :func:`benchmark.nas.trainer.run_search` and
            :func:`benchmark.training.trainer.train_network` raise.
    """
    scale = find_search(arguments.package, arguments.scale, arguments.dataset)
    talks = not arguments.as_json
    people, absent = load_training_people(scale.recipe, arguments.root)
    table = find_table(arguments.package, scale, arguments.cost, arguments.table, noisy=arguments.noisy, show=talks)
    made = plan_search(arguments, scale, table)
    if arguments.keep and (known := recorded_search(arguments, scale, table.device, folder)):
        if talks:
            print("on record:")
        return known
    parts = split_people(people, scale)
    plan = plan_steps(made, parts, arguments)
    if talks:
        print(describe_search(made, plan, parts, absent, arguments.random), flush=True)
    if talks or arguments.dry_run:
        print(format_estimate(made, plan, arguments.random), flush=True)
    if arguments.dry_run:
        return []
    return execute_search(made, plan, people, parts, arguments, folder if arguments.keep else None)


def recorded_search(arguments: SearchArguments, scale: SearchConfig, device: str, folder: Path) -> list[Record]:
    """The records of this very search, if they are there.

    Args:
        device: that costs were measured on; "" for operations.
    """
    ends = [SEARCHED, RANDOM] if arguments.random else [SEARCHED]
    package, cost, seed = arguments.package, arguments.cost, arguments.seed
    metric = MAIN_METRIC[joint_set(scale.recipe)]
    identities = [search_identity(package, scale, cost, strategy, metric, device, seed) for strategy in ends]
    return matching_searches(scale, load_records(folder), identities)


def plan_steps(made: SearchRun, parts: Mapping[DataPart, People], arguments: SearchArguments) -> SearchPlan:
    """The search's steps."""
    feeds = {part: search_loader(own, made.recipe, arguments, made.seed) for part, own in parts.items()}
    return SearchPlan(made.scale, feeds)


def plan_search(arguments: SearchArguments, scale: SearchConfig, table: LookupTable) -> SearchRun:
    """The search as a run."""
    name = f"{arguments.package}-{scale.name}-{arguments.cost}-s{arguments.seed}"
    return SearchRun(
        model=arguments.package,
        recipe=scale.recipe,
        start=scale.start,
        seed=arguments.seed,
        device=choose_device(arguments.device),
        folder=arguments.out or Path("out/search") / name,
        scale=scale,
        table=table,
    )


def search_loader(people: People, recipe: Recipe, arguments: SearchArguments, seed: int) -> BatchLoader:
    """Persons as a recipe shows them, their crops on disk."""
    crops = cached_crops(people, recipe, arguments.cache, show=not arguments.as_json)
    return BatchLoader(people, recipe, seed, crops=crops, device=choose_device(arguments.device))


def execute_search(
    made: SearchRun,
    plan: SearchPlan,
    people: People,
    parts: Mapping[DataPart, People],
    arguments: SearchArguments,
    folder: Path | None,
) -> list[Record]:
    """Search, train what was found, and the same at random.

    Args:
        folder: of the records; None keeps none.

    Raises:
        InputError: see :func:`run`.
    """
    text, progress = run_search(made, plan)
    name = f"{made.scale.name}-{made.table.cost}-s{made.seed}"
    model, tested = retrain_architecture(made, text, f"searched-{name}", people, arguments, folder)
    done = [_keep(searched_record(made, plan, progress, text, model, tested), folder)]
    if arguments.random:
        feeds: dict[DataPart, BatchLoader] = {
            "trained": search_loader(parts["trained"], short_training_recipe(made.scale), arguments, made.seed),
            "held out": search_loader(parts["held out"], replace(made.recipe, augmentation="none"), arguments, made.seed),
        }
        cost = made.table.predict(search_module(made.model).used_components(text))
        found = train_candidates(made, plan, feeds, cost, show=not arguments.as_json)
        best = best_candidate(found)
        model, tested = retrain_architecture(made, best.text, f"random-{name}", people, arguments, folder)
        images = len(found) * images_per_candidate(made.scale, feeds["trained"])
        done.append(_keep(random_record(made, images, found, best, model, tested), folder))
    return done


def retrain_architecture(
    made: SearchRun, text: str, name: str, people: People, arguments: SearchArguments, folder: Path | None
) -> tuple[str, list[Record]]:
    """Train an architecture on all persons by the scale's recipe: its id, and what it came to."""
    model = write_architecture(made.model, text, made.folder, name)
    recipe = made.scale.retrain
    run = TrainingRun(
        model=model, recipe=recipe, start=made.start, seed=made.seed, device=made.device, folder=made.folder / name
    )
    run, talks = with_people(run, people), not arguments.as_json
    return model, execute_training(run, people, root=arguments.root, cache=arguments.cache, folder=folder, talks=talks)


def _keep(record: Record, folder: Path | None) -> Record:
    if folder:
        append_record(record, folder)
    return record


def estimate_search_seconds(arguments: SearchArguments) -> float:
    """Seconds that a search and the training of what it finds take here.

    Raises:
        InputError: no such search, or missing data.
    """
    scale = find_search(arguments.package, arguments.scale, arguments.dataset)
    people, _ = load_training_people(scale.recipe, arguments.root)
    table = find_table(arguments.package, scale, arguments.cost, arguments.table)
    made = plan_search(arguments, scale, table)
    return sum(estimate_phase_seconds(made, plan_steps(made, split_people(people, scale), arguments))[:2])


def describe_search(made: SearchRun, plan: SearchPlan, parts: Mapping[DataPart, People], absent: int, random: bool) -> str:
    """What will be done, for reading."""
    scale, table = made.scale, made.table
    measured = f"measured on {table.device}" if table.device else f"counted by the convention {LOOKUP_CONVENTION}"
    phases = ", ".join(f"{p.name} on {len(parts[p.part]):,} persons from epoch {p.first + 1}" for p in scale.phases)
    missing = f"; {absent:,} more are annotated, their photographs are not there" if absent else ""
    candidates = plan.images // (scale.candidate_epochs * len(parts["trained"]))
    lines = [
        f"{made.model}, scale {scale.name} {scale.version}: {scale.description}",
        f"  persons   {len(parts['trained']):,} for weights, {len(parts['held out']):,} held out{missing}",
        f"  cost      {COST_UNITS[table.cost]}, {measured} at {table.input}",
        f"  search    {scale.recipe.epochs} epochs: {phases}; {plan.images:,} images; from {made.start}",
        f"  then      {scale.retrain.name}, {scale.retrain.epochs} epochs",
        *([f"  random    about {candidates} candidates, {scale.candidate_epochs} epochs each"] if random else []),
        *(f"  gap       {gap.unspecified}: {gap.choice} ({gap.source})" for gap in scale.assumptions),
        f"  folder    {made.folder}",
    ]
    return "\n".join(lines)


def format_estimate(made: SearchRun, plan: SearchPlan, random: bool) -> str:
    """Time a few steps and say how long the whole takes."""
    search, retraining, compared = estimate_phase_seconds(made, plan)
    shown = f"  time      about {format_duration(search)} to search, {format_duration(retraining)} to train what is found"
    if random:
        shown += f", {format_duration(compared)} for the same at random"
    return shown + "; tests not counted"


def estimate_phase_seconds(made: SearchRun, plan: SearchPlan) -> tuple[float, float, float]:
    """How long it takes to search, to train what is found, and to do the same at random, from a few steps; a training is taken
    to be as fast as the weights' phase."""
    step = time_search_steps(made, plan)
    image = step[WEIGHTS_PHASE] / made.recipe.batch
    retraining = image * sum(len(feed.people) for feed in plan.loaders.values()) * made.scale.retrain.epochs
    return sum(step[plan[place].phase] for place in range(plan.steps)), retraining, image * plan.images + retraining
