"""An ablation as data: variants of one thing, what the paper says of them, and what is planned before anything is run.

Each file under ``ablations/`` holds one ``ABLATION``; no torch is imported to read it. A protocol is the recipe that all
variants share: the paper's own, or a small one that changes nothing but data, size and length.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from benchmark import recipes
from benchmark.errors import InputError
from benchmark.recipes import Recipe

ProtocolName = Literal["lsp", "lsp-gpu", "mpii", "coco", "synthetic"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What a small protocol changes in a model's recipe for ``dataset``, and how many seeds are planned."""

    dataset: str
    seeds: int
    says: str
    changes: Mapping[str, Any] = field(default_factory=dict)


PROTOCOLS: Mapping[str, Protocol] = {
    "lsp": Protocol(
        dataset="lsp",
        seeds=3,
        says="Leeds Sports Pose at 96x96, five epochs from scratch: minutes a run on two cores",
        changes={"name": "lsp-short", "input": "96x96", "epochs": 5, "evaluate_every": 1, "start": "scratch"},
    ),
    "lsp-gpu": Protocol(
        dataset="lsp",
        seeds=5,
        says="Leeds Sports Pose at 256x256, sixty epochs from scratch, for a GPU",
        changes={"name": "lsp-gpu", "input": "256x256", "epochs": 60, "evaluate_every": 5, "start": "scratch"},
    ),
    "synthetic": Protocol(
        dataset="synthetic-mpii",
        seeds=1,
        says="Synthetic people: shows that it runs, and no more",
        changes={"start": "scratch"},
    ),
    "mpii": Protocol(dataset="mpii", seeds=1, says="the paper's own recipe on MPII"),
    "coco": Protocol(dataset="coco", seeds=1, says="the paper's own recipe on COCO"),
}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One line of the ablation's table.

    ``changes`` are fields of the recipe, ``length`` multiplies its epochs. A variant without either, of a network whose
    switches are as they are by default, shares its records with every other ablation that has it. A variant with ``weights``, a
    published file below the data root, is not trained at all, but tested under the protocol ``tested``.
    """

    name: str
    model: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    length: int = 1
    tested: str = ""
    weights: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """That ``better`` scores higher than ``worse``, as the paper's ``printed`` expression over its own cells says (in points
    of its metric); ``fine``: under the stricter of the two thresholds."""

    better: str
    worse: str
    printed: str
    fine: bool = False


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """``protocols``: under which it makes sense. ``rates``: factors of the recipe's learning rate at which the first variant is
    trained once with the first seed, to see whether the rate is out of place."""

    name: str
    title: str
    paper: str
    table: str
    says: str
    variants: tuple[Variant, ...]
    comparisons: tuple[Comparison, ...]
    protocols: tuple[ProtocolName, ...] = ("lsp", "lsp-gpu", "mpii", "synthetic")
    rates: tuple[float, ...] = (0.5, 2.0)

    def variant(self, name: str) -> Variant:
        """The variant of that name."""
        return next(variant for variant in self.variants if variant.name == name)


@cache
def known() -> Mapping[str, Ablation]:
    """All ablations by name.

    Raises:
        InputError: a file's ablation has another name than the file.
    """
    import ablations

    found = {}
    for module in pkgutil.iter_modules(ablations.__path__):
        if module.name.startswith("test_"):
            continue
        ablation = importlib.import_module(f"ablations.{module.name}").ABLATION
        if ablation.name != module.name:
            raise InputError(f"ablations/{module.name}.py: its ablation is called {ablation.name!r}")
        found[ablation.name] = ablation
    return found


def find(name: str) -> Ablation:
    """The ablation of that name.

    Raises:
        InputError: there is none.
    """
    if name not in known():
        raise InputError(f"no ablation {name!r}; known: {', '.join(known())}")
    return known()[name]


def recipe_of(ablation: Ablation, variant: Variant, protocol: str) -> tuple[Recipe, tuple[str, ...]]:
    """A variant's recipe under a protocol, and by what it departs from what other variants are trained by.

    Raises:
        InputError: an unknown protocol, or one under which the ablation makes no sense.
    """
    if protocol not in PROTOCOLS or protocol not in ablation.protocols:
        raise InputError(f"ablation {ablation.name} has no protocol {protocol!r}; known: {', '.join(ablation.protocols)}")
    found = PROTOCOLS[protocol]
    shared = replace(recipes.find(variant.model, found.dataset), **found.changes)
    wanted = dict(variant.changes) | ({"epochs": shared.epochs * variant.length} if variant.length > 1 else {})
    changed = {key: value for key, value in wanted.items() if getattr(shared, key) != value}
    departures = tuple(sorted(f"{key} {_told(value)}" for key, value in changed.items()))
    return replace(shared, **changed), departures


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={part}" for key, part in value.items())
    return str(value).rpartition(":")[2]
