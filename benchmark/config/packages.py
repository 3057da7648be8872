"""Declarations of the packages under ``reproductions/``, and the lookup of recipes, protocols and searches.

To add a paper, create a folder ``reproductions/<paper>/`` whose ``__init__.py`` holds ``PACKAGE = PaperPackage(...)``. It must
not import torch, so that a report can read declarations in milliseconds; functions that need torch are named as
``module:function`` and imported when they are used. An installed distribution can add a package through the entry-point group
``pose_benchmark``, which names a module with ``PACKAGE``, or with ``ENTRIES`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from benchmark.config.protocols import PROTOCOLS, Protocol
from benchmark.config.recipes import GENERAL_RECIPES, Recipe
from benchmark.config.searches import SearchConfig
from benchmark.core.errors import InputError
from benchmark.models.layouts import Layout
from benchmark.models.registry import ArchitectureFormat, Entry, find_entry, packages

StructureBasis = Literal["author code", "paper text", "reconstruction", "data"]


@dataclass(frozen=True, kw_only=True)
class PaperPackage:
    """Everything that a package contributes; only ``entries`` is required.

    Attributes:
        entries: Networks.
        recipes: Training recipes by name; the first recipe of a dataset is its default.
        untrained: Models that no recipe fits, with the reason.
        protocols: Test protocols by name; the first is the package's default.
        tflite_joints: Joints that its TFLite files predict; empty for those of the dataset.
        layouts: Names that publishers of weights give to the tensors of its networks.
        architectures: File format of searched architectures.
        searches: Configs of its architecture search.
        search: Module that searches; :mod:`benchmark.nas.trainer` states the functions which it must have.
        structure: ``module:function``, called with a table's id. It returns ``{"row/column": string}``: what is built where the
            paper prints an architecture.
        structure_basis: What the values of ``structure`` rest on, by pattern of ``table:row/column``; the first that matches
            counts, and without a match ``author code``. ``data`` is what is typed in: taken over from the paper, or from
            somebody else's code; it is not counted on a network.
        readings: ``module:function``, called with a table's id. It returns, for each ``row/column`` whose way of counting the
            paper leaves open, a list of readings ``{"reading", "convention", "value"}``; those of a saving also have
            ``"network"`` and ``"against"``.
        structure_version: Raised when the result of ``structure`` or ``readings`` changes.
    """

    entries: tuple[Entry, ...]
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    untrained: Mapping[str, str] = field(default_factory=dict)
    protocols: Mapping[str, Protocol] = field(default_factory=dict)
    tflite_joints: tuple[str, ...] = ()
    layouts: tuple[Layout, ...] = ()
    architectures: ArchitectureFormat | None = None
    searches: tuple[SearchConfig, ...] = ()
    search: str = ""
    structure: str = ""
    structure_basis: Mapping[str, StructureBasis] = field(default_factory=dict)
    readings: str = ""
    structure_version: int = 1


def declarations() -> dict[str, PaperPackage]:
    """Return the declarations of all packages, by name."""
    return {
        name: module.PACKAGE if hasattr(module, "PACKAGE") else PaperPackage(entries=module.ENTRIES)
        for name, module in packages().items()
    }


def package_of(model: str) -> PaperPackage:
    """Return the declarations of a model's package; for a user's network, of the model whose recipes it shares, if any.

    Raises:
        InputError: The model is unknown.
    """
    entry = find_entry(model)
    package = (entry.recipe_of or entry.id).split("/")[0]
    return declarations().get(package, PaperPackage(entries=(entry,)))


def layouts_of(model: str) -> tuple[Layout, ...]:
    """Return the layouts in which a model's weights are published, whatever its switches; none for a user's network.

    Raises:
        InputError: The model is unknown.
    """
    base = find_entry(model).id.split("+")[0]
    return tuple(layout for layout in package_of(model).layouts if base in {name.split("+")[0] for name in layout.models})


def architecture_format_of(package: str) -> ArchitectureFormat:
    """Return the file format of a package's architectures.

    Raises:
        InputError: The package declares none.
    """
    file_format = declarations()[package].architectures
    if file_format is None:
        raise InputError(f"{package} declares no format of architecture files")
    return file_format


def known_recipes(model: str) -> dict[str, Recipe]:
    """Return all recipes that a model can be trained by, by name.

    These are its package's recipes, then the general ones for datasets that the package has no recipe for.

    Raises:
        InputError: The model is unknown, or no recipe fits it.
    """
    entry, package = find_entry(model), package_of(model)
    base = entry.recipe_of or entry.id.split("+")[0]
    if base in package.untrained:
        raise InputError(f"no recipe for {model}: {package.untrained[base]}")
    recipes = _own_recipes(model)
    datasets = {recipe.dataset for recipe in recipes.values()}
    return recipes | {name: recipe for name, recipe in GENERAL_RECIPES.items() if recipe.dataset not in datasets}


def _own_recipes(model: str) -> dict[str, Recipe]:
    """List the recipes that a model's package has for it."""
    entry = find_entry(model)
    base = entry.recipe_of or entry.id.split("+")[0]
    return {name: recipe for name, recipe in package_of(model).recipes.items() if not recipe.models or base in recipe.models}


