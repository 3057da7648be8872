"""Plan, describe and execute one training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmark.config.conventions import FLOPS, format_not_counted
from benchmark.config.packages import find_recipe
from benchmark.config.recipes import Recipe
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS, joint_set_of
from benchmark.core.records import RECORDS, Record, append_record, append_records, provenance
from benchmark.cost.records import measure_cost, measure_external_cost
from benchmark.data.people import People
from benchmark.evaluation.distributed import broadcast, choose_device, process_rank
from benchmark.models.external import (
    ExternalModel,
    check_heatmaps,
    identify_external,
    register_external,
    resolve_model,
    user_code_errors,
)
from benchmark.models.outputs import final_heatmaps
from benchmark.models.registry import check_input_size, find_entry, import_object
from benchmark.models.weights import locate_weights
from benchmark.training.arguments import CROP_CACHE, TrainArguments
from benchmark.training.checkpoint import CHECKPOINT, read_progress
from benchmark.training.loader import BatchLoader, cached_crops
from benchmark.training.losses import Targets
from benchmark.training.lr_finder import find_learning_rate
from benchmark.training.records import data_sample, find_rate_record, find_training_records, rate_identity, training_records
from benchmark.training.trainer import TrainingRun, initial_network, time_steps, train_network
from benchmark.training.validation import Validator

# --- plan --------------------------------------------------------------------------------------------------------------------


def plan_training(arguments: TrainArguments, processes: int = 1, folder: Path = RECORDS) -> TrainingRun:
    """Plan a run.

    Args:
        processes: Number of processes that share each batch.
        folder: Folder of the records.

    Raises:
        InputError: the model, recipe or options do not fit together.
    """
    external = resolve_model(arguments.model)
    if external.model:
        model, recipe = external.model, find_recipe(external.model, arguments.dataset, arguments.recipe)
        check_input_size(model, parse_size(recipe.input))
    else:
        model, recipe = register_for_training(external, arguments)
        check_trainable(external, recipe)
    recipe, overrides = apply_overrides(recipe, arguments)
    parts = processes * arguments.accumulate
    micro_batch = arguments.micro_batch or recipe.batch // max(parts, 1)
    if parts < 1 or micro_batch * parts != recipe.batch:
        raise InputError(
            f"micro-batch {micro_batch} x {arguments.accumulate} accumulated x {processes} processes is {micro_batch * parts}, "
            f"not the recipe's batch of {recipe.batch}; change --micro-batch, --accumulate, the number of processes, or --batch"
        )
    start = arguments.start or recipe.start
    if start != "scratch" and start not in recipe.starts:
        try:
            locate_weights(Path(start))
        except InputError as problem:
            known = ", ".join(("scratch", *recipe.starts))
            raise InputError(f"--start {start}: neither a file nor one of {known}; {problem}") from None
    run = TrainingRun(
        model=model,
        recipe=recipe,
        start=start,
        seed=arguments.seed,
        accumulate=arguments.accumulate,
        processes=processes,
        layout=arguments.layout,
        compiled=arguments.compile,
        overrides=overrides,
        device=choose_device(arguments.device),
        folder=arguments.out or default_folder(model, recipe, start, arguments.seed),
    )
    if run.start != "scratch" and run.start not in recipe.starts:
        check_start(run)
    if not arguments.find_lr:
        run = with_found_rate(run, folder)
    return run


def register_for_training(external: ExternalModel, arguments: TrainArguments) -> tuple[str, Recipe]:
    """Register a user's network, and return its name and its recipe.

    The recipe is a general one, or that of the model of this project that ``--recipe`` names, without its start weights.

    Raises:
        InputError: the network is an exported one, or there is no such recipe.
    """
    name, recipe_of = arguments.recipe, ""
    if name and "/" in name:
        entry = find_entry(name)
        name, recipe_of = None, entry.recipe_of or entry.id.split("+")[0]
    model = register_external(external, recipe_of)
    return model, replace(find_recipe(model, arguments.dataset, name), start="scratch", starts={})


def check_trainable(external: ExternalModel, recipe: Recipe) -> None:
    """Check that a user's network returns what the recipe's loss takes: heatmaps of its joints at its stride.

    Raises:
        InputError: it does not.
    """
    height, width = parse_size(recipe.input)
    joints, stride = JOINT_COUNTS[joint_set_of(recipe.dataset)], recipe.target.stride
    outputs = check_heatmaps(external, joints, (height, width))
    expected, actual = [height // stride, width // stride], list(final_heatmaps(outputs).shape[2:])
    if actual != expected:
        raise InputError(
            f"{external.name} returns heatmaps of {actual[0]}x{actual[1]} pixels for {recipe.input} images, "
            f"recipe {recipe.name} trains heatmaps of {expected[0]}x{expected[1]} (stride {stride})"
        )
    if recipe.target.fields:
        raise InputError(f"recipe {recipe.name} also trains part affinity fields, which {external.name} does not predict")
    targets = Targets(torch.zeros(1, joints, *expected), torch.ones(1, joints))
    with user_code_errors(external):
        import_object(recipe.loss)(outputs, targets, **recipe.loss_options)


def check_start(run: TrainingRun) -> None:
    """Check that a file of weights fits the network that is to start from it, before anything long is done.

    Raises:
        InputError: it is not a file of weights, or holds those of another network.
    """
    try:
        initial_network(run, run.model)
    except InputError as problem:
        raise InputError(f"--start: {problem}") from None


def default_folder(model: str, recipe: Recipe, start: str, seed: int) -> Path:
    """Return the default folder of a run; the name of a user's network is followed by the hash of its code."""
    origin = Path(start).stem if Path(start).is_file() else start
    name = model
    if network := identify_external(model):
        name = "-".join([model, *network.values()]).replace(":", "-")
    return Path("out/train") / "-".join([name, recipe.name, origin, f"s{seed}"]).replace("/", "-")


