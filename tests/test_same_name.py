"""A file that replaces another of its name is another file: nothing that was kept of the first is taken for the second."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmark.config.protocols import Protocol
from benchmark.core.errors import InputError
from benchmark.core.files import file_stamp
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.data.download import fetch_source
from benchmark.data.sources import Part, Source
from benchmark.data.synthetic.write import write_datasets
from benchmark.evaluation.backends import Backend, load_backend, load_external, network_fingerprint
from benchmark.evaluation.inference import predict_people
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
