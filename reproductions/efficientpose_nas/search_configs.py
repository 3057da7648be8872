"""Configs of the search for EfficientPose (sections 3.1, 3.2 and 4.1), with what the paper leaves open, and smaller ones."""

from __future__ import annotations

from dataclasses import replace

from benchmark.config.recipes import GENERAL_RECIPES, Assumption, Optimizer, Schedule, Target
from benchmark.config.searches import (
    ARCHITECTURE_PHASE,
    HELD_OUT_ASSUMPTION,
    NO_AUGMENTATION_ASSUMPTION,
    WEIGHTS_PHASE,
    SearchConfig,
    SearchPhase,
)
from reproductions.efficientpose_nas.recipes import RECIPES

_DENSENAS = "DenseNAS (Fang et al., CVPR 2020) and its released code, by the same first authors and cited for dropped paths"

_COST_ASSUMPTION = Assumption(
    unspecified="the cost term of Equation 6 and the values of its two factors",
    choice="0.15 log15(expected cost), added to the loss as a multiple of its own present value",
    source=f"{_DENSENAS}: base 15 and factor 0.15; as a multiple, because those are for a cross-entropy, and this loss is "
    "thousands of times smaller",
)
_PATHS_ASSUMPTION = Assumption(
    unspecified="the number of paths sampled in each phase",
    choice="one operation a layer for weights, two for architecture parameters, sampled by their probabilities",
    source=_DENSENAS,
)
_UNSAMPLED_ASSUMPTION = Assumption(
    unspecified="the probabilities of operations that are not sampled in an architecture step",
    choice="they stay the same; the two sampled operations share the sum that they had before",
    source=f"{_DENSENAS}; ProxylessNAS (Cai et al., ICLR 2019)",
)
_ADAM_ASSUMPTION = Assumption(
    unspecified="Adam's momenta and decay for the architecture parameters",
    choice="0.5 and 0.999, and no decay",
    source=f"{_DENSENAS} has these momenta; its decay of 1e-3 is left out, since the paper states one for weights only",
)
_ALTERNATION_ASSUMPTION = Assumption(
    unspecified="the order within an epoch of the joint optimisation",
    choice="all steps of the weights, then all of the architecture",
    source="the text: alternately in each epoch",
)
_COSINE_ASSUMPTION = Assumption(
    unspecified="which epochs the cosine spans",
    choice="all: those of weights alone and the joint ones",
    source="the text gives one initial rate and its decay to 0 for updating weights, without distinguishing the phases",
)
_SEED_ASSUMPTION = Assumption(
    unspecified="the ImageNet network that weights are adapted from",
    choice="torchvision's MobileNetV2",
    source="MobileNetV2 is the seed in the paper on the adaptation (FNA)",
)
_ORDER_ASSUMPTION = Assumption(
    unspecified="the order of colours in the search",
    choice="blue first, as A is trained on MPII",
    source="this project: one order from the search to the final training",
)
_ASSUMPTIONS = (
    _COST_ASSUMPTION,
    _PATHS_ASSUMPTION,
    _UNSAMPLED_ASSUMPTION,
    _ADAM_ASSUMPTION,
    _ALTERNATION_ASSUMPTION,
    _COSINE_ASSUMPTION,
    HELD_OUT_ASSUMPTION,
)

_SGD = Optimizer(name="sgd", lr=0.05, momentum=0.9, weight_decay=1e-4)
_ALPHAS = Optimizer(lr=3e-4, betas=(0.5, 0.999))
_OPTIONS = {"skeleton": "small", "factor": 0.15, "base": 15.0, "paths": 2}

_PAPER = SearchConfig(
    name="paper",
    version=2,  # 1: heads started as SimpleBaseline's
    description="as printed: MPII at 256x256, 60 epochs of weights alone and 150 of both; 51 hours of a 2080 Ti in the paper",
    recipe=replace(
        RECIPES["mpii"],
        name="mpii-search",
        epochs=210,
        optimizer=_SGD,
        schedule=Schedule(kind="cosine"),
        models=(),
        assumptions=(),
    ),
    phases=(SearchPhase(name=WEIGHTS_PHASE), SearchPhase(name=ARCHITECTURE_PHASE, part="held out", first=60)),
    architecture=_ALPHAS,
    start="fna-mobilenet_v2",
    retrain=RECIPES["mpii"],
    candidate_epochs=5,
    printed="table3[efficientpose_a, pckh] - table3[random_search, pckh]",
    options=_OPTIONS,
    assumptions=(*_ASSUMPTIONS, _SEED_ASSUMPTION, _ORDER_ASSUMPTION),
)

