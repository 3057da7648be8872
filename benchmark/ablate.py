"""``python -m benchmark.ablate``: train and test every variant of an ablation, with seeds, and keep the figures.

A job is one variant with one seed. It is done when its record stands under reports/records, and claimed by a lock that goes
with the process that holds it; so any number of drivers can work at one grid, and a killed one is simply started again.
"""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import tyro
from tqdm import tqdm

from benchmark import ablation as ablations
from benchmark import distributed, effects, errors, evaluate, maps, outcome, records, search, search_scales, train, training
from benchmark.ablation import PROTOCOLS, Ablation
from benchmark.data.people import People
from benchmark.errors import InputError
from benchmark.feed import Feed, cached, joints_of, load_people
from benchmark.recipes import Recipe
from benchmark.testing import MAIN
from benchmark.training import Run

DESCRIPTION = """Train and test every variant of an ablation, and keep the figures.

Started again, or on several machines that share the folder, it does what is left. What is planned stands in ablations/NAME.py.

example:
  python -m benchmark.ablate sic --protocol lsp --seeds 3
  python -m benchmark.ablate sic --protocol lsp-gpu --engine ray --gpus 0.25
"""


@dataclass(frozen=True, kw_only=True)
class Arguments:
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
    cache: Path = train.CACHE
    """Where person crops are kept between runs."""
    device: str | None = None
    """As PyTorch calls it; default: a GPU if there is one."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print the effects as JSON; benchmark/schemas/ablate.schema.json describes it."""


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


def jobs(ablation: Ablation, arguments: Arguments) -> list[Job]:
    """All jobs of an ablation, seed by seed, so that an interrupted grid has whole comparisons; of the planned rates the first
    variant alone.

    Raises:
        InputError: the ablation makes no sense under the protocol, or there is no seed.
    """
    if arguments.seeds is not None and arguments.seeds < 1:
        raise InputError(f"--seeds {arguments.seeds}: at least one is needed")
    for variant in ablation.variants:
        ablations.recipe_of(ablation, variant, arguments.protocol)
    if arguments.check_rates:
        if PROTOCOLS[arguments.protocol].own:
            raise InputError(f"--check-rates: under {arguments.protocol} the rate is the paper's own")
        first = ablation.variants[0].name
        return [Job(ablation.name, first, arguments.protocol, 0, rate) for rate in ablation.rates]
    seeds = range(arguments.seeds or PROTOCOLS[arguments.protocol].seeds)
    trained = [variant for variant in ablation.variants if not variant.weights]
    return [Job(ablation.name, variant.name, arguments.protocol, seed) for seed in seeds for variant in trained]


def plan(job: Job, arguments: Arguments, people: People, folder: Path) -> tuple[Run, tuple[str, ...]]:
    """The training that a job is, and by what it departs from its recipe.

    Raises:
        InputError: its recipe says how to find a learning rate, and none is on record.
    """
    ablation = ablations.find(job.ablation)
    variant = ablation.variant(job.variant)
    recipe, departures = ablations.recipe_of(ablation, variant, job.protocol)
    if job.rate != 1:
        assert recipe.optimizer.lr is not None
        recipe = replace(recipe, optimizer=replace(recipe.optimizer, lr=recipe.optimizer.lr * job.rate))
        departures = (*departures, *ablations.at_rate(job.rate))
    if len(people) != recipe.persons:
        departures = (*departures, f"{len(people)} persons")
    device = distributed.device(arguments.device)
    model = ablations.model_of(ablation, variant, job.protocol)
    run = Run(model=model, recipe=recipe, start=recipe.start, seed=job.seed, snapshots=True, device=device, folder=Path())
    run = train.rated(run, folder)
    told = records.identify(**outcome.tested(run, outcome.protocol(run, departures), MAIN[joints_of(recipe)]))
    return replace(run, folder=arguments.work / told), departures


