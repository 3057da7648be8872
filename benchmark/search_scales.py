"""How large an architecture search is, as data: its recipe, its phases, what its result is trained by, and its gaps.

A package under ``reproductions`` that searches has two modules. ``searches``, which needs no torch, has ``SCALES``. ``search``
does the work; :mod:`benchmark.searching` says what it must hold. And its ``architectures`` has ``boxes(text)``, an architecture
as a picture.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple

from benchmark import models
from benchmark.errors import InputError
from benchmark.recipes import Gap, Optimizer, Recipe

Cost = Literal["flops", "cpu", "cuda"]
Part = Literal["trained", "held out"]
Strategy = Literal["searched", "best of random search"]
WEIGHTS, ARCHITECTURE = "weights", "architecture"
# How records of searches are found: their kind, what an architecture is, how a lookup table's protocol begins, the metric of
# its validation, and how that of a whole network's cost begins.
KIND = "search"
SEARCHED: Strategy = "searched"
RANDOM: Strategy = "best of random search"
LOOKUP, VALIDATED, WHOLE = "lookup of ", "rank correlation", "cost of "
# What every search here does where papers say nothing of it.
HELD_OUT = Gap(
    what="how persons are held out",
    instead="a fifth of the photographs, the same for every seed",
    source="this project: no photograph is then on both sides, and seeds can be compared",
)
UNALTERED = Gap(
    what="how images are augmented in a search this short",
    instead="not at all, for random search's candidates neither",
    source="this project: shared weights are far from learning persons by heart, and learn twice as fast",
)
_TOLD = ("held_out", "persons", "start", "candidate_epochs", "tolerance", "costed")


class Box(NamedTuple):
    """A part of an architecture's picture, one unit wide: from ``x`` on, and ``height`` high about ``y``, both as shares of the
    picture's own height; one without height is a line. ``shade``: 0 to 2, the darkest."""

    x: float
    y: float = 0.5
    height: float = 0.0
    shade: int = 0
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What an epoch does in its turn: one pass over a part of the persons. Epochs before ``first`` leave it out."""

    name: str
    part: Part = "trained"
    first: int = 0


@dataclass(frozen=True, kw_only=True)
class Scale:
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
    says: str
    recipe: Recipe
    phases: tuple[Phase, ...]
    architecture: Optimizer
    held_out: float = 0.2
    persons: int | None = None
    start: str = "scratch"
    retrain: Recipe
    candidate_epochs: int
    tolerance: float = 0.1
    seeds: int = 1
    deployed: str = ""
    printed: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()

    @property
    def dataset(self) -> str:
        """Whose joints are learned."""
        return self.recipe.dataset

    @property
    def costed(self) -> str:
        """The input at which costs count."""
        return self.deployed or self.recipe.input

    @property
    def images(self) -> int:
        """How many a search sees where all persons are there."""
        persons = min(self.persons or self.recipe.persons, self.recipe.persons)
        shares: Mapping[Part, float] = {"trained": 1 - self.held_out, "held out": self.held_out}
        return round(persons * sum((self.recipe.epochs - phase.first) * shares[phase.part] for phase in self.phases))

    def digest(self) -> str:
        """Eight hexadecimal digits that change with whatever decides the outcome."""
        told = {
            "recipe": self.recipe.digest(),
            "retrain": self.retrain.digest(),
            "phases": [vars(phase) for phase in self.phases],
            "architecture": vars(self.architecture),
            "options": dict(self.options),
            **{name: getattr(self, name) for name in _TOLD},
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]


def known() -> dict[str, dict[str, Scale]]:
    """The scales of every package that searches, by name."""
    found = {}
    for name, package in models.packages().items():
        if hasattr(package, "__path__") and find_spec(f"{package.__name__}.searches"):
            found[name] = {scale.name: scale for scale in importlib.import_module(f"{package.__name__}.searches").SCALES}
    return found


def find(package: str, name: str, dataset: str | None = None) -> Scale:
    """A package's scale of that name.

    Raises:
        InputError: the package does not search, has no such scale, or one for other data.
    """
    packages = known()
    if package not in packages:
        raise InputError(f"{package!r} has no architecture search; known: {', '.join(packages)}")
    if name not in packages[package]:
        raise InputError(f"{package} has no scale {name!r}; known: {', '.join(packages[package])}")
    scale = packages[package][name]
    if dataset not in (None, scale.dataset):
        raise InputError(f"--dataset {dataset}: scale {name} of {package} searches on {scale.dataset}")
    return scale
