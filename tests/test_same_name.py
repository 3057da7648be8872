"""A file that replaces another of its name is another file: nothing that was kept of the first is taken for the second."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmark.config.protocols import Protocol
from benchmark.core.errors import InputError
from benchmark.core.files import file_stamp
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.data import load_people
from benchmark.data.download import fetch_source
from benchmark.data.sources import Part, Source
from benchmark.data.synthetic.write import write_datasets
from benchmark.evaluation.arguments import EvaluateArguments
from benchmark.evaluation.backends import Backend, load_backend, load_external, network_fingerprint
from benchmark.evaluation.inference import predict_people
from benchmark.evaluation.run import evaluate_model
from benchmark.models.external import resolve_model
from benchmark.models.registry import build_model, find_entry
from benchmark.train import train_command
from benchmark.training.arguments import TrainArguments
from benchmark.training.records import run_identity
from benchmark.training.run import plan_training
from tests.evaluation.generated_people import people as write_people

NET = """
from torch import nn
from parts import activation

def build(joints=16):
    return nn.Sequential(nn.Conv2d(3, joints, 3, stride=4, padding=1), activation())
"""


def test_the_stamp_of_a_file_changes_with_what_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "image.jpg"
    assert file_stamp(path) == "image.jpg"
    path.write_bytes(b"1")
    first = file_stamp(path)
    assert first == file_stamp(path)
    path.write_bytes(b"22")
    assert file_stamp(path) != first


def test_predictions_of_another_model_with_the_same_tensors_are_computed(tmp_path: Path) -> None:
    people = write_people(tmp_path / "images", 2, (64, 64))
    calls: list[str] = []

    def backend(model: str) -> Backend:
        def forward(images: Tensor) -> tuple[Tensor, ...]:
            calls.append(model)
            return (torch.rand(len(images), 16, 16, 16),)

        return Backend(forward, MPII_JOINTS, (64, 64), "the file's hash", None, model)

    for model in ("net 1", "net 1", "net+switch=on 1", "net 2"):  # the same, another switch, another version
        predict_people(people, backend(model), {"plain": Protocol(flip="off", description="")}, tmp_path / "work")
    assert calls == ["net 1", "net+switch=on 1", "net 2"]


def test_a_model_of_this_project_names_itself_and_its_version_to_the_cache(tmp_path: Path) -> None:
    save_file(build_model("efficientpose/RT", joints=16).state_dict(), tmp_path / "weights.safetensors")
    version = find_entry("efficientpose/RT").version
    assert load_backend("efficientpose/RT", tmp_path / "weights.safetensors").model == f"efficientpose/RT {version}"


def test_a_users_network_is_known_by_the_files_that_its_own_file_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "net_of_two_files.py").write_text(NET.replace("parts", "parts_of_a_net"))
    parts = tmp_path / "parts_of_a_net.py"
    parts.write_text("from torch import nn\nactivation = nn.ReLU\n")
    external = resolve_model(f"{tmp_path / 'net_of_two_files.py'}:build")
    network = external.build(16, (64, 64))
    before = network_fingerprint(external, network)
    assert network_fingerprint(external, network) == before
    parts.write_text("from torch import nn\nactivation = nn.SiLU\n")
    assert network_fingerprint(external, network) != before


def test_an_exported_network_is_known_by_the_file_that_holds_its_weights(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx (the extra 'runtimes') is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime (the extra 'runtimes') is not installed")
    from reproductions.network_checks import export_onnx

    path = tmp_path / "net.onnx"
    export_onnx(nn.Conv2d(3, 16, 3, stride=4, padding=1).eval(), torch.zeros(1, 3, 64, 64), path)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)

    def fingerprint() -> str:
        return load_external(resolve_model(str(path)), None, joints=16, input_hw=(64, 64), device="cpu").sha256

    before = fingerprint()
    weights = np.fromfile(tmp_path / "weights.bin", np.float32)
    (weights + 1).tofile(tmp_path / "weights.bin")
    assert fingerprint() != before


def test_a_download_that_is_there_is_compared_with_its_digest(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"published").hexdigest()
    source = Source(name="a", url="http://nowhere.invalid/a.mat", file="a.mat", provides=(Part(path="a.mat"),), sha256=digest)
    (tmp_path / "a.mat").write_bytes(b"published")
    assert not fetch_source(source, tmp_path)
    (tmp_path / "a.mat").write_bytes(b"my own")
    with pytest.raises(InputError, match=r"a\.mat: SHA-256 is .*; remove the file to download it again"):
        fetch_source(source, tmp_path)


@pytest.mark.usefixtures("same_process")
def test_a_training_from_other_weights_of_the_same_name_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_datasets(tmp_path / "people", 24, seed=3, validation=8, size=96)
    (tmp_path / "net_of_one_file.py").write_text(NET.replace("from parts import activation\n", "activation = nn.ReLU\n"))
    net, start = f"{tmp_path / 'net_of_one_file.py'}:build", tmp_path / "start.safetensors"
    settings = {"dataset": "synthetic-mpii", "root": tmp_path / "people", "cache": tmp_path / "cache", "device": "cpu"}
    arguments = TrainArguments(model=net, start=str(start), out=tmp_path / "run", **settings)  # type: ignore[arg-type]

    def save(seed: int) -> None:
        torch.manual_seed(seed)
        save_file(resolve_model(net).build(16, (64, 64)).state_dict(), start)

    save(0)
    train_command(arguments, tmp_path / "records")
    first = run_identity(plan_training(arguments), "loss")
    save(1)
    assert run_identity(plan_training(arguments), "loss") != first
    with pytest.raises(InputError, match=r"holds another run: start is start\.safetensors"):
        train_command(arguments, tmp_path / "records")
    save(0)
    assert run_identity(plan_training(arguments), "loss") == first
    moved = start.rename(tmp_path / "people" / start.name)
    assert plan_training(TrainArguments(model=net, start=str(moved), **settings)).start_label.startswith(start.name)  # type: ignore[arg-type]


# --- a run that is resumed ---------------------------------------------------------------------------------------------------

MODULE = "part_of_a_resumed_net"
PART = "from torch import nn\n\nactivation = nn.ReLU\n"


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with people, a network of two files, and a run of it."""
    folder = tmp_path_factory.mktemp("begun")
    write_datasets(folder / "people", 24, seed=3, validation=8, size=96, layout="mpii")
    (folder / "net.py").write_text(NET.replace("from parts", "from part_of_a_resumed_net"))
    (folder / "part_of_a_resumed_net.py").write_text(PART)
    with pytest.MonkeyPatch.context() as patch:
        resume(folder, patch, keep=True)
    return folder


