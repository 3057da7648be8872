"""``python -m benchmark.search``: search an architecture, retrain it, and do as much work at random for comparison."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from benchmark import distributed, errors, lookup, records, search_outcome, searching, train
from benchmark import search_random as random_search
from benchmark import search_scales as scales
from benchmark.data.people import People
from benchmark.feed import Feed, cached, load_people
from benchmark.lookup import Table
from benchmark.recipes import Recipe
from benchmark.records import Record
from benchmark.search_lookup import Lookup, table_of
from benchmark.search_scales import RANDOM, SEARCHED, Cost, Part, Scale
from benchmark.searching import Plan, Run

DESCRIPTION = """Search an architecture, train what was found, and by the same recipe the best of as costly a random search.

Says what it will do and how long that takes here, then does it. Killed at any moment, the same command goes on where the last
checkpoint left it. The architectures end as files, which every other command takes in the place of a model's id.

example:
  python -m benchmark.search efficientpose_nas --dataset lsp --scale small --cost flops
  python -m benchmark.search autopose --dataset lsp --scale small --cost flops
  python -m benchmark.search lookup efficientpose_nas --cost cpu --validate 20
"""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to search, how, and for what cost."""

    package: Annotated[str, tyro.conf.Positional]
    """The paper whose search it is, as in efficientpose_nas."""
    dataset: str | None = None
    """Whose joints to learn; default: the scale's."""
    scale: str = "small"
    """How large a search: a name in the package's searches.py."""
    cost: Cost = "flops"
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
    cache: Path = train.CACHE
    """Where person crops are kept between runs."""
    device: str | None = None
    """As PyTorch calls it; default: a GPU if there is one."""
    keep: bool = True
    """Keep the figures as records under reports/records."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print the figures as JSON; benchmark/schemas/search.schema.json describes it."""


def run(arguments: Arguments, folder: Path = records.FOLDER) -> None:
    """Say, search, train, keep and show.

    Raises:
        InputError: see :func:`found`.
    """
    known = found(arguments, folder)
    if known:
        print(json.dumps(search_outcome.report(known), allow_nan=False) if arguments.as_json else search_outcome.show(known))


def found(arguments: Arguments, folder: Path = records.FOLDER) -> list[Record]:
    """The records of a search: those that it keeps, or that are there already; none after a dry run.

    Raises:
        InputError: no such search, missing data, or what :func:`benchmark.searching.search` and
            :func:`benchmark.training.train` raise.
    """
    scale = scales.find(arguments.package, arguments.scale, arguments.dataset)
    talks = not arguments.as_json
    people, absent = load_people(scale.recipe, arguments.root)
    table = table_of(arguments.package, scale, arguments.cost, arguments.table, noisy=arguments.noisy, show=talks)
    made = planned(arguments, scale, table)
    if arguments.keep and (known := on_record(arguments, scale, table.device, folder)):
        if talks:
            print("on record:")
        return known
    parts = searching.split(people, scale)
    plan = plan_of(made, parts, arguments)
    if talks:
        print(describe(made, plan, parts, absent, arguments.random), flush=True)
    if talks or arguments.dry_run:
        print(estimate(made, plan, arguments.random), flush=True)
    if arguments.dry_run:
        return []
    return execute(made, plan, people, parts, arguments, folder if arguments.keep else None)


def on_record(arguments: Arguments, scale: Scale, device: str, folder: Path) -> list[Record]:
    """The records of this very search, if they are there.

    Args:
        device: that costs were measured on; "" for operations.
    """
    ends = [SEARCHED, RANDOM] if arguments.random else [SEARCHED]
    package, cost, seed = arguments.package, arguments.cost, arguments.seed
    identities = [search_outcome.identity(package, scale, cost, device, seed, end) for end in ends]
    return search_outcome.on_record(scale, records.load(folder), identities)


def plan_of(made: Run, parts: Mapping[Part, People], arguments: Arguments) -> Plan:
    """The search's steps."""
    feeds = {part: feed_of(own, made.recipe, arguments, made.seed) for part, own in parts.items()}
    return Plan(made.scale, feeds)


def planned(arguments: Arguments, scale: Scale, table: Table) -> Run:
    """The search as a run."""
    name = f"{arguments.package}-{scale.name}-{arguments.cost}-s{arguments.seed}"
    return Run(
        model=arguments.package,
        recipe=scale.recipe,
        start=scale.start,
        seed=arguments.seed,
        device=distributed.device(arguments.device),
        folder=arguments.out or Path("out/search") / name,
        scale=scale,
        table=table,
    )


def feed_of(people: People, recipe: Recipe, arguments: Arguments, seed: int) -> Feed:
    """Persons as a recipe shows them, their crops on disk."""
    crops = cached(people, recipe, arguments.cache, show=not arguments.as_json)
    return Feed(people, recipe, seed, crops=crops, device=distributed.device(arguments.device))


