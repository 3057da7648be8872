"""Ablations as data: the variants of a network, the paper's comparisons of them, and the planned runs.

Each file under ``ablations/`` holds one ``ABLATION``; reading it does not import torch. A protocol of ablations (a
:class:`Budget`) is what all variants share: the paper's own recipe, or a small one that only changes data, size and length.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from benchmark.config.judgement import MIN_SEEDS
from benchmark.config.packages import declarations, find_recipe, find_search
from benchmark.config.recipes import Optimizer, Recipe
from benchmark.config.searches import SearchConfig
from benchmark.core.errors import InputError
from benchmark.models.registry import find_entry
from benchmark.papers.tables import load_papers

BudgetName = Literal["smoke", "lsp", "lsp-gpu", "mpii", "coco", "synthetic"]

# What a trial chooses on people who are held out of training: the learning rate, or whether the training is long enough.
Trial = Literal["", "rate", "length"]
LONGER = 4 / 3  # length of a ``length`` trial


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Data, length and number of runs that all variants of an ablation share.

    Attributes:
        dataset: Dataset to train on; its default recipe for the model is used.
        seeds: Number of seeds that are planned.
        description: One line for the user: data, size and duration.
        scale: Name of the search config, for variants that are searched.
        overrides: Fields of the recipe that are replaced.
        papers_own: The paper's own networks are trained by the paper's own recipe; nothing is replaced. Learning rates of
            printed variants need no check, because the printed differences are those at the paper's rate.
        held_out: Fields of the recipe that are replaced in trials. With them, every family of variants is trained at the best
            of its learning rates, and variants with the same seed share the initial weights of their common layers.
    """

    dataset: str
    seeds: int
    description: str
    scale: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    papers_own: bool = False
    held_out: Mapping[str, Any] = field(default_factory=dict)


_HELD_OUT = {"train": (("lsp", "fit"), ("lspet", "train")), "test": ("lsp", "held-out"), "num_people": 3600}

BUDGETS: Mapping[str, Budget] = {
    "smoke": Budget(
        dataset="lsp",
        seeds=3,
        description="Leeds Sports Pose at 96x96, three epochs: only shows that the ablation runs",
        scale="small",
        overrides={"name": "lsp-short", "input": "96x96", "epochs": 3, "evaluate_every": 1},
    ),
    "lsp": Budget(
        dataset="lsp",
        seeds=5,
        description="Leeds Sports Pose at 160x160, three epochs: ten minutes or more per run and processor core",
        scale="small",
        # At equal time, fewer epochs at this size are more accurate than more epochs at a smaller one.
        overrides={"name": "lsp-ablation", "input": "160x160", "epochs": 3, "batch": 16, "evaluate_every": 1, "average": 0.98},
        held_out=_HELD_OUT,
    ),
    "lsp-gpu": Budget(
        dataset="lsp",
        seeds=5,
        description="Leeds Sports Pose at 96x96, 24 epochs in bfloat16, for a GPU",
        scale="gpu",
        # On an H200, a step of 64 people at 160x160 takes 19 ms in float32, and 10 ms in bfloat16: most of a step are gradients
        # of depthwise kernels. At this size and precision a training can be eight times as long as under ``lsp``. The rate is
        # higher than there, about by the root of the batch's ratio.
        overrides={
            "name": "lsp-gpu",
            "input": "96x96",
            "epochs": 24,
            "batch": 96,
            "precision": "bfloat16",
            "optimizer": Optimizer(lr=4e-3),
            "evaluate_every": 6,
            "average": 0.99,
        },
        held_out=_HELD_OUT,
    ),
    "synthetic": Budget(
        dataset="synthetic-mpii",
        seeds=1,
        description="Synthetic people: only shows that the ablation runs",
        scale="tiny",
    ),
    "mpii": Budget(
        dataset="mpii", seeds=MIN_SEEDS, description="the paper's own recipe on MPII", scale="paper", papers_own=True
    ),
    "coco": Budget(
        dataset="coco", seeds=MIN_SEEDS, description="the paper's own recipe on COCO", scale="paper", papers_own=True
    ),
}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One variant of an ablation.

    Variants of several ablations with the same model and the same recipe share their records.

    Attributes:
        name: Name, unique in the ablation.
        model: Model id with switches, as in ``efficientpose_nas/A+sic=off``.
        row: Id of the row of the paper's table that prints the variant; empty if there is none.
        overrides: Fields of the recipe that the variant replaces.
        epochs_factor: Factor of the recipe's number of epochs.
        protocol: Test protocol of a variant with ``weights``.
        decoders: Test protocols of which the one that is best on the dataset's training images takes the place of ``protocol``.
        weights: Published weight file below the data root; the variant is then tested, not trained.
        scale: Name of a search config, in which ``{}`` is replaced by the budget's; the variant is then the network that the
            search of the model's package finds, retrained as that config states.
    """

    name: str
    model: str
    row: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    epochs_factor: int = 1
    protocol: str = ""
    decoders: tuple[str, ...] = ()
    weights: str = ""
    scale: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The claim that one variant is more accurate than another.

    Attributes:
        better: Name of the variant that the paper finds or claims better.
        worse: Name of the other variant.
        printed: The paper's difference in points of its metric, as an expression over its printed cells; empty if the paper
            prints none.
        strict_threshold: The accuracies are those under the stricter of the two thresholds.
        converges_faster: ``better`` is also claimed to reach the final accuracy of ``worse`` in fewer epochs.
    """

    better: str
    worse: str
    printed: str
    strict_threshold: bool = False
    converges_faster: bool = False


