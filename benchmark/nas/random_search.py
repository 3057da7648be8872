"""Search at random at equal cost: the baseline of every architecture search (Li and Talwalkar, 2019).

Random architectures of about the same cost as the searched one are trained by one short recipe. Together they are trained on
as many images as the search. The one that is best on the held-out people is chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from benchmark.config.recipes import Recipe
from benchmark.config.searches import DataPart, SearchConfig
from benchmark.core.errors import InputError
from benchmark.nas.lookup_table import COST_UNITS
from benchmark.nas.trainer import SearchPlan, SearchRun, search_module, write_architecture
from benchmark.training.loader import BatchLoader
from benchmark.training.log import read_log
from benchmark.training.trainer import TrainingRun, train_network
from benchmark.training.validation import recipe_loss, validate_heatmaps

MAX_TRIES = 10_000


class RandomCandidate(NamedTuple):
    """A random architecture and its training.

    Attributes:
        cost: Its cost according to the lookup table.
        loss: On the held-out people.
        accuracy: On the held-out people, in percent.
        seconds: The time that its training took.
    """

    text: str
    cost: float
    loss: float
    accuracy: float
    seconds: float


def short_training_recipe(config: SearchConfig) -> Recipe:
    """Return the recipe of every candidate: few epochs, and images augmented as in the search."""
    name, augmentation = f"{config.retrain.name}-brief", config.recipe.augmentation
    return replace(config.retrain, name=name, epochs=config.candidate_epochs, augmentation=augmentation)


def images_per_candidate(config: SearchConfig, loader: BatchLoader) -> int:
    """Return the number of images that a candidate is trained on.

    Args:
        loader: The batches of the people that it is trained on.
    """
    return config.candidate_epochs * loader.steps_per_epoch * loader.recipe.batch


def candidate_count(plan: SearchPlan, config: SearchConfig, loader: BatchLoader) -> int:
    """Return the number of candidates that are together trained on as many images as the search, at least one."""
    return max(1, plan.images // images_per_candidate(config, loader))


def cost_bounds(config: SearchConfig, cost: float) -> tuple[float, float]:
    """Return the lowest and the highest cost of a candidate at equal ``cost``."""
    return (1 - config.tolerance) * cost, (1 + config.tolerance) * cost


def sample_architectures(run: SearchRun, cost: float) -> Iterator[tuple[str, float]]:
    """Draw different architectures of about ``cost`` without end, with their costs; the same ones for the same seed.

    Raises:
        InputError: None is found in :data:`MAX_TRIES` tries.
    """
    package, generator = search_module(run.model), np.random.default_rng([run.seed, 2])
    low, high = cost_bounds(run.scale, cost)
    seen = set()
    while True:
        for _ in range(MAX_TRIES):
            text = package.sample_architecture(run.scale, run.table, cost, generator)
            drawn_cost = run.table.predict(package.used_components(text))
            if low <= drawn_cost <= high and text not in seen:
                break
        else:
            bounds = f"{run.table.shown(low):.4g} to {run.table.shown(high):.4g} {COST_UNITS[run.table.cost]}"
            raise InputError(f"no architecture that costs {bounds} was found in {MAX_TRIES} tries")
        seen.add(text)
        yield text, drawn_cost


def train_candidates(
    run: SearchRun, plan: SearchPlan, loaders: Mapping[DataPart, BatchLoader], cost: float, *, show: bool = True
) -> list[RandomCandidate]:
    """Train and validate all candidates; one that is already trained in the run's folder is only validated.

    Args:
        run: The search whose baseline they are.
        loaders: The batches that candidates are trained on, by :func:`short_training_recipe`, and those of the held-out people.
        cost: The cost of the searched architecture.

    Raises:
        InputError: See :func:`sample_architectures` and :func:`benchmark.training.trainer.train_network`.
    """
    folder, candidates = run.folder / "candidates", []
    count = candidate_count(plan, run.scale, loaders["trained"])
    architectures = sample_architectures(run, cost)
    for number in tqdm(range(count), unit=" candidates", desc="random search", disable=None if show else True):
        # Draw an architecture of about the cost.
        text, candidate_cost = next(architectures)
        training = TrainingRun(
            model=write_architecture(run.model, text, folder, f"{number:03}"),
            recipe=loaders["trained"].recipe,
            start=run.scale.start,
            seed=run.seed,
            device=run.device,
            folder=folder / f"{number:03}",
        )
        # Train it; the run in its folder is resumed if there is one.
        network = train_network(training, loaders["trained"], tensorboard=False)
        seconds = sum(line["seconds"] for line in read_log(training.folder)[0])
        # Validate it on the held-out people.
        values = validate_heatmaps(network, loaders["held out"], recipe_loss(run.recipe))
        candidates.append(RandomCandidate(text, candidate_cost, values["loss"], values["accuracy"], seconds))
    return candidates


def best_candidate(candidates: list[RandomCandidate]) -> RandomCandidate:
    """Return the most accurate candidate; among equals the one with the smallest loss."""
    return max(candidates, key=lambda candidate: (candidate.accuracy, -candidate.loss))
