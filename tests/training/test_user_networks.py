"""Test that networks of a user's own are counted, trained and evaluated by the names that all commands share."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from benchmark.core.errors import InputError
from benchmark.core.records import load_records, select
from benchmark.data.synthetic.write import write_datasets
from benchmark.evaluation.arguments import EvaluateArguments
from benchmark.evaluation.records import evaluation_report
from benchmark.evaluation.run import evaluate_model
from benchmark.measure.cost import CostCommand
from benchmark.models.external import MODEL_SPECS, resolve_model
from benchmark.report.training import training_page
from benchmark.train import train_command
from benchmark.training.arguments import TrainArguments
from benchmark.training.records import TrainingReport
from benchmark.training.run import default_folder, plan_training

NETWORK = """
from torch import nn

def build(joints=16):
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, joints, 1))

def fifteen():
    return build(15)

def coarse(joints):
    return nn.Sequential(build(joints), nn.AvgPool2d(2))

def failing(joints):
    return nn.Sequential(build(joints), nn.Linear(5, 5))
"""
PEOPLE = 16

pytestmark = pytest.mark.usefixtures("same_process")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write_datasets(folder, PEOPLE + 8, seed=3, validation=8, size=96)
    return folder


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("code") / "mine.py"
    path.write_text(NETWORK)
    return path


@pytest.fixture(scope="module")
def trained(root: Path, net: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train, and return the folder of the run and its records."""
    folder = tmp_path_factory.mktemp("trained")
    train_command(train_arguments(root, f"{net}:build", folder / "run"), folder / "records")
    return folder


def train_arguments(root: Path, model: str, out: Path | None = None, **given: Any) -> TrainArguments:
    settings = {"dataset": "synthetic-mpii", "root": root, "out": out, "cache": root / "cache", "device": "cpu"}
    return TrainArguments(model=model, **settings | given)  # type: ignore[arg-type]


def evaluate_arguments(root: Path, model: str, weights: Path, **given: Any) -> EvaluateArguments:
    settings = {"dataset": "synthetic-mpii", "root": root, "input": "64x64", "device": "cpu", "work": root / "work"}
    return EvaluateArguments(model=model, weights=weights, **settings | given)  # type: ignore[arg-type]


# --- training ----------------------------------------------------------------------------------------------------------------


def test_training_leaves_weights_and_records_without_a_model_version(trained: Path) -> None:
    assert {"last.pt", "best.safetensors", "final.safetensors"} <= {p.name for p in (trained / "run").iterdir()}
    records = load_records(trained / "records")
    kept = [record for record in records.values() if record.subject != "mean pose"]
    assert {record.kind for record in kept} == {"accuracy", "training"}
    assert {record.subject for record in kept} == {"mine.py:build"}
    assert not any("model" in record.versions for record in kept)
    assert {record.setting["recipe"] for record in kept} == {"synthetic"}
    assert "`mine.py:build`" in training_page(records)


