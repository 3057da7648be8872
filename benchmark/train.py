"""``python -m benchmark.train``: a paper's recipe, or a small one, from photographs to weights and kept figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from benchmark import (
    checkpoints,
    conventions,
    cost,
    distributed,
    errors,
    learning_rate,
    models,
    outcome,
    recipes,
    records,
    training,
)
from benchmark.data.people import People
from benchmark.errors import InputError
from benchmark.feed import Feed, cached, joints_of, load_people
from benchmark.recipes import Recipe
from benchmark.records import Record
from benchmark.testing import Tester
from benchmark.training import Run

CACHE = Path("out/cache")
DESCRIPTION = """Train a network by a recipe, test it, and keep its figures.

Says what it will do and how long that takes here, then does it. Killed at any moment, the same command goes on where the last
checkpoint left it. Under torchrun --nproc_per_node=N the batch is shared out over N processes.

example:
  python -m benchmark.train efficientpose_nas/A --dataset lsp
  torchrun --nproc_per_node=4 -m benchmark.train heatmap_weighting/mobilenet_v3 --dataset coco --precision bfloat16
"""


@dataclass(frozen=True, kw_only=True)
class Arguments:
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
    cache: Path = CACHE
    """Where person crops are kept between runs."""
    device: str | None = None
    """As PyTorch calls it; default: a GPU if there is one."""
    keep: bool = True
    """Keep the figures as records under reports/records."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print the figures as JSON."""


def plan(arguments: Arguments, processes: int = 1, folder: Path = records.FOLDER) -> tuple[Run, tuple[str, ...]]:
    """The run, and by what it departs from the recipe's text.

    Raises:
        InputError: the model, recipe or options do not fit together.
    """
    arguments = replace(arguments, model=models.find(arguments.model).id)  # which may be a file's name
    recipe = recipes.find(arguments.model, arguments.dataset, arguments.recipe)
    models.check_size(arguments.model, models.parse_size(recipe.input))
    recipe, departures = changed(recipe, arguments)
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
    run = Run(
        model=arguments.model,
        recipe=recipe,
        start=start,
        seed=arguments.seed,
        accumulate=arguments.accumulate,
        processes=processes,
        precision=arguments.precision,
        layout=arguments.layout,
        compiled=arguments.compile,
        device=distributed.device(arguments.device),
        folder=arguments.out or Path("out/train") / name,
    )
    if not arguments.find_lr:
        run = rated(run, folder)
    if arguments.precision != "float32":
        departures = (*departures, arguments.precision)
    return run, departures


def rated(run: Run, folder: Path) -> Run:
    """The run with the learning rate that was found for it, where its recipe only says how to find one.

    Raises:
        InputError: none is on record.
    """
    recipe = run.recipe
    if recipe.optimizer.lr is not None:
        return run
    found = records.load(folder).get(records.identify(**outcome.found_rate(run)))
    if found is None:
        raise InputError(
            f"recipe {recipe.name} says how to find its learning rate: run python -m benchmark.train {run.model} "
            f"--dataset {recipe.dataset} --recipe {recipe.name} --find-lr first, or train with --lr"
        )
    return replace(run, recipe=replace(recipe, optimizer=replace(recipe.optimizer, lr=found.value)))


