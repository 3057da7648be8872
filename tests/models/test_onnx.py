"""ONNX files of other precisions, or without a stated shape, are counted and run; any other is one line with its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.compare.cost import Candidate, count_candidates
from benchmark.config.latency import Setting
from benchmark.core.errors import InputError
from benchmark.cost.onnx import count_onnx
from benchmark.latency.workloads import forward_pass, network_function
from benchmark.models.external import resolve_model

onnx = pytest.importorskip("onnx", reason="onnx (the extra 'runtimes') is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime (the extra 'runtimes') is not installed")
HW = (32, 32)


def write_onnx(path: Path, kind: str = "float", shape: object = (1, 3, 32, 32)) -> Path:
    """Write a convolution of 4x4 pixels to 16 maps; its images are of a type and shape, or without a shape."""
    from onnx import TensorProto, helper, numpy_helper

    types = {"float": TensorProto.FLOAT, "half": TensorProto.FLOAT16, "double": TensorProto.DOUBLE, "bytes": TensorProto.UINT8}
    dtype = {"half": np.float16, "double": np.float64}.get(kind, np.float32)
    weight = numpy_helper.from_array(np.ones((16, 3, 4, 4), dtype) / 48, "weight")
    images = helper.make_tensor_value_info("images", types[kind], shape)
    maps = helper.make_tensor_value_info("maps", TensorProto.FLOAT if kind == "bytes" else types[kind], None)
    cast = [helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT)] if kind == "bytes" else []
    conv = helper.make_node("Conv", ["numbers" if cast else "images", "weight"], ["maps"], strides=[4, 4])
    graph = helper.make_graph([*cast, conv], "g", [images], [maps], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("kind", ["float", "half", "bytes"])
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), None, ("n", 3, "h", "w")])
def test_any_precision_and_shape_is_counted_run_and_timed(tmp_path: Path, kind: str, shape: object) -> None:
    path = write_onnx(tmp_path / "net.onnx", kind, shape)
    counts, _ = count_onnx(path, HW)
    assert counts["flops"]["macs"] == 8 * 8 * 3 * 16 * 16
    (maps,) = resolve_model(str(path)).build(16, HW)(torch.full((2, 3, *HW), 2.0))
    assert (maps.dtype, tuple(maps.shape)) == (torch.float32, (2, 16, 8, 8))
    assert maps.flatten().tolist() == pytest.approx([2.0] * maps.numel(), rel=1e-2)
    setting = Setting(model=str(path), input="32x32", backend="onnxruntime")
    assert list(forward_pass(setting, network_function(setting, str(path)))()) == ["forward"]


def test_what_onnxruntime_cannot_run_is_counted(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "net.onnx", "double")
    with pytest.raises(InputError, match=r"net\.onnx: onnxruntime cannot run it: "):
        resolve_model(str(path)).build(16, HW)
    candidate = Candidate(external=resolve_model(str(path)), name="net.onnx", input="32x32")
    count_candidates([candidate], 16)
    assert candidate.counts["flops"]["macs"] == 8 * 8 * 3 * 16 * 16
    assert candidate.no_heatmaps_reason.startswith("net.onnx does not run: ")


@pytest.mark.parametrize("kind", ["half", "double"])
def test_openvino_takes_images_of_the_same_type(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("openvino", reason="openvino (the extra 'runtimes') is not installed")
    path = write_onnx(tmp_path / "net.onnx", kind)
    setting = Setting(model=str(path), input="32x32", backend="openvino")
    network = network_function(setting, str(path))
    assert network.dtype == {"half": torch.float16, "double": torch.float64}[kind]
    assert network.run(torch.full((1, 3, *HW), 2.0, dtype=network.dtype)).flatten()[0] == pytest.approx(2, rel=1e-2)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 64, 64), r"net\.onnx takes 1x3x64x64, not one image of 3x32x32"),
        ((1, 3, 32), r"net\.onnx takes 1x3x32, not one image"),
        ((1, 1, None, None), r"net\.onnx takes 1x1x\?x\?, not one image"),
    ],
)
def test_images_of_another_shape_are_refused_by_name(tmp_path: Path, shape: object, message: str) -> None:
    path = write_onnx(tmp_path / "net.onnx", shape=shape)
    for use in (lambda: count_onnx(path, HW), lambda: resolve_model(str(path)).build(16, HW)):
        with pytest.raises(InputError, match=message):
            use()
