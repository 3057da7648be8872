"""Search for an architecture: plan the steps, take them in the loop that trainings use, and derive the result.

A search is a folder, as a training is: ``run.json``, ``last.pt``, ``log.jsonl``, and at the end the text of the derived
architecture. A package that searches has a module ``search`` with these functions:

    build_search_algorithm(config, table, *, joints, seed, device) -> SearchAlgorithm
    list_components(config, joints) -> {name: Component}           every component an architecture may have, for lookup tables
    used_components(text) -> [name]                               the components of an architecture, with repeats
    sample_architecture(config, table, cost, generator) -> text   a random architecture, of about that cost where it is given
"""

from __future__ import annotations

import importlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.config.packages import architecture_format_of, declarations
from benchmark.config.schedules import learning_rate
from benchmark.config.searches import WEIGHTS_PHASE, DataPart, SearchConfig
from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write
from benchmark.core.keypoints import JOINT_COUNTS, joint_set_of
from benchmark.core.versions import VERSIONS
from benchmark.data.people import People
from benchmark.models.registry import find_entry
from benchmark.nas.lookup_table import LookupTable
from benchmark.training.checkpoint import claim_folder, open_run
from benchmark.training.loader import BatchLoader
from benchmark.training.trainer import Batch, TrainingRun, data_identity, median_step_seconds, run_loop


