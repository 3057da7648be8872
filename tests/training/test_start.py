"""Weights to start from are looked at before anything is prepared, and a file that cannot serve is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from benchmark.core.errors import InputError
from benchmark.models.registry import build_model
from benchmark.training.arguments import TrainArguments
from benchmark.training.run import plan_training

MODEL = "efficientpose/RT"


def plan(start: Path | str, model: str = MODEL) -> None:
    plan_training(TrainArguments(model=model, dataset="synthetic-mpii", start=str(start), device="cpu"))


def test_a_file_that_does_not_exist_is_looked_for_in_two_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    with pytest.raises(
        InputError, match=rf"--start x\.pth: neither a file nor one of scratch.*; no weights at x.pth, nor at {tmp_path}/"
    ):
        plan("x.pth")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"my notes on weights", "is not a weight file"),
        (b"<!doctype html><p>Not found", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 5\n", "is a pointer of Git LFS"),
    ],
)
def test_a_file_without_weights_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(InputError, match=rf"^--start: {tmp_path}/x\.pth {complaint}"):
        plan(tmp_path / "x.pth")


def test_weights_of_another_network_are_refused_and_those_of_another_head_are_not(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    save_file(build_model("efficientpose/I", joints=16).state_dict(), tmp_path / "larger.safetensors")
    save_file(build_model("efficientpose_nas/A", joints=17).state_dict(), tmp_path / "coco.safetensors")
    for name in ("other.pth", "larger.safetensors"):
        with pytest.raises(InputError, match=rf"^--start: {tmp_path}/{name} does not fit {MODEL}"):
            plan(tmp_path / name)
    plan(tmp_path / "coco.safetensors", "efficientpose_nas/A")