HEATMAPS = "heatmaps"
GREY_LEVELS = 16  # of a feature map in a record: one hexadecimal digit per pixel


@dataclass(frozen=True, kw_only=True)
class FeatureMapSpec:
    """Feature maps that :mod:`benchmark.ablation.feature_maps` measures on trained variants.

    Attributes:
        modules: Names of the modules, or ``heatmaps`` for the final heatmaps; a variant need not have all of them.
        every_evaluation: Measure after every evaluation, not only after the training.
    """

    modules: tuple[str, ...] = (HEATMAPS,)
    every_evaluation: bool = False


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """An ablation: its variants, and the paper's comparisons of them.

    Attributes:
        name: Name of the file under ``ablations/``.
        title: Heading in the report.
        paper: Id of the paper.
        table: Id of the table that prints the ablation.
        description: The paper's claim in one line.
        choices: What small protocols do otherwise than the paper, and why, in whole sentences; empty if they do all as it does.
        variants: Variants in the order of the report.
        comparisons: Pairs of variants whose difference is measured.
        protocols: Names of the budgets under which the ablation can be run.
        recipe: Name of the paper's recipe, if it is not the model's default for the dataset.
        substitutes: Under small budgets, the smaller model that replaces one of the paper's, by the paper's id.
        start: Initial weights of all variants under small budgets; see ``Recipe.starts``.
        feature_maps: Feature maps to measure; None for none.
    """

    name: str
    title: str
    paper: str = ""
    table: str = ""
    description: str
    choices: str = ""
    variants: tuple[Variant, ...]
    comparisons: tuple[Comparison, ...]
    protocols: tuple[BudgetName, ...] = ("smoke", "lsp", "lsp-gpu", "mpii", "synthetic")
    recipe: str | None = None
    substitutes: Mapping[str, str] = field(default_factory=dict)
    start: str = "scratch"
    feature_maps: FeatureMapSpec | None = None

    def __post_init__(self) -> None:
        where, names = f"ablation {self.name}", [variant.name for variant in self.variants]
        for comparison in self.comparisons:
            for name in (comparison.better, comparison.worse):
                if name not in names:
                    raise InputError(f"{where}: a comparison names {name!r}; its variants are {', '.join(names)}")
            if self.variant(comparison.better).weights != self.variant(comparison.worse).weights:
                pair = f"{comparison.better!r} and {comparison.worse!r}"
                raise InputError(f"{where}: {pair} are not of the same training: the weights of both are published, or of none")
            if comparison.printed and not self.paper:
                raise InputError(f"{where}: {comparison.printed!r} is of no paper; name the paper or leave it empty")
        for protocol in self.protocols:
            if protocol not in BUDGETS:
                raise InputError(f"{where}: unknown protocol {protocol!r}; known: {', '.join(BUDGETS)}")

    def variant(self, name: str) -> Variant:
        """Return the variant of that name."""
        return next(variant for variant in self.variants if variant.name == name)


@cache
def known_ablations() -> Mapping[str, Ablation]:
    """Import all ablations, by name.

    Raises:
        InputError: a file has no ablation, or its ablation has another name than the file or names what does not exist.
    """
    import ablations

    known = {}
    for module in pkgutil.iter_modules(ablations.__path__):
        if module.name.startswith("test_"):
            continue
        try:
            ablation = getattr(importlib.import_module(f"ablations.{module.name}"), "ABLATION", None)
        except (ImportError, SyntaxError) as problem:
            raise InputError(f"ablations/{module.name}.py cannot be imported: {problem}") from None
        if not isinstance(ablation, Ablation):
            raise InputError(f"ablations/{module.name}.py has no ABLATION = Ablation(...)")
        if ablation.name != module.name:
            raise InputError(f"ablations/{module.name}.py: the ablation is named {ablation.name!r}; name it like its file")
        _check_references(ablation)
        known[ablation.name] = ablation
    return known


