"""Plan, describe and execute one training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from benchmark.config.conventions import FLOPS
from benchmark.config.identities import learning_rate_identity
from benchmark.config.packages import find_recipe
from benchmark.config.recipes import Recipe
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import RECORDS, Record, append_record, provenance
from benchmark.cost.counters import count_cost
from benchmark.data.people import People
from benchmark.evaluation.distributed import broadcast, choose_device, process_rank
from benchmark.models.registry import build_on_meta, check_input_size, find_entry
from benchmark.training.checkpoint import CHECKPOINT, read_progress
from benchmark.training.loader import BatchLoader, cached_crops, joint_set
from benchmark.training.lr_finder import find_learning_rate
from benchmark.training.records import find_rate_record, find_training_records, training_records
from benchmark.training.trainer import TrainingRun, time_steps, train_network
from benchmark.training.validation import Validator

CROP_CACHE = Path("out/cache")


@dataclass(frozen=True, kw_only=True)
class TrainArguments:
    """What to train, and how. What departs from the recipe is named in the records."""

    model: Annotated[str, tyro.conf.Positional]
    """A model's id, as in efficientpose_nas/A+sic=off, or an architecture file."""
    dataset: Literal["lsp", "mpii", "coco", "synthetic-mpii", "synthetic-coco"]
    """Whose joints to learn."""
    recipe: str | None = None
    """By name; default: the first of the model's package for the dataset."""
    start: str | None = None
    """scratch, one of the recipe's named starts, or a .safetensors file; default: the recipe's."""
    seed: int = 0
    """Decides initial weights, order and views."""
    epochs: int | None = None
    """Instead of the recipe's; its milestones move along."""
    batch: int | None = None
    """Effective batch instead of the recipe's."""
    lr: float | None = None
    """Largest learning rate instead of the recipe's."""
    accumulate: int = 1
    """Micro-batches that each process adds up to one step."""
    micro_batch: int | None = None
    """Persons in a micro-batch; default: what makes micro-batch x accumulate x processes the recipe's batch."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16: mixed precision by autocast."""
    layout: Literal["channels_last", "contiguous"] = "channels_last"
    """How images lie in memory."""
    compile: bool = False
    """Compile the network first: minutes more at the start, less for each step."""
    find_lr: bool = False
    """Find the largest learning rate that the first cycle survives, by halving, record it, and stop."""
    dry_run: bool = False
    """Say what would be done and how long it would take, and stop."""
    root: Path | None = None
    """The data root; default: POSE_DATA."""
    out: Path | None = None
    """The run's folder; default: out/train/<model>-<recipe>-<start>-s<seed>."""
    cache: Path = CROP_CACHE
    """Where person crops are kept between runs."""
    device: str | None = None
    """As PyTorch calls it; default: a GPU if there is one."""
    keep: bool = True
    """Keep the figures as records under reports/records."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print the figures as JSON."""


def plan_training(arguments: TrainArguments, processes: int = 1, folder: Path = RECORDS) -> TrainingRun:
    """Plan a run.

    Raises:
        InputError: the model, recipe or options do not fit together.
    """
    arguments = replace(arguments, model=find_entry(arguments.model).id)  # which may be a file's name
    recipe = find_recipe(arguments.model, arguments.dataset, arguments.recipe)
    check_input_size(arguments.model, parse_size(recipe.input))
    recipe, overrides = apply_overrides(recipe, arguments)
    parts = processes * arguments.accumulate
    micro = arguments.micro_batch or recipe.batch // max(parts, 1)
    if parts < 1 or micro * parts != recipe.batch:
        raise InputError(
            f"micro-batch {micro} x {arguments.accumulate} accumulated x {processes} processes is {micro * parts}, not the "
            f"recipe's batch of {recipe.batch}; change --micro-batch, --accumulate, the number of processes, or --batch"
        )
    start = arguments.start or recipe.start
    if start != "scratch" and start not in recipe.starts and not Path(start).is_file():
        known = ", ".join(("scratch", *recipe.starts))
        raise InputError(f"--start {start}: neither a file nor one of {known}")
    origin = Path(start).stem if Path(start).is_file() else start
    name = "-".join([arguments.model, recipe.name, origin, f"s{arguments.seed}"]).replace("/", "-")
    run = TrainingRun(
        model=arguments.model,
        recipe=recipe,
        start=start,
        seed=arguments.seed,
        accumulate=arguments.accumulate,
        processes=processes,
        precision=arguments.precision,
        layout=arguments.layout,
        compiled=arguments.compile,
        overrides=overrides,
        device=choose_device(arguments.device),
        folder=arguments.out or Path("out/train") / name,
    )
    if not arguments.find_lr:
        run = with_found_rate(run, folder)
    return run


def with_found_rate(run: TrainingRun, folder: Path) -> TrainingRun:
    """The run with the learning rate that was found for it, where its recipe only says how to find one.

    Raises:
        InputError: none is on record.
    """
    recipe = run.recipe
    if recipe.optimizer.lr is not None:
        return run
    found = find_rate_record(run, folder)
    if found is None:
        raise InputError(
            f"recipe {recipe.name} says how to find its learning rate: run python -m benchmark.train {run.model} "
            f"--dataset {recipe.dataset} --recipe {recipe.name} --find-lr first, or train with --lr"
        )
    return replace(run, recipe=replace(recipe, optimizer=replace(recipe.optimizer, lr=found.value)))


