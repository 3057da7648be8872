"""Every package's recipes train and test, to the records: on Synthetic people always, on samples of real data with ``-m slow``.

A few steps of a few persons at a small input: that everything runs end to end, and no more. ``-k autopose`` checks one package.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.config.packages import declarations, known_recipes
from benchmark.config.recipes import Recipe
from benchmark.data.synthetic.write import write_datasets
from benchmark.models.registry import build_on_meta, entries, find_entry
from benchmark.training.loader import BatchLoader, cached_crops, joint_set, load_training_people
from benchmark.training.records import training_records
from benchmark.training.trainer import TrainingRun, build_training, train_network
from benchmark.training.validation import Validator

STEPS, PERSONS = 2, 8
# Annotated photographs that come with the tests' data, in place of a recipe's own; LSP is there whole.
SAMPLES = {"mpii": "sample", "coco": "sample"}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write_datasets(folder, 2 * PERSONS, seed=5, validation=PERSONS, size=96)
    return folder


def trainable(package: str) -> dict[str, list[str]]:
    """The models of a package that each recipe is for, by the recipe's name."""
    found: dict[str, list[str]] = {}
    untrained = declarations()[package].untrained
    for model in entries():
        if model.startswith(f"{package}/") and model not in untrained:
            for name in known_recipes(model):
                found.setdefault(name, []).append(model)
    return found


def size(model: str) -> int:
    """Parameters."""
    return sum(parameter.numel() for parameter in build_on_meta(model, joints=16).parameters())


def shortened(model: str, recipe: Recipe) -> Recipe:
    """One epoch of a few persons at the smallest size, on what data there is."""
    entry = find_entry(model)
    side = max(64, entry.multiple, entry.smallest)
    dataset = recipe.dataset
    if split := SAMPLES.get(dataset):
        recipe = replace(recipe, train=((dataset, split),), test=(dataset, split))
    rate = recipe.optimizer.lr or 0.01
    schedule = replace(recipe.schedule, milestones=(), warmup=0)
    batch = 2 if dataset == "mpii" else 4  # of the five persons in MPII's sample
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
    """From photographs to records, and what must be true of them."""
    recipe = shortened(model, recipe)
    people, _ = load_training_people(recipe, root)
    people = people.select(range(recipe.num_people))
    run = TrainingRun(model=model, recipe=recipe, start="scratch", device=torch.device("cpu"), folder=folder / "run")
    tester = Validator(model, recipe, root, run.device)
    tester.people = tester.people.select(range(min(len(tester.people), PERSONS)))
    feed = BatchLoader(people, recipe, run.seed, crops=cached_crops(people, recipe, folder / "cache", show=False))
    before, _ = build_training(run)
    network = train_network(run, feed, tester, metric=tester.metric, tensorboard=False)
    assert any(not torch.equal(a, b) for a, b in zip(network.parameters(), before.parameters(), strict=True))
    losses = [line for line in (folder / "run" / "log.jsonl").read_text().splitlines() if '"loss"' in line]
    assert len(losses) == STEPS
    made = training_records(run, network, tester, people, ("a few steps",))
    figures = {record.metric: record.value for record in made if record.subject == model}
    assert {tester.metric, "loss"} <= set(figures)
    assert all(math.isfinite(value) for value in figures.values() if isinstance(value, float))
    assert math.isfinite(figures["loss"])
    assert {path.name for path in (folder / "run").iterdir()} >= {"last.pt", "best.safetensors", "final.safetensors"}


PACKAGES = list(declarations())


@pytest.mark.parametrize("package", PACKAGES)
def test_a_network_of_each_package_trains_on_synthetic_people(package: str, synthetic: Path, tmp_path: Path) -> None:
    name, fitting = next((name, found) for name, found in trainable(package).items() if name.startswith("synthetic"))
    train_a_little(fitting[0], known_recipes(fitting[0])[name], tmp_path, synthetic)


@pytest.mark.slow
@pytest.mark.parametrize(("package", "name"), [(package, name) for package in PACKAGES for name in trainable(package)])
def test_every_recipe_trains_on_the_samples(
    package: str, name: str, request: pytest.FixtureRequest, synthetic: Path, tmp_path: Path
) -> None:
    model = min(trainable(package)[name], key=size)
    recipe = known_recipes(model)[name]
    on_synthetic = joint_set(recipe) != recipe.dataset
    train_a_little(model, recipe, tmp_path, synthetic if on_synthetic else request.getfixturevalue("pose_data"))