def with_found_rate(run: TrainingRun, folder: Path) -> TrainingRun:
    """Return the run with the learning rate on record, if its recipe only states how to find one.

    Raises:
        InputError: none is on record.
    """
    recipe = run.recipe
    if recipe.optimizer.lr is not None:
        return run
    record = find_rate_record(run, folder)
    if record is None:
        raise InputError(
            f"recipe {recipe.name} does not state the learning rate of {run.model}, only how to find it: run python -m "
            "benchmark.train with the same model and recipe and --find-lr first, or train with --lr"
        )
    return replace(run, recipe=replace(recipe, optimizer=replace(recipe.optimizer, lr=record.value)))


def apply_overrides(recipe: Recipe, arguments: TrainArguments) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe with the user's values in it, and those values by name.

    Raises:
        InputError: a number of epochs, batch size or rate is not positive.
    """
    overrides: dict[str, Any] = {}
    for name, value in (("epochs", arguments.epochs), ("batch", arguments.batch), ("lr", arguments.lr)):
        if value is not None and value <= 0:
            raise InputError(f"--{name} {value}: more than 0 is needed")
    if arguments.epochs not in (None, recipe.epochs):
        assert arguments.epochs
        overrides["epochs"] = arguments.epochs
        ratio = arguments.epochs / recipe.epochs
        milestones = tuple(round(milestone * ratio) for milestone in recipe.schedule.milestones)
        recipe = replace(recipe, epochs=arguments.epochs, schedule=replace(recipe.schedule, milestones=milestones))
    if arguments.batch not in (None, recipe.batch):
        assert arguments.batch
        overrides["batch"] = arguments.batch
        recipe = replace(recipe, batch=arguments.batch)
    if arguments.lr not in (None, recipe.optimizer.lr):
        overrides["lr"] = arguments.lr
        recipe = replace(recipe, optimizer=replace(recipe.optimizer, lr=arguments.lr))
    if arguments.precision not in (None, recipe.precision):
        overrides["precision"] = arguments.precision
        recipe = replace(recipe, precision=arguments.precision)
    return recipe, overrides


def with_people(run: TrainingRun, people: People) -> TrainingRun:
    """Return the run with the number of its training people among the overrides, if it is not the recipe's."""
    if len(people) == run.recipe.num_people:
        return run
    return replace(run, overrides={**run.overrides, "people": len(people)})


# --- describe ----------------------------------------------------------------------------------------------------------------


def describe_run(run: TrainingRun, people: People, absent: int) -> str:
    """Format a plan as text.

    Args:
        absent: Number of annotated people whose images are missing.
    """
    recipe, optimizer = run.recipe, run.recipe.optimizer
    rate = "a rate to be found" if optimizer.lr is None else f"{optimizer.lr:g}"
    missing = f"; {absent:,} more are annotated, but their images are missing" if absent else ""
    lines = [
        f"{run.model} by recipe {recipe.name} {recipe.version} ({recipe.source})",
        f"  network   {describe_cost(run)} at {recipe.input}, from {run.start}",
        f"  people    {len(people):,} of {', '.join(' '.join(pair) for pair in recipe.train)}{missing}",
        f"  step      batch {recipe.batch} = {run.micro_batch} x {run.accumulate} micro-batches x {run.processes} processes; "
        f"{optimizer.name}, {rate}, {recipe.schedule.kind}",
        f"  length    {recipe.epochs} epochs x {len(people) // recipe.batch} steps; "
        f"tested on {' '.join(recipe.test)} every {recipe.evaluate_every}",
        *([f"  overrides {', '.join(f'{name} {value}' for name, value in run.overrides.items())}"] if run.overrides else []),
        *(f"  assumed   {item.unspecified}: {item.choice} ({item.source})" for item in recipe.assumptions),
        f"  folder    {run.folder}",
    ]
    return "\n".join(lines)


