"""Load weights into their network, refuse wrong ones by name, and compare TFLite files with their networks."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchmark.core.errors import InputError
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.evaluation.backends import TFLITE, load_backend
from benchmark.models.checkpoints import AUTHORS, checkpoints
from benchmark.models.registry import build_model
from benchmark.models.weights import locate_weights

DATA = Path(os.environ.get("POSE_DATA", "~/.cache/pose-benchmark")).expanduser()
MODEL = "efficientpose/RT"  # the smallest network


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return build_model(MODEL, joints=16).eval()


@pytest.fixture(scope="module")
def weights(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(network.state_dict(), path)
    return path


def test_safetensors_give_the_network_back(network: nn.Module, weights: Path) -> None:
    backend = load_backend(MODEL, weights, input_hw=(64, 64))
    assert backend.joints == MPII_JOINTS
    assert not backend.published
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = network(images).final
    torch.testing.assert_close(backend.forward(images)[-1], expected, atol=0, rtol=0)


@pytest.mark.parametrize("spoil", ["absent", "shape", "unknown"])
def test_weights_of_another_network_are_refused_by_name(network: nn.Module, tmp_path: Path, spoil: str) -> None:
    tensors = dict(network.state_dict())
    name = next(iter(tensors))
    if spoil == "absent":
        del tensors[name]
    elif spoil == "shape":
        tensors[name] = torch.zeros(1)
    else:
        tensors[name := "foreign.weight"] = torch.zeros(2)
    save_file(tensors, tmp_path / "other.safetensors")
    difference = {
        "absent": f"missing 1 ({name})",
        "shape": f"of another shape 1 ({name} is [1]",
        "unknown": f"unexpected 1 ({name})",
    }
    with pytest.raises(InputError, match=re.escape(f"other.safetensors does not fit {MODEL}: tensors {difference[spoil]}")):
        load_backend(MODEL, tmp_path / "other.safetensors")


def test_a_broken_or_unknown_file_is_refused(tmp_path: Path) -> None:
    for name, message in (
        ("a.safetensors", "is not a weight file"),
        ("a.tflite", "not a TFLite file|needs ai-edge-litert"),
        ("a.pth", "is not a weight file"),
    ):
        (tmp_path / name).write_bytes(b"nonsense that is no file of weights")
        with pytest.raises(InputError, match=message):
            load_backend(MODEL, tmp_path / name)


def test_weights_are_found_below_the_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.h5").write_bytes(b"")
    monkeypatch.setenv("POSE_DATA", str(tmp_path))
    assert locate_weights(Path("weights/a.h5")) == tmp_path / "weights" / "a.h5"
    with pytest.raises(InputError, match=r"no weights at b\.h5, nor at"):
        locate_weights(Path("b.h5"))


def test_what_the_network_cannot_take_is_one_clear_line(weights: Path) -> None:
    backend = load_backend(MODEL, weights, input_hw=(64, 64))
    with pytest.raises(InputError, match=rf"^{MODEL} failed on 64x64 images: [^\n]+$"):
        backend.forward(torch.zeros(1, 4, 64, 64))


def test_maps_that_are_not_finite_are_refused(weights: Path) -> None:
    backend = load_backend(MODEL, weights, input_hw=(64, 64))
    with pytest.raises(InputError, match="not finite"):
        backend.forward(torch.full((1, 3, 64, 64), float("nan")))


def published() -> list[tuple[str, Path, Path]]:
    """List the models that have both a published weight file and a TFLite file: model, path, TFLite path."""
    pairs = []
    for checkpoint in checkpoints().values():
        path = DATA / checkpoint.path
        tflite = path.with_suffix(TFLITE)
        if checkpoint.file and path.is_file() and path != tflite and tflite.is_file():
            pairs.append((checkpoint.model, path, tflite))
    return pairs


def test_a_tflite_file_answers_like_the_network_it_was_made_from() -> None:
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    if not (pairs := published()):
        pytest.skip(f"no published weights with a TFLite file beside them are under {DATA / 'weights'}")
    model, weights, tflite = pairs[0]
    original, converted = load_backend(model, weights), load_backend(model, tflite)
    assert original.joints == converted.joints
    assert original.published
    assert original.published.evidence == AUTHORS
    images = torch.rand(2, 3, *original.input_hw)
    for expected, output in zip(original.forward(images), converted.forward(images), strict=True):
        assert output.shape == expected.shape
        torch.testing.assert_close(output, expected, atol=2e-2, rtol=0)  # its weights are rounded to half precision
    with pytest.raises(InputError, match="takes"):
        load_backend(model, tflite, input_hw=(64, 64))