def resume(folder: Path, patch: pytest.MonkeyPatch, *, keep: bool = False) -> None:
    """Train into the folder's run, as a process that has not imported files of the same name from another folder."""
    patch.syspath_prepend(folder)
    if not str(getattr(sys.modules.get(MODULE), "__file__", "")).startswith(str(folder)):
        patch.delitem(sys.modules, MODULE, raising=False)
    settings = {
        "root": folder / "people",
        "cache": folder / "cache",
        "out": folder / "run",
        "device": "cpu",
        "keep": keep,
        "as_json": True,
    }
    arguments = TrainArguments(model=f"{folder / 'net.py'}:build", dataset="synthetic-mpii", **settings)  # type: ignore[arg-type]
    train_command(arguments, folder / "records")


def negative(image: Path) -> None:
    cv2.imwrite(str(image), 255 - cv2.imread(str(image)))


def first_images(folder: Path, split: str) -> list[Path]:
    return sorted(set(load_people("synthetic-mpii", split, folder / "people").images))


def change_annotations(folder: Path, split: str) -> None:
    path = folder / f"people/mpii/annot/{split}.json"
    people = json.loads(path.read_text())
    people[0]["center"][0] += 1
    path.write_text(json.dumps(people))


TRAINING, TEST = (
    rf"holds another run: {part} data \(photographs, annotations\) is \w+ there, \w+ here" for part in ("training", "test")
)
CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a photograph": (lambda folder: negative(first_images(folder, "train")[0]), TRAINING),
    "a test photograph": (lambda folder: negative(first_images(folder, "val")[-1]), TEST),
    "a photograph that is missing now": (lambda folder: first_images(folder, "train")[0].unlink(), TRAINING),
    "annotations": (lambda folder: change_annotations(folder, "train"), TRAINING),
    "test annotations": (lambda folder: change_annotations(folder, "valid"), TEST),
    "the network's file": (
        lambda folder: (folder / "net.py").write_text((folder / "net.py").read_text() + "\n"),
        "holds another run: code is",
    ),
    "a file that it imports": (
        lambda folder: (folder / "part_of_a_resumed_net.py").write_text(PART.replace("ReLU", "SiLU")),
        "holds another run: code is",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_run_is_not_resumed_on_what_has_been_replaced(begun: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(begun, folder)
    change, message = CHANGES[name]
    change(folder)
    before = (folder / "run/log.jsonl").read_bytes()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError, match=message):
        resume(folder, patch)
    assert (folder / "run/log.jsonl").read_bytes() == before


def test_a_run_is_resumed_on_a_copy_of_its_photographs(begun: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(begun, folder, copy_function=shutil.copyfile)  # with other times
    shutil.rmtree(folder / "cache")
    with pytest.MonkeyPatch.context() as patch:
        resume(folder, patch)
    assert (folder / "run/log.jsonl").read_bytes() == (begun / "run/log.jsonl").read_bytes()


# --- what is on record -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a photograph", "a test photograph", "annotations", "test annotations"])
def test_a_training_on_other_photographs_or_annotations_is_not_read_from_the_records(
    begun: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(begun, folder)
    with pytest.MonkeyPatch.context() as patch:
        resume(folder, patch, keep=True)
        CHANGES[name][0](folder)
        with pytest.raises(InputError, match="rest on other photographs or annotations of synthetic-mpii"):
            resume(folder, patch, keep=True)


def test_an_evaluation_on_other_photographs_is_not_read_from_the_records(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(begun, folder)
    monkeypatch.syspath_prepend(folder)
    settings = {"dataset": "synthetic-mpii", "root": folder / "people", "work": folder / "work", "device": "cpu"}
    weights = folder / "run/final.safetensors"
    arguments = EvaluateArguments(model=f"{folder / 'net.py'}:build", weights=weights, input="64x64", **settings)  # type: ignore[arg-type]

    def predictions() -> set[str]:
        return {(record.samples or {})["sha256"] for record in evaluate_model(arguments, folder / "records")[1]}

    first = predictions()
    assert predictions() == first
    for image in first_images(folder, "val"):
        negative(image)
    assert predictions() != first
    assert (
        "not recorded: the records of net.py:build were measured with other photographs or annotations"
        in capsys.readouterr().err
    )
    for image in first_images(folder, "val"):
        image.unlink()
    assert predictions() == first  # what is on record needs no photographs
