"""Find the largest learning rate at which a training does not diverge: EfficientPose's cyclical rates, appendix B."""

from __future__ import annotations

import math
from dataclasses import replace

from tqdm import tqdm

from benchmark.core.errors import InputError
from benchmark.evaluation.distributed import process_rank
from benchmark.training.loader import BatchLoader
from benchmark.training.trainer import TrainingRun, TrainingStep, build_training, prefetch_batches

LARGEST_TRIED_RATE = 16.0
DIVERGENCE_FACTOR = 4.0  # a training diverges when its loss exceeds this multiple of the first step's


def find_learning_rate(run: TrainingRun, loader: BatchLoader) -> list[tuple[float, bool]]:
    """Halve the learning rate from :data:`LARGEST_TRIED_RATE` until a training does not diverge.

    Each training starts from the initial weights and lasts for the schedule's first cycle, or one epoch without cycles.

    Returns:
        The rates tried, and whether each diverged; the last one did not.

    Raises:
        InputError: Every training diverges, down to the twentieth rate.
    """
    steps = (run.recipe.schedule.cycle if run.recipe.schedule.kind == "triangular" else 1) * loader.steps_per_epoch
    tried = []
    for halvings in range(20):
        rate = LARGEST_TRIED_RATE / 2**halvings
        tried.append((rate, diverges(run, loader, rate, steps)))
        if not tried[-1][1]:
            return tried
    raise InputError(f"every learning rate down to {rate:g} diverges within {steps} steps")


def diverges(run: TrainingRun, loader: BatchLoader, rate: float, steps: int) -> bool:
    """Return whether a training with this largest learning rate diverges.

    It does when a loss is not finite or exceeds :data:`DIVERGENCE_FACTOR` times the first, or when the mean loss of the last
    tenth of the steps is not below that of the first tenth.
    """
    recipe = replace(run.recipe, optimizer=replace(run.recipe.optimizer, lr=rate))
    run = replace(run, recipe=recipe)
    take_step = TrainingStep(run, *build_training(run), loader)
    losses: list[float] = []
    with prefetch_batches(loader, 0, steps, run, process_rank()) as batches:
        for step, parts in enumerate(tqdm(batches, total=steps, desc=f"rate {rate:.3g}", leave=False, disable=None)):
            losses.append(float(take_step(step, parts)[0]))
            if not math.isfinite(losses[-1]) or losses[-1] > DIVERGENCE_FACTOR * losses[0]:
                return True
    tenth = max(steps // 10, 1)
    return sum(losses[-tenth:]) >= sum(losses[:tenth])