def changed(recipe: Recipe, arguments: Arguments) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe with what the user wants otherwise, and the names of that.

    Raises:
        InputError: an epoch, batch or rate that is none.
    """
    departures = []
    for name, value in (("epochs", arguments.epochs), ("batch", arguments.batch), ("lr", arguments.lr)):
        if value is not None and value <= 0:
            raise InputError(f"--{name} {value}: more than 0 is needed")
    if arguments.epochs not in (None, recipe.epochs):
        assert arguments.epochs
        departures.append(f"{arguments.epochs} epochs")
        share = arguments.epochs / recipe.epochs
        schedule = recipe.schedule
        moved = replace(schedule, milestones=tuple(round(milestone * share) for milestone in schedule.milestones))
        recipe = replace(recipe, epochs=arguments.epochs, schedule=moved)
    if arguments.batch not in (None, recipe.batch):
        assert arguments.batch
        departures.append(f"batch {arguments.batch}")
        recipe = replace(recipe, batch=arguments.batch)
    if arguments.lr not in (None, recipe.optimizer.lr):
        departures.append(f"lr {arguments.lr:g}")
        recipe = replace(recipe, optimizer=replace(recipe.optimizer, lr=arguments.lr))
    return recipe, tuple(departures)


def describe(run: Run, people: People, absent: int, departures: Sequence[str]) -> str:
    """What will be done, for reading."""
    recipe, optimizer = run.recipe, run.recipe.optimizer
    network = models.outline(run.model, joints=models.JOINTS[joints_of(recipe)])
    counts = cost.cost(network, *models.parse_size(recipe.input))
    parameters, operations = counts["params"]["trainable"], counts["flops"]["hrnet"] / conventions.FLOPS["hrnet"].giga
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
        *([f"  otherwise {', '.join(departures)}"] if departures else []),
        *(f"  gap       {gap.what}: {gap.instead} ({gap.source})" for gap in recipe.gaps),
        f"  folder    {run.folder}",
    ]
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """For reading: ``26 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def run(arguments: Arguments, folder: Path = records.FOLDER) -> None:
    """Say, train, test, keep and show.

    Raises:
        InputError: see :func:`plan` and :func:`benchmark.training.train`.
    """
    with distributed.processes() as (rank, count):
        made, departures = plan(arguments, count, folder)
        people, absent = load_people(made.recipe, arguments.root)
        if len(people) != made.recipe.persons:
            departures = (*departures, f"{len(people)} persons")
        talks = rank == 0 and not arguments.as_json
        if talks:
            print(describe(made, people, absent, departures), flush=True)
        if arguments.find_lr:
            done = _find_rate(made, _feed(made, people, arguments.cache, talks), folder if arguments.keep else None)
        elif arguments.dry_run:
            estimate(made, _feed(made, people, arguments.cache, talks), talks)
            return
        else:
            kept = folder if arguments.keep else None
            done = execute(made, departures, people, root=arguments.root, cache=arguments.cache, folder=kept, talks=talks)
    if rank == 0:
        print(json.dumps(outcome.report(done), allow_nan=False) if arguments.as_json else outcome.show(done))


def execute(
    made: Run,
    departures: Sequence[str],
    people: People,
    *,
    root: Path | None = None,
    cache: Path = CACHE,
    folder: Path | None = records.FOLDER,
    talks: bool = True,
) -> list[Record]:
    """Train, test and keep, or find it on record; the records.

    Args:
        folder: of the records; None keeps none, and asks none.
        talks: whether this process says what it does.

    Raises:
        InputError: see :func:`benchmark.training.train`.
    """
    tester = Tester(made.model, made.recipe, root, made.device)
    if known := distributed.agree(outcome.on_record(made, departures, tester.metric, folder) if folder else []):
        if talks:
            print("on record:")
        return known
    feed = _feed(made, people, cache, talks)
    if talks or made.processes > 1:
        estimate(made, feed, talks)
    network = training.train(made, feed, tester, metric=tester.metric)
    done = outcome.finish(made, network, tester, people, departures)
    if folder:
        for record in done:
            records.append(record, folder)
    return done


def _feed(made: Run, people: People, folder: Path, talks: bool) -> Feed:
    """The training persons, their crops cached by the first process."""
    if distributed.rank() == 0:
        cached(people, made.recipe, folder, show=talks)
    distributed.agree(None)  # the others come when the crops are there
    crops = cached(people, made.recipe, folder, show=False)
    return Feed(people, made.recipe, made.seed, crops=crops, device=made.device)


def estimate(made: Run, feed: Feed, talks: bool) -> None:
    """Time a few steps and say how long the whole takes."""
    last = made.folder / "last.safetensors"
    done = checkpoints.progress(last)["step"] if last.exists() else 0
    left = made.recipe.epochs * feed.steps_per_epoch - done
    if left > 0:
        seconds = training.rehearse(made, feed)
        if talks:
            speed = made.recipe.batch / seconds
            print(
                f"  time      about {duration(left * seconds)}: {left:,} steps at {speed:.0f} images/s, and the tests",
                flush=True,
            )


def _find_rate(made: Run, feed: Feed, folder: Path | None) -> list[Record]:
    tried = learning_rate.find(made, feed)
    samples = {"tried": [{"rate": rate, "diverges": lost} for rate, lost in tried]}
    record = Record(**outcome.found_rate(made), value=tried[-1][0], n=len(feed.people), samples=samples, **records.provenance())
    if folder and distributed.rank() == 0:
        records.append(record, folder)
    return [record]


def main(args: Sequence[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=args, description=DESCRIPTION, prog="python -m benchmark.train")
    errors.run(lambda: run(arguments))


if __name__ == "__main__":
    main()
