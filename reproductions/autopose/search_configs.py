"""How AutoPose is searched for (Secs. 3.2, 3.3 and 4.2), what the paper leaves open, and what fits a small machine.

Each size of search comes in five: as it is, and for the ablations of Tables 4 and 5 with at most one branch a stage
(``-single``), with plain concatenations for aggregation cells (``-concat``), with all branches (``-all``), and on images with
half the sides (``-reduced``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmark.config.recipes import GENERAL_RECIPES, Optimizer, Schedule, Target
from benchmark.config.searches import ARCHITECTURE_PHASE, WEIGHTS_PHASE, SearchConfig, SearchPhase
from reproductions.autopose.recipes import RECIPES
from reproductions.autopose.search_gaps import FEWER_NODES, GENERAL, NODES, PAPER, SHORT, SINGLE, SIZE, VIEWS, rates

CONTROLLER = "controller"

_OPTIONS = {
    "channels": [16, 32, 64, 128],
    "derived": [32, 64, 128, 256],
    "nodes": [4, 2],
    "branches": "searched",
    "temperature": [10.0, 0.1],
    "rate": 3.5e-4,
    "samples": 2,
    "baseline": 0.9,
    "entropy": 1e-3,
    "candidates": 10,
}


def _phases(first: int) -> tuple[SearchPhase, ...]:
    """The controller waits for so many epochs."""
    return (
        SearchPhase(name=WEIGHTS_PHASE),
        SearchPhase(name=ARCHITECTURE_PHASE, part="held out"),
        SearchPhase(name=CONTROLLER, part="held out", first=first),
    )


_ALPHAS = Optimizer(lr=3e-4, betas=(0.5, 0.999))
_PAPER = SearchConfig(
    name="paper",
    description="as printed: COCO at 256x192, the controller from epoch 5 on; 2.5 days of a Titan RTX in the paper",
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
    assumptions=(*PAPER, *rates(), *GENERAL, NODES, VIEWS),
)

# What the alphas can travel: 3e-4 a step over 30 epochs of 936 steps. A small search has a thirtieth of the steps.
_LSP = replace(
    GENERAL_RECIPES["lsp"],
    name="lsp-search",
    source="this project: the paper's search in minutes on two cores",
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
    description="Leeds Sports Pose at 64x64, 40 epochs, half the paper's channels, costs at 256x256; about half an hour "
    "on a core, and an hour at random",
    recipe=_LSP,
    phases=_phases(20),
    architecture=replace(_ALPHAS, lr=0.0084),
    retrain=replace(GENERAL_RECIPES["lsp"], name="lsp-searched", input="64x64", target=Target(sigma=1.0), evaluate_every=4),
    candidate_epochs=5,
    seeds=3,
    deployment_input="256x256",
    options={**_OPTIONS, "channels": [8, 16, 32, 64], "derived": [16, 32, 64, 128], "nodes": [2, 1], "rate": 3.5e-3},
    assumptions=(
        *rates("0.0084", "3.5e-3", short=True),
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
    assumptions=(*rates("0.0056", "3.5e-3", short=True), *GENERAL, *SHORT, NODES),
)
_SYNTHETIC = replace(GENERAL_RECIPES["synthetic"], name="synthetic-search", input="32x32", schedule=Schedule(kind="cosine"))
_TINY = replace(
    _SMALL,
    name="tiny",
    description="Synthetic people at 32x32: shows that it runs, and no more",
    recipe=_SYNTHETIC,
    phases=_phases(1),
    retrain=replace(_SYNTHETIC, name="synthetic-searched", epochs=1),
    candidate_epochs=1,
    seeds=1,
    deployment_input="",
    options={**_SMALL.options, "channels": [4, 8, 16, 32], "derived": [8, 16, 32, 64]},
    assumptions=(*GENERAL, FEWER_NODES, VIEWS),
)


def _variants(base: SearchConfig) -> Iterator[SearchConfig]:
    """A search, and those that Tables 4 and 5 compare with it."""

    def variant(name: str, says: str, **options: object) -> SearchConfig:
        return replace(
            base, name=f"{base.name}-{name}", description=f"{base.name}, {says}", options={**base.options, **options}
        )

    yield base
    single = variant("single", "at most one branch a stage", branches="single")
    yield replace(single, assumptions=(*base.assumptions, SINGLE))
    yield variant("concat", "plain concatenations for aggregation cells", nodes=[base.options["nodes"][0], 0])
    every = variant("all", "all four branches in every stage", branches="all")
    yield replace(every, phases=tuple(phase for phase in base.phases if phase.name != CONTROLLER))
    sides = [int(side) // 2 for side in base.recipe.input.split("x")]
    recipe = replace(
        base.recipe,
        name=f"{base.recipe.name}-reduced",
        input="{}x{}".format(*sides),
        target=replace(base.recipe.target, sigma=base.recipe.target.sigma / 2),
    )
    reduced = variant("reduced", "searched on images with half the sides, trained on whole ones")
    yield replace(reduced, recipe=recipe, deployment_input=base.cost_input, assumptions=(*base.assumptions, SIZE))


SEARCHES = tuple(variant for base in (_SMALL, _GPU, _PAPER, _TINY) for variant in _variants(base))
