"""Test that a training killed at any moment resumes exactly, in one process or in several."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from benchmark.config.packages import find_recipe, layouts_of
from benchmark.config.recipes import GENERAL_RECIPES
from benchmark.core.errors import InputError
from benchmark.core.records import load_records
from benchmark.data.synthetic.write import write_datasets
from benchmark.models.layouts import manifest_path, read_manifest
from benchmark.models.registry import build_model, packages
from benchmark.train import train_command
from benchmark.training import trainer
from benchmark.training.arguments import TrainArguments
from benchmark.training.checkpoint import claim_folder, load_checkpoint, load_initial_weights, read_progress, save_checkpoint
from benchmark.training.loader import BatchLoader, load_training_people
from benchmark.training.log import TrainingLog, read_log
from benchmark.training.lr_finder import LARGEST_TRIED_RATE, find_learning_rate
from benchmark.training.run import plan_training
from benchmark.training.trainer import TrainingStep, train_network
from tests.core.test_processes import is_running

MODEL = "efficientpose_nas/A"
PEOPLE = 64
STEPS = 16  # two epochs of eight


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write_datasets(folder, PEOPLE + 8, seed=3, validation=8, size=96)
    return folder


@pytest.fixture(scope="module")
def whole(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train without an interruption; return the folder of the run and its records."""
    folder = tmp_path_factory.mktemp("whole")
    train_command(arguments(root, folder / "run"), folder / "records")
    return folder


def arguments(root: Path, out: Path, **options: Any) -> TrainArguments:
    settings = {"model": MODEL, "dataset": "synthetic-mpii", "root": root, "out": out, "cache": root / "cache", "device": "cpu"}
    return TrainArguments(**settings | options)  # type: ignore[arg-type]


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


# --- resuming -------------------------------------------------------------------------------------------------------------


def test_a_run_writes_its_curve_its_weights_and_its_records(whole: Path) -> None:
    assert len(losses(whole / "run")) == STEPS
    assert {"last.pt", "best.safetensors", "final.safetensors"} <= {p.name for p in (whole / "run").iterdir()}
    assert list((whole / "run").glob("events.*")), "TensorBoard finds nothing"
    recorded = load_records(whole / "records").values()
    assert {record.kind for record in recorded} == {"accuracy", "mean_pose", "training"}
    assert {record.subject for record in recorded} == {MODEL, "mean pose"}
    assert all(record.n in (8, PEOPLE) for record in recorded)


