"""A moving average of the weights is the network that is tested, and pairs of variants share their initial weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.config.packages import find_recipe
from benchmark.config.recipes import without_average
from benchmark.data.synthetic.write import write_datasets
from benchmark.training.loader import BatchLoader, load_training_people
from benchmark.training.log import read_log
from benchmark.training.trainer import TrainingRun, average_weights, build_training, train_network

MODEL = "efficientpose_nas/A"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write_datasets(folder, 24, seed=3, validation=4, size=96)
    return folder


def planned(folder: Path, model: str = MODEL, **options: object) -> TrainingRun:
    recipe = replace(find_recipe(MODEL, "synthetic-mpii"), average=0.9)
    run = TrainingRun(model=model, recipe=recipe, start="scratch", device=torch.device("cpu"), folder=folder)
    return replace(run, **options)  # type: ignore[arg-type]


def test_an_average_forgets_at_its_decay() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    averaged = average_weights(network, 0.9)
    for value in (1.0, 2.0, 4.0):
        with torch.no_grad():
            network.weight.fill_(value)
        averaged.update_parameters(network)
    assert averaged.module.weight.item() == pytest.approx(0.9 * (0.9 * 1 + 0.1 * 2) + 0.1 * 4)


def test_the_average_is_tested_and_the_last_weights_stand_beside_it(root: Path, tmp_path: Path) -> None:
    run = planned(tmp_path / "run")
    people, _ = load_training_people(run.recipe, root)
    tested: list[torch.Tensor] = []

    def evaluate(network: torch.nn.Module) -> dict[str, float]:
        tested.append(next(network.parameters()).detach().clone())
        return {"accuracy": float(len(tested))}

    network = train_network(run, BatchLoader(people, run.recipe, 0), evaluate, metric="accuracy", tensorboard=False)
    _, second, last_weights = tested
    assert torch.equal(next(network.parameters()), second)
    assert not torch.equal(last_weights, second)
    figures = [line["figures"] for line in read_log(run.folder)[1]]
    assert figures == [{"accuracy": 1.0}, {"accuracy": 2.0, without_average("accuracy"): 3.0}]


def test_a_run_that_is_resumed_ends_with_the_same_average(root: Path, tmp_path: Path) -> None:
    whole, stopped = planned(tmp_path / "whole"), planned(tmp_path / "stopped")
    people, _ = load_training_people(whole.recipe, root)
    loader = BatchLoader(people, whole.recipe, 0)

    class StoppedError(Exception):
        pass

    calls = []

    def stop_once(_: torch.nn.Module) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 2:
            raise StoppedError
        return {"accuracy": 1.0}

    expected = train_network(whole, loader, lambda _: {"accuracy": 1.0}, metric="accuracy", tensorboard=False)
    with pytest.raises(StoppedError):
        train_network(stopped, loader, stop_once, metric="accuracy", tensorboard=False)
    resumed = train_network(stopped, loader, stop_once, metric="accuracy", tensorboard=False)
    for name, tensor in expected.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_variants_of_a_pair_start_from_the_same_weights_where_they_have_the_same_layers(tmp_path: Path) -> None:
    base, _ = build_training(planned(tmp_path, seed=5))
    variant = f"{MODEL}+sic=off"
    paired, _ = build_training(planned(tmp_path, variant, seed=5, weights_of=MODEL))
    alone, _ = build_training(planned(tmp_path, variant, seed=5))
    expected = base.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in paired.state_dict().items())
    assert not all(torch.equal(tensor, expected[name]) for name, tensor in alone.state_dict().items())
    wider, _ = build_training(planned(tmp_path, f"{MODEL}+width=96x96", seed=5, weights_of=MODEL))
    same = [name for name, tensor in wider.state_dict().items() if tensor.shape == expected[name].shape]
    assert len(same) < len(expected)
    assert all(torch.equal(wider.state_dict()[name], expected[name]) for name in same)