def execute(
    made: Run, plan: Plan, people: People, parts: Mapping[Part, People], arguments: Arguments, folder: Path | None
) -> list[Record]:
    """Search, train what was found, and the same at random.

    Args:
        folder: of the records; None keeps none.

    Raises:
        InputError: see :func:`run`.
    """
    text, progress = searching.search(made, plan)
    name = f"{made.scale.name}-{made.table.cost}-s{made.seed}"
    model, tested = retrain(made, text, f"searched-{name}", people, arguments, folder)
    done = [_kept(search_outcome.searched(made, plan, progress, text, model, tested), folder)]
    if arguments.random:
        feeds: dict[Part, Feed] = {
            "trained": feed_of(parts["trained"], random_search.brief(made.scale), arguments, made.seed),
            "held out": feed_of(parts["held out"], replace(made.recipe, augmentation="none"), arguments, made.seed),
        }
        cost = made.table.predict(searching.module(made.model).used(text))
        found = random_search.candidates(made, plan, feeds, cost, show=not arguments.as_json)
        best = random_search.best(found)
        model, tested = retrain(made, best.text, f"random-{name}", people, arguments, folder)
        images = len(found) * random_search.images_of(made.scale, feeds["trained"])
        done.append(_kept(search_outcome.random(made, images, found, best, model, tested), folder))
    return done


def retrain(
    made: Run, text: str, name: str, people: People, arguments: Arguments, folder: Path | None
) -> tuple[str, list[Record]]:
    """Train an architecture on all persons by the scale's recipe: its id, and what it came to."""
    model = searching.written(made.model, text, made.folder, name)
    recipe = made.scale.retrain
    own = train.Run(model=model, recipe=recipe, start=made.start, seed=made.seed, device=made.device, folder=made.folder / name)
    departures = (f"{len(people)} persons",) if len(people) != recipe.persons else ()
    talks = not arguments.as_json
    return model, train.execute(own, departures, people, root=arguments.root, cache=arguments.cache, folder=folder, talks=talks)


def _kept(record: Record, folder: Path | None) -> Record:
    if folder:
        records.append(record, folder)
    return record


def takes(arguments: Arguments) -> float:
    """Seconds that a search and the training of what it finds take here.

    Raises:
        InputError: no such search, or missing data.
    """
    scale = scales.find(arguments.package, arguments.scale, arguments.dataset)
    people, _ = load_people(scale.recipe, arguments.root)
    table = table_of(arguments.package, scale, arguments.cost, arguments.table)
    made = planned(arguments, scale, table)
    return sum(seconds(made, plan_of(made, searching.split(people, scale), arguments))[:2])


def describe(made: Run, plan: Plan, parts: Mapping[Part, People], absent: int, random: bool) -> str:
    """What will be done, for reading."""
    scale, table = made.scale, made.table
    measured = f"measured on {table.device}" if table.device else f"counted by the convention {lookup.CONVENTION}"
    phases = ", ".join(f"{p.name} on {len(parts[p.part]):,} persons from epoch {p.first + 1}" for p in scale.phases)
    missing = f"; {absent:,} more are annotated, their photographs are not there" if absent else ""
    candidates = plan.images // (scale.candidate_epochs * len(parts["trained"]))
    lines = [
        f"{made.model}, scale {scale.name} {scale.version}: {scale.says}",
        f"  persons   {len(parts['trained']):,} for weights, {len(parts['held out']):,} held out{missing}",
        f"  cost      {lookup.UNITS[table.cost]}, {measured} at {table.input}",
        f"  search    {scale.recipe.epochs} epochs: {phases}; {plan.images:,} images; from {made.start}",
        f"  then      {scale.retrain.name}, {scale.retrain.epochs} epochs",
        *([f"  random    about {candidates} candidates, {scale.candidate_epochs} epochs each"] if random else []),
        *(f"  gap       {gap.what}: {gap.instead} ({gap.source})" for gap in scale.gaps),
        f"  folder    {made.folder}",
    ]
    return "\n".join(lines)


def estimate(made: Run, plan: Plan, random: bool) -> str:
    """Time a few steps and say how long the whole takes."""
    search, retraining, compared = seconds(made, plan)
    shown = f"  time      about {train.duration(search)} to search, {train.duration(retraining)} to train what is found"
    if random:
        shown += f", {train.duration(compared)} for the same at random"
    return shown + "; tests not counted"


def seconds(made: Run, plan: Plan) -> tuple[float, float, float]:
    """How long it takes to search, to train what is found, and to do the same at random, from a few steps; a training is taken
    to be as fast as the weights' phase."""
    step = searching.rehearse(made, plan)
    image = step[scales.WEIGHTS] / made.recipe.batch
    retraining = image * sum(len(feed.people) for feed in plan.feeds.values()) * made.scale.retrain.epochs
    return sum(step[plan[place].phase] for place in range(plan.steps)), retraining, image * plan.images + retraining


def main(args: Sequence[str] | None = None) -> None:
    given = list(sys.argv[1:] if args is None else args)
    if given[:1] == ["lookup"]:
        command = tyro.cli(Lookup, args=given[1:], prog="python -m benchmark.search lookup")
        errors.run(command)
    else:
        arguments = tyro.cli(Arguments, args=given, description=DESCRIPTION, prog="python -m benchmark.search")
        errors.run(lambda: run(arguments))


if __name__ == "__main__":
    main()
