"""The loop of an architecture search, from any step on: which persons a step sees, what it does with them, and what is kept.

A search is a folder, as a training is: ``run.json``, ``last.safetensors``, ``log.jsonl``, and at the end the derived
architecture as text. A package that searches has a module ``search`` with

    build_search_algorithm(scale, table, *, joints, seed, device) -> Searcher
    list_components(scale, joints) -> {name: Part}        all that an architecture may be put together from, as lookup tables
    cost it
    used_components(text) -> [name]                        the parts of an architecture, with repeats
    sample_architecture(scale, table, cost, generator)       the text of a random architecture, of about that cost where one
    is given
"""

from __future__ import annotations

import importlib
import time
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol, cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmark.config.packages import architecture_format_of, declarations
from benchmark.config.schedules import learning_rate
from benchmark.config.searches import WEIGHTS_PHASE, DataPart, SearchConfig
from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.data.people import People
from benchmark.models.registry import find_entry
from benchmark.nas.lookup_table import LookupTable
from benchmark.training.checkpoint import save_checkpoint
from benchmark.training.loader import BatchLoader, joint_set
from benchmark.training.log import TrainingLog
from benchmark.training.losses import Targets
from benchmark.training.trainer import SAVE_EVERY, TrainingRun, open_run, prefetch_batches

SEARCH_VERSION = 1
Batch = tuple[Tensor, Targets]