def _check_references(ablation: Ablation) -> None:
    """Check that the paper, the table, its rows and the initial weights exist that an ablation names."""
    where = f"ablations/{ablation.name}.py"
    starts = {name for package in declarations().values() for recipe in package.recipes.values() for name in recipe.starts}
    if ablation.start not in {"scratch", *starts}:
        raise InputError(f"{where}: unknown start {ablation.start!r}; known: {', '.join(['scratch', *sorted(starts)])}")
    if not ablation.paper:
        return
    papers = load_papers()
    if ablation.paper not in papers:
        raise InputError(f"{where}: unknown paper {ablation.paper!r}; known: {', '.join(papers)}")
    tables = papers[ablation.paper].tables
    if ablation.table and ablation.table not in tables:
        raise InputError(f"{where}: {ablation.paper} has no table {ablation.table!r}")
    for variant in ablation.variants:
        if variant.row and variant.row not in tables[ablation.table].rows:
            raise InputError(f"{where}: {ablation.paper}/{ablation.table} has no row {variant.row!r}")


def find_ablation(name: str) -> Ablation:
    """Return the ablation of that name.

    Raises:
        InputError: there is no such ablation.
    """
    if name not in known_ablations():
        raise InputError(f"no ablation {name!r}; known: {', '.join(known_ablations())}")
    return known_ablations()[name]


def variant_recipe(
    ablation: Ablation, variant: Variant, protocol: str, rate: float = 1.0, trial: Trial = ""
) -> tuple[Recipe, dict[str, str]]:
    """Return a variant's recipe under a protocol, and what distinguishes its training from that of the other variants.

    Args:
        protocol: A name in :data:`BUDGETS`.
        rate: Factor of the learning rate.
        trial: Train without the people who are held out, and test on them; for ``length``, :data:`LONGER`.

    Returns:
        The recipe, and by name of a field its value as text; ``weights_of`` names the model whose initial weights are shared.

    Raises:
        InputError: the protocol is unknown, or the ablation cannot be run under it.
    """
    if protocol not in BUDGETS or protocol not in ablation.protocols:
        raise InputError(f"ablation {ablation.name} has no protocol {protocol!r}; known: {', '.join(ablation.protocols)}")
    budget, model = BUDGETS[protocol], variant_model(ablation, variant, protocol)
    if config := variant_search(variant, protocol):
        return config.retrain, {}
    if budget.papers_own:
        shared = find_recipe(model, budget.dataset, ablation.recipe)
    else:
        shared = replace(find_recipe(model, budget.dataset), **budget.overrides)
        # Training on Synthetic people must not need a download, so their recipes only start from scratch.
        shared = replace(shared, start=ablation.start if ablation.start in shared.starts else "scratch")
        if trial:
            shared = replace(shared, name=f"{shared.name}-held-out", **budget.held_out)
    overrides = dict(variant.overrides)
    if variant.epochs_factor > 1:
        overrides["epochs"] = shared.epochs * variant.epochs_factor
    if trial == "length":
        overrides["epochs"] = math.ceil(shared.epochs * LONGER)
    changed = {key: value for key, value in overrides.items() if getattr(shared, key) != value}
    recipe = replace(shared, **changed)
    if rate != 1:
        assert recipe.optimizer.lr is not None
        recipe = replace(recipe, optimizer=replace(recipe.optimizer, lr=recipe.optimizer.lr * rate))
    family = variant_model(ablation, family_variant(variant), protocol)
    if budget.held_out and model != family:
        changed["weights_of"] = family
    return recipe, {key: _override_value(value) for key, value in sorted(changed.items())}


def family_variant(variant: Variant) -> Variant:
    """Return the variant that stands for a variant's family: all with the same base model, loss and other overrides.

    A family shares its learning rate and the initial weights of its common layers.
    """
    return replace(variant, model=variant.model.partition("+")[0], row="", epochs_factor=1)


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
    """Return the config of the search that finds a variant's network; None for a variant that is not searched.

    Raises:
        InputError: the package has no such config.
    """
    if not variant.scale:
        return None
    return find_search(variant.model.partition("/")[0], variant.scale.format(BUDGETS[protocol].scale))


def variant_model(ablation: Ablation, variant: Variant, protocol: str) -> str:
    """Return the id of the model that is trained: the paper's, or under a small protocol its substitute with its switches."""
    base, plus, switches = variant.model.partition("+")
    substitutes = {} if BUDGETS[protocol].papers_own else ablation.substitutes
    return substitutes.get(base, base) + plus + switches


def _override_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={part}" for key, part in value.items())
    return str(value).rpartition(":")[2]
