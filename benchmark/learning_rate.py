"""The largest learning rate that a training survives: EfficientPose's rule for its cyclical rates (appendix B)."""

from __future__ import annotations

import math
from dataclasses import replace

from tqdm import tqdm

from benchmark import distributed, training
from benchmark.errors import InputError
from benchmark.feed import Feed
from benchmark.training import Run

LARGEST = 16.0
LOST = 4.0  # a step's loss, over the first step's, from which a training is given up


def find(run: Run, feed: Feed) -> list[tuple[float, bool]]:
    """Rates tried, halving from :data:`LARGEST` to the first that survives, and whether each diverged.

    Each is tried from the initial weights for the schedule's first cycle, or for one epoch where there are no cycles.

    Raises:
        InputError: none survives within twenty halvings.
    """
    steps = (run.recipe.schedule.cycle if run.recipe.schedule.kind == "triangular" else 1) * feed.steps_per_epoch
    tried = []
    for halvings in range(20):
        rate = LARGEST / 2**halvings
        tried.append((rate, diverges(run, feed, rate, steps)))
        if not tried[-1][1]:
            return tried
    raise InputError(f"every learning rate down to {rate:g} diverges within {steps} steps")


def diverges(run: Run, feed: Feed, rate: float, steps: int) -> bool:
    """Whether training with this largest rate loses its way: a loss is not finite, or :data:`LOST` times the first, or the
    last tenth of the steps is no better than the first tenth."""
    recipe = replace(run.recipe, optimizer=replace(run.recipe.optimizer, lr=rate))
    run = replace(run, recipe=recipe)
    stepper = training.Stepper(run, *training.build(run), feed)
    losses: list[float] = []
    with training.prefetched(feed, 0, steps, run, distributed.rank()) as batches:
        for step, parts in enumerate(tqdm(batches, total=steps, desc=f"rate {rate:.3g}", leave=False, disable=None)):
            losses.append(float(stepper(step, parts)[0]))
            if not math.isfinite(losses[-1]) or losses[-1] > LOST * losses[0]:
                return True
    share = max(steps // 10, 1)
    return sum(losses[-share:]) >= sum(losses[:share])
