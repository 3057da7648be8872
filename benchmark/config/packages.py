"""What a package under ``reproductions/`` declares, and where recipes, protocols and searches are looked up.

A sixth paper is a folder ``reproductions/<paper>/`` whose ``__init__.py`` holds ``PACKAGE = PaperPackage(...)``. Importing it
must not import torch, so that a report can read declarations in milliseconds; whatever needs torch is named as
``module:function`` and imported when it is used. A distribution of your own joins through the entry-point group
``pose_benchmark``, naming a module with ``PACKAGE``, or with ``ENTRIES`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmark.config.protocols import PROTOCOLS, Protocol, WeightFile
from benchmark.config.recipes import GENERAL_RECIPES, Recipe
from benchmark.config.searches import SearchConfig
from benchmark.core.errors import InputError
from benchmark.models.registry import ArchitectureFormat, Entry, find_entry, packages


@dataclass(frozen=True, kw_only=True)
class PaperPackage:
    """Declare what a package contributes; all but the entries may be left out.

    Attributes:
        entries: The networks.
        recipes: How they are trained, by name; the first of a dataset is its default.
        untrained: Models that no recipe fits, with the reason.
        protocols: How they are tested, by name; the first is the package's default.
        weight_files: Weight files that only this package reads, by suffix.
        architectures: How its searched architectures are written as files.
        searches: Its search configurations.
        search: The module that searches; :mod:`benchmark.nas.trainer` says what it must hold.
        structure: ``module:function``, taking a table's id and returning ``{"row/column": string}`` of what is built where the
            paper prints an architecture.
        readings: ``module:function``, taking a table's id and returning for each ``row/column`` that does not say how it was
            counted a list of readings: ``{"reading", "convention", "value"}``, and ``"network"`` and ``"against"`` of a saving.
        structure_version: Raised when what ``structure`` or ``readings`` return changes.
    """

    entries: tuple[Entry, ...]
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    untrained: Mapping[str, str] = field(default_factory=dict)
    protocols: Mapping[str, Protocol] = field(default_factory=dict)
    weight_files: Mapping[str, WeightFile] = field(default_factory=dict)
    architectures: ArchitectureFormat | None = None
    searches: tuple[SearchConfig, ...] = ()
    search: str = ""
    structure: str = ""
    readings: str = ""
    structure_version: int = 1


def declarations() -> dict[str, PaperPackage]:
    """Return the declarations of every package by its name."""
    return {
        name: module.PACKAGE if hasattr(module, "PACKAGE") else PaperPackage(entries=module.ENTRIES)
        for name, module in packages().items()
    }


def package_of(model: str) -> PaperPackage:
    """Return the declarations of a model's package.

    Raises:
        InputError: The model is unknown.
    """
    return declarations()[find_entry(model).id.split("/")[0]]


def architecture_format_of(package: str) -> ArchitectureFormat:
    """Return how a package that searches writes its architectures.

    Raises:
        InputError: It writes none.
    """
    found = declarations()[package].architectures
    if found is None:
        raise InputError(f"{package} declares no format of architecture files")
    return found


def known_recipes(model: str) -> dict[str, Recipe]:
    """List all recipes that a model can be trained by: its package's, then the general ones for the datasets those leave out.

    Raises:
        InputError: The model is unknown, or no recipe fits it.
    """
    entry, package = find_entry(model), package_of(model)
    base = entry.recipe_of or entry.id.split("+")[0]
    if base in package.untrained:
        raise InputError(f"no recipe for {model}: {package.untrained[base]}")
    own = _own_recipes(model)
    datasets = {recipe.dataset for recipe in own.values()}
    return own | {name: recipe for name, recipe in GENERAL_RECIPES.items() if recipe.dataset not in datasets}


def _own_recipes(model: str) -> dict[str, Recipe]:
    """List the recipes that a model's package has for it."""
    entry = find_entry(model)
    base = entry.recipe_of or entry.id.split("+")[0]
    return {name: recipe for name, recipe in package_of(model).recipes.items() if not recipe.models or base in recipe.models}


def find_recipe(model: str, dataset: str, name: str | None = None) -> Recipe:
    """Return the recipe of that name, or the first that learns the dataset's joints on it.

    Raises:
        InputError: The model is unknown, there is no such recipe, or none for the dataset.
    """
    recipes = known_recipes(model)
    if name is not None:
        if name not in recipes:
            raise InputError(f"no recipe {name!r} for {model}; known: {', '.join(recipes)}")
        if recipes[name].dataset != dataset:
            raise InputError(f"recipe {name} is for {recipes[name].dataset}, not {dataset}")
        return recipes[name]
    fitting = [recipe for recipe in recipes.values() if recipe.dataset == dataset]
    if not fitting:
        raise InputError(f"no recipe for {model} on {dataset}; known: {', '.join(recipes)}")
    return fitting[0]


def known_protocols(model: str) -> Mapping[str, Protocol]:
    """List all protocols that a model can be tested under: its package's, then the general ones.

    Raises:
        InputError: The model is unknown.
    """
    return {**package_of(model).protocols, **PROTOCOLS}


def find_protocol(model: str, name: str) -> Protocol:
    """Return the protocol of that name.

    Raises:
        InputError: The model or the protocol is unknown.
    """
    protocols = known_protocols(model)
    if name not in protocols:
        raise InputError(f"no protocol {name!r} for {model}; known: {', '.join(protocols)}")
    return protocols[name]


def default_protocol(model: str, dataset: str, *, detected: bool = False) -> str:
    """Name the protocol that a model is tested under by default.

    It is the first of the model's package, or else HRNet's; with ``-bgr`` behind its name where the package trains the model on
    blue-first images of the dataset, and for COCO's annotated boxes with ``-annotated`` behind that, where there is such a
    protocol.

    Args:
        model: An id of this project.
        dataset: Whose images, perhaps with ``synthetic-`` before it.
        detected: The boxes come from a detector, not from COCO's annotations.
    """
    name = next(iter(package_of(model).protocols), "hrnet")
    trained = next((recipe for recipe in _own_recipes(model).values() if recipe.dataset == dataset), None)
    if trained is not None and trained.bgr:
        name = f"{name}-bgr"
    annotated = f"{name}-annotated"
    return annotated if dataset.endswith("coco") and not detected and annotated in known_protocols(model) else name


def known_searches() -> dict[str, dict[str, SearchConfig]]:
    """List the search configurations by package and name."""
    return {
        name: {config.name: config for config in package.searches}
        for name, package in declarations().items()
        if package.searches
    }


def find_search(package: str, name: str, dataset: str | None = None) -> SearchConfig:
    """Return a package's search configuration of that name.

    Raises:
        InputError: The package does not search, has no such configuration, or one for other data.
    """
    searches = known_searches()
    if package not in searches:
        raise InputError(f"{package!r} has no architecture search; known: {', '.join(searches)}")
    if name not in searches[package]:
        raise InputError(f"{package} has no scale {name!r}; known: {', '.join(searches[package])}")
    config = searches[package][name]
    if dataset not in (None, config.dataset):
        raise InputError(f"--dataset {dataset}: scale {name} of {package} searches on {config.dataset}")
    return config
