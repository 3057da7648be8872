"""Compute the learning rate of a step, as each kind of schedule defines it."""

from __future__ import annotations

import math

from benchmark.config.recipes import Recipe, Schedule
from benchmark.core.errors import InputError


def rate_factor(schedule: Schedule, step: int, steps_per_epoch: int, steps: int) -> float:
    """Compute the factor that multiplies the recipe's learning rate.

    Args:
        step: The steps done so far.
        steps: The steps of the whole training.

    Raises:
        InputError: The kind of schedule is unknown.
    """
    if step < schedule.warmup:
        share = step / schedule.warmup
        return schedule.warmup_factor * (1 - share) + share
    match schedule.kind:
        case "constant":
            return 1.0
        case "step":
            unit = steps_per_epoch if schedule.unit == "epochs" else 1
            return schedule.factor ** sum(step >= milestone * unit for milestone in schedule.milestones)
        case "cosine":
            progress = (step - schedule.warmup) / max(steps - schedule.warmup, 1)
            return (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        case "triangular":
            return _triangular(schedule, step, steps_per_epoch, steps)
    raise InputError(f"unknown schedule {schedule.kind!r}")


def _triangular(schedule: Schedule, step: int, steps_per_epoch: int, steps: int) -> float:
    """Compute a triangular wave between two bounds that both approach ``final_lr_ratio`` geometrically.

    EfficientPose's appendix B gives the cycle, the first bounds and the rate they converge to, but not how they approach it.
    """
    progress = min(step / max(steps, 1), 1.0)
    low, high = (bound ** (1 - progress) * schedule.final_lr_ratio**progress for bound in (schedule.min_lr_ratio, 1.0))
    phase = (step / (schedule.cycle * steps_per_epoch)) % 1
    return low + (high - low) * (1 - abs(2 * phase - 1))


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Compute the learning rate of a step.

    Raises:
        InputError: The recipe has no learning rate of its own.
    """
    if recipe.optimizer.lr is None:
        raise InputError(f"recipe {recipe.name} has no learning rate of its own; find one with --find-lr, or give --lr")
    return recipe.optimizer.lr * rate_factor(recipe.schedule, step, steps_per_epoch, recipe.epochs * steps_per_epoch)
