"""The largest learning rate that a training survives: EfficientPose's rule for its cyclical rates (appendix B)."""

from __future__ import annotations

import math
from dataclasses import replace

from tqdm import tqdm

from benchmark.core.errors import InputError
from benchmark.evaluation.distributed import process_rank
from benchmark.training.loader import BatchLoader
from benchmark.training.trainer import TrainingRun, TrainingStep, build_training, prefetch_batches

LARGEST_TRIED_RATE = 16.0
DIVERGENCE_FACTOR = 4.0  # a step's loss, over the first step's, from which a training is given up


def find_learning_rate(run: TrainingRun, feed: BatchLoader) -> list[tuple[float, bool]]:
    """Rates tried, halving from :data:`LARGEST` to the first that survives, and whether each diverged.

    Each is tried from the initial weights for the schedule's first cycle, or for one epoch where there are no cycles.

    Raises:
        InputError: none survives within twenty halvings.
    """
    steps = (run.recipe.schedule.cycle if run.recipe.schedule.kind == "triangular" else 1) * feed.steps_per_epoch
    tried = []
    for halvings in range(20):
        rate = LARGEST_TRIED_RATE / 2**halvings
        tried.append((rate, diverges(run, feed, rate, steps)))
        if not tried[-1][1]:
            return tried
    raise InputError(f"every learning rate down to {rate:g} diverges within {steps} steps")


def diverges(run: TrainingRun, feed: BatchLoader, rate: float, steps: int) -> bool:
    """Whether training with this largest rate loses its way: a loss is not finite, or :data:`LOST` times the first, or the
    last tenth of the steps is no better than the first tenth."""
    recipe = replace(run.recipe, optimizer=replace(run.recipe.optimizer, lr=rate))
    run = replace(run, recipe=recipe)
    stepper = TrainingStep(run, *build_training(run), feed)
    losses: list[float] = []
    with prefetch_batches(feed, 0, steps, run, process_rank()) as batches:
        for step, parts in enumerate(tqdm(batches, total=steps, desc=f"rate {rate:.3g}", leave=False, disable=None)):
            losses.append(float(stepper(step, parts)[0]))
            if not math.isfinite(losses[-1]) or losses[-1] > DIVERGENCE_FACTOR * losses[0]:
                return True
    share = max(steps // 10, 1)
    return sum(losses[-share:]) >= sum(losses[:share])
