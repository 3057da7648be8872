"""How large an architecture search is, as data: its recipe, its phases, what its result is trained by, and its gaps.

A package under ``reproductions`` that searches has two modules. ``searches``, which needs no torch, has ``SCALES``. ``search``
does the work; :mod:`benchmark.nas.trainer` says what it must hold. And its ``architectures`` has ``boxes(text)``, an
architecture
as a picture.
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
WEIGHTS_PHASE, ARCHITECTURE_PHASE = "weights", "architecture"
SEARCHED: Strategy = "searched"
RANDOM: Strategy = "best of random search"
# What every search here does where papers say nothing of it.
HELD_OUT_ASSUMPTION = Assumption(
    unspecified="how persons are held out",
    choice="a fifth of the photographs, the same for every seed",
    source="this project: no photograph is then on both sides, and seeds can be compared",
)
NO_AUGMENTATION_ASSUMPTION = Assumption(
    unspecified="how images are augmented in a search this short",
    choice="not at all, for random search's candidates neither",
    source="this project: shared weights are far from learning persons by heart, and learn twice as fast",
)
_IN_DIGEST = ("held_out", "max_people", "start", "candidate_epochs", "tolerance", "cost_input")


class DiagramBox(NamedTuple):
    """A part of an architecture's picture, one unit wide: from ``x`` on, and ``height`` high about ``y``, both as shares of the
    picture's own height; one without height is a line. ``shade``: 0 to 2, the darkest."""

    x: float
    y: float = 0.5
    height: float = 0.0
    shade: int = 0
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class SearchPhase:
    """What an epoch does in its turn: one pass over a part of the persons. Epochs before ``first`` leave it out."""

    name: str
    part: DataPart = "trained"
    first: int = 0


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """A search, everything of it but the package, the photographs and the seed.

    ``recipe`` feeds and judges the super-network: its ``epochs`` are those of the whole search, its optimizer and schedule are
    the weights'. ``architecture`` is the optimizer of what decides between operations. ``held_out`` is the share of the
    training persons that no weight learns from, split by photograph; ``persons`` limits them all. ``start`` names one of the
    recipes' starts, for the super-network and for whatever is derived. ``retrain`` is the recipe of a derived architecture;
    random search trains each of its candidates by the same for ``candidate_epochs``, and as many candidates as make the
    search's own number of images; their costs lie within ``tolerance`` of the searched one's. ``options`` are the package's.
    ``deployed`` is the input at which costs count, where it is not the one that is searched at.
    ``printed`` is the paper's own difference of the two, an expression over its cells, in points.
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
        """Whose joints are learned."""
        return self.recipe.dataset

    @property
    def cost_input(self) -> str:
        """The input at which costs count."""
        return self.deployment_input or self.recipe.input

    @property
    def images(self) -> int:
        """How many a search sees where all persons are there."""
        persons = min(self.max_people or self.recipe.num_people, self.recipe.num_people)
        shares: Mapping[DataPart, float] = {"trained": 1 - self.held_out, "held out": self.held_out}
        return round(persons * sum((self.recipe.epochs - phase.first) * shares[phase.part] for phase in self.phases))

    def digest(self) -> str:
        """Eight hexadecimal digits that change with whatever decides the outcome."""
        told = {
            "recipe": self.recipe.digest(),
            "retrain": self.retrain.digest(),
            "phases": [vars(phase) for phase in self.phases],
            "architecture": vars(self.architecture),
            "options": dict(self.options),
            **{name: getattr(self, name) for name in _IN_DIGEST},
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]