def search_of(job: Job, arguments: Arguments) -> search.Arguments | None:
    """The search that a job is, without the random one beside it; None for a training."""
    variant = ablations.find(job.ablation).variant(job.variant)
    scale = ablations.scale_of(variant, job.protocol)
    if scale is None:
        return None
    package = variant.model.partition("/")[0]
    out = arguments.work / f"search-{package}-{scale.name}-s{job.seed}"
    return search.Arguments(
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


def done(job: Job, arguments: Arguments, people: People, folder: Path) -> bool:
    """Whether the job's figures are on record."""
    if own := search_of(job, arguments):
        return bool(search.on_record(own, search_scales.find(own.package, own.scale), "", folder))
    run, departures = plan(job, arguments, people, folder)
    return bool(outcome.on_record(run, departures, MAIN[joints_of(run.recipe)], folder))


def work(job: Job, arguments: Arguments, folder: Path, wait: bool = False) -> bool:
    """Do a job unless it is done; False where another process is at it.

    Args:
        wait: until the other process is through, or gone.
    """
    if own := search_of(job, arguments):
        assert own.out
        with claimed(own.out.with_suffix(".lock"), wait=wait) as mine:
            if mine:
                search.found(own, folder)
            return mine
    people, _ = load_people(recipe_of(job), arguments.root)
    run, departures = plan(job, arguments, people, folder)
    with claimed(run.folder.with_suffix(".lock"), wait=wait) as mine:
        if mine:
            train.execute(run, departures, people, root=arguments.root, cache=arguments.cache, folder=folder, talks=False)
        return mine


def recipe_of(job: Job) -> Recipe:
    """The recipe of a job before any departure."""
    ablation = ablations.find(job.ablation)
    return ablations.recipe_of(ablation, ablation.variant(job.variant), job.protocol)[0]


@contextmanager
def claimed(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether this process now holds the lock, which the system takes back however the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def here(grid: Sequence[Job], arguments: Arguments, folder: Path, progress: Callable[[Job], object]) -> None:
    """One job after another in this process; those that others are at come last, and are waited for."""
    later = []
    for job in grid:
        if work(job, arguments, folder):
            progress(job)
        else:
            later.append(job)
    for job in later:
        work(job, arguments, folder, wait=True)
        progress(job)


def on_ray(grid: Sequence[Job], arguments: Arguments, folder: Path, progress: Callable[[Job], object]) -> None:
    """All jobs on a Ray cluster; one whose worker dies is given to another, which goes on from its checkpoint.

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
    absolute = replace(
        arguments, **{name: path.resolve() for name in ("root", "work", "cache") if (path := getattr(arguments, name))}
    )
    remote: Any = ray.remote(num_cpus=arguments.cpus, num_gpus=arguments.gpus, max_retries=3)(work)
    waiting = {remote.remote(job, absolute, folder.resolve(), True): job for job in grid}
    try:
        while waiting:
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            ray.get(ready)
            progress(waiting.pop(ready))
    finally:
        if started:
            ray.shutdown()


def tested(ablation: Ablation, arguments: Arguments, folder: Path) -> None:
    """Test the variants that need no training: published weights under each variant's protocol, the others beside the first."""
    published = [variant for variant in ablation.variants if variant.weights]
    if not published:
        return
    first = published[0]
    assert arguments.protocol == "lsp"
    evaluate.evaluate(
        evaluate.Arguments(
            model=first.model,
            weights=Path(first.weights),
            dataset="lsp",
            protocol=tuple(variant.tested for variant in published),
            root=arguments.root,
            device=arguments.device,
        ),
        folder,
    )


def looked(ablation: Ablation, arguments: Arguments, folder: Path) -> None:
    """Measure the maps of the trained variants, where the ablation plans it and that is not done. Of a run whose record is here
    and whose weights are not, it is said that they cannot be."""
    if ablation.look is None or arguments.check_rates:
        return
    for job in jobs(ablation, arguments):
        people, _ = load_people(recipe_of(job), arguments.root)
        run, departures = plan(job, arguments, people, folder)
        try:
            for record in maps.measure(run, outcome.protocol(run, departures), ablation.look, arguments.root, folder):
                records.append(record, folder)
        except InputError as problem:
            print(f"maps not measured: {problem}", file=sys.stderr)


def takes(job: Job, arguments: Arguments, people: People, folder: Path) -> float:
    """Seconds that a job takes here, from a few steps of it."""
    if own := search_of(job, arguments):
        return search.takes(own)
    run, _ = plan(job, arguments, people, folder)
    feed = Feed(people, run.recipe, 0, crops=cached(people, run.recipe, arguments.cache), device=run.device)
    return training.rehearse(run, feed) * run.recipe.epochs * feed.steps_per_epoch


def forecast(ablation: Ablation, grid: Sequence[Job], arguments: Arguments, folder: Path) -> str:
    """Jobs, time here, and the smallest difference that could be seen."""
    lines = [f"{ablation.title} ({ablation.paper}, {ablation.table}): {ablation.says}"]
    lines.append(f"protocol {arguments.protocol}: {PROTOCOLS[arguments.protocol].says}")
    total = 0.0
    seconds: dict[str, float] = {}
    for job in grid:
        people, _ = load_people(recipe_of(job), arguments.root)
        if done(job, arguments, people, folder):
            lines.append(f"  {job!s:60} on record")
            continue
        if job.variant not in seconds:
            seconds[job.variant] = takes(job, arguments, people, folder)
        total += seconds[job.variant]
        lines.append(f"  {job!s:60} about {train.duration(seconds[job.variant])}")
    lines.append(f"in all about {train.duration(total)} here, one job at a time, testing not counted")
    lines.append(effects.detectable(ablation, arguments.protocol, len({job.seed for job in grid}), records.load(folder)))
    return "\n".join(lines)


def run(arguments: Arguments, folder: Path = records.FOLDER) -> None:
    """Do what is left, and show what came out.

    Raises:
        InputError: no such ablation, protocol or data.
    """
    wanted = list(ablations.known()) if arguments.name == "all" else [arguments.name]
    chosen = [ablations.find(name) for name in wanted]
    if arguments.name == "all":
        chosen = [ablation for ablation in chosen if arguments.protocol in ablation.protocols]
    grid = [job for ablation in chosen for job in jobs(ablation, arguments)]
    if arguments.dry_run:
        for ablation in chosen:
            print(forecast(ablation, jobs(ablation, arguments), arguments, folder))
        return
    engine = on_ray if arguments.engine == "ray" else here
    with tqdm(total=len(grid), unit=" jobs", disable=True if arguments.as_json else None) as bar:

        def progress(job: Job) -> None:
            bar.update()
            bar.set_postfix_str(str(job))

        engine(grid, arguments, folder, progress)
    for ablation in chosen:
        tested(ablation, arguments, folder)
        looked(ablation, arguments, folder)
    found = {ablation.name: effects.effects(ablation, arguments.protocol, records.load(folder)) for ablation in chosen}
    if arguments.as_json:
        print(json.dumps(effects.report(found, arguments.protocol), allow_nan=False))
    else:
        print("\n".join(effects.show(ablations.find(name), effect) for name, own in found.items() for effect in own))


def main(args: Sequence[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=args, description=DESCRIPTION, prog="python -m benchmark.ablate")
    errors.run(lambda: run(arguments))


if __name__ == "__main__":
    main()