def find_recipe(model: str, dataset: str, name: str | None = None) -> Recipe:
    """Return a model's recipe of that name, or its first recipe for the dataset.

    Raises:
        InputError: The model is unknown, there is no such recipe, or the recipe is for another dataset.
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
        shared = "" if _is_declared(model) else "; --recipe MODEL trains it by the recipe of a model of this project"
        raise InputError(f"no recipe for {model} on {dataset}; known: {', '.join(recipes)}{shared}")
    return fitting[0]


def known_protocols(model: str) -> Mapping[str, Protocol]:
    """Return all protocols that a model can be tested under, by name: its package's, then the general ones.

    Args:
        model: Model id; empty for a user's network that has none.

    Raises:
        InputError: The model is unknown.
    """
    return {**package_of(model).protocols, **PROTOCOLS} if model else PROTOCOLS


def find_protocol(model: str, name: str, network: str = "") -> Protocol:
    """Return a model's protocol of that name.

    Args:
        model: Model id; empty for a user's network that has none.
        network: Name of the network in the message; by default the model's id.

    Raises:
        InputError: The model or the protocol is unknown.
    """
    protocols = known_protocols(model)
    if name not in protocols:
        raise InputError(f"no protocol {name!r} for {network or model}; known: {', '.join(protocols)}")
    return protocols[name]


def default_protocol(model: str, dataset: str, *, detected: bool = False) -> str:
    """Return the name of the protocol that a model is tested under by default.

    This is the first protocol of the model's package, or else ``hrnet``. The suffix ``-bgr`` is added where the package trains
    the model on images of the dataset in BGR order, and for COCO's annotated boxes the suffix ``-annotated``, where there is
    such a protocol. A user's network is tested on LSP under the protocol ``lsp``.

    Args:
        model: Model id.
        dataset: Dataset to test on, with or without the prefix ``synthetic-``.
        detected: The boxes come from a detector, not from COCO's annotations.
    """
    if dataset == "lsp" and not _is_declared(model):
        return "lsp"
    name = next(iter(package_of(model).protocols), "hrnet")
    trained = next((recipe for recipe in _own_recipes(model).values() if recipe.dataset == dataset), None)
    if trained is not None and trained.bgr:
        name = f"{name}-bgr"
    annotated = f"{name}-annotated"
    return annotated if dataset.endswith("coco") and not detected and annotated in known_protocols(model) else name


def _is_declared(model: str) -> bool:
    """Return whether a package declares the model, which is not so for a user's network."""
    return model.split("/")[0] in declarations()


def known_searches() -> dict[str, dict[str, SearchConfig]]:
    """Return the configs of all architecture searches, by package and name."""
    return {
        name: {config.name: config for config in package.searches}
        for name, package in declarations().items()
        if package.searches
    }


def find_search(package: str, name: str, dataset: str | None = None) -> SearchConfig:
    """Return a package's search config of that name.

    Raises:
        InputError: The package does not search, has no such config, or the config is for another dataset.
    """
    searches = known_searches()
    if package not in searches:
        raise InputError(f"{package!r} has no architecture search; known: {', '.join(searches)}")
    if name not in searches[package]:
        raise InputError(f"{package} has no scale {name!r}; known: {', '.join(searches[package])}")
    config = searches[package][name]
    if dataset not in (None, config.dataset):
        raise InputError(f"--dataset {dataset}: scale {name} of {package} searches on {config.dataset}; leave --dataset out")
    return config
