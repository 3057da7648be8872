"""How a network is trained, as data: what a paper states, and by name whatever had to be put in a gap.

A package under ``reproductions`` lists its own in ``RECIPES`` without importing torch: the recipes of a dataset in order, the
first its default. A smaller protocol is a :func:`dataclasses.replace` of a recipe with a name of its own, never an edited copy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """``lr`` is the rate that a schedule scales; None where the source only says how to find it (``--find-lr``). ``momentum``
    is SGD's, ``betas`` are Adam's."""

    name: Literal["adam", "sgd"] = "adam"
    lr: float | None = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    amsgrad: bool = False


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What becomes of the learning rate; see :mod:`benchmark.config.schedules`.

    ``milestones``: ``step`` multiplies by ``factor`` at each, counted in ``unit``. ``warmup``: so many steps of a linear rise
    from ``warmup_factor``. ``triangular``: up and down within ``cycle`` epochs between ``lowest`` and 1 times the largest rate,
    both of which approach ``settles`` times it as training goes on.
    """

    kind: Literal["constant", "step", "cosine", "triangular"] = "step"
    milestones: tuple[int, ...] = ()
    unit: Literal["epochs", "steps"] = "epochs"
    factor: float = 0.1
    warmup: int = 0
    warmup_factor: float = 0.001
    cycle: int = 3
    min_lr_ratio: float = 1 / 3000
    final_lr_ratio: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Target:
    """``style`` is a name in :data:`benchmark.pipeline.targets.TARGET_STYLES`, ``sigma`` is in pixels of the map, ``stride``
    in pixels of the
    input for each pixel of the map. ``sigma_schedule``: ``module:function`` taking the side of the map
    and the share of epochs done, returning sigma and the half-width of part affinity fields; ``fields``: ``module:function``
    that draws those fields."""

    style: str = "hrnet"
    sigma: float = 2.0
    stride: int = 4
    sigma_schedule: str = ""
    fields: str = ""


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """What a source leaves open, what stands there instead, and where that comes from."""

    unspecified: str
    choice: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that a training run depends on but the network, the photographs and the seed.

    ``train`` and ``test`` are pairs of dataset and split; ``persons`` is how many a complete ``train`` has. ``batch`` is the
    effective one: persons a step over all processes and accumulated micro-batches. ``augmentation`` is a name in
    :data:`benchmark.config.pipeline.AUGMENTATIONS`, ``crop`` one in :data:`benchmark.config.pipeline.CROP_RULES`,
    ``protocol`` the protocol it
    is tested under. ``loss`` is ``module:function``, taking what the network returns, a
    :class:`benchmark.training.losses.Targets` and
    ``loss_options``. ``starts``: where weights may start from besides ``scratch``, by name; each a ``module:function`` that
    fills a network in place. ``start`` is the one that the source names.
    """

    name: str
    version: int = 1
    source: str
    train: tuple[tuple[str, str], ...]
    test: tuple[str, str]
    num_people: int
    input: str = "256x256"
    batch: int = 32
    epochs: int
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    augmentation: str = "hrnet_mpii"
    crop: str = "hrnet"
    bgr: bool = False
    target: Target = field(default_factory=Target)
    loss: str = "benchmark.training.losses:mse"
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    start: str = "scratch"
    starts: Mapping[str, str] = field(default_factory=dict)
    protocol: str = "hrnet"
    evaluate_every: int = 10  # epochs
    reports: Literal["last", "best"] = "last"  # epoch; the best one is chosen on the very persons it is tested on
    models: tuple[str, ...] = ()  # ids that it is for, without switches; none for all of the package
    assumptions: tuple[Assumption, ...] = ()

    @property
    def dataset(self) -> str:
        """Whose joints are learned."""
        return self.test[0]

    def digest(self) -> str:
        """Eight hexadecimal digits that change with whatever decides the outcome. What is as the class has it is left out, so
        that a recipe keeps its digest when the class learns to say more."""
        usual = {field.name: field.default for field in fields(self)} | _nested(Optimizer(), Schedule(), Target())
        told = {
            key: value
            for key, value in {**asdict(self), **_nested(self.optimizer, self.schedule, self.target)}.items()
            if key not in _NOT_IN_DIGEST and value != usual.get(key)
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]


_NOT_IN_DIGEST = ("assumptions", "source", "models", "starts", "start", "optimizer", "schedule", "target")


def _nested(*parts: Optimizer | Schedule | Target) -> dict[str, Any]:
    return {f"{type(part).__name__}.{key}": value for part in parts for key, value in asdict(part).items()}


_LSP = Recipe(
    name="lsp",
    source="this project: a budget of under half an hour on two cores",
    train=(("lsp", "train"), ("lspet", "train")),
    test=("lsp", "test"),
    num_people=4000,
    input="128x128",
    batch=32,
    epochs=12,
    optimizer=Optimizer(lr=2e-3),
    schedule=Schedule(kind="cosine", warmup=100, warmup_factor=0.01),
    augmentation="hrnet_mpii",
    crop="lsp",
    protocol="lsp",
    evaluate_every=3,
)

GENERAL_RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _LSP,
        replace(
            _LSP,
            name="synthetic",
            source="this project: seconds, and no download",
            train=(("synthetic-mpii", "train"),),
            test=("synthetic-mpii", "val"),
            num_people=64,
            input="64x64",
            batch=8,
            epochs=2,
            crop="hrnet",
            protocol="hrnet",
            evaluate_every=1,
        ),
    )
}