def test_the_same_training_again_is_read_from_the_records(
    root: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_command(arguments(root, tmp_path / "run"), whole / "records")
    assert "on record:" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def stop_and_start_again(options: TrainArguments, stop: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt a run before a step, then run the same command again."""
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    step = TrainingStep.__call__

    def interrupted(self: TrainingStep, number: int, parts: list[Any]) -> Any:
        if number == stop:
            raise KeyboardInterrupt
        return step(self, number, parts)

    with monkeypatch.context() as context:
        context.setattr(TrainingStep, "__call__", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_command(options)
    train_command(options)


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(5, id="within an epoch"),
        pytest.param(8, id="between epochs", marks=pytest.mark.slow),
        pytest.param(13, id="within the last epoch", marks=pytest.mark.slow),
    ],
)
def test_stopped_and_started_again_it_is_the_same_run(
    root: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stop: int
) -> None:
    """Compare losses and weights to the last bit."""
    monkeypatch.setattr(trainer, "SAVE_SHARE", np.inf)
    stop_and_start_again(arguments(root, tmp_path / "run", keep=False), stop, monkeypatch)
    assert f"{tmp_path / 'run'}: resumed at step {stop} of {STEPS}\n" in capsys.readouterr().err
    assert losses(tmp_path / "run") == losses(whole / "run")
    assert same_weights(tmp_path / "run", whole / "run")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand")
def test_on_a_gpu_the_curve_goes_on_to_a_hundredth(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare losses to 1 %: a GPU adds in another order each time, so that no two runs agree to the last bit."""
    train_command(arguments(root, tmp_path / "whole", device="cuda", keep=False))
    stop_and_start_again(arguments(root, tmp_path / "run", device="cuda", keep=False), 8, monkeypatch)
    assert np.allclose(losses(tmp_path / "run"), losses(tmp_path / "whole"), rtol=1e-2)


@pytest.mark.parametrize("cost", [0.0, 0.5])
def test_checkpoints_are_further_apart_where_they_take_long(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cost: float
) -> None:
    """A fiftieth of the time at most is spent on them."""
    saved = []

    def save(*_: Any) -> None:
        saved.append(time.monotonic())
        clock["ahead"] += cost

    clock, monotonic = {"ahead": 0.0}, time.monotonic
    monkeypatch.setattr("benchmark.training.trainer.time.monotonic", lambda: monotonic() + clock["ahead"])
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(trainer, "save_checkpoint", save)
    options = arguments(root, tmp_path / "run", epochs=1)
    recipe = plan_training(options).recipe
    people, _ = load_training_people(recipe, root)
    train_network(plan_training(options), BatchLoader(people, recipe, 0))
    assert len(saved) == (2 if cost else 8)


def test_a_run_without_checkpoint_says_that_it_begins_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 0, "epoch": 0, "loss": 7.0, "lr": 1.0, "seconds": 1.0}\n')
    with TrainingLog(tmp_path, 0, tensorboard=False):
        pass
    assert "no checkpoint was written: begins at step 0 again" in capsys.readouterr().err


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_ended_by_a_signal_it_goes_on_from_the_last_checkpoint(
    root: Path, whole: Path, tmp_path: Path, sign: signal.Signals
) -> None:
    run = tmp_path / "run"
    line = [sys.executable, *command(root, run)]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (run / "last.pt").exists():
        assert process.poll() is None, "ended before its first checkpoint"
        time.sleep(0.01)
    process.send_signal(sign)
    errors = process.communicate()[1].splitlines()
    if sign == signal.SIGTERM:
        assert (process.returncode, errors[-1]) == (
            143,
            "stopped by SIGTERM: what was finished is kept; the same command resumes",
        )
        assert "Traceback" not in "".join(errors)
    assert 0 < read_progress(run / "last.pt")["step"] < STEPS
    (run / ".last.pt.0123.part").write_bytes(b"what a process killed as it wrote leaves")
    train_command(arguments(root, run, keep=False))
    assert not list(run.glob(".*.part"))
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
    module = command(root, out, *more)
    program = module if script is None else [str(script), *module[2:]]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", f"--max-restarts={restarts}"]
    process = subprocess.run([sys.executable, *launcher, *program], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-6000:]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes with their parent")
def test_processes_end_when_torchrun_is_killed(root: Path, tmp_path: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    line = [sys.executable, *launcher, *command(root, tmp_path / "run", "--epochs", "9999")]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "run" / "last.pt").exists():
        assert process.poll() is None, "ended before its first checkpoint"
        time.sleep(0.1)
    started = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    assert len(started) == 2
    end = time.monotonic() + 10
    while running := [number for number in started if is_running(int(number))]:
        assert time.monotonic() < end, running
        time.sleep(0.01)


@pytest.fixture(scope="module")
def shared(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train in two processes; return the folder of the run."""
    out = tmp_path_factory.mktemp("shared") / "run"
    torchrun(root, out, "--epochs", "1")
    return out


def test_two_processes_give_the_weights_of_one_that_accumulates(root: Path, shared: Path, tmp_path: Path) -> None:
    """Compare parameters to 1e-5 of the largest; batch norms differ more, as each process's see half of the people."""
    train_command(arguments(root, tmp_path / "run", epochs=1, accumulate=2, keep=False))
    one, two = weights(tmp_path / "run"), weights(shared)
    names = dict(build_model(MODEL, joints=16).named_parameters())
    largest = max(float(one[name].abs().max()) for name in names)
    assert max(float((one[name] - two[name]).abs().max()) for name in names) < 1e-5 * largest
    assert np.allclose(losses(tmp_path / "run"), losses(shared), rtol=1e-4)


@pytest.mark.slow
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


class Hostile:
    """An object whose pickle would create a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def save_pickle(content: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize("save", [torch.save, save_pickle], ids=["a file of PyTorch's", "a pickle"])
def test_a_checkpoint_executes_no_code(tmp_path: Path, save: Any) -> None:
    content = torch.load(saved_checkpoint(tmp_path / "good.pt"), weights_only=True)
    save(content | {"progress": Hostile(tmp_path / "executed")}, tmp_path / "last.pt")
    with pytest.raises(InputError, match=r"last\.pt: not a checkpoint that can be read"):
        load_checkpoint(tmp_path / "last.pt", *network_and_optimizers())
    with pytest.raises(InputError, match=r"last\.pt: not a checkpoint that can be read"):
        read_progress(tmp_path / "last.pt")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 0}, r"last\.pt: a checkpoint of version 0, not 2; remove it"),
        ({"network": {}}, r"last\.pt: the checkpoint of another network: "),
        ({"optimizers": {}}, r"last\.pt: the checkpoint of another network: "),
        ({"generators": {"cpu": None}}, r"last\.pt: the checkpoint of another network: "),
        ({"progress": {}}, r"last\.pt: not a checkpoint that can be read"),
        ({"progress": {"step": -3}}, r"last\.pt: not a checkpoint that can be read"),
        ({"progress": {"step": "x"}}, r"last\.pt: not a checkpoint that can be read"),
    ],
    ids=["version", "network", "optimizers", "generators", "no progress", "negative step", "step in words"],
)
def test_a_foreign_checkpoint_is_named(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    content = torch.load(saved_checkpoint(tmp_path / "good.pt"), weights_only=True)
    torch.save(content | change, tmp_path / "last.pt")
    with pytest.raises(InputError, match=complaint) as raised:
        load_checkpoint(tmp_path / "last.pt", *network_and_optimizers())
    assert "\n" not in str(raised.value)


def test_an_optimizers_state_of_another_shape_is_refused(tmp_path: Path) -> None:
    content = torch.load(saved_checkpoint(tmp_path / "good.pt"), weights_only=True)
    optimizer = next(iter(content["optimizers"].values()))
    optimizer["state"] = {0: {"exp_avg": torch.zeros(3), "exp_avg_sq": torch.zeros(3), "step": torch.tensor(1.0)}}
    torch.save(content, tmp_path / "last.pt")
    with pytest.raises(InputError, match=r"another network: the optimizer's exp_avg is \[3\], of a parameter"):
        load_checkpoint(tmp_path / "last.pt", *network_and_optimizers())


def test_two_runs_do_not_share_a_folder(root: Path, tmp_path: Path) -> None:
    with claim_folder(tmp_path / "run"), pytest.raises(InputError, match="another run is using this folder"):
        train_command(arguments(root, tmp_path / "run", keep=False))


@pytest.mark.parametrize("content", ["[]", "null", "[" * 100_000], ids=["a list", "null", "nested too deeply"])
def test_a_folder_with_another_kind_of_description_is_named(root: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match=r"run\.json: not a description of a run"):
        train_command(arguments(root, tmp_path, keep=False))


@pytest.mark.parametrize(
    "content", ["", "nonsense\n", '{"step": 1, "loss": 2.0}\n'], ids=["empty", "damaged", "a step is missing"]
)
def test_curves_that_are_lost_are_not_recorded(tmp_path: Path, content: str) -> None:
    (tmp_path / "log.jsonl").write_text(content)
    with pytest.raises(InputError, match=r"log\.jsonl: damaged"):
        read_log(tmp_path)


def test_others_may_read_the_weights(whole: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in (whole / "run").iterdir() if path.is_file()}
    assert modes["final.safetensors"] == modes["best.safetensors"] == modes["last.pt"]


def test_a_folder_of_an_earlier_version_is_left_alone(root: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    identity = json.loads((whole / "run" / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({key: value for key, value in identity.items() if key != "checkpoint_version"}))
    (run / "log.jsonl").write_text('{"step": 0}\n')
    with pytest.raises(InputError, match="holds another run: checkpoint_version is None there, 2 here"):
        train_command(arguments(root, run, keep=False))
    assert (run / "log.jsonl").read_text() == '{"step": 0}\n'


def test_a_loss_that_explodes_stops_the_run_and_keeps_its_checkpoint(root: Path, tmp_path: Path) -> None:
    recipe = replace(
        GENERAL_RECIPES["synthetic"], optimizer=replace(GENERAL_RECIPES["synthetic"].optimizer, name="sgd", lr=1e30)
    )
    run = plan_training(arguments(root, tmp_path / "run"))
    run = replace(run, recipe=recipe)
    people, _ = load_training_people(recipe, root)
    with pytest.raises(InputError, match="the loss is no longer finite at step"):
        train_network(run, BatchLoader(people, recipe, 0))


# --- pieces ---------------------------------------------------------------------------------------------------------------


def network_and_optimizers(
    layout: torch.memory_format = torch.channels_last,
) -> tuple[nn.Module, dict[str, torch.optim.Optimizer]]:
    torch.manual_seed(0)
    network = nn.Conv2d(3, 4, 3).to(memory_format=layout)
    return network, {"network": torch.optim.Adam(network.parameters(), fused=True)}


def saved_checkpoint(path: Path, layout: torch.memory_format = torch.channels_last) -> Path:
    """Save a checkpoint after one step, its progress with a NumPy number."""
    network, optimizers = network_and_optimizers(layout)
    network(torch.rand(1, 3, 8, 8)).sum().backward()
    optimizers["network"].step()
    save_checkpoint(path, network, optimizers, {"step": 1, "best": np.float64(0.5)})
    return path


@pytest.mark.parametrize("before", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("after", [torch.channels_last, torch.contiguous_format])
def test_moments_lie_in_memory_as_their_parameters(
    tmp_path: Path, before: torch.memory_format, after: torch.memory_format
) -> None:
    path = saved_checkpoint(tmp_path / "last.pt", before)
    network, optimizers = network_and_optimizers(after)
    assert load_checkpoint(path, network, optimizers) == read_progress(path) == {"step": 1, "best": 0.5}
    written = torch.load(path, weights_only=True)
    for number, parameter in enumerate(network.parameters()):
        for name in ("exp_avg", "exp_avg_sq"):
            moment = optimizers["network"].state[parameter][name]
            assert moment.stride() == parameter.stride()
            assert torch.equal(moment, written["optimizers"]["network"]["state"][number][name])


def test_start_weights_for_other_joints_lose_their_last_layer_only(whole: Path, tmp_path: Path) -> None:
    network = build_model(MODEL, joints=14)
    skipped = load_initial_weights(network, whole / "run" / "final.safetensors", MODEL)
    assert set(skipped) == {"head.final.weight", "head.final.bias"}
    assert torch.equal(network.state_dict()["backbone.0.0.0.weight"], weights(whole / "run")["backbone.0.0.0.weight"])
    other = build_model("efficientpose_nas/B", joints=16)
    with pytest.raises(InputError, match="does not fit efficientpose_nas/B"):
        load_initial_weights(other, whole / "run" / "final.safetensors", "efficientpose_nas/B")


def in_published_layout(model: str, path: Path) -> dict[str, torch.Tensor]:
    """Write random weights as the model's publisher names them, and return them by those names."""
    (layout,) = (layout for layout in layouts_of(model) if model in layout.models)
    folder = Path(packages()[model.split("/")[0]].__file__ or "").parent
    shapes = read_manifest(manifest_path(folder, layout, model))
    tensors = {name: torch.rand(shape) for name, shape in shapes.items()}
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}}, path)
    return tensors


