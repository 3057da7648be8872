"""Exported networks: running an ONNX file, and counting its operations as far as its graph tells them.

An export folds batch norms into convolutions and spells activations out, so what counts those cannot be told any more. The
multiply-accumulates of convolutions and matrix products stand in the shapes and attributes of their nodes, and are counted
by the same rules as a traced network's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark import cost
from benchmark.cost import Op, Shape
from benchmark.errors import InputError

COUNTED = ("hrnet", "hrnet_1e9", "macs")
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Nodes that multiply in ways not counted here, or hide other nodes.
UNCOUNTED = {
    *("ConvInteger", "QLinearConv", "MatMulInteger", "QLinearMatMul", "DeformConv", "Einsum", "Attention"),
    *("RNN", "LSTM", "GRU", "If", "Loop", "Scan"),
}


def count(path: Path, input_hw: tuple[int, int]) -> tuple[dict[str, Any], str]:
    """Whole-number counts of one image, as :func:`benchmark.cost.cost` gives them but for fewer conventions, and why others
    are missing; no counts at all where a node cannot be counted.

    Raises:
        InputError: no ONNX file that can be read, or not for images of ``input_hw``.
    """
    import onnx

    model = _load(path)
    fix_input(model.graph, path, input_hw)
    try:
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as problem:  # the library raises what it likes
        return {}, f"the shapes in {path.name} cannot be inferred: {str(problem).splitlines()[0]}"
    graph = model.graph
    strange = [node for node in graph.node if node.op_type in UNCOUNTED or node.domain not in ("", "ai.onnx")]
    if strange or model.functions:
        return {}, f"{path.name} has a node {strange[0].op_type if strange else 'that is a function'}, which is not counted"
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes = weights | _known([*graph.input, *graph.value_info, *graph.output])
    products = [node for node in graph.node if node.op_type in PRODUCTS]
    for node in products:
        if unknown := [name for name in (*node.input[:2], node.output[0]) if name not in shapes]:
            return {}, f"the shape of {unknown[0]} in {path.name} cannot be inferred"
    constant = set(weights)
    for node in graph.node:  # in the order in which they run
        if all(name in constant or not name for name in node.input):
            constant.update(node.output)
    ops = [_op(node, shapes, constant) for node in products]
    held = {name for node in products for name in node.input[:2] if name in constant}
    flops = {name: cost.RULES[name](ops) for name in COUNTED}
    why = "an export no longer tells batch norms and activations apart from convolutions"
    return {"params": {"weights": sum(prod(shapes[name]) for name in held)}, "flops": flops}, why


def fix_input(graph: Any, path: Path, input_hw: tuple[int, int]) -> None:
    """Make the graph's one input a single image of ``input_hw`` pixels, where its size was left open.

    Raises:
        InputError: it takes something else.
    """
    held = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in held]
    dims = inputs[0].type.tensor_type.shape.dim if len(inputs) == 1 else []
    wanted = (1, 3, *input_hw)
    given = [dim.dim_value if dim.HasField("dim_value") else None for dim in dims]
    if len(dims) != 4 or any(size not in (None, want) for size, want in zip(given, wanted, strict=True)):
        takes = "x".join(str(size or "?") for size in given) if given else f"{len(inputs)} inputs"
        raise InputError(f"{path} takes {takes}, not one image of 3x{input_hw[0]}x{input_hw[1]}")
    for dim, want in zip(dims, wanted, strict=True):
        dim.dim_value = want
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")


def network(path: Path, input_hw: tuple[int, int]) -> nn.Module:
    """The network of a file, as a module that onnxruntime runs on as many threads as PyTorch.

    Raises:
        InputError: onnxruntime is missing, or cannot run the file, or the file is not for images of ``input_hw``.
    """
    try:
        import onnxruntime
    except ImportError:
        raise InputError(f"{path}: running it needs onnxruntime (the extra 'runtimes')") from None
    fix_input(_load(path).graph, path, input_hw)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as problem:
        raise InputError(f"{path}: onnxruntime cannot run it: {str(problem).splitlines()[0]}") from None
    return Exported(session)


class Exported(nn.Module):
    """``images [N, 3, H, W] -> tuple of maps``, run by an onnxruntime session; one image at a time."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session
        self.source = session.get_inputs()[0].name

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        runs = [self.session.run(None, {self.source: image[None].cpu().numpy()}) for image in images]
        return tuple(
            torch.cat([torch.from_numpy(found) for found in maps]).to(images.device) for maps in zip(*runs, strict=True)
        )


def _load(path: Path) -> Any:
    try:
        import onnx
    except ImportError:
        raise InputError(f"{path}: reading it needs onnx (the extra 'runtimes')") from None
    try:
        return onnx.load(path, load_external_data=False)  # shapes are all that is wanted
    except Exception as problem:  # protobuf's errors, or the system's
        said = str(problem).strip() or type(problem).__name__
        raise InputError(f"{path}: not an ONNX file that can be read: {said.splitlines()[0]}") from None


def _known(values: Iterable[Any]) -> dict[str, Shape]:
    """The shapes without an open dimension."""
    found = {}
    for value in values:
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            found[value.name] = tuple(dim.dim_value for dim in tensor.shape.dim)
    return found


def _op(node: Any, shapes: Mapping[str, Shape], constant: Set[str]) -> Op:
    """A node as the operator that PyTorch would have called; ``constant`` are the names that do not depend on the image."""
    import onnx

    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    first, second, output = (shapes[name] for name in (*node.input[:2], node.output[0]))
    if node.op_type in ("Conv", "ConvTranspose"):
        return Op(
            name="convolution",
            scope=node.name,
            inputs=(first, second),
            output=output,
            groups=attributes.get("group", 1),
            transposed=node.op_type == "ConvTranspose",
            bias=len(node.input) > 2,
        )
    if node.op_type == "Gemm":
        left = first[::-1] if attributes.get("transA") else first
        right = second[::-1] if attributes.get("transB") else second
        return Op(name="addmm", scope=node.name, inputs=((right[-1],), left, right), output=output)
    # A product of two activations, as in attention, is none of a layer's.
    name = "mm" if constant & set(node.input) else "bmm"
    return Op(name=name, scope=node.name, inputs=((*output[:-1], first[-1]), second), output=output)
