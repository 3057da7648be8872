"""Count the operations of an ONNX file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from math import prod
from pathlib import Path
from typing import Any

from benchmark.cost.counters import COUNTERS
from benchmark.cost.ops import Op, Shape
from benchmark.models.onnx import fix_input, read_onnx

COUNTED = ("hrnet", "hrnet_1e9", "macs")
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Nodes that multiply in ways not counted here, or hide other nodes.
UNCOUNTED = {
    *("ConvInteger", "QLinearConv", "MatMulInteger", "QLinearMatMul", "DeformConv", "Einsum", "Attention"),
    *("RNN", "LSTM", "GRU", "If", "Loop", "Scan"),
}


def count_onnx(path: Path, input_hw: tuple[int, int]) -> tuple[dict[str, Any], str]:
    """Whole-number counts of one image, as :func:`benchmark.cost.counters.count_cost` gives them but for fewer conventions,
    and why others
    are missing; no counts at all where a node cannot be counted.

    Raises:
        InputError: no ONNX file that can be read, or not for images of ``input_hw``.
    """
    import onnx

    model = read_onnx(path)
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
    flops = {name: COUNTERS[name](ops) for name in COUNTED}
    why = "an export no longer tells batch norms and activations apart from convolutions"
    return {"params": {"weights": sum(prod(shapes[name]) for name in held)}, "flops": flops}, why


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