def test_a_training_starts_from_weights_in_their_publishers_layout(tmp_path: Path) -> None:
    published = in_published_layout("efficientpose_nas/A", tmp_path / "authors.pth.tar")
    network = build_model("efficientpose_nas/A", joints=14)  # theirs has 16
    skipped = load_initial_weights(
        network, tmp_path / "authors.pth.tar", "efficientpose_nas/A", layouts_of("efficientpose_nas/A")
    )
    assert set(skipped) == {"head.final.weight", "head.final.bias"}
    assert torch.equal(network.state_dict()["backbone.0.0.0.weight"], published["first.0.conv.weight"])
    assert torch.equal(network.state_dict()["head.deconvs.1.0.weight"], published["deconv_layers.3.weight"])


def test_layers_whose_joints_are_in_another_order_keep_their_initial_values(tmp_path: Path) -> None:
    in_published_layout("efficientpose/RT", tmp_path / "keras.pth")
    network = build_model("efficientpose/RT", joints=16)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    skipped = load_initial_weights(network, tmp_path / "keras.pth", "efficientpose/RT", layouts_of("efficientpose/RT"))
    after = network.state_dict()
    assert {"passes.2.head.weight", "passes.2.head.bias", "upscaling.0.weight"} <= set(skipped)
    assert "passes.0.head.weight" not in skipped  # fields of the skeleton, not joints
    assert all(torch.equal(before[name], after[name]) for name in skipped)
    assert not torch.equal(before["backbones.high.stem.0.weight"], after["backbones.high.stem.0.weight"])