def apply_overrides(recipe: Recipe, arguments: TrainArguments) -> tuple[Recipe, dict[str, Any]]:
    """Return the recipe with the user's values in it, and those values by name.

    Raises:
        InputError: an epoch, batch or rate that is none.
    """
    overrides: dict[str, Any] = {}
    for name, value in (("epochs", arguments.epochs), ("batch", arguments.batch), ("lr", arguments.lr)):
        if value is not None and value <= 0:
            raise InputError(f"--{name} {value}: more than 0 is needed")
    if arguments.epochs not in (None, recipe.epochs):
        assert arguments.epochs
        overrides["epochs"] = arguments.epochs
        share = arguments.epochs / recipe.epochs
        schedule = recipe.schedule
        moved = replace(schedule, milestones=tuple(round(milestone * share) for milestone in schedule.milestones))
        recipe = replace(recipe, epochs=arguments.epochs, schedule=moved)
    if arguments.batch not in (None, recipe.batch):
        assert arguments.batch
        overrides["batch"] = arguments.batch
        recipe = replace(recipe, batch=arguments.batch)
    if arguments.lr not in (None, recipe.optimizer.lr):
        overrides["lr"] = arguments.lr
        recipe = replace(recipe, optimizer=replace(recipe.optimizer, lr=arguments.lr))
    if arguments.precision != "float32":
        overrides["precision"] = arguments.precision
    return recipe, overrides


def with_people(run: TrainingRun, people: People) -> TrainingRun:
    """Return the run with the number of its training people among the overrides, where it is not the recipe's."""
    if len(people) == run.recipe.num_people:
        return run
    return replace(run, overrides={**run.overrides, "people": len(people)})


def describe_run(run: TrainingRun, people: People, absent: int) -> str:
    """What will be done, for reading."""
    recipe, optimizer = run.recipe, run.recipe.optimizer
    network = build_on_meta(run.model, joints=JOINT_COUNTS[joint_set(recipe)])
    counts = count_cost(network, *parse_size(recipe.input))
    parameters, operations = counts["params"]["trainable"], counts["flops"]["hrnet"] / FLOPS["hrnet"].giga
    rate = "a rate to be found" if optimizer.lr is None else f"{optimizer.lr:g}"
    missing = f"; {absent:,} more are annotated, their photographs are not there" if absent else ""
    lines = [
        f"{run.model} by recipe {recipe.name} {recipe.version} ({recipe.source})",
        f"  network   {parameters / 1e6:.2f} M parameters, {operations:.3f} GFLOPs (hrnet) at {recipe.input}, from {run.start}",
        f"  persons   {len(people):,} of {', '.join(' '.join(pair) for pair in recipe.train)}{missing}",
        f"  step      batch {recipe.batch} = {run.micro_batch} x {run.accumulate} micro-batches x {run.processes} processes; "
        f"{optimizer.name}, {rate}, {recipe.schedule.kind}",
        f"  length    {recipe.epochs} epochs x {len(people) // recipe.batch} steps; "
        f"tested on {' '.join(recipe.test)} every {recipe.evaluate_every}",
        *([f"  overrides {', '.join(f'{name} {value}' for name, value in run.overrides.items())}"] if run.overrides else []),
        *(f"  gap       {gap.unspecified}: {gap.choice} ({gap.source})" for gap in recipe.assumptions),
        f"  folder    {run.folder}",
    ]
    return "\n".join(lines)


def format_duration(seconds: float) -> str:
    """For reading: ``26 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def execute_training(
    made: TrainingRun,
    people: People,
    *,
    root: Path | None = None,
    cache: Path = CROP_CACHE,
    folder: Path | None = RECORDS,
    talks: bool = True,
) -> list[Record]:
    """Train, test and keep, or find it on record; the records.

    Args:
        folder: of the records; None keeps none, and asks none.
        talks: whether this process says what it does.

    Raises:
        InputError: see :func:`benchmark.training.trainer.train_network`.
    """
    tester = Validator(made.model, made.recipe, root, made.device)
    if known := broadcast(find_training_records(made, tester.metric, folder) if folder else []):
        if talks:
            print("on record:")
        return known
    feed = cached_loader(made, people, cache, talks)
    if talks or made.processes > 1:
        print_estimate(made, feed, talks)
    network = train_network(made, feed, tester, metric=tester.metric)
    done = training_records(made, network, tester, people)
    if folder:
        for record in done:
            append_record(record, folder)
    return done


def cached_loader(made: TrainingRun, people: People, folder: Path, talks: bool) -> BatchLoader:
    """The training persons, their crops cached by the first process."""
    if process_rank() == 0:
        cached_crops(people, made.recipe, folder, show=talks)
    broadcast(None)  # the others come when the crops are there
    crops = cached_crops(people, made.recipe, folder, show=False)
    return BatchLoader(people, made.recipe, made.seed, crops=crops, device=made.device)


def print_estimate(made: TrainingRun, feed: BatchLoader, talks: bool) -> None:
    """Time a few steps and say how long the whole takes."""
    last = made.folder / CHECKPOINT
    done = read_progress(last)["step"] if last.exists() else 0
    left = made.recipe.epochs * feed.steps_per_epoch - done
    if left > 0:
        seconds = time_steps(made, feed)
        if talks:
            speed = made.recipe.batch / seconds
            print(
                f"  time      about {format_duration(left * seconds)}: {left:,} steps at {speed:.0f} images/s, and the tests",
                flush=True,
            )


def find_rate(made: TrainingRun, feed: BatchLoader, folder: Path | None) -> list[Record]:
    tried = find_learning_rate(made, feed)
    samples = {"tried": [{"rate": rate, "diverges": lost} for rate, lost in tried]}
    record = Record(
        **learning_rate_identity(made.model, made.recipe, made.seed),
        value=tried[-1][0],
        n=len(feed.people),
        samples=samples,
        **provenance(),
    )
    if folder and process_rank() == 0:
        append_record(record, folder)
    return [record]
