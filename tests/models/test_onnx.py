"""ONNX files of other precisions, or without a stated shape, are counted and run; any other is one line with its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.compare.cost import Candidate, count_candidates
from benchmark.config.latency import Setting
from benchmark.core.errors import InputError
from benchmark.cost.onnx import count_onnx
from benchmark.latency.workloads import forward_pass, network_function
from benchmark.measure.cost import CostCommand
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


# --- nodes with products -----------------------------------------------------------------------------------------------------


def count_nodes(path: Path, nodes: list[Any], weights: dict[str, tuple[int, ...]], functions: list[Any] | None = None) -> Any:
    """Count nodes that lead from ``images``, ``[1, 3, 32, 32]``, to ``maps``; ``weights`` are given by their shapes."""
    from onnx import TensorProto, helper, numpy_helper

    kinds = {"q": np.uint8, "zero": np.uint8, "shape": np.int64}
    values = {name: np.array(shape) if name == "shape" else np.zeros(shape) for name, shape in weights.items()}
    initializers = [numpy_helper.from_array(value.astype(kinds.get(name, np.float32)), name) for name, value in values.items()]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, *HW))
    graph = helper.make_graph(
        nodes, "g", [images], [helper.make_tensor_value_info("maps", TensorProto.FLOAT, None)], initializers
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in (("", 19), ("mine", 1))]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions or []), path)
    return count_onnx(path, HW)[0]


def node(kind: str, inputs: str, outputs: str = "maps", **attributes: object) -> Any:
    return onnx.helper.make_node(kind, inputs.split(" "), outputs.split(" "), **attributes)


PIXELS = 32 * 32
NODES = {
    "Einsum": ([node("Einsum", "images w", equation="bchw,cd->bdhw")], {"w": (3, 8)}, PIXELS * 24, 24),
    "Einsum with broadcasting": (
        [node("Einsum", "images w", equation="bchw,bchd->bhwd")],
        {"w": (1, 3, 1, 8)},
        PIXELS * 24,
        24,
    ),
    "matrix and vector": ([node("MatMul", "images w")], {"w": (32,)}, 3 * PIXELS, 32),
    "vector and matrix": ([node("MatMul", "w images")], {"w": (32,)}, 3 * PIXELS, 32),
    "batches of matrices": ([node("MatMul", "images w")], {"w": (7, 1, 32, 5)}, 7 * 3 * PIXELS * 5, 7 * 32 * 5),
    "Gemm, transposed": (
        [node("Reshape", "images shape", "a"), node("Gemm", "a w", transA=1, transB=1)],
        {"shape": (32, 96), "w": (5, 32)},
        96 * 32 * 5,
        160,
    ),
    "transposed convolution, grouped": ([node("ConvTranspose", "images w", group=3)], {"w": (3, 2, 2, 2)}, PIXELS * 24, 24),
    "deformable convolution": (
        [node("Conv", "images v", "offsets"), node("DeformConv", "images w offsets")],
        {"v": (2, 3, 1, 1), "w": (8, 3, 1, 1)},
        PIXELS * (6 + 24),
        30,
    ),
    "LSTM, last state": (
        [node("Reshape", "images shape", "a"), node("LSTM", "a w r", " maps", hidden_size=4)],
        {"shape": (32, 1, 96), "w": (1, 16, 96), "r": (1, 16, 4)},
        32 * 16 * (96 + 4),
        16 * (96 + 4),
    ),
    "GRU, both directions": (
        [node("Reshape", "images shape", "a"), node("GRU", "a w r", hidden_size=4, direction="bidirectional")],
        {"shape": (32, 1, 96), "w": (2, 12, 96), "r": (2, 12, 4)},
        2 * 32 * 12 * (96 + 4),
        2 * 12 * (96 + 4),
    ),
    "convolution of whole numbers": (
        [
            node("QuantizeLinear", "images scale zero", "a"),
            node("QLinearConv", "a scale zero q scale zero scale zero", "b"),
            node("DequantizeLinear", "b scale zero"),
        ],
        {"scale": (), "zero": (), "q": (8, 3, 1, 1)},
        PIXELS * 24,
        24,
    ),
    "a product of weights": (
        [node("MatMul", "w w", "v"), node("MatMul", "images v")],
        {"w": (32, 32)},
        3 * PIXELS * 32,
        PIXELS,
    ),
}


@pytest.mark.parametrize("name", NODES)
def test_products_are_those_of_a_hand_count(tmp_path: Path, name: str) -> None:
    nodes, weights, macs, stored = NODES[name]
    counts = count_nodes(tmp_path / "net.onnx", nodes, weights)
    assert (counts["flops"]["macs"], counts["params"]["weights"]) == (macs, stored)
    assert "not_counted" not in counts


def test_a_function_of_the_file_counts_what_it_is_made_of(tmp_path: Path) -> None:
    opset = [onnx.helper.make_opsetid("", 19)]
    block = onnx.helper.make_function("mine", "Block", ["a", "k"], ["b"], [node("Conv", "a k", "b")], opset)
    counts = count_nodes(tmp_path / "net.onnx", [node("Block", "images w", domain="mine")], {"w": (8, 3, 1, 1)}, [block])
    assert (counts["flops"]["macs"], "not_counted" in counts) == (PIXELS * 24, False)


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        ([node("Conv", "images w", "a"), node("Det", "a")], {"onnx::Det": 1}),
        ([node("Conv", "images w", "a"), node("Einsum", "a u u", equation="bchw,hi,ij->bchj")], {"onnx::Einsum": 1}),
        ([node("Conv", "images w", "a"), node("FusedConv", "a v", domain="mine")], {"mine::FusedConv": 1}),
        (
            [node("Conv", "images w", "a"), node("Own", "a", "b", domain="mine"), node("Conv", "b v")],
            {"mine::Own": 1, "onnx::Conv of unknown shape": 1},
        ),
    ],
)
def test_a_node_without_a_rule_is_named_beside_the_counts_of_the_others(
    tmp_path: Path, nodes: list[Any], names: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.onnx"
    counts = count_nodes(path, nodes, {"w": (8, 3, 1, 1), "v": (8, 8, 1, 1), "u": (32, 32)})
    assert (counts["flops"]["macs"], counts["not_counted"]) == (PIXELS * 24, names)
    CostCommand((str(path),), input="32x32", json=True)()
    assert json.loads(capsys.readouterr().out)["models"][0]["not_counted"] == names
