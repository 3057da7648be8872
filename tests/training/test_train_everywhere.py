"""Test that every package's recipes train and test, up to the records.

On Synthetic people always, on samples of real data with ``-m slow``; a few steps with a few people at a small input.
``-k autopose`` tests one package.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.config.packages import declarations, known_recipes
from benchmark.config.recipes import Recipe
from benchmark.core.keypoints import joint_set_of
from benchmark.data.synthetic.write import write_datasets
from benchmark.models.registry import build_on_meta, entries, find_entry
from benchmark.training.loader import BatchLoader, cached_crops, load_training_people
from benchmark.training.records import data_sample, training_records
from benchmark.training.trainer import TrainingRun, build_training, train_network
from benchmark.training.validation import Validator

STEPS, PEOPLE = 2, 8
# Splits of a few annotated images that come with the tests' data; LSP is complete.
SAMPLES = {"mpii": "sample", "coco": "sample"}


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write_datasets(folder, 2 * PEOPLE, seed=5, validation=PEOPLE, size=96)
    return folder


def trainable(package: str) -> dict[str, list[str]]:
    """Return the models of a package that each recipe is for, by the recipe's name."""
    models: dict[str, list[str]] = {}
    untrained = declarations()[package].untrained
    for model in entries():
        if model.startswith(f"{package}/") and model not in untrained:
            for name in known_recipes(model):
                models.setdefault(name, []).append(model)
    return models


def size(model: str) -> int:
    """Count parameters."""
    return sum(parameter.numel() for parameter in build_on_meta(model, joints=16).parameters())


def shortened(model: str, recipe: Recipe) -> Recipe:
    """Shorten a recipe to one epoch of a few people at the smallest size, on the data at hand."""
    entry = find_entry(model)
    side = max(64, entry.multiple, entry.smallest)
    dataset = recipe.dataset
    if split := SAMPLES.get(dataset):
        recipe = replace(recipe, train=((dataset, split),), test=(dataset, split))
    rate = recipe.optimizer.lr or 0.01
    schedule = replace(recipe.schedule, milestones=(), warmup=0)
    batch = 2 if dataset == "mpii" else 4  # of the five people in MPII's sample
    return replace(
        recipe,
        input=f"{side}x{side}",
        batch=batch,
        epochs=1,
        num_people=STEPS * batch,
        optimizer=replace(recipe.optimizer, lr=rate),
        schedule=schedule,
        start="scratch",
    )


def train_a_little(model: str, recipe: Recipe, folder: Path, root: Path | None = None) -> None:
    """Train from images to records, and check what must be true of them."""
    recipe = shortened(model, recipe)
    people, _ = load_training_people(recipe, root)
    people = people.select(range(recipe.num_people))
    run = TrainingRun(model=model, recipe=recipe, start="scratch", device=torch.device("cpu"), folder=folder / "run")
    validator = Validator(model, recipe, root, run.device)
    validator.people = validator.people.select(range(min(len(validator.people), PEOPLE)))
    loader = BatchLoader(people, recipe, run.seed, crops=cached_crops(people, recipe, folder / "cache", show=False))
    before, _ = build_training(run)
    network = train_network(run, loader, validator, metric=validator.metric, tensorboard=False)
    assert any(not torch.equal(a, b) for a, b in zip(network.parameters(), before.parameters(), strict=True))
    losses = [line for line in (folder / "run" / "log.jsonl").read_text().splitlines() if '"loss"' in line]
    assert len(losses) == STEPS
    records = training_records(run, network, validator, people, data_sample(people, validator.people))
    values = {record.metric: record.value for record in records if record.subject == model}
    assert {validator.metric, "loss"} <= set(values)
    assert all(math.isfinite(value) for value in values.values() if isinstance(value, float))
    assert math.isfinite(values["loss"])
    assert {path.name for path in (folder / "run").iterdir()} >= {"last.pt", "best.safetensors", "final.safetensors"}


PACKAGES = list(declarations())


@pytest.mark.parametrize("package", PACKAGES)
def test_a_network_of_each_package_trains_on_synthetic_people(package: str, synthetic: Path, tmp_path: Path) -> None:
    name, fitting = next((name, models) for name, models in trainable(package).items() if name.startswith("synthetic"))
    train_a_little(fitting[0], known_recipes(fitting[0])[name], tmp_path, synthetic)


@pytest.mark.slow
@pytest.mark.parametrize(("package", "name"), [(package, name) for package in PACKAGES for name in trainable(package)])
def test_every_recipe_trains_on_the_samples(
    package: str, name: str, request: pytest.FixtureRequest, synthetic: Path, tmp_path: Path
) -> None:
    model = min(trainable(package)[name], key=size)
    recipe = known_recipes(model)[name]
    on_synthetic = joint_set_of(recipe.dataset) != recipe.dataset
    train_a_little(model, recipe, tmp_path, synthetic if on_synthetic else request.getfixturevalue("pose_data"))