def test_every_person_is_shown_once_an_epoch_and_in_another_order_the_next(root: Path) -> None:
    recipe = find_recipe(MODEL, "synthetic-mpii")
    people, _ = load_training_people(recipe, root)
    loader = BatchLoader(people, recipe, seed=0)
    epochs = [np.concatenate([loader.rows(step) for step in range(8 * epoch, 8 * epoch + 8)]) for epoch in (0, 1)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(PEOPLE))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()
    assert BatchLoader(people, recipe, seed=1).rows(0).tolist() != loader.rows(0).tolist()


def test_parts_of_a_step_are_its_whole_in_order(root: Path) -> None:
    recipe = find_recipe(MODEL, "synthetic-mpii")
    people, _ = load_training_people(recipe, root)
    loader = BatchLoader(people, recipe, seed=0)
    images, targets = loader.load(5)
    parts = [loader.load(5, part, 4) for part in range(4)]
    assert torch.equal(torch.cat([part for part, _ in parts]), images)
    assert torch.equal(torch.cat([part.heatmaps for _, part in parts]), targets.heatmaps)


def test_the_largest_rate_that_survives_is_found_by_halving(root: Path, tmp_path: Path) -> None:
    recipe = GENERAL_RECIPES["synthetic"]
    recipe = replace(
        recipe,
        optimizer=replace(recipe.optimizer, name="sgd", lr=None),
        schedule=replace(recipe.schedule, kind="triangular", cycle=1, warmup=0),
    )
    run = plan_training(arguments(root, tmp_path / "run"))
    run = replace(run, recipe=recipe)
    people, _ = load_training_people(recipe, root)
    tried = find_learning_rate(run, BatchLoader(people, recipe, 0))
    assert [rate for rate, _ in tried] == [LARGEST_TRIED_RATE / 2**halvings for halvings in range(len(tried))]
    assert [diverged for _, diverged in tried] == [True] * (len(tried) - 1) + [False]


def test_mixed_precision_starts_with_nearly_the_same_loss(root: Path, whole: Path, tmp_path: Path) -> None:
    train_command(arguments(root, tmp_path / "run", precision="bfloat16", epochs=1, keep=False))
    reference = losses(whole / "run")[:1]
    assert np.allclose(losses(tmp_path / "run")[:1], reference, rtol=0.02)
