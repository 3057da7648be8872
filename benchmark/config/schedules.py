"""What changes with the step: learning rates, each schedule one function of it as a factor of the recipe's rate, and how wide
EfficientPose draws its targets."""

from __future__ import annotations

import math

from benchmark.config.recipes import Recipe, Schedule
from benchmark.core.errors import InputError


def rate_factor(schedule: Schedule, step: int, steps_per_epoch: int, steps: int) -> float:
    """What the learning rate is multiplied by.

    Args:
        step: steps done, from 0.
        steps: of the whole training.

    Raises:
        InputError: an unknown kind of schedule.
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
            done = (step - schedule.warmup) / max(steps - schedule.warmup, 1)
            return (1 + math.cos(math.pi * min(done, 1.0))) / 2
        case "triangular":
            return _triangular(schedule, step, steps_per_epoch, steps)
    raise InputError(f"unknown schedule {schedule.kind!r}")


def _triangular(schedule: Schedule, step: int, steps_per_epoch: int, steps: int) -> float:
    """Bounds that approach ``settles`` in equal ratios, and a triangle between them.

    EfficientPose's appendix B gives the cycle, the first bounds and where the rate converges, not the way there.
    """
    done = min(step / max(steps, 1), 1.0)
    low, high = (bound ** (1 - done) * schedule.final_lr_ratio**done for bound in (schedule.min_lr_ratio, 1.0))
    place = (step / (schedule.cycle * steps_per_epoch)) % 1
    return low + (high - low) * (1 - abs(2 * place - 1))


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step.

    Raises:
        InputError: the recipe leaves its rate to be found.
    """
    if recipe.optimizer.lr is None:
        raise InputError(f"recipe {recipe.name} has no learning rate of its own; find one with --find-lr, or give --lr")
    return recipe.optimizer.lr * rate_factor(recipe.schedule, step, steps_per_epoch, recipe.epochs * steps_per_epoch)
