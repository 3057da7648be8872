"""Recipes are data: each names what exists, fits the networks that it is for, and states what its paper states.

``-k efficientpose_nas`` checks one package.
"""

from __future__ import annotations

import math
import subprocess
import sys
from ast import literal_eval
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.config.packages import declarations, find_protocol, find_recipe, known_recipes, package_of
from benchmark.config.pipeline import AUGMENTATIONS, CROP_RULES
from benchmark.config.recipes import GENERAL_RECIPES, Assumption, Optimizer, Recipe, Schedule, Target
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS, joint_set_of
from benchmark.data import READERS
from benchmark.models.outputs import iter_maps
from benchmark.models.registry import build_model, build_on_meta, check_input_size, entries, find_entry, import_object
from benchmark.papers.tables import load_papers
from benchmark.pipeline.targets import TARGET_STYLES
from benchmark.training.losses import Targets
from reproductions.efficientpose.sigma_schedule import TARGET_WIDTHS
from reproductions.efficientpose.targets import SEGMENTS

PACKAGES = declarations()
LISTED = [
    pytest.param(name, recipe, id=f"{name}-{recipe.name}")
    for name, package in [("general", None), *PACKAGES.items()]
    for recipe in (package.recipes if package else GENERAL_RECIPES).values()
]


def fitting(package: str, recipe: Recipe) -> list[str]:
    """Return the models that may be trained by a recipe of a package."""
    return [
        model
        for model in entries()
        if model.startswith(f"{package}/") and not refused(model) and recipe in known_recipes(model).values()
    ]


def refused(model: str) -> str:
    return package_of(model).untrained.get(model, "")


