"""Configs of architecture searches as data: recipe, phases, training of the derived architecture, assumptions.

A package under ``reproductions`` declares its configs in :class:`benchmark.config.packages.PaperPackage`, without importing
torch, and names the module that searches; :mod:`benchmark.nas.trainer` states the functions which that module must have.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from benchmark.config.recipes import Assumption, Optimizer, Recipe

CostKind = Literal["flops", "cpu", "cuda"]
DataPart = Literal["trained", "held out"]
Strategy = Literal["searched", "best of random search"]
LOOKUP_ROUNDS = 20  # interleaved rounds in which the times of a lookup table are measured
WEIGHTS_PHASE, ARCHITECTURE_PHASE = "weights", "architecture"
SEARCHED: Strategy = "searched"
RANDOM: Strategy = "best of random search"
# Assumptions that the searches of several papers share.
HELD_OUT_ASSUMPTION = Assumption(
    unspecified="split into people that train the weights and people that train the architecture",
    choice="a fifth of the images is held out for the architecture, the same for every seed",
    source="this project: no image is in both parts, and seeds can be compared",
)
NO_AUGMENTATION_ASSUMPTION = Assumption(
    unspecified="augmentation in a search this short",
    choice="none, also for the candidates of random search",
    source="this project: shared weights are far from overfitting, and learn twice as fast without augmentation",
)
_IN_DIGEST = ("held_out", "max_people", "start", "candidate_epochs", "tolerance", "cost_input")


class DiagramBox(NamedTuple):
    """One box in the diagram of an architecture; it is one unit wide.

    Attributes:
        x: Left edge.
        y: Vertical centre, as a fraction of the diagram's height.
        height: Height, as a fraction of the diagram's height; 0 draws a line.
        shade: 0 (lightest) to 2 (darkest).
        label: Text in the box.
    """

    x: float
    y: float = 0.5
    height: float = 0.0
    shade: int = 0
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class SearchPhase:
    """One phase of an epoch: a pass over one part of the training people.

    Attributes:
        name: Name of the phase; :data:`WEIGHTS_PHASE` follows the recipe's learning rate schedule.
        part: The people that it passes over: those whose images train the weights, or those held out.
        first: First epoch, counted from 0, that has this phase.
    """

    name: str
    part: DataPart = "trained"
    first: int = 0


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Everything that determines an architecture search, except the package, the images and the seed.

    Random search, the baseline, trains as many candidates as use the same number of images as the search itself.

    Attributes:
        name: Name, unique among the configs of a package; ``--scale`` selects it.
        version: Raised when the config changes, so that old records no longer count for it.
        description: One line for the user: data, size and cost of the search.
        recipe: Recipe of the super-network. Its ``epochs`` are those of the whole search; its optimizer and schedule are those
            of the weights.
        phases: Phases of an epoch, in their order.
        architecture: Optimizer of the parameters that choose between operations.
        held_out: Fraction of the training people, split by image, that the weights are not trained on.
        max_people: Maximum number of training people; None for all.
        start: Initial weights of the super-network and of derived architectures: ``scratch``, or a key of the recipes'
            ``starts``.
        retrain: Recipe that the derived architecture is trained by.
        candidate_epochs: Number of epochs for which random search trains each candidate, by ``retrain``.
        tolerance: Largest relative difference between the cost of a candidate and that of the searched architecture.
        seeds: Number of seeds that are planned.
        deployment_input: Input size ``HxW`` at which costs are counted; empty for the recipe's.
        printed: The paper's difference between searched and random, in points: an expression over its printed cells.
        options: Options of the package's own search algorithm.
        assumptions: Choices that the paper does not specify.
    """

    name: str
    version: int = 1
    description: str
    recipe: Recipe
    phases: tuple[SearchPhase, ...]
    architecture: Optimizer
    held_out: float = 0.2
    max_people: int | None = None
    start: str = "scratch"
    retrain: Recipe
    candidate_epochs: int
    tolerance: float = 0.1
    seeds: int = 1
    deployment_input: str = ""
    printed: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    assumptions: tuple[Assumption, ...] = ()

    @property
    def dataset(self) -> str:
        """The dataset that is tested on, whose joints are learned."""
        return self.recipe.dataset

    @property
    def cost_input(self) -> str:
        """The input size ``HxW`` at which costs are counted."""
        return self.deployment_input or self.recipe.input

    @property
    def images(self) -> int:
        """The number of images that the search passes over in all epochs, on the complete training data."""
        people = min(self.max_people or self.recipe.num_people, self.recipe.num_people)
        shares: Mapping[DataPart, float] = {"trained": 1 - self.held_out, "held out": self.held_out}
        return round(people * sum((self.recipe.epochs - phase.first) * shares[phase.part] for phase in self.phases))

    def digest(self) -> str:
        """Return a hash of everything that determines the outcome: eight hexadecimal digits."""
        hashed = {
            "recipe": self.recipe.digest(),
            "retrain": self.retrain.digest(),
            "phases": [vars(phase) for phase in self.phases],
            "architecture": vars(self.architecture),
            "options": dict(self.options),
            **{name: getattr(self, name) for name in _IN_DIGEST},
        }
        return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:8]
