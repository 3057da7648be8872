"""Each network is trained and tested with the order of colours of its released configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.config.packages import default_protocol, find_protocol, find_recipe, find_search, known_protocols
from benchmark.config.protocols import PROTOCOLS
from benchmark.config.recipes import Recipe
from benchmark.evaluation.arguments import EvaluateArguments
from benchmark.evaluation.run import choose_protocols
from reproductions.efficientpose_nas import ENTRIES
from reproductions.efficientpose_nas.recipes import RECIPES

# DATASET.COLOR_RGB of the files under experiments/ in github.com/hustvl/EfficientPose, true for red first.
RELEASED = {
    ("efficientpose_nas/B", "mpii"): False,
    ("efficientpose_nas/C", "mpii"): True,
    ("efficientpose_nas/A", "coco"): False,
    ("efficientpose_nas/B", "coco"): True,
    ("efficientpose_nas/C", "coco"): True,
}


@pytest.mark.parametrize(("model", "dataset"), RELEASED)
def test_the_order_of_colours_is_that_of_the_released_configuration(model: str, dataset: str) -> None:
    recipe = find_recipe(model, dataset)
    assert recipe.bgr is not RELEASED[model, dataset]
    assert not [assumption for assumption in recipe.assumptions if f"for {model[-1]} on" in assumption.unspecified]


def test_the_order_of_a_on_mpii_is_an_assumption() -> None:
    recipe = find_recipe("efficientpose_nas/A", "mpii")
    assert recipe.bgr
    assert [a.choice for a in recipe.assumptions if a.unspecified == "the order of colours for A on MPII"] == ["blue first"]


def test_the_compared_backbones_are_trained_in_the_order_of_a() -> None:
    """So that Table 3 differs in the backbone alone."""
    orders = {find_recipe(entry.id, "mpii").bgr for entry in ENTRIES if entry.id[-2:] not in ("/B", "/C")}
    assert orders == {find_recipe("efficientpose_nas/A", "mpii").bgr}


@pytest.mark.parametrize("dataset", ["mpii", "coco", "lsp"])
@pytest.mark.parametrize("model", ["efficientpose_nas/A", "efficientpose_nas/B+sic=off", "efficientpose_nas/C"])
def test_tests_read_the_order_that_training_read(model: str, dataset: str, tmp_path: Path) -> None:
    recipe = find_recipe(model, dataset)
    assert find_protocol(model, recipe.protocol).bgr == recipe.bgr
    (chosen,) = choose_protocols(EvaluateArguments(model=model, weights=tmp_path, dataset=dataset)).values()  # type: ignore[arg-type]
    assert chosen.bgr == recipe.bgr
    if dataset != "lsp":  # whose recipe tests on the box of the joints
        assert chosen == find_protocol(model, recipe.protocol)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_every_recipe_names_a_protocol_of_its_order(recipe: Recipe) -> None:
    assert all(find_protocol(model, recipe.protocol).bgr == recipe.bgr for model in recipe.models)


def test_a_detectors_boxes_are_tested_in_the_same_order() -> None:
    assert default_protocol("efficientpose_nas/A", "coco", detected=True) == "hrnet-bgr"
    assert default_protocol("efficientpose_nas/A", "coco") == "hrnet-bgr-annotated"
    assert default_protocol("efficientpose_nas/C", "coco", detected=True) == "hrnet"


def test_the_protocols_differ_from_hrnets_in_the_order_alone() -> None:
    known = known_protocols("efficientpose_nas/A")
    for name, general in (("hrnet-bgr", "hrnet"), ("hrnet-bgr-annotated", "hrnet-annotated")):
        assert replace(known[name], bgr=False) == PROTOCOLS[general]


def test_the_search_on_mpii_reads_the_order_of_the_network_that_it_finds() -> None:
    config = find_search("efficientpose_nas", "paper")
    assert (config.recipe.bgr, config.recipe.protocol) == (True, "hrnet-bgr")
    assert config.retrain == find_recipe("efficientpose_nas/A", "mpii")