def empty_truth(target: Target, joints: int, height: int, width: int) -> Targets:
    """Return targets of a recipe's shapes for two people: a peak somewhere, every joint annotated."""
    heatmaps = torch.zeros(2, joints, height // target.stride, width // target.stride)
    heatmaps[:, :, 2, 1] = 1.0
    fields = torch.zeros(2, 2 * len(SEGMENTS), *heatmaps.shape[2:]) if target.sigma_schedule else None
    return Targets(heatmaps, torch.ones(2, joints), fields)


def loss_of(recipe: Recipe, outputs: Any, truth: Targets) -> Tensor:
    return import_object(recipe.loss)(outputs, truth, **recipe.loss_options)


@pytest.mark.parametrize(("package", "recipe"), LISTED)
def test_everything_that_a_recipe_names_exists(package: str, recipe: Recipe) -> None:
    listed = GENERAL_RECIPES if package == "general" else PACKAGES[package].recipes
    assert listed[recipe.name] is recipe
    for dataset, split in (*recipe.train, recipe.test):
        assert joint_set_of(dataset) in READERS
        assert split in ("train", "val", "test")
    assert recipe.augmentation in AUGMENTATIONS
    assert recipe.crop in CROP_RULES
    assert recipe.target.style in TARGET_STYLES
    for function in (recipe.loss, *recipe.starts.values()):
        assert callable(import_object(function))
    assert recipe.start in ("scratch", *recipe.starts)
    assert set(recipe.models) <= set(entries())
    assert recipe.num_people >= recipe.batch
    assert all(assumption.unspecified and assumption.choice and assumption.source for assumption in recipe.assumptions)
    assert recipe.source
    milestones = recipe.schedule.milestones
    assert list(milestones) == sorted(set(milestones))
    last = recipe.epochs * (recipe.num_people // recipe.batch if recipe.schedule.unit == "steps" else 1)
    assert all(milestone < last for milestone in milestones)
    if package != "general":
        assert fitting(package, recipe), "a recipe for no model"
    for model in fitting(package, recipe):
        find_protocol(model, recipe.protocol)


@pytest.mark.parametrize("model", [model for model in entries() if not refused(model)])
def test_a_network_takes_the_inputs_and_its_maps_are_the_targets(model: str) -> None:
    """Check shapes on the meta device, at one input size; ``test_input_sizes`` checks that others behave the same."""
    recipes = known_recipes(model).values()
    for recipe in recipes:
        check_input_size(model, parse_size(recipe.input))
    network = build_on_meta(model, joints=16).eval()
    for recipe in {(recipe.target, recipe.loss): recipe for recipe in recipes}.values():
        height, width = parse_size(recipe.input)
        truth = empty_truth(recipe.target, 16, height, width)
        on_meta = Targets(*(part if part is None else part.to("meta") for part in truth))
        outputs = network(torch.empty(2, 3, height, width, device="meta"))
        assert loss_of(recipe, outputs, on_meta).shape == (), recipe.name


@pytest.mark.parametrize(("package", "recipe"), LISTED)
def test_one_loss_is_a_finite_number_and_reaches_every_parameter(package: str, recipe: Recipe) -> None:
    names = ["efficientpose_nas/A"] if package == "general" else fitting(package, recipe)
    joints = JOINT_COUNTS[joint_set_of(recipe.dataset)]
    value, without, finite = one_step(min(names, key=size), joints, recipe.target, recipe.loss, str(dict(recipe.loss_options)))
    assert math.isfinite(value)
    assert value > 0
    assert without == []
    assert finite


@cache
def size(model: str) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in build_on_meta(model, joints=16).parameters())


@cache
def one_step(model: str, joints: int, target: Target, loss: str, options: str) -> tuple[float, list[str], bool]:
    """Return a loss, the parameters that its gradient does not reach, and whether all gradients are finite.

    Recipes that only differ in data and schedule share the result.
    """
    entry = find_entry(model)
    side = max(64, entry.multiple, entry.smallest)
    torch.manual_seed(0)
    network = build_model(model, joints=joints).train()
    truth = empty_truth(target, joints, side, side)
    value = import_object(loss)(network(torch.rand(2, 3, side, side)), truth, **literal_eval(options))
    value.backward()
    learned = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    without = [name for name, parameter in learned if parameter.grad is None]
    return value.item(), without, all(bool(p.grad.isfinite().all()) for _, p in learned if p.grad is not None)


# What the papers state: package, recipe -> section, epochs, batch size, largest learning rate, milestones.
STATED = [
    ("heatmap_weighting", "mpii", "IV-A4", 210, 64, 5e-4, (170, 200)),
    ("heatmap_weighting", "coco", "IV-A4", 210, 64, 5e-4, (170, 200)),
    ("heatmap_weighting", "coco-384x288", "IV-A4", 210, 64, 5e-4, (170, 200)),
    ("autopose", "coco", "4.2", 210, 128, 1e-3, (170, 200)),
    ("autopose", "mpii", "4.2", 210, 128, 1e-3, (170, 200)),
    ("efficientpose_nas", "mpii", "4.1", 200, 32, 1e-3, (150, 170)),
    ("efficientpose_nas", "coco", "4.2", 240, 128, 1e-3, (200_000, 240_000)),
    ("efficientpose", "mpii-RT", "4.1", 200, 20, None, ()),
    ("efficientpose", "mpii-I", "4.1", 200, 20, None, ()),
    ("efficientpose", "mpii-II", "4.1", 200, 20, None, ()),
    ("efficientpose", "mpii-III", "4.1", 200, 10, None, ()),
    ("efficientpose", "mpii-IV", "4.1", 200, 5, None, ()),
    ("efficientpose", "mpii-openpose", "Table 5", 400, 20, None, ()),
    ("efficientpose", "mpii-ablation-I", "A", 100, 20, None, ()),
    ("efficientpose", "mpii-ablation-II", "A", 100, 20, None, ()),
    ("baselines", "mpii-hrnet", "released configuration", 210, 128, 1e-3, (170, 200)),
    ("baselines", "coco-hrnet", "released configuration", 210, 128, 1e-3, (170, 200)),
    ("baselines", "mpii-simple_baseline", "released configuration", 140, 32, 1e-3, (90, 120)),
    ("baselines", "coco-simple_baseline", "section 3", 140, 128, 1e-3, (90, 120)),
    ("baselines", "coco-vipnas", "configuration", 210, 512, 5e-4, (170, 200)),
    ("baselines", "coco-lite_hrnet", "released configuration", 210, 512, 2e-3, (170, 200)),
    ("baselines", "coco-lpn", "released configuration", 150, 32, 1e-3, (90, 120)),
]


@pytest.mark.parametrize(("package", "name", "where", "epochs", "batch", "rate", "milestones"), STATED)
def test_a_recipe_says_what_its_source_does(
    package: str, name: str, where: str, epochs: int, batch: int, rate: float | None, milestones: tuple[int, ...]
) -> None:
    recipe = PACKAGES[package].recipes[name]
    stated = (recipe.epochs, recipe.batch, recipe.optimizer.lr, recipe.schedule.milestones)
    assert stated == (epochs, batch, rate, milestones)


def test_heatmap_weighting_warms_up_over_500_steps_from_a_thousandth() -> None:
    for name in ("mpii", "coco"):
        recipe = PACKAGES["heatmap_weighting"].recipes[name]
        assert (recipe.optimizer.name, recipe.schedule.warmup, recipe.schedule.warmup_factor) == ("adam", 500, 0.001)
        views = AUGMENTATIONS[recipe.augmentation]
        assert (views.largest_rotation, views.scale) == (80, 0.5)  # section IV-A3: +-80 degrees, 0.5 to 1.5
        assert bool(views.half_body) == (name == "coco")


def test_efficientpose_cycles_over_three_epochs_and_settles_by_equation_5() -> None:
    recipes = PACKAGES["efficientpose"].recipes
    for name, recipe in recipes.items():
        if name.startswith("mpii"):
            assert (recipe.optimizer.name, recipe.optimizer.momentum) == ("sgd", 0.9)
            assert (recipe.schedule.kind, recipe.schedule.cycle, recipe.schedule.min_lr_ratio) == ("triangular", 3, 1 / 3000)
            sigmas, _ = TARGET_WIDTHS[parse_size(recipe.input)[0] // recipe.target.stride]
            assert recipe.schedule.final_lr_ratio == pytest.approx(math.sqrt(1 / 3000) * 2 ** (sigmas[0] - sigmas[-1]))
            views = AUGMENTATIONS[recipe.augmentation]
            assert (views.flip, views.scale, views.largest_rotation) == (0.5, 0.25, 45)  # section 4.1
    assert recipes["mpii-II"].schedule.final_lr_ratio == pytest.approx(0.168, abs=5e-4)


# Networks without a recipe for MPII or COCO, and the reason.
WITHOUT = {
    **dict.fromkeys(("baselines/cpm-mmpose", "baselines/hourglass52"), "mmpose's published weights"),
    **{f"efficientpose/{name}_LITE": "its published weights" for name in ("RT", "I", "II")},
    "baselines/dlcm": "bones and limbs",
    "baselines/g_rmi-r101": "offsets",
    "baselines/mask_rcnn-r50_fpn": "a detector's boxes",
}


# A network of one's own is in a package without recipes, and is trained by the general ones.
OF_PAPERS = [model for model in entries() if package_of(model).recipes or model.split("/")[0] in load_papers()]


@pytest.mark.parametrize("model", OF_PAPERS)
def test_every_network_has_a_recipe_for_mpii_or_coco_or_a_reason_for_none(model: str) -> None:
    if model in WITHOUT:
        with pytest.raises(InputError, match=f"no recipe for {model}: .*{WITHOUT[model]}"):
            find_recipe(model, "mpii")
        return
    assert {"mpii", "coco"} & {recipe.dataset for recipe in known_recipes(model).values()}
    assert find_recipe(model, "lsp").dataset == "lsp"
    assert find_recipe(model, "synthetic-mpii").dataset == "synthetic-mpii"


def test_the_first_recipe_of_a_dataset_is_its_default() -> None:
    assert find_recipe("heatmap_weighting/mobilenet_v3+attention=none", "coco").name == "coco"
    assert find_recipe("heatmap_weighting/mobilenet_v3", "coco", "coco-384x288").input == "384x288"
    assert find_recipe("efficientpose/openpose", "mpii").epochs == 400
    assert find_recipe("baselines/hrnet-w32", "lsp") is GENERAL_RECIPES["lsp"]


@pytest.mark.parametrize(
    ("model", "dataset", "name", "message"),
    [
        ("autopose/searched", "mpii", "lsp", "recipe lsp is for lsp, not mpii"),
        ("autopose/searched", "mpii", "mpi", "no recipe 'mpi' for autopose/searched; known: coco, mpii, lsp, synthetic"),
        ("efficientpose/RT", "coco", None, "no recipe for efficientpose/RT on coco; known: mpii-RT, lsp, synthetic"),
        ("efficientpose/RT", "mpii", "mpii-II", "no recipe 'mpii-II' for efficientpose/RT"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused(model: str, dataset: str, name: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_recipe(model, dataset, name)


def test_digests_tell_all_recipes_of_a_package_apart() -> None:
    for name, package in PACKAGES.items():
        recipes = list(package.recipes.values())
        assert recipes, name
        assert len({recipe.digest() for recipe in recipes}) == len(recipes), name


def test_a_digest_changes_with_what_decides_the_outcome_and_with_nothing_else() -> None:
    recipe = GENERAL_RECIPES["lsp"]
    same = replace(
        recipe,
        source="elsewhere",
        models=("efficientpose/RT",),
        assumptions=(Assumption(unspecified="", choice="", source=""),),
    )
    others = [
        replace(recipe, epochs=17),
        replace(recipe, loss_options={"half": False}),
        replace(recipe, optimizer=Optimizer(lr=1e-3)),
        replace(recipe, schedule=Schedule(kind="cosine")),
        replace(recipe, target=Target(sigma=3.0)),
        replace(recipe, crop="hrnet"),
    ]
    assert same.digest() == recipe.digest()
    assert len({recipe.digest(), *(other.digest() for other in others)}) == len(others) + 1


def test_listing_recipes_needs_no_torch() -> None:
    code = "import sys; from benchmark.config.packages import declarations, known_recipes; declarations()"
    code += "; known_recipes('efficientpose/RT'); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_outputs_that_are_neither_maps_nor_tuples_are_named() -> None:
    maps = torch.zeros(1, 16, 8, 8)
    assert len(list(iter_maps(([maps, (maps,)], {"out": maps})))) == 3
    with pytest.raises(InputError, match="returns maps, or tuples of them, not dict of out, aux"):
        list(iter_maps({"out": maps, "aux": maps}))
