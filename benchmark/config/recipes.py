"""Training recipes as data: what a paper states, and a named assumption for each choice that it does not.

A package under ``reproductions`` declares its recipes in :class:`benchmark.config.packages.PaperPackage`, without importing
torch; the first recipe of a dataset is its default. A shorter recipe is a :func:`dataclasses.replace` of another recipe under a
new name, never an edited copy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """Optimizer of the weights.

    Attributes:
        name: Algorithm.
        lr: Learning rate that the schedule multiplies; None if the source only states how to find it (``--find-lr``).
        weight_decay: Factor of the L2 penalty, as PyTorch's optimizers take it.
        momentum: Momentum of SGD.
        betas: Decay rates of Adam's two moving averages.
        amsgrad: Use the AMSGrad variant of Adam.
    """

    name: Literal["adam", "sgd"] = "adam"
    lr: float | None = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    amsgrad: bool = False


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Learning rate schedule, as factors of the optimizer's rate; :mod:`benchmark.config.schedules` computes it.

    Attributes:
        kind: ``constant``; ``step``: multiplied by ``factor`` at each milestone; ``cosine``: half a cosine from 1 to 0;
            ``triangular``: up and down between two bounds (EfficientPose, appendix B).
        milestones: When ``step`` lowers the rate, counted in ``unit``.
        unit: Unit of the milestones.
        factor: Factor that ``step`` applies at each milestone.
        warmup: Number of steps over which the rate first rises linearly from ``warmup_factor`` to 1.
        warmup_factor: Factor at the start of the warm-up.
        cycle: Length of one triangle in epochs.
        min_lr_ratio: Lower bound of the first triangle; its upper bound is 1.
        final_lr_ratio: Factor that both bounds of ``triangular`` approach as training proceeds.
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
    """Heatmaps that the network learns to predict.

    Attributes:
        style: Name in :data:`benchmark.pipeline.targets.TARGET_STYLES`.
        sigma: Standard deviation of the Gaussians in heatmap pixels.
        stride: Input pixels per heatmap pixel.
        sigma_schedule: ``module:function``, called with the heatmap's height in pixels and the share of completed epochs; it
            returns sigma and the half-width of part affinity fields. Empty for a constant sigma.
        fields: ``module:function`` that draws part affinity fields; only used with ``sigma_schedule``.
    """

    style: str = "hrnet"
    sigma: float = 2.0
    stride: int = 4
    sigma_schedule: str = ""
    fields: str = ""


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A choice that was made because the source does not specify it.

    Attributes:
        unspecified: What the source leaves open.
        choice: What is used here.
        source: Where the choice comes from.
    """

    unspecified: str
    choice: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that determines a training run, except the network, the images and the seed.

    Attributes:
        name: Name, unique among the recipes of a package.
        version: Raised when the recipe changes, so that old records no longer count for it.
        source: Paper and section, or public code, that states the recipe.
        train: Pairs of dataset and split to train on.
        test: Dataset and split to test on.
        num_people: Number of people in the complete ``train`` splits.
        input: Input size ``HxW`` in pixels.
        batch: Effective batch size: people per optimizer step, over all processes and accumulated gradients.
        precision: Of the forward pass; ``bfloat16`` is mixed precision by autocast. The loss is always in float32.
        epochs: Number of passes over the training people.
        optimizer: Optimizer of the weights.
        schedule: Learning rate schedule.
        augmentation: Name in :data:`benchmark.config.pipeline.AUGMENTATIONS`.
        crop: Name in :data:`benchmark.config.pipeline.CROP_RULES`.
        bgr: The channels of an input are blue, green and red instead of red, green and blue.
        target: Heatmaps to predict.
        loss: ``module:function``, called with the network's output, a :class:`benchmark.training.losses.Targets` and
            ``loss_options``.
        loss_options: Keyword arguments of the loss.
        start: Initial weights that the source uses: ``scratch`` (random), or a key of ``starts``.
        starts: Other initial weights by name; each is a ``module:function`` that sets a network's weights in place.
        protocol: Name of the protocol that the network is tested under.
        average: Decay, per step, of a moving average of the weights, which is then the network that is tested; 0 for none.
        evaluate_every: Number of epochs between evaluations.
        reports: Epoch whose accuracy is reported. ``best`` is selected on the people that it is tested on.
        models: Ids of the models that the recipe is for, without switches; empty for all models of the package.
        assumptions: Choices that the source does not specify.
    """

    name: str
    version: int = 1
    source: str
    train: tuple[tuple[str, str], ...]
    test: tuple[str, str]
    num_people: int
    input: str = "256x256"
    batch: int = 32
    precision: Literal["float32", "bfloat16"] = "float32"
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
    average: float = 0.0
    evaluate_every: int = 10
    reports: Literal["last", "best"] = "last"
    models: tuple[str, ...] = ()
    assumptions: tuple[Assumption, ...] = ()

    @property
    def dataset(self) -> str:
        """The dataset that is tested on, whose joints are learned."""
        return self.test[0]

    def digest(self) -> str:
        """Return a hash of everything that determines the outcome: eight hexadecimal digits.

        Fields with their default value are left out, so that the digest stays the same when the class gets a new field. The
        initial weights are left out too, because each record states them separately.
        """
        defaults = {field.name: field.default for field in fields(self)} | _flatten(Optimizer(), Schedule(), Target())
        hashed = {
            key: value
            for key, value in {**asdict(self), **_flatten(self.optimizer, self.schedule, self.target)}.items()
            if key not in _NOT_IN_DIGEST and value != defaults.get(key)
        }
        return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:8]


def without_average(metric: str) -> str:
    """Name a metric of the last weights of a training whose moving average is tested."""
    return f"{metric}, last weights"


_NOT_IN_DIGEST = ("assumptions", "source", "models", "starts", "start", "optimizer", "schedule", "target")


def _flatten(*parts: Optimizer | Schedule | Target) -> dict[str, Any]:
    """Return the fields of all parts in one dictionary, by ``Class.field``."""
    return {f"{type(part).__name__}.{key}": value for part in parts for key, value in asdict(part).items()}


_LSP = Recipe(
    name="lsp",
    source="this project: less than half an hour on two cores",
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
            source="this project: takes seconds, needs no download",
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
