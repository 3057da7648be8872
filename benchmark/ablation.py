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

from benchmark import recipes, search_scales
from benchmark.errors import InputError
from benchmark.recipes import Recipe
from benchmark.search_scales import Scale

ProtocolName = Literal["lsp", "lsp-gpu", "mpii", "coco", "synthetic"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What a small protocol changes in a model's recipe for ``dataset``, and how many seeds are planned. Under one
    that is the papers' ``own`` nothing is changed, and nothing stands in for anything. ``scale``: how large a search is for a
    variant that is searched."""

    dataset: str
    seeds: int
    says: str
    scale: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False


PROTOCOLS: Mapping[str, Protocol] = {
    "lsp": Protocol(
        dataset="lsp",
        seeds=3,
        says="Leeds Sports Pose at 96x96, three epochs: minutes a run on two cores",
        scale="small",
        changes={"name": "lsp-short", "input": "96x96", "epochs": 3, "evaluate_every": 1},
    ),
    "lsp-gpu": Protocol(
        dataset="lsp",
        seeds=5,
        says="Leeds Sports Pose at 256x256, sixty epochs, for a GPU",
        scale="gpu",
        changes={"name": "lsp-gpu", "input": "256x256", "epochs": 60, "evaluate_every": 5},
    ),
    "synthetic": Protocol(
        dataset="synthetic-mpii",
        seeds=1,
        says="Synthetic people: shows that it runs, and no more",
        scale="tiny",
    ),
    "mpii": Protocol(dataset="mpii", seeds=1, says="the paper's own recipe on MPII", scale="paper", own=True),
    "coco": Protocol(dataset="coco", seeds=1, says="the paper's own recipe on COCO", scale="paper", own=True),
}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One line of the ablation's table.

    ``changes`` are fields of the recipe, ``length`` multiplies its epochs. A variant without either, of a network whose
    switches are as they are by default, shares its records with every other ablation that has it. A variant with ``weights``, a
    published file below the data root, is not trained at all, but tested under the protocol ``tested``. ``row`` is the one of
    the paper's table that prints it. ``scale`` is that of a search, the protocol's in the place of ``{}``: the variant is then
    the network that the search of ``model``'s package finds, trained as that scale says.
    """

    name: str
    model: str
    row: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    length: int = 1
    tested: str = ""
    weights: str = ""
    scale: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """That ``better`` scores higher than ``worse``, as the paper's ``printed`` expression over its own cells says (in points
    of its metric); ``fine``: under the stricter of the two thresholds; ``sooner``: and needs fewer epochs to what the other
    ends with."""

    better: str
    worse: str
    printed: str
    fine: bool = False
    sooner: bool = False


HEATMAPS = "heatmaps"
LEVELS = 16  # of grey in a kept picture: one hexadecimal digit a pixel


@dataclass(frozen=True, kw_only=True)
class Look:
    """What :mod:`benchmark.maps` measures on trained variants: ``places`` are modules, of which a variant may lack some, and
    the final heatmaps; after training, or after every evaluation."""

    places: tuple[str, ...] = (HEATMAPS,)
    every: bool = False


def metric(name: str, place: str, epoch: int) -> str:
    """What such a figure is called in the records."""
    return f"{name} of {place}, epoch {epoch}"


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """``protocols``: under which it makes sense. ``recipe``: the one by which the paper ablated, where it is not the first for
    the data set. Under a small protocol ``stands_in`` trains other networks in the place of the paper's, all variants start
    from ``start``, and ``rates`` are factors of the learning rate at which the first variant is trained once with the first
    seed, to see whether the rate is out of place."""

    name: str
    title: str
    paper: str
    table: str
    says: str
    variants: tuple[Variant, ...]
    comparisons: tuple[Comparison, ...]
    protocols: tuple[ProtocolName, ...] = ("lsp", "lsp-gpu", "mpii", "synthetic")
    recipe: str | None = None
    stands_in: Mapping[str, str] = field(default_factory=dict)
    start: str = "scratch"
    rates: tuple[float, ...] = (0.5, 2.0)
    look: Look | None = None

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
    found, model = PROTOCOLS[protocol], model_of(ablation, variant, protocol)
    if scale := scale_of(variant, protocol):
        return scale.retrain, ()
    if found.own:
        shared = recipes.find(model, found.dataset, ablation.recipe)
    else:
        shared = replace(recipes.find(model, found.dataset), **found.changes)
        # Synthetic people are to do without a download, and their recipes have no start but from scratch.
        shared = replace(shared, start=ablation.start if ablation.start in shared.starts else "scratch")
    wanted = dict(variant.changes) | ({"epochs": shared.epochs * variant.length} if variant.length > 1 else {})
    changed = {key: value for key, value in wanted.items() if getattr(shared, key) != value}
    departures = tuple(sorted(f"{key} {_told(value)}" for key, value in changed.items()))
    return replace(shared, **changed), departures


def scale_of(variant: Variant, protocol: str) -> Scale | None:
    """The search that finds a variant's network under a protocol; None for a network that a package has.

    Raises:
        InputError: the package has no such search.
    """
    if not variant.scale:
        return None
    return search_scales.find(variant.model.partition("/")[0], variant.scale.format(PROTOCOLS[protocol].scale))


def at_rate(rate: float) -> tuple[str, ...]:
    """How records name a training at so many times the recipe's learning rate."""
    return () if rate == 1 else (f"rate x{rate:g}",)


def model_of(ablation: Ablation, variant: Variant, protocol: str) -> str:
    """The network that is trained: the paper's, or what stands in for it under a small protocol, with the same switches."""
    paper, plus, switches = variant.model.partition("+")
    stands_in = {} if PROTOCOLS[protocol].own else ablation.stands_in
    return stands_in.get(paper, paper) + plus + switches


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={part}" for key, part in value.items())
    return str(value).rpartition(":")[2]
