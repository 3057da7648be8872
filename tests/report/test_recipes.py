"""Check that the page of recipes shows each recipe in full, in words that a reader can compare with the paper."""

from __future__ import annotations

import re

import pytest

from benchmark.config.packages import declarations
from benchmark.config.recipes import GENERAL_RECIPES, Optimizer, Recipe, Schedule, Target
from benchmark.report.markdown import heading_anchor
from benchmark.report.recipes import (
    GENERAL,
    format_augmentation,
    format_optimizer,
    format_schedule,
    format_target,
    recipes_by_package,
    recipes_page,
    training_commands,
)

LISTED = [
    pytest.param(package, recipe, id=f"{package}-{name}")
    for package, recipes in recipes_by_package().items()
    for name, recipe in recipes.items()
]


@pytest.fixture(scope="module")
def sections() -> dict[tuple[str, str], str]:
    """Return the section of each recipe by package and name."""
    sections = {}
    for part in recipes_page().split("\n## ")[1:]:
        recipes = part.split("\n### ")[1:]
        for section in recipes:
            name, _, text = section.partition("\n")
            package, _, name = name.strip("`").partition(": `")
            sections[package, name] = text
    return sections


@pytest.mark.parametrize(("package", "recipe"), LISTED)
def test_a_recipe_is_shown_with_its_digest_its_gaps_and_a_command(sections: dict, package: str, recipe: Recipe) -> None:
    text = sections[package, recipe.name]
    assert f"digest `{recipe.digest()}`" in text
    for line in training_commands(recipe, package):
        assert f"`{line}`" in text
    for assumption in recipe.assumptions:
        assert f"| {assumption.unspecified} | {assumption.choice} | {assumption.source} |" in text
    for shown in (recipe.source, recipe.input, recipe.augmentation, recipe.crop, recipe.loss, recipe.start, recipe.protocol):
        assert shown in text


def test_nothing_else_is_shown(sections: dict) -> None:
    assert set(sections) == {(package, recipe.name) for package, recipe in (p.values for p in LISTED)}
    assert {package for package, _ in sections} > {"efficientpose", "efficientpose_nas", "heatmap_weighting", "autopose"}


def test_the_command_trains_a_network_that_the_recipe_is_for() -> None:
    assert training_commands(GENERAL_RECIPES["lsp"], GENERAL)[-1].endswith("--dataset lsp --recipe lsp")
    find, train = training_commands(recipes_by_package()["efficientpose"]["mpii-II"], "efficientpose")
    assert find == train + " --find-lr"
    assert train == "python -m benchmark.train efficientpose/II --dataset mpii --recipe mpii-II"


def test_numbers_are_put_into_words() -> None:
    assert format_optimizer(Optimizer(lr=5e-4)) == "Adam, maximum rate 0.0005, betas 0.9 and 0.999, weight decay 0"
    assert format_optimizer(Optimizer(name="sgd", lr=None)).startswith("SGD, maximum rate found by --find-lr, momentum 0.9")
    assert format_schedule(Schedule(milestones=(170, 200), warmup=500)) == (
        "times 0.1 at epochs 170, 200; linear warm-up during the first 500 steps, from 0.001 times the rate"
    )
    assert format_schedule(Schedule(milestones=(200_000,), unit="steps")) == "times 0.1 at steps 200,000"
    triangle = Schedule(kind="triangular", final_lr_ratio=0.168)
    assert format_schedule(triangle).endswith("between 0.000333 and 1 times the maximum; both bounds approach 0.168")
    assert format_augmentation("mmpose_coco") == (
        "flipped with probability 0.5, scaled by 1 ± 0.5 (normal, clipped), rotated by up to 80° with probability 0.6 "
        "(normal with sigma 40°, clipped at 80°), half-body augmentation with probability 0.3"
    )
    assert format_augmentation("efficientpose").endswith("rotated by up to 45° with probability 1 (uniform)")
    assert format_target(
        Target(
            stride=8,
            sigma_schedule="reproductions.efficientpose.sigma_schedule:target_widths",
            fields="reproductions.efficientpose.targets:draw_fields",
        )
    ).endswith("and part affinity fields")


def test_networks_without_a_recipe_stand_there_with_the_reason() -> None:
    page = recipes_page()
    for package in declarations().values():
        for model, why in package.untrained.items():
            assert f"- `{model}`: {why}" in page


def test_every_recipe_is_linked_from_the_overview() -> None:
    overview, *sections = recipes_page().split("\n### ")
    anchors = [heading_anchor(section.partition("\n")[0]) for section in sections]
    assert len(set(anchors)) == len(anchors)
    assert re.findall(r"\]\(#([^)]+)\)", overview) == anchors
