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

from benchmark.config.packages import find_recipe, find_search
from benchmark.config.recipes import Recipe
from benchmark.config.searches import SearchConfig
from benchmark.core.errors import InputError
from benchmark.models.registry import find_entry

BudgetName = Literal["lsp", "lsp-gpu", "mpii", "coco", "synthetic"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a small protocol changes in a model's recipe for ``dataset``, and how many seeds are planned. Under one
    that is the papers' ``own`` nothing is changed, and nothing stands in for anything. ``scale``: how large a search is for a
    variant that is searched."""

    dataset: str
    seeds: int
    description: str
    scale: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    papers_own: bool = False


BUDGETS: Mapping[str, Budget] = {
    "lsp": Budget(
        dataset="lsp",
        seeds=3,
        description="Leeds Sports Pose at 96x96, three epochs: minutes a run on two cores",
        scale="small",
        overrides={"name": "lsp-short", "input": "96x96", "epochs": 3, "evaluate_every": 1},
    ),
    "lsp-gpu": Budget(
        dataset="lsp",
        seeds=5,
        description="Leeds Sports Pose at 256x256, sixty epochs, for a GPU",
        scale="gpu",
        overrides={"name": "lsp-gpu", "input": "256x256", "epochs": 60, "evaluate_every": 5},
    ),
    "synthetic": Budget(
        dataset="synthetic-mpii",
        seeds=1,
        description="Synthetic people: shows that it runs, and no more",
        scale="tiny",
    ),
    "mpii": Budget(dataset="mpii", seeds=1, description="the paper's own recipe on MPII", scale="paper", papers_own=True),
    "coco": Budget(dataset="coco", seeds=1, description="the paper's own recipe on COCO", scale="paper", papers_own=True),
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
    overrides: Mapping[str, Any] = field(default_factory=dict)
    epochs_factor: int = 1
    protocol: str = ""
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
    strict_threshold: bool = False
    converges_faster: bool = False


HEATMAPS = "heatmaps"
GREY_LEVELS = 16  # of grey in a kept picture: one hexadecimal digit a pixel


@dataclass(frozen=True, kw_only=True)
class FeatureMapSpec:
    """What :mod:`benchmark.ablation.feature_maps` measures on trained variants: ``places`` are modules, of which a variant
    may lack some, and
    the final heatmaps; after training, or after every evaluation."""

    modules: tuple[str, ...] = (HEATMAPS,)
    every_evaluation: bool = False


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """``protocols``: under which it makes sense. ``recipe``: the one by which the paper ablated, where it is not the first for
    the data set. Under a small protocol ``stands_in`` trains other networks in the place of the paper's, all variants start
    from ``start``, and ``rates`` are factors of the learning rate at which the first variant is trained once with the first
    seed, to see whether the rate is out of place."""

    name: str
    title: str
    paper: str = ""
    table: str = ""
    description: str
    variants: tuple[Variant, ...]
    comparisons: tuple[Comparison, ...]
    protocols: tuple[BudgetName, ...] = ("lsp", "lsp-gpu", "mpii", "synthetic")
    recipe: str | None = None
    substitutes: Mapping[str, str] = field(default_factory=dict)
    start: str = "scratch"
    rates: tuple[float, ...] = (0.5, 2.0)
    feature_maps: FeatureMapSpec | None = None

    def __post_init__(self) -> None:
        where, names = f"ablation {self.name}", [variant.name for variant in self.variants]
        for comparison in self.comparisons:
            for name in (comparison.better, comparison.worse):
                if name not in names:
                    raise InputError(f"{where}: a comparison names {name!r}; its variants are {', '.join(names)}")
            if comparison.printed and not self.paper:
                raise InputError(f"{where}: {comparison.printed!r} is of no paper; name the paper or leave it empty")
        for protocol in self.protocols:
            if protocol not in BUDGETS:
                raise InputError(f"{where}: unknown protocol {protocol!r}; known: {', '.join(BUDGETS)}")

    def variant(self, name: str) -> Variant:
        """The variant of that name."""
        return next(variant for variant in self.variants if variant.name == name)


@cache
def known_ablations() -> Mapping[str, Ablation]:
    """All ablations by name.

    Raises:
        InputError: a file has no ablation, or its ablation has another name than the file.
    """
    import ablations

    found = {}
    for module in pkgutil.iter_modules(ablations.__path__):
        if module.name.startswith("test_"):
            continue
        ablation = getattr(importlib.import_module(f"ablations.{module.name}"), "ABLATION", None)
        if not isinstance(ablation, Ablation):
            raise InputError(f"ablations/{module.name}.py has no ABLATION = Ablation(...)")
        if ablation.name != module.name:
            raise InputError(f"ablations/{module.name}.py: its ablation is called {ablation.name!r}")
        found[ablation.name] = ablation
    return found


def find_ablation(name: str) -> Ablation:
    """The ablation of that name.

    Raises:
        InputError: there is none.
    """
    if name not in known_ablations():
        raise InputError(f"no ablation {name!r}; known: {', '.join(known_ablations())}")
    return known_ablations()[name]


def variant_recipe(ablation: Ablation, variant: Variant, protocol: str, rate: float = 1.0) -> tuple[Recipe, dict[str, str]]:
    """Return a variant's recipe under a protocol, and what differs in it from the other variants' by name.

    Args:
        rate: The factor of the learning rate.

    Raises:
        InputError: an unknown protocol, or one under which the ablation makes no sense.
    """
    if protocol not in BUDGETS or protocol not in ablation.protocols:
        raise InputError(f"ablation {ablation.name} has no protocol {protocol!r}; known: {', '.join(ablation.protocols)}")
    found, model = BUDGETS[protocol], variant_model(ablation, variant, protocol)
    if scale := variant_search(variant, protocol):
        return scale.retrain, {}
    if found.papers_own:
        shared = find_recipe(model, found.dataset, ablation.recipe)
    else:
        shared = replace(find_recipe(model, found.dataset), **found.overrides)
        # Synthetic people are to do without a download, and their recipes have no start but from scratch.
        shared = replace(shared, start=ablation.start if ablation.start in shared.starts else "scratch")
    wanted = dict(variant.overrides) | ({"epochs": shared.epochs * variant.epochs_factor} if variant.epochs_factor > 1 else {})
    changed = {key: value for key, value in wanted.items() if getattr(shared, key) != value}
    recipe = replace(shared, **changed)
    if rate != 1:
        assert recipe.optimizer.lr is not None
        recipe = replace(recipe, optimizer=replace(recipe.optimizer, lr=recipe.optimizer.lr * rate))
    return recipe, {key: _override_value(value) for key, value in sorted(changed.items())}


def missing_recipe(ablation: Ablation, protocol: str) -> str:
    """Return why a variant cannot be trained under a protocol; empty where all can.

    Raises:
        InputError: A variant names an unknown model.
    """
    for variant in ablation.variants:
        if variant.weights:
            continue
        try:
            if not variant.scale:
                find_entry(variant_model(ablation, variant, protocol))
        except InputError as problem:
            raise InputError(f"ablations/{ablation.name}.py: {problem}") from None
        try:
            variant_recipe(ablation, variant, protocol)
        except InputError as problem:
            return str(problem)
    return ""


def variant_search(variant: Variant, protocol: str) -> SearchConfig | None:
    """The search that finds a variant's network under a protocol; None for a network that a package has.

    Raises:
        InputError: the package has no such search.
    """
    if not variant.scale:
        return None
    return find_search(variant.model.partition("/")[0], variant.scale.format(BUDGETS[protocol].scale))


def variant_model(ablation: Ablation, variant: Variant, protocol: str) -> str:
    """The network that is trained: the paper's, or what stands in for it under a small protocol, with the same switches."""
    paper, plus, switches = variant.model.partition("+")
    stands_in = {} if BUDGETS[protocol].papers_own else ablation.substitutes
    return stands_in.get(paper, paper) + plus + switches


def _override_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={part}" for key, part in value.items())
    return str(value).rpartition(":")[2]
