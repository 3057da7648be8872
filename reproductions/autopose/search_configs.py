"""Configs of AutoPose's search: the paper's own (Secs. 3.2, 3.3 and 4.2), and smaller ones for small machines.

Each config has four variants, for the ablations of Tables 4 and 5: at most one branch per stage (``-single``), plain
concatenations in place of aggregation cells (``-concat``), all branches in every stage (``-all``), and images of half the
height and width (``-reduced``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmark.config.recipes import GENERAL_RECIPES, Optimizer, Schedule, Target
from benchmark.config.searches import ARCHITECTURE_PHASE, WEIGHTS_PHASE, SearchConfig, SearchPhase
from reproductions.autopose.recipes import RECIPES
from reproductions.autopose.search_assumptions import (
    AUGMENTATION,
    FEWER_NODES,
    GENERAL,
    NODES,
    PAPER,
    REDUCED_SIZE,
    SHORT,
    SINGLE_BRANCH,
    learning_rates,
)

CONTROLLER = "controller"  # the phase in which it learns

_OPTIONS = {
    "channels": [16, 32, 64, 128],  # of the super-network's branches, finest first
    "derived": [32, 64, 128, 256],  # of the derived network's branches
    "nodes": [4, 2],  # of an individual and of an aggregation cell; 0 for a plain concatenation
    "branches": "searched",  # the vectors a stage can have, a key of VECTORS
    "temperature": [10.0, 0.1],  # of the Gumbel-softmax, at the start and at the end
    "rate": 3.5e-4,  # the controller's learning rate
    "samples": 2,  # scale vectors that the controller draws for an update
    "baseline": 0.9,  # decay of the moving average of rewards
    "entropy": 1e-3,  # factor of the controller's entropy in its loss
    "candidates": 10,  # scale vectors, the best of which is derived
}


def _phases(first: int) -> tuple[SearchPhase, ...]:
    """Return the phases of an epoch; the controller learns from epoch ``first`` on, counted from 0."""
    return (
        SearchPhase(name=WEIGHTS_PHASE),
        SearchPhase(name=ARCHITECTURE_PHASE, part="held out"),
        SearchPhase(name=CONTROLLER, part="held out", first=first),
    )


_ALPHAS = Optimizer(lr=3e-4, betas=(0.5, 0.999))
_PAPER = SearchConfig(
    name="paper",
    description="the paper's search: COCO at 256x192, controller from epoch 5 on; 2.5 days on a Titan RTX in the paper",
    recipe=replace(
        RECIPES["coco"],
        name="coco-search",
        batch=32,
        epochs=30,
        schedule=Schedule(kind="cosine"),
        evaluate_every=30,
        assumptions=(),
    ),
    phases=_phases(4),
    architecture=_ALPHAS,
    retrain=RECIPES["coco"],
    candidate_epochs=5,
    options=_OPTIONS,
    assumptions=(*PAPER, *learning_rates(), *GENERAL, NODES, AUGMENTATION),
)

# Smaller searches have larger learning rates of the alphas, so that rate times steps is what it is in the paper's search: 3e-4
# times 30 epochs of 936 steps. The small search has a thirtieth of the steps.
_LSP = replace(
    GENERAL_RECIPES["lsp"],
    name="lsp-search",
    source="this project: the paper's search, in minutes on two cores",
    input="64x64",
    target=Target(sigma=1.0),
    epochs=40,
    optimizer=RECIPES["coco"].optimizer,
    augmentation="none",
    schedule=Schedule(kind="cosine"),
    evaluate_every=40,
)
_SMALL = replace(
    _PAPER,
    name="small",
    description="Leeds Sports Pose at 64x64, 40 epochs, half the paper's channels, costs at 256x256; on one core about half an "
    "hour for the search, and an hour for random search",
    recipe=_LSP,
    phases=_phases(20),
    architecture=replace(_ALPHAS, lr=0.0084),
    retrain=replace(GENERAL_RECIPES["lsp"], name="lsp-searched", input="64x64", target=Target(sigma=1.0), evaluate_every=4),
    candidate_epochs=5,
    seeds=3,
    deployment_input="256x256",
    options={**_OPTIONS, "channels": [8, 16, 32, 64], "derived": [16, 32, 64, 128], "nodes": [2, 1], "rate": 3.5e-3},
    assumptions=(
        *learning_rates("0.0084", "3.5e-3", short=True),
        *GENERAL,
        *SHORT,
        FEWER_NODES,
    ),
)
_GPU = replace(
    _SMALL,
    name="gpu",
    description="Leeds Sports Pose at 128x128, 60 epochs, the paper's channels and nodes, for a GPU",
    recipe=replace(_LSP, name="lsp-search-gpu", input="128x128", target=Target(), epochs=60),
    phases=_phases(30),
    architecture=replace(_ALPHAS, lr=0.0056),
    retrain=replace(GENERAL_RECIPES["lsp"], name="lsp-searched-gpu", epochs=60, evaluate_every=10),
    options={**_OPTIONS, "rate": 3.5e-3},
    assumptions=(*learning_rates("0.0056", "3.5e-3", short=True), *GENERAL, *SHORT, NODES),
)
_SYNTHETIC = replace(GENERAL_RECIPES["synthetic"], name="synthetic-search", input="32x32", schedule=Schedule(kind="cosine"))
_TINY = replace(
    _SMALL,
    name="tiny",
    description="Synthetic people at 32x32: only shows that the search runs",
    recipe=_SYNTHETIC,
    phases=_phases(1),
    retrain=replace(_SYNTHETIC, name="synthetic-searched", epochs=1),
    candidate_epochs=1,
    seeds=1,
    deployment_input="",
    options={**_SMALL.options, "channels": [4, 8, 16, 32], "derived": [8, 16, 32, 64]},
    assumptions=(*GENERAL, FEWER_NODES, AUGMENTATION),
)


def _variants(base: SearchConfig) -> Iterator[SearchConfig]:
    """Yield a search and the variants that Tables 4 and 5 compare with it."""

    def variant(name: str, difference: str, **options: object) -> SearchConfig:
        return replace(
            base, name=f"{base.name}-{name}", description=f"{base.name}, {difference}", options={**base.options, **options}
        )

    yield base
    single = variant("single", "at most one branch per stage", branches="single")
    yield replace(single, assumptions=(*base.assumptions, SINGLE_BRANCH))
    yield variant("concat", "plain concatenations in place of aggregation cells", nodes=[base.options["nodes"][0], 0])
    all_branches = variant("all", "all four branches in every stage", branches="all")
    yield replace(all_branches, phases=tuple(phase for phase in base.phases if phase.name != CONTROLLER))
    sides = [int(side) // 2 for side in base.recipe.input.split("x")]
    recipe = replace(
        base.recipe,
        name=f"{base.recipe.name}-reduced",
        input="{}x{}".format(*sides),
        target=replace(base.recipe.target, sigma=base.recipe.target.sigma / 2),
    )
    reduced = variant("reduced", "searched on images of half the height and width, trained on full ones")
    yield replace(reduced, recipe=recipe, deployment_input=base.cost_input, assumptions=(*base.assumptions, REDUCED_SIZE))


SEARCHES = tuple(variant for base in (_SMALL, _GPU, _PAPER, _TINY) for variant in _variants(base))