class SearchAlgorithm(Protocol):
    """A super-network that learns, and what chooses within it. ``network`` holds the parameters of both, so that one checkpoint
    does. Random numbers come from torch's global generator."""

    network: nn.Module

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """By the phase in which each steps; that of ``weights`` follows the recipe's schedule."""
        ...

    def step(self, phase: str, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """One step of a phase: figures before it, ``loss`` among them, still on the device. ``progress``: share of all steps
        that are done."""
        ...

    def figures(self) -> dict[str, float]:
        """How decided the search is and at what cost, after an epoch."""
        ...

    def derive(self, held_out: BatchLoader) -> str:
        """The text of the architecture that is best by now, on the held-out persons if they have to be asked; the same however
        often it is."""
        ...

    def state(self) -> dict[str, Any]:
        """Whatever else the next step depends on; JSON."""
        ...

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        ...


def search_module(package: str) -> ModuleType:
    """The module of a package that does its search."""
    return importlib.import_module(declarations()[package].search)


def architecture_suffix(package: str) -> str:
    """What the names of a package's architecture files end with."""
    return architecture_format_of(package).suffix


# --- which persons when ------------------------------------------------------------------------------------------------------


class SearchStep(NamedTuple):
    """A step of the search: ``number`` counts the steps of its phase."""

    epoch: int
    phase: str
    number: int
    ends: bool  # the epoch


class SearchPlan:
    """The order of a search's steps, epoch by epoch and in each phase by phase.

    Args:
        feeds: of each part of the persons.
    """

    def __init__(self, scale: SearchConfig, feeds: Mapping[DataPart, BatchLoader]) -> None:
        self.feeds, self.phases = feeds, {phase.name: phase for phase in scale.phases}
        self._turns: list[tuple[int, str, int]] = []  # epoch, phase, the number of its first step
        self._starts: list[int] = []
        self.steps = 0
        done = dict.fromkeys(self.phases, 0)
        for epoch in range(scale.recipe.epochs):
            for phase in scale.phases:
                if epoch >= phase.first:
                    self._starts.append(self.steps)
                    self._turns.append((epoch, phase.name, done[phase.name]))
                    done[phase.name] += feeds[phase.part].steps_per_epoch
                    self.steps += feeds[phase.part].steps_per_epoch

    @property
    def images(self) -> int:
        """How many the whole search sees."""
        return self.steps * next(iter(self.feeds.values())).recipe.batch

    def __getitem__(self, step: int) -> SearchStep:
        turn = bisect_right(self._starts, step) - 1
        epoch, phase, first = self._turns[turn]
        after = self._turns[turn + 1][0] if turn + 1 < len(self._turns) else -1
        ends = after != epoch and step + 1 == (self._starts[turn + 1] if turn + 1 < len(self._starts) else self.steps)
        return SearchStep(epoch, phase, first + step - self._starts[turn], ends)

    def load(self, step: int, part: int = 0, parts: int = 1) -> Batch:
        """A step's images and what their maps should be; see :meth:`benchmark.training.loader.BatchLoader.load`."""
        place = self[step]
        return self.feeds[self.phases[place.phase].part].load(place.number, part, parts)


def split_people(people: People, scale: SearchConfig) -> dict[DataPart, People]:
    """The persons that weights learn from, and those held out. The same for every seed; a photograph is in one part alone."""
    if scale.max_people is not None and scale.max_people < len(people):
        people = people.select(np.sort(np.random.default_rng(0).permutation(len(people))[: scale.max_people]))
    photographs = sorted(set(people.images))
    drawn = np.random.default_rng(1).permutation(len(photographs))[: round(scale.held_out * len(photographs))]
    held = {photographs[place] for place in drawn}
    out = np.array([path in held for path in people.images], bool)
    return {"trained": people.select(~out), "held out": people.select(out)}


# --- the run -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SearchRun(TrainingRun):
    """A search as a run: ``model`` is the package, ``recipe`` the super-network's."""

    scale: SearchConfig
    table: LookupTable

    def identity(self) -> dict[str, Any]:
        """What another run in the same folder must agree in to go on with this one."""
        return {
            "package": self.model,
            "scale": self.scale.name,
            "digest": self.scale.digest(),
            "cost": self.table.cost,
            "table": self.table.digest(),
            "seed": self.seed,
            "version": SEARCH_VERSION,
        }


class OptimizerGroup:
    """Several optimizers as the one that a checkpoint holds: their parameters are numbered through."""

    def __init__(self, optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
        self.optimizers = tuple(optimizers.values())

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Of all, in order."""
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """As of one optimizer with all their groups."""
        state: dict[int, Any] = {}
        groups: list[dict[str, Any]] = []
        first = 0
        for optimizer in self.optimizers:
            own = optimizer.state_dict()
            state |= {first + number: values for number, values in own["state"].items()}
            groups += [{**group, "params": [first + number for number in group["params"]]} for group in own["param_groups"]]
            first += sum(len(group["params"]) for group in own["param_groups"])
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, joined: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state_dict`."""
        groups, first = list(joined["param_groups"]), 0
        for optimizer in self.optimizers:
            own, groups = groups[: len(optimizer.param_groups)], groups[len(optimizer.param_groups) :]
            count = sum(len(group["params"]) for group in own)
            state = {n - first: values for n, values in joined["state"].items() if first <= n < first + count}
            numbered = [{**group, "params": [number - first for number in group["params"]]} for group in own]
            optimizer.load_state_dict({"state": state, "param_groups": numbered})
            first += count


def run_search(run: SearchRun, plan: SearchPlan, *, tensorboard: bool = True) -> tuple[str, dict[str, Any]]:
    """Search to the end, going on with what lies in the run's folder; the text of what was found, and how it went.

    Returns:
        Of how it went: ``seconds`` that the steps took, all starts of the command together.

    Raises:
        InputError: the folder holds another run, its checkpoint is damaged, or the loss is no longer finite.
    """
    cv2.setNumThreads(1)  # one thread prepares batches; more would take the cores from the network
    searcher, joined = build_search(run)
    progress = open_run(run, searcher.network, joined)
    if "searcher" in progress:
        searcher.load_state(progress["searcher"])
    sums = EpochMeans(progress.get("sums", {}))
    optimizers = searcher.optimizers()
    with ExitStack() as stack:
        log = stack.enter_context(TrainingLog(run.folder, progress["step"], tensorboard=tensorboard))
        batches = stack.enter_context(prefetch_batches(cast(BatchLoader, plan), progress["step"], plan.steps, run))
        described = f"{run.model}, {run.scale.name}, {run.table.cost}"
        bar = stack.enter_context(tqdm(total=plan.steps, initial=progress["step"], unit=" steps", desc=described, disable=None))
        saved = time.monotonic()
        for step in range(progress["step"], plan.steps):
            place, ((images, truth),) = plan[step], next(batches)
            if place.phase == WEIGHTS_PHASE:
                steps_per_epoch = plan.feeds[plan.phases[WEIGHTS_PHASE].part].steps_per_epoch
                rate = learning_rate(run.recipe, place.number, steps_per_epoch)
                for group in optimizers[WEIGHTS_PHASE].param_groups:
                    group["lr"] = rate
            else:
                rate = optimizers[place.phase].param_groups[0]["lr"]
            figures = searcher.step(place.phase, (images, truth), step / plan.steps)
            log.step(step, place.epoch, figures["loss"], rate)
            sums.add(place.phase, figures)
            bar.update()
            if not place.ends and time.monotonic() - saved < SAVE_EVERY:
                continue
            bar.set_postfix(loss=f"{log.flush():.3g}", phase=place.phase)
            if place.ends:
                log.figures(step, place.epoch + 1, sums.means() | searcher.figures())
                sums = EpochMeans({})
            now = time.monotonic()
            spent = progress.get("seconds", 0.0) + now - saved
            progress |= {"step": step + 1, "seconds": spent, "sums": sums.state(), "searcher": searcher.state()}
            save_checkpoint(run.folder / "last.safetensors", searcher.network, joined, progress)
            saved = now
    text = searcher.derive(plan.feeds["held out"])
    with atomic_write(run.folder / f"derived{architecture_suffix(run.model)}") as temporary:
        temporary.write_text(text)
    return text, progress


def build_search(run: SearchRun) -> tuple[SearchAlgorithm, torch.optim.Optimizer]:
    """The searcher as it starts, and its optimizers as one.

    Raises:
        InputError: weights to start from that are not there.
    """
    torch.manual_seed(run.seed)
    joints = JOINT_COUNTS[joint_set(run.recipe)]
    searcher: SearchAlgorithm = search_module(run.model).build_search_algorithm(
        run.scale, run.table, joints=joints, seed=run.seed, device=run.device
    )
    return searcher, cast(torch.optim.Optimizer, OptimizerGroup(searcher.optimizers()))


def time_search_steps(run: SearchRun, plan: SearchPlan, steps: int = 3) -> dict[str, float]:
    """Seconds that a step of each phase takes here, from a few of them by a network that is thrown away."""
    searcher, _ = build_search(run)
    found = {}
    for phase in run.scale.phases:
        first = next(step for step in range(plan.steps) if plan[step].phase == phase.name)
        times = []
        for step in range(first, first + steps + 1):
            batch = plan.load(min(step, plan.steps - 1))
            begun = time.perf_counter()
            searcher.step(phase.name, batch, 0.0)
            if run.device.type == "cuda":
                torch.cuda.synchronize(run.device)
            times.append(time.perf_counter() - begun)
        found[phase.name] = sorted(times[1:])[len(times[1:]) // 2]
    return found


class EpochMeans:
    """An epoch's figures, added up on the device where they are."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.totals: dict[str, tuple[Tensor | float, int]] = {name: (total, count) for name, (total, count) in state.items()}

    def add(self, phase: str, figures: Mapping[str, Tensor]) -> None:
        """One step's."""
        for name, value in figures.items():
            total, count = self.totals.get(f"{phase} {name}", (0.0, 0))
            self.totals[f"{phase} {name}"] = (total + value, count + 1)

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {name: (float(total), count) for name, (total, count) in self.totals.items()}

    def means(self) -> dict[str, float]:
        """Over the epoch's steps, by phase and figure."""
        return {name: float(total) / count for name, (total, count) in self.totals.items()}


def write_architecture(package: str, text: str, folder: Path, name: str) -> str:
    """An architecture as a file, and the id that it is known by.

    Raises:
        InputError: the text is malformed.
    """
    path = folder / f"{name}{architecture_suffix(package)}"
    with atomic_write(path) as temporary:
        temporary.write_text(text)
    found = find_entry(str(path)).id
    if not found.startswith(f"{package}/"):
        raise InputError(f"{path}: read by another package than {package}")
    return found