def describe_cost(run: TrainingRun) -> str:
    """Format the parameters and operations of a run's network as text."""
    joints, (height, width) = JOINT_COUNTS[joint_set_of(run.recipe.dataset)], parse_size(run.recipe.input)
    external = find_entry(run.model).kwargs.get("external")
    try:
        if isinstance(external, ExternalModel):
            measured = measure_external_cost(external, joints, height, width)
            if measured.failure:
                return f"not counted ({measured.failure})"
            counts = measured.counts
        else:
            counts = measure_cost(run.model, joints, height, width)
    except InputError as problem:  # what cannot be counted without weights may still be trained
        return f"not counted ({problem})"
    parameters, operations = counts["params"]["trainable"], counts["flops"]["hrnet"] / FLOPS["hrnet"].giga
    cost = f"{parameters / 1e6:.2f} M parameters, {operations:.3f} GFLOPs (hrnet)"
    return ", ".join(filter(None, (cost, format_not_counted(counts.get("not_counted", {})))))


def format_duration(seconds: float) -> str:
    """Format a duration as text: ``26 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


# --- execute -----------------------------------------------------------------------------------------------------------------


def execute_training(
    run: TrainingRun,
    people: People,
    *,
    root: Path | None = None,
    cache: Path = CROP_CACHE,
    folder: Path | None = RECORDS,
    verbose: bool = True,
) -> list[Record]:
    """Train, test and record a run, unless it is on record; return its records.

    Args:
        folder: Folder of the records; None reads and keeps none.
        verbose: Whether this process prints what it does.

    Raises:
        InputError: see :func:`benchmark.training.trainer.train_network`.
    """
    validator = Validator(run.model, run.recipe, root, run.device)
    data = data_sample(people, validator.people)
    if known := broadcast(find_training_records(run, validator.metric, folder, data) if folder else []):
        if verbose:
            print("on record: (to train again, and keep nothing: --no-keep)")
        return known
    loader = cached_loader(run, people, cache, verbose)
    if verbose or run.processes > 1:  # steps are timed in all processes or in none
        print_estimate(run, loader, verbose)
    network = train_network(run, loader, validator, metric=validator.metric, tested_on=validator.people)
    records = training_records(run, network, validator, people, data)
    if folder:
        # The record by which the run is found is written last.
        append_records(sorted(records, key=lambda r: (r.kind == "accuracy", r.metric == validator.metric)), folder)
    return records


def cached_loader(run: TrainingRun, people: People, folder: Path, verbose: bool) -> BatchLoader:
    """Return the loader of the training people, whose crops the first process caches in ``folder``."""
    if process_rank() == 0:
        cached_crops(people, run.recipe, folder, show=verbose)
    broadcast(None)  # the other processes wait until the crops are there
    crops = cached_crops(people, run.recipe, folder, show=False)
    return BatchLoader(people, run.recipe, run.seed, crops=crops, device=run.device)


def print_estimate(run: TrainingRun, loader: BatchLoader, verbose: bool) -> None:
    """Time a few steps, and print how long the remaining ones will take."""
    checkpoint = run.folder / CHECKPOINT
    done = read_progress(checkpoint)["step"] if checkpoint.exists() else 0
    remaining = run.recipe.epochs * loader.steps_per_epoch - done
    if remaining > 0:
        seconds = time_steps(run, loader)
        if verbose:
            duration, speed = format_duration(remaining * seconds), run.recipe.batch / seconds
            print(f"  time      about {duration}: {remaining:,} steps at {speed:.0f} images/s, and the tests", flush=True)


def find_rate(run: TrainingRun, loader: BatchLoader, folder: Path | None) -> list[Record]:
    """Find the largest learning rate with which the run does not diverge; return its record, kept in ``folder`` if given."""
    tried = find_learning_rate(run, loader)
    samples = {"tried": [{"rate": rate, "diverges": diverges} for rate, diverges in tried]}
    record = Record(
        **rate_identity(run),
        value=tried[-1][0],
        n=len(loader.people),
        samples=samples,
        **provenance(),
    )
    if folder and process_rank() == 0:
        append_record(record, folder)
    return [record]