class SearchAlgorithm(Protocol):
    """A super-network that is trained, and the parameters that choose an architecture in it.

    ``network`` holds the parameters of both, so that one checkpoint does. Random numbers come from torch's global generator.
    """

    network: nn.Module

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Return the optimizer of each phase; that of ``weights`` follows the recipe's schedule."""
        ...

    def step(self, phase: str, batch: Batch, progress: float) -> Mapping[str, Tensor]:
        """Take one step of a phase; return its metrics, ``loss`` among them, still on the device.

        Args:
            progress: The share of all steps that are done.
        """
        ...

    def metrics(self) -> dict[str, float]:
        """Compute how decided the search is and what its architectures cost, after an epoch."""
        ...

    def derive(self, held_out: BatchLoader) -> str:
        """Return the text of the best architecture so far; the same text each time.

        Args:
            held_out: The held-out people, for algorithms that evaluate candidates on them.
        """
        ...

    def state(self) -> dict[str, Any]:
        """Return what else the next step depends on, as JSON can hold it."""
        ...

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` returned."""
        ...


def search_module(package: str) -> ModuleType:
    """Import the module of a package that searches."""
    return importlib.import_module(declarations()[package].search)


def architecture_suffix(package: str) -> str:
    """Return the ending of a package's architecture files."""
    return architecture_format_of(package).suffix


# --- which people in which step ----------------------------------------------------------------------------------------------


class SearchStep(NamedTuple):
    """One step of a search.

    Attributes:
        number: Its number among the steps of its phase.
        ends: Whether it is the last of its epoch.
    """

    epoch: int
    phase: str
    number: int
    ends: bool


class SearchPlan:
    """The order of a search's steps: each epoch goes through the phases, and each phase once through its part of the people.

    Args:
        loaders: The batches of each part of the people.
    """

    def __init__(self, config: SearchConfig, loaders: Mapping[DataPart, BatchLoader]) -> None:
        self.loaders, self.phases = loaders, {phase.name: phase for phase in config.phases}
        self._turns: list[tuple[int, str, int]] = []  # epoch, phase, and the number in the phase of the turn's first step
        self._starts: list[int] = []  # the first step of each turn
        self.steps = 0
        done = dict.fromkeys(self.phases, 0)
        for epoch in range(config.recipe.epochs):
            for phase in config.phases:
                if epoch >= phase.first:
                    self._starts.append(self.steps)
                    self._turns.append((epoch, phase.name, done[phase.name]))
                    done[phase.name] += loaders[phase.part].steps_per_epoch
                    self.steps += loaders[phase.part].steps_per_epoch

    @property
    def images(self) -> int:
        """Return the number of images that the whole search is trained on."""
        return self.steps * next(iter(self.loaders.values())).recipe.batch

    def __getitem__(self, step: int) -> SearchStep:
        turn = bisect_right(self._starts, step) - 1
        epoch, phase, first = self._turns[turn]
        is_last_turn = turn + 1 == len(self._turns)
        ends_turn = step + 1 == (self.steps if is_last_turn else self._starts[turn + 1])
        ends_epoch = ends_turn and (is_last_turn or self._turns[turn + 1][0] != epoch)
        return SearchStep(epoch, phase, first + step - self._starts[turn], ends_epoch)

    def epoch_of(self, step: int) -> tuple[int, bool]:
        """Return the epoch of a step, from 0, and whether the step is the epoch's last."""
        return self[step].epoch, self[step].ends

    def loader_of(self, phase: str) -> BatchLoader:
        """Return the batches that a phase goes through."""
        return self.loaders[self.phases[phase].part]

    def load(self, step: int, part: int = 0, parts: int = 1) -> Batch:
        """Load a step's images and targets; see :meth:`benchmark.training.loader.BatchLoader.load`."""
        return self.loader_of(self[step].phase).load(self[step].number, part, parts)


def split_people(people: People, config: SearchConfig) -> dict[DataPart, People]:
    """Split the people into those that weights are trained on and those held out.

    The split is the same for every seed, and all people of an image are in the same part.
    """
    if config.max_people is not None and config.max_people < len(people):
        people = people.select(np.sort(np.random.default_rng(0).permutation(len(people))[: config.max_people]))
    images = sorted(set(people.images))
    drawn = np.random.default_rng(1).permutation(len(images))[: round(config.held_out * len(images))]
    held_out_images = {images[index] for index in drawn}
    held_out = np.array([image in held_out_images for image in people.images], bool)
    return {"trained": people.select(~held_out), "held out": people.select(held_out)}


# --- the run -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SearchRun(TrainingRun):
    """A search as a run: ``model`` is the package, ``recipe`` that of the super-network, ``scale`` the search's config."""

    scale: SearchConfig
    table: LookupTable

    def identity(self) -> dict[str, Any]:
        """Return the fields that must match for a search to be resumed."""
        return {
            "package": self.model,
            "scale": self.scale.name,
            "digest": self.scale.digest(),
            "cost": self.table.cost,
            "table": self.table.digest(),
            "seed": self.seed,
            "version": VERSIONS["search"],
        }


def run_search(run: SearchRun, plan: SearchPlan, *, tensorboard: bool = True) -> tuple[str, dict[str, Any]]:
    """Search to the end, resuming the search in the folder if there is one, and derive an architecture.

    Returns:
        The architecture's text, and the progress; its ``seconds`` are the time of all steps, however often the search was
        resumed.

    Raises:
        InputError: The folder holds another run, its checkpoint is damaged, or the loss is no longer finite.
    """
    algorithm = build_search(run)
    optimizers = algorithm.optimizers()
    means = EpochMeans({})

    def take_step(step: int, parts: list[Batch]) -> tuple[Tensor, float]:
        """Take a step of the phase whose turn it is."""
        phase, number = plan[step].phase, plan[step].number
        groups = optimizers[phase].param_groups
        # The recipe's schedule counts the steps of the weights alone; other phases have a constant rate.
        if phase == WEIGHTS_PHASE:
            rate = learning_rate(run.recipe, number, plan.loader_of(phase).steps_per_epoch)
            for group in groups:
                group["lr"] = rate
        metrics = algorithm.step(phase, parts[0], step / plan.steps)
        means.add(phase, metrics)
        return metrics["loss"], groups[0]["lr"]

    def end_epoch(epoch: int) -> Mapping[str, float]:
        """Return the epoch's mean metrics, and how decided the search is."""
        values = means.means() | algorithm.metrics()
        means.clear()
        return values

    def state() -> dict[str, Any]:
        return {"sums": means.state(), "searcher": algorithm.state()}

    with claim_folder(run.folder):
        # Resume from last.pt if there is one.
        identity = run.identity() | data_identity(plan.loaders.values())
        progress = open_run(run.folder, identity, algorithm.network, optimizers)
        if "searcher" in progress:
            algorithm.load_state(progress["searcher"])
        means = EpochMeans(progress.get("sums", {}))
        run_loop(run, plan, algorithm.network, optimizers, progress, take_step, end_epoch, state, tensorboard=tensorboard)
    text = algorithm.derive(plan.loaders["held out"])
    with atomic_write(run.folder / f"derived{architecture_suffix(run.model)}") as temporary:
        temporary.write_text(text)
    return text, progress


def build_search(run: SearchRun) -> SearchAlgorithm:
    """Build a search's algorithm with its initial weights.

    Raises:
        InputError: The weights to start from do not exist.
    """
    torch.manual_seed(run.seed)
    joints = JOINT_COUNTS[joint_set_of(run.recipe.dataset)]
    return search_module(run.model).build_search_algorithm(
        run.scale, run.table, joints=joints, seed=run.seed, device=run.device
    )


def time_search_steps(run: SearchRun, plan: SearchPlan, steps: int = 3) -> dict[str, float]:
    """Measure the seconds of a step of each phase on this machine: the median of a few, with a network then discarded."""
    algorithm = build_search(run)
    seconds = {}
    for phase in run.scale.phases:
        first = next(step for step in range(plan.steps) if plan[step].phase == phase.name)
        batches = (plan.load(min(step, plan.steps - 1)) for step in range(first, first + steps + 1))
        take_step = partial(algorithm.step, phase.name, progress=0.0)
        seconds[phase.name] = median_step_seconds(take_step, batches, run.device)
    return seconds


class EpochMeans:
    """The metrics of an epoch's steps, summed on the device."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.sums: dict[str, tuple[Tensor | float, int]] = {name: (total, count) for name, (total, count) in state.items()}

    def add(self, phase: str, metrics: Mapping[str, Tensor]) -> None:
        """Add the metrics of a step."""
        for name, value in metrics.items():
            total, count = self.sums.get(f"{phase} {name}", (0.0, 0))
            self.sums[f"{phase} {name}"] = (total + value, count + 1)

    def clear(self) -> None:
        """Start another epoch."""
        self.sums.clear()

    def state(self) -> dict[str, Any]:
        """Return the sums and counts as JSON can hold them."""
        return {name: (float(total), count) for name, (total, count) in self.sums.items()}

    def means(self) -> dict[str, float]:
        """Compute the mean over the steps of each phase, by ``"<phase> <metric>"``."""
        return {name: float(total) / count for name, (total, count) in self.sums.items()}


def write_architecture(package: str, text: str, folder: Path, name: str) -> str:
    """Write an architecture to a file, and return the id of its model.

    Raises:
        InputError: The text is malformed.
    """
    path = folder / f"{name}{architecture_suffix(package)}"
    with atomic_write(path) as temporary:
        temporary.write_text(text)
    model = find_entry(str(path)).id
    if not model.startswith(f"{package}/"):
        raise InputError(f"{path} is read by the package of {model}, not by {package}")
    return model
