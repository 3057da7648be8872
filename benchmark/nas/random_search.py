"""Random search at equal cost, the baseline without which a search shows nothing (Li and Talwalkar, 2019).

As many architectures of about the searched one's cost as together see as many images as the search did, each trained briefly by
one recipe; the one that does best on the held-out persons is taken.
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
from benchmark.nas.trainer import SearchPlan, SearchRun, search_module, write_architecture
from benchmark.training.loader import BatchLoader
from benchmark.training.log import read_log
from benchmark.training.trainer import TrainingRun, train_network
from benchmark.training.validation import recipe_loss, validate_heatmaps

MAX_TRIES = 10_000


class RandomCandidate(NamedTuple):
    """A random architecture: its cost by the table, and the loss and accuracy in percent it came to on the held-out persons."""

    text: str
    cost: float
    loss: float
    accuracy: float
    seconds: float  # of its training


def short_training_recipe(scale: SearchConfig) -> Recipe:
    """By which each candidate is trained: on images as the search sees them."""
    name, augmentation = f"{scale.retrain.name}-brief", scale.recipe.augmentation
    return replace(scale.retrain, name=name, epochs=scale.candidate_epochs, augmentation=augmentation)


def images_per_candidate(scale: SearchConfig, feed: BatchLoader) -> int:
    """How many images a candidate is trained on.

    Args:
        feed: of the persons that it learns from.
    """
    return scale.candidate_epochs * feed.steps_per_epoch * feed.recipe.batch


def candidate_count(plan: SearchPlan, scale: SearchConfig, feed: BatchLoader) -> int:
    """How many candidates see as many images as the search, at least one."""
    return max(1, plan.images // images_per_candidate(scale, feed))


def cost_bounds(scale: SearchConfig, cost: float) -> tuple[float, float]:
    """The range of costs that candidates for ``cost`` may have."""
    return (1 - scale.tolerance) * cost, (1 + scale.tolerance) * cost


def sample_architectures(run: SearchRun, cost: float) -> Iterator[tuple[str, float]]:
    """Architectures within the range about ``cost``, none twice, with their costs; the same for the same seed, without end.

    Raises:
        InputError: none is found in ten thousand tries.
    """
    package, generator = search_module(run.model), np.random.default_rng([run.seed, 2])
    low, high = cost_bounds(run.scale, cost)
    seen = set()
    while True:
        for _ in range(MAX_TRIES):
            text = package.sample_architecture(run.scale, run.table, cost, generator)
            found = run.table.predict(package.used_components(text))
            if low <= found <= high and text not in seen:
                break
        else:
            unit = f"{run.table.shown(low):.4g} to {run.table.shown(high):.4g}"
            raise InputError(f"no architecture was found that costs {unit} in {MAX_TRIES} tries")
        seen.add(text)
        yield text, found


def train_candidates(
    run: SearchRun, plan: SearchPlan, feeds: Mapping[DataPart, BatchLoader], cost: float, *, show: bool = True
) -> list[RandomCandidate]:
    """Train and validate all candidates, in order; those whose checkpoints say that they are trained are only validated.

    Args:
        run: the search that they are the baseline of.
        feeds: of the persons that candidates learn from, by :func:`brief`, and of the held-out ones, as they are.
        cost: about which theirs are.

    Raises:
        InputError: see :func:`sampled` and :func:`benchmark.training.trainer.train_network`.
    """
    folder, found = run.folder / "candidates", []
    wanted = candidate_count(plan, run.scale, feeds["trained"])
    drawn = sample_architectures(run, cost)
    for number in tqdm(range(wanted), unit=" candidates", desc="random search", disable=None if show else True):
        text, own = next(drawn)
        model = write_architecture(run.model, text, folder, f"{number:03}")
        made = TrainingRun(
            model=model,
            recipe=feeds["trained"].recipe,
            start=run.scale.start,
            seed=run.seed,
            device=run.device,
            folder=folder / f"{number:03}",
        )
        network = train_network(made, feeds["trained"], tensorboard=False)
        figures = validate_heatmaps(network, feeds["held out"], recipe_loss(run.recipe))
        seconds = sum(line["seconds"] for line in read_log(made.folder)[0])
        found.append(RandomCandidate(text, own, figures["loss"], figures["accuracy"], seconds))
    return found


def best_candidate(found: list[RandomCandidate]) -> RandomCandidate:
    """The most accurate, of equals the one with the smallest loss."""
    return max(found, key=lambda candidate: (candidate.accuracy, -candidate.loss))