def test_the_same_training_is_read_from_the_records_and_changed_code_is_trained_again(
    root: Path, net: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_command(train_arguments(root, f"{net}:build", tmp_path / "run", as_json=True), trained / "records")
    assert not (tmp_path / "run").exists()
    report = json.loads(capsys.readouterr().out)
    assert TypeAdapter(TrainingReport).validate_python(report, strict=True) == report
    assert {result["subject"] for result in report["results"]} == {"mine.py:build"}
    assert all("code " in result["setting"] and re.fullmatch("[0-9a-f]{12}", result["record"]) for result in report["results"])

    (tmp_path / "mine.py").write_text(NETWORK.replace("nn.ReLU()", "nn.SiLU()"))
    changed = train_arguments(root, f"{tmp_path / 'mine.py'}:build", tmp_path / "run", epochs=1)
    train_command(changed, tmp_path / "records")
    plans = [plan_training(train_arguments(root, model)) for model in (f"{net}:build", f"{tmp_path / 'mine.py'}:build")]
    assert len({plan.folder for plan in plans}) == 2, "code decides the default folder"
    train_command(train_arguments(root, f"{tmp_path / 'mine.py'}:build", tmp_path / "again"), trained / "records")
    assert len(select(load_records(trained / "records"), kind="training")) == 2


def test_an_interrupted_training_resumes(root: Path, net: Path, trained: Path, tmp_path: Path) -> None:
    train_command(train_arguments(root, f"{net}:build", tmp_path / "run", keep=False))
    before = (tmp_path / "run" / "log.jsonl").read_text()
    train_command(train_arguments(root, f"{net}:build", tmp_path / "run", keep=False))
    assert (tmp_path / "run" / "log.jsonl").read_text() == before, "nothing was left to do"


def test_a_plan_shows_the_counts_of_the_network(root: Path, net: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_command(train_arguments(root, f"{net}:build", dry_run=True))
    out = capsys.readouterr().out
    assert "mine.py:build by recipe synthetic 1" in out
    assert "0.00 M parameters" in out


def test_the_recipe_of_a_model_of_this_project_trains_it_from_scratch(root: Path, net: Path) -> None:
    run = plan_training(train_arguments(root, f"{net}:build", dataset="coco", recipe="efficientpose_nas/A+sic=off"))
    assert run.recipe.dataset == "coco"
    assert (run.start, dict(run.recipe.starts)) == ("scratch", {})
    assert run.folder == default_folder(run.model, run.recipe, "scratch", 0)
    assert "efficientpose_nas-A" in run.folder.name


@pytest.mark.parametrize(
    ("model", "given", "complaint"),
    [
        ("timm:resnet18", {}, r"^timm:resnet18 returns \[1, 1000\], not heatmaps \[1, 16, h, w\]$"),
        ("torchvision:resnet18", {}, r"^torchvision:resnet18 returns \[1, 1000\], not heatmaps \[1, 16, h, w\]$"),
        ("{net}:fifteen", {}, r"^mine.py:fifteen returns \[1, 15, 16, 16\], not heatmaps \[1, 16, h, w\]$"),
        ("{net}:absent", {}, r"mine.py: absent is not defined; the file defines"),
        ("{net}", {}, r"add the function that builds the network"),
        ("{net}:failing", {}, r"^mine.py:failing: RuntimeError: "),
        (
            "{net}:coarse",
            {},
            r"returns heatmaps of 8x8 pixels for 64x64 images, recipe synthetic trains heatmaps of 16x16 \(stride 4\)$",
        ),
        ("{net}:build", {"dataset": "coco"}, r"no recipe for mine.py:build on coco; known: lsp, synthetic; --recipe MODEL"),
        ("{net}:build", {"recipe": "mpii"}, r"no recipe 'mpii' for mine.py:build; known: lsp, synthetic$"),
        ("{net}:build", {"recipe": "efficientpose_nas/Z"}, r"unknown model 'efficientpose_nas/Z'"),
        ("{net}:build", {"dataset": "mpii", "recipe": "efficientpose/I"}, r"part affinity fields|returns heatmaps of"),
        ("{net}:build", {"start": "imagenet"}, r"--start imagenet: neither a file nor one of scratch"),
        ("mine.onnx", {}, r"mine.onnx: no such file"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    root: Path, net: Path, tmp_path: Path, model: str, given: dict[str, Any], complaint: str
) -> None:
    if model.startswith("timm:"):
        pytest.importorskip("timm")
    with pytest.raises(InputError, match=complaint) as problem:
        train_command(train_arguments(root, model.format(net=net), tmp_path / "run", **given))
    assert "\n" not in str(problem.value)
    assert not (tmp_path / "run").exists()


def test_an_exported_network_is_refused(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.touch()
    for command in (
        lambda: plan_training(train_arguments(root, str(path))),
        lambda: evaluate_model(evaluate_arguments(root, str(path), path)),
    ):
        with pytest.raises(InputError, match=r"^mine.onnx is an exported network; give the Python function that builds it$"):
            command()


# --- evaluation --------------------------------------------------------------------------------------------------------------


def test_evaluation_agrees_with_the_test_of_the_training_and_is_kept(
    root: Path, net: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = evaluate_arguments(root, f"{net}:build", trained / "run" / "final.safetensors")
    evaluation, records = evaluate_model(arguments, tmp_path)
    assert {record.subject for record in records} == {"mine.py:build"}
    assert not any("model" in record.versions for record in records)
    assert evaluation_report(evaluation, records)["model"] == "mine.py:build"
    of_training = {r.metric: r.value for r in select(load_records(trained / "records"), kind="accuracy") if "code" in r.setting}
    assert {record.metric: record.value for record in records} == pytest.approx(of_training)
    monkeypatch.setattr("benchmark.evaluation.run.predict_people", lambda *_, **__: pytest.fail("evaluated again"))
    assert {record.id for record in evaluate_model(arguments, tmp_path)[1]} == {record.id for record in records}


def test_weights_that_pytorch_saved_are_evaluated(root: Path, net: Path, tmp_path: Path) -> None:
    network = resolve_model(f"{net}:build").build(16, (64, 64))
    torch.save({"state_dict": network.state_dict()}, tmp_path / "mine.pth")
    _, records = evaluate_model(evaluate_arguments(root, f"{net}:build", tmp_path / "mine.pth", keep=False))
    assert records


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ("torchvision:resnet18", r"^torchvision:resnet18 returns \[1, 1000\], not heatmaps \[1, 16, h, w\]$"),
        ("{net}:fifteen", r"^mine.py:fifteen returns \[1, 15, 16, 16\], not heatmaps \[1, 16, h, w\]$"),
        ("{net}:absent", r"mine.py: absent is not defined"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(root: Path, net: Path, trained: Path, model: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        evaluate_model(evaluate_arguments(root, model.format(net=net), trained / "run" / "final.safetensors"))


# --- cost --------------------------------------------------------------------------------------------------------------------


def test_cost_is_counted_and_kept_only_for_models_of_this_project(
    net: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept: list[str] = []
    monkeypatch.setattr("benchmark.measure.cost.append_record", lambda record: kept.append(record.subject))
    models = (f"{net}:build", "efficientpose_nas/A", "torchvision:resnet18")
    CostCommand(models=models, input="64x64", keep=True, json=True)()
    out, err = capsys.readouterr()
    rows = {row["model"]: row for row in json.loads(out)["models"]}
    assert list(rows) == ["mine.py:build", *models[1:]]
    assert rows["mine.py:build"]["params"]["trainable"] == (27 + 1) * 8 + 16 + (8 + 1) * 16
    assert rows["mine.py:build"]["flops"]["macs"] == 16 * 16 * (27 * 8 + 8 * 16)
    assert [row["evidence"] is None for row in rows.values()] == [True, False, True]
    assert kept == ["efficientpose_nas/A"]
    not_recorded = "not recorded; only the costs of ids and architecture files are"
    assert err.splitlines() == [
        f"mine.py:build: {not_recorded}",
        f"{models[2]} returns [1, 1000], not heatmaps [1, 16, h, w]: it is counted as it is",
        f"{models[2]}: {not_recorded}",
    ]


def test_cost_of_an_exported_network_leaves_out_what_cannot_be_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 1))
    torch.onnx.export(network, (torch.zeros(1, 3, 64, 64),), tmp_path / "mine.onnx", dynamo=False)
    CostCommand(models=(str(tmp_path / "mine.onnx"),), input="64x64", json=True)()
    out, err = capsys.readouterr()
    (row,) = json.loads(out)["models"]
    assert row["flops"]["macs"] == 16 * 16 * (27 * 8 + 8 * 16)
    assert "exact" not in row["flops"]
    assert err.startswith("mine.onnx: empty cells were not counted: ")
    CostCommand(models=(str(tmp_path / "mine.onnx"),), input="64x64")()
    assert "mine.onnx" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("models", "complaint"),
    [
        (("{net}:absent",), "absent is not defined"),
        (("{net}:build", "{net}:build"), "mine.py:build is given twice"),
        (("{net}:failing",), "mine.py:failing: RuntimeError"),
    ],
)
def test_what_cannot_be_counted_is_refused(net: Path, models: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        CostCommand(models=tuple(model.format(net=net) for model in models), input="64x64")()


# --- help --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["train", "evaluate", "compare", "measure cost", "measure latency"])
def test_every_command_describes_the_names_of_networks_in_the_same_words(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from importlib import import_module

    name, *more = command.split()
    module = f"benchmark.{name}" + (".__main__" if name in ("compare", "measure") else "")
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setattr("sys.argv", [name, *more, "--help"])
    with pytest.raises(SystemExit):
        import_module(module).main()
    names = MODEL_SPECS.removesuffix(" or an architecture file")
    assert names in " ".join(capsys.readouterr().out.replace("│", " ").split())
