"""Training: a run killed at any moment goes on as if nothing had happened, alone or shared out over processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmark.config.packages import find_recipe
from benchmark.config.recipes import GENERAL_RECIPES
from benchmark.core.errors import InputError
from benchmark.core.records import load_records
from benchmark.data.synthetic.write import write_datasets
from benchmark.models.registry import build_model
from benchmark.train import train_command
from benchmark.training import trainer
from benchmark.training.checkpoint import load_initial_weights, read_progress
from benchmark.training.loader import BatchLoader, load_training_people
from benchmark.training.lr_finder import LARGEST_TRIED_RATE, find_learning_rate
from benchmark.training.run import TrainArguments, plan_training
from benchmark.training.trainer import TrainingStep, train_network

MODEL = "efficientpose_nas/A"
PERSONS = 64
STEPS = 16  # two epochs of eight


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write_datasets(folder, PERSONS + 8, seed=3, validation=8, size=96)
    return folder


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    train_command(arguments(root, folder / "run"), folder / "records")
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def arguments(root: Path, out: Path, **given: Any) -> TrainArguments:
    settings = {"model": MODEL, "dataset": "synthetic-mpii", "root": root, "out": out, "cache": root / "cache", "device": "cpu"}
    return TrainArguments(**settings | given)  # type: ignore[arg-type]


def command(root: Path, out: Path, *more: str) -> list[str]:
    fixed = [
        "--dataset",
        "synthetic-mpii",
        "--root",
        root,
        "--out",
        out,
        "--cache",
        root / "cache",
        "--device",
        "cpu",
        "--no-keep",
    ]
    return ["-m", "benchmark.train", MODEL, *map(str, fixed), *more]


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "final.safetensors")


def same_weights(one: Path, other: Path) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one).values(), weights(other).values(), strict=True))


# --- going on -------------------------------------------------------------------------------------------------------------


def test_a_run_writes_its_curve_its_weights_and_its_records(whole: Path) -> None:
    assert len(losses(whole / "run")) == STEPS
    assert {"last.pt", "best.safetensors", "final.safetensors"} <= {p.name for p in (whole / "run").iterdir()}
    assert list((whole / "run").glob("events.*")), "TensorBoard finds nothing"
    kept = load_records(whole / "records").values()
    assert {record.kind for record in kept} == {"accuracy", "training"}
    assert {record.subject for record in kept} == {MODEL, "mean pose"}
    assert all(record.n in (8, PERSONS) for record in kept)


def test_the_same_training_again_is_read_from_the_records(
    root: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_command(arguments(root, tmp_path / "run"), whole / "records")
    assert "on record:" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def stop_and_start_again(given: TrainArguments, stop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt a run before a step, then give the same command again."""
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    step = TrainingStep.__call__

    def interrupted(self: TrainingStep, number: int, parts: list[Any]) -> Any:
        if number == stop:
            raise KeyboardInterrupt
        return step(self, number, parts)

    with monkeypatch.context() as context:
        context.setattr(TrainingStep, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_command(given)
    train_command(given)


@pytest.mark.parametrize("stop", [3, 8, 13], ids=["within an epoch", "between epochs", "within the last epoch"])
def test_stopped_and_started_again_it_is_the_same_run(
    root: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    """Same losses, same weights: to the last bit."""
    stop_and_start_again(arguments(root, tmp_path / "run", keep=False), stop, monkeypatch)
    assert losses(tmp_path / "run") == losses(whole / "run")
    assert same_weights(tmp_path / "run", whole / "run")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand")
def test_on_a_gpu_the_curve_goes_on_to_a_hundredth(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU adds in another order each time, so that not even two undisturbed runs agree to the bit."""
    train_command(arguments(root, tmp_path / "whole", device="cuda", keep=False))
    stop_and_start_again(arguments(root, tmp_path / "run", device="cuda", keep=False), 8, monkeypatch)
    assert np.allclose(losses(tmp_path / "run"), losses(tmp_path / "whole"), rtol=1e-2)


def test_killed_without_warning_it_goes_on_from_the_last_checkpoint(root: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, *command(root, run)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (run / "last.pt").exists():
        assert process.poll() is None, "ended before its first checkpoint"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < read_progress(run / "last.pt")["step"] < STEPS
    train_command(arguments(root, run, keep=False))
    assert losses(run) == losses(whole / "run")
    assert same_weights(run, whole / "run")


def test_lines_logged_after_the_checkpoint_are_done_again(root: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_command(arguments(root, run, epochs=1, keep=False))
    with open(run / "log.jsonl", "a") as file:
        file.write(json.dumps({"step": 8, "epoch": 1, "loss": 7.0, "lr": 1.0, "seconds": 1.0}) + '\n{"step": 9, "ep')
    train_command(arguments(root, run, epochs=1, keep=False))
    assert len(losses(run)) == 8
    assert 7.0 not in losses(run)


# --- many processes -------------------------------------------------------------------------------------------------------


def torchrun(root: Path, out: Path, *more: str, script: Path | None = None, restarts: int = 0) -> None:
    program = command(root, out, *more)
    started = program if script is None else [str(script), *program[2:]]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", f"--max-restarts={restarts}"]
    done = subprocess.run(
        [sys.executable, *launcher, *started], env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-6000:]


@pytest.fixture(scope="module")
def shared(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes."""
    out = tmp_path_factory.mktemp("shared") / "run"
    torchrun(root, out, "--epochs", "1")
    return out


def test_two_processes_give_the_weights_of_one_that_accumulates(root: Path, shared: Path, tmp_path: Path) -> None:
    """Parameters to 1e-5 of the largest; each process's batch norm keeps statistics of what it saw, which is half."""
    train_command(arguments(root, tmp_path / "run", epochs=1, accumulate=2, keep=False))
    one, two = weights(tmp_path / "run"), weights(shared)
    names = dict(build_model(MODEL, joints=16).named_parameters())
    largest = max(float(one[name].abs().max()) for name in names)
    assert max(float((one[name] - two[name]).abs().max()) for name in names) < 1e-5 * largest
    assert np.allclose(losses(tmp_path / "run"), losses(shared), rtol=1e-4)


def test_a_killed_worker_is_started_again_and_goes_on(root: Path, shared: Path, tmp_path: Path) -> None:
    script = tmp_path / "dies_once.py"
    script.write_text(
        "import os, pathlib, signal\n"
        "from benchmark import train\n"
        "from benchmark.training import trainer\n"
        "trainer.SAVE_EVERY = 0.0\n"
        f"mark = pathlib.Path({str(tmp_path / 'died')!r})\n"
        "step = trainer.TrainingStep.__call__\n"
        "def dies(self, number, parts):\n"
        "    if number == 5 and os.environ['RANK'] == '1' and not mark.exists():\n"
        "        mark.touch()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return step(self, number, parts)\n"
        "trainer.TrainingStep.__call__ = dies\n"
        "train.main()\n"
    )
    torchrun(root, tmp_path / "run", "--epochs", "1", script=script, restarts=1)
    assert (tmp_path / "died").exists()
    assert losses(tmp_path / "run") == losses(shared)


# --- refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"batch": 7, "accumulate": 2}, "micro-batch 3 x 2 accumulated x 1 processes is 6, not the recipe's batch of 7"),
        ({"micro_batch": 3}, "micro-batch 3 x 1 accumulated x 1 processes is 3, not the recipe's batch of 8"),
        ({"accumulate": 0}, "not the recipe's batch of 8"),
        ({"batch": 65}, "64 people to train on do not fill one batch of 65"),
        ({"epochs": 0}, "--epochs 0: more than 0"),
        ({"start": "imagenet"}, "--start imagenet: neither a file nor one of scratch"),
        ({"recipe": "coco"}, "recipe coco is for coco, not synthetic-mpii"),
        ({"recipe": "nonsense"}, "no recipe 'nonsense'"),
        ({"device": "toaster"}, "--device toaster"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    root: Path, tmp_path: Path, given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        train_command(arguments(root, tmp_path / "run", **given))
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_run_is_left_alone(root: Path, whole: Path) -> None:
    before = (whole / "run" / "last.pt").read_bytes()
    with pytest.raises(InputError, match="holds another run: seed is 0 there, 1 here"):
        train_command(arguments(root, whole / "run", seed=1, keep=False))
    assert (whole / "run" / "last.pt").read_bytes() == before


@pytest.mark.parametrize("damage", ["truncated", "no safetensors"])
def test_a_damaged_checkpoint_is_named(root: Path, whole: Path, tmp_path: Path, damage: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_bytes((whole / "run" / "run.json").read_bytes())
    content = (whole / "run" / "last.pt").read_bytes()
    (run / "last.pt").write_bytes(content[: len(content) // 2] if damage == "truncated" else b"pickle")
    with pytest.raises(InputError, match=r"last\.pt: not a checkpoint that can be read: damaged, .*--out$"):
        train_command(arguments(root, run, keep=False))


def test_a_loss_that_explodes_stops_the_run_and_keeps_its_checkpoint(root: Path, tmp_path: Path) -> None:
    recipe = replace(
        GENERAL_RECIPES["synthetic"], optimizer=replace(GENERAL_RECIPES["synthetic"].optimizer, name="sgd", lr=1e30)
    )
    run, _ = plan_training(arguments(root, tmp_path / "run"))
    run = replace(run, recipe=recipe)
    people, _ = load_training_people(recipe, root)
    with pytest.raises(InputError, match="the loss is no longer finite at step"):
        train_network(run, BatchLoader(people, recipe, 0))


# --- pieces ---------------------------------------------------------------------------------------------------------------


def test_start_weights_for_other_joints_lose_their_last_layer_only(whole: Path, tmp_path: Path) -> None:
    network = build_model(MODEL, joints=14)
    left = load_initial_weights(network, whole / "run" / "final.safetensors", MODEL)
    assert set(left) == {"head.final.weight", "head.final.bias"}
    assert torch.equal(network.state_dict()["backbone.0.0.0.weight"], weights(whole / "run")["backbone.0.0.0.weight"])
    other = build_model("efficientpose_nas/B", joints=16)
    with pytest.raises(InputError, match="does not fit efficientpose_nas/B"):
        load_initial_weights(other, whole / "run" / "final.safetensors", "efficientpose_nas/B")


def test_every_person_is_shown_once_an_epoch_and_in_another_order_the_next(root: Path) -> None:
    recipe = find_recipe(MODEL, "synthetic-mpii")
    people, _ = load_training_people(recipe, root)
    feed = BatchLoader(people, recipe, seed=0)
    epochs = [np.concatenate([feed.rows(step) for step in range(8 * epoch, 8 * epoch + 8)]) for epoch in (0, 1)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(PERSONS))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()
    assert BatchLoader(people, recipe, seed=1).rows(0).tolist() != feed.rows(0).tolist()


def test_parts_of_a_step_are_its_whole_in_order(root: Path) -> None:
    recipe = find_recipe(MODEL, "synthetic-mpii")
    people, _ = load_training_people(recipe, root)
    feed = BatchLoader(people, recipe, seed=0)
    whole, truth = feed.load(5)
    parts = [feed.load(5, part, 4) for part in range(4)]
    assert torch.equal(torch.cat([images for images, _ in parts]), whole)
    assert torch.equal(torch.cat([own.heatmaps for _, own in parts]), truth.heatmaps)


def test_the_largest_rate_that_survives_is_found_by_halving(root: Path, tmp_path: Path) -> None:
    recipe = GENERAL_RECIPES["synthetic"]
    recipe = replace(
        recipe,
        optimizer=replace(recipe.optimizer, name="sgd", lr=None),
        schedule=replace(recipe.schedule, kind="triangular", cycle=1, warmup=0),
    )
    run, _ = plan_training(arguments(root, tmp_path / "run"))
    run = replace(run, recipe=recipe)
    people, _ = load_training_people(recipe, root)
    tried = find_learning_rate(run, BatchLoader(people, recipe, 0))
    assert [rate for rate, _ in tried] == [LARGEST_TRIED_RATE / 2**place for place in range(len(tried))]
    assert [lost for _, lost in tried] == [True] * (len(tried) - 1) + [False]


def test_mixed_precision_starts_with_nearly_the_same_loss(root: Path, whole: Path, tmp_path: Path) -> None:
    train_command(arguments(root, tmp_path / "run", precision="bfloat16", epochs=1, keep=False))
    reference = losses(whole / "run")[:1]
    assert np.allclose(losses(tmp_path / "run")[:1], reference, rtol=0.02)