# The paper's alphas can move by 3e-4 a step over 150 epochs of 139 steps; a small search has a hundredth of the steps.
_RATE_ASSUMPTION = Assumption(
    unspecified="the rate of the architecture parameters in a search this short",
    choice="0.016",
    source="this project: rate times steps is the same as in the paper's 20,850 steps at 3e-4",
)
_WEIGHTS_ASSUMPTION = Assumption(
    unspecified="the optimizer of the weights in a search this short",
    choice="Adam at 2e-3, as derived networks are trained",
    source="this project: after 900 steps of SGD at 0.05, a hundredth of the paper's, shared weights had hardly learned",
)
_LSP = replace(
    RECIPES["lsp"],
    name="lsp-search",
    source="this project: the paper's search in minutes on two cores",
    input="64x64",
    target=Target(sigma=1.0),
    epochs=24,
    augmentation="none",
    schedule=Schedule(kind="cosine"),
    evaluate_every=24,
    models=(),
)

_SMALL = replace(
    _PAPER,
    name="small",
    description="Leeds Sports Pose at 64x64, 8 epochs of weights alone and 16 of both, costs at 256x256; forty minutes "
    "on a core",
    recipe=_LSP,
    phases=(SearchPhase(name=WEIGHTS_PHASE), SearchPhase(name=ARCHITECTURE_PHASE, part="held out", first=8)),
    architecture=replace(_ALPHAS, lr=0.016),
    start="fna-lite0",
    retrain=replace(
        RECIPES["lsp"], name="lsp-searched", input="64x64", target=Target(sigma=1.0), evaluate_every=4, start="fna-lite0"
    ),
    candidate_epochs=4,
    seeds=3,
    deployment_input="256x256",
    assumptions=(
        *_ASSUMPTIONS,
        _WEIGHTS_ASSUMPTION,
        NO_AUGMENTATION_ASSUMPTION,
        _RATE_ASSUMPTION,
        replace(
            _SEED_ASSUMPTION,
            choice="EfficientNet-Lite0 of the package index",
            source="this project: its weights can be installed",
        ),
    ),
)

_SYNTHETIC = replace(GENERAL_RECIPES["synthetic"], name="synthetic-search", input="32x32")

_TINY = replace(
    _SMALL,
    name="tiny",
    description="Synthetic people at 32x32: only shows that the search runs",
    recipe=replace(_SYNTHETIC, optimizer=_SGD, schedule=Schedule(kind="cosine")),
    phases=(SearchPhase(name=WEIGHTS_PHASE), SearchPhase(name=ARCHITECTURE_PHASE, part="held out", first=1)),
    start="scratch",
    retrain=replace(_SYNTHETIC, name="synthetic-searched", epochs=1),
    candidate_epochs=1,
    seeds=1,
    deployment_input="",
    printed="",
    assumptions=_ASSUMPTIONS,
)

SEARCHES = (
    _SMALL,
    replace(
        _SMALL,
        name="gpu",
        description="Leeds Sports Pose at 128x128, 20 epochs of weights alone and 60 of both, for a GPU",
        recipe=replace(_LSP, name="lsp-search-gpu", input="128x128", target=Target(), epochs=80),
        phases=(SearchPhase(name=WEIGHTS_PHASE), SearchPhase(name=ARCHITECTURE_PHASE, part="held out", first=20)),
        architecture=replace(_ALPHAS, lr=0.004),
        retrain=replace(RECIPES["lsp"], name="lsp-searched-gpu", epochs=60, evaluate_every=10, start="fna-lite0"),
        candidate_epochs=5,
        assumptions=(*_SMALL.assumptions[:-2], replace(_RATE_ASSUMPTION, choice="0.004"), _SMALL.assumptions[-1]),
    ),
    _PAPER,
    replace(
        _PAPER,
        name="paper-large",
        description="as printed, on the large skeleton of B and C",
        printed="",
        options={**_OPTIONS, "skeleton": "large"},
    ),
    _TINY,
)
