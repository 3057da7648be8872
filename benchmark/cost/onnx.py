"""Count the operations of an ONNX file, with the same rules as those of a traced network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from math import prod
from pathlib import Path
from typing import Any

from benchmark.cost.counters import load_counters
from benchmark.cost.ops import Op, Shape
from benchmark.models.onnx import fix_input, read_onnx

COUNTED = ("hrnet", "hrnet_1e9", "macs")
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Nodes that multiply in ways not counted here, or that contain other nodes.
UNCOUNTED = {
    *("ConvInteger", "QLinearConv", "MatMulInteger", "QLinearMatMul", "DeformConv", "Einsum", "Attention"),
    *("RNN", "LSTM", "GRU", "If", "Loop", "Scan"),
}


def count_onnx(path: Path, input_hw: tuple[int, int]) -> tuple[dict[str, Any], str]:
    """Return the counts of one image, as :func:`benchmark.cost.counters.count_cost` does, and why some are missing.

    An export keeps the multiply-accumulates of convolutions and matrix products, so only the conventions that count nothing
    else are returned. The counts are empty if a node cannot be counted.

    Raises:
        InputError: the file cannot be read as ONNX, or the network does not take images of ``input_hw`` pixels.
    """
    import onnx

    model = read_onnx(path)
    fix_input(model.graph, path, input_hw)
    try:
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # onnx raises errors of many types
        return {}, f"the shapes in {path.name} cannot be inferred: {str(error).splitlines()[0]}"
    graph = model.graph
    uncounted = [node.op_type for node in graph.node if node.op_type in UNCOUNTED or node.domain not in ("", "ai.onnx")]
    if uncounted or model.functions:
        return {}, f"{path.name} has a node of type {uncounted[0] if uncounted else 'function'}, which cannot be counted"

    # The shapes of all operands are needed.
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes = weights | _known_shapes([*graph.input, *graph.value_info, *graph.output])
    products = [node for node in graph.node if node.op_type in PRODUCTS]
    for node in products:
        if unknown := [name for name in (*node.input[:2], node.output[0]) if name not in shapes]:
            return {}, f"the shape of {unknown[0]} in {path.name} cannot be inferred"

    # Values that do not depend on the image: weights, and results of nodes that only take such values. Nodes are sorted.
    constant = set(weights)
    for node in graph.node:
        if all(name in constant or not name for name in node.input):
            constant.update(node.output)

    ops = [_to_op(node, shapes, constant) for node in products]
    product_weights = {name for node in products for name in node.input[:2] if name in constant}
    params = {"weights": sum(prod(shapes[name]) for name in product_weights)}
    missing_reason = "an ONNX export no longer separates batch norms and activations from convolutions"
    return {"params": params, "flops": {name: load_counters()[name](ops) for name in COUNTED}}, missing_reason


def _known_shapes(values: Iterable[Any]) -> dict[str, Shape]:
    """Return the shapes of the values whose dimensions are all known, by name."""
    shapes = {}
    for value in values:
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in tensor.shape.dim)
    return shapes


def _to_op(node: Any, shapes: Mapping[str, Shape], constant: Set[str]) -> Op:
    """Return a node as the operator that PyTorch would have called; ``constant`` names values independent of the image."""
    import onnx

    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    left, right, output = (shapes[name] for name in (*node.input[:2], node.output[0]))
    if node.op_type in ("Conv", "ConvTranspose"):
        return Op(
            name="convolution",
            scope=node.name,
            inputs=(left, right),
            output=output,
            transposed=node.op_type == "ConvTranspose",
            bias=len(node.input) > 2,
        )
    if node.op_type == "Gemm":
        left = left[::-1] if attributes.get("transA") else left
        right = right[::-1] if attributes.get("transB") else right
        return Op(name="addmm", scope=node.name, inputs=((right[-1],), left, right), output=output)
    # A product of two activations, as in attention, belongs to no linear layer.
    name = "mm" if constant & set(node.input) else "bmm"
    return Op(name=name, scope=node.name, inputs=((*output[:-1], left[-1]), right), output=output)
