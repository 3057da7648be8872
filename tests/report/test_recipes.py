"""The page of recipes shows every one of them whole, in words that a reader can check against the paper."""

from __future__ import annotations

import pytest

from benchmark.config.packages import declarations
from benchmark.config.recipes import GENERAL_RECIPES, Optimizer, Schedule, Target
from benchmark.report import recipes
from benchmark.report.recipes import (
    GENERALLY,
    augmentation,
    commands,
    optimizer,
    recipes_by_package,
    recipes_page,
    schedule,
    target,
)

LISTED = [
    pytest.param(package, recipe, id=f"{package}-{name}")
    for package, listed in recipes_by_package().items()
    for name, recipe in listed.items()
]


@pytest.fixture(scope="module")
def sections() -> dict[tuple[str, str], str]:
    """Each recipe's part of the page."""
    found = {}
    for part in recipes_page().split("\n## ")[1:]:
        package, *own = part.split("\n### ")
        for section in own:
            name, _, text = section.partition("\n")
            found[package.splitlines()[0], name.strip("`")] = text
    return found


@pytest.mark.parametrize(("package", "recipe"), LISTED)
def test_a_recipe_is_shown_with_its_digest_its_gaps_and_a_command(sections: dict, package: str, recipe: recipes.Recipe) -> None:
    text = sections[package, recipe.name]
    assert f"digest `{recipe.digest()}`" in text
    for line in commands(recipe, package):
        assert f"`{line}`" in text
    for gap in recipe.assumptions:
        assert f"| {gap.unspecified} | {gap.choice} | {gap.source} |" in text
    for shown in (recipe.source, recipe.input, recipe.augmentation, recipe.crop, recipe.loss, recipe.start, recipe.protocol):
        assert shown in text


def test_nothing_else_is_shown(sections: dict) -> None:
    assert set(sections) == {(package, recipe.name) for package, recipe in (p.values for p in LISTED)}
    assert {package for package, _ in sections} > {"efficientpose", "efficientpose_nas", "heatmap_weighting", "autopose"}


def test_the_command_trains_a_network_that_the_recipe_is_for() -> None:
    assert commands(GENERAL_RECIPES["lsp"], GENERALLY)[-1].endswith("--dataset lsp --recipe lsp")
    listed = recipes_by_package()["efficientpose"]
    find, then = commands(listed["mpii-II"], "efficientpose")
    assert find == then + " --find-lr"
    assert then == "python -m benchmark.train efficientpose/II --dataset mpii --recipe mpii-II"


def test_numbers_are_put_into_words() -> None:
    assert optimizer(Optimizer(lr=5e-4)) == "Adam, largest rate 0.0005, betas 0.9 and 0.999, weight decay 0"
    assert optimizer(Optimizer(name="sgd", lr=None)).startswith("SGD, largest rate to be found, momentum 0.9")
    assert schedule(Schedule(milestones=(170, 200), warmup=500)) == (
        "times 0.1 at epochs 170, 200; first 500 steps of linear warm-up from 0.001"
    )
    assert schedule(Schedule(milestones=(200_000,), unit="steps")) == "times 0.1 at steps 200,000"
    triangle = Schedule(kind="triangular", final_lr_ratio=0.168)
    assert schedule(triangle).endswith("between 0.000333 and 1 times the largest, both approaching 0.168")
    assert augmentation("mmpose_coco") == (
        "mirrored with probability 0.5, scaled by 1 ± 0.5 (normal, cut off there), "
        "turned by up to 80° with probability 0.6 (normal of 40°, cut off at 80°), half the body with probability 0.3"
    )
    assert augmentation("efficientpose").endswith("turned by up to 45° with probability 1 (even)")
    assert target(
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
