"""Count the operations of an ONNX file, with the same rules as those of a traced network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from math import prod
from pathlib import Path
from typing import Any

from benchmark.config.conventions import format_not_counted
from benchmark.cost.counters import load_counters
from benchmark.cost.ops import Op, Shape
from benchmark.models.onnx import fix_input, read_onnx

COUNTED = ("hrnet", "hrnet_1e9", "macs")
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Nodes without products of matrices. Any other node, such as one that contains other nodes, cannot be counted.
FREE = frozenset(
    """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization Bernoulli BitShift BitwiseAnd
    BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu CenterCropPad Clip Col2Im Compress Concat Constant ConstantOfShape
    Cos Cosh CumProd CumSum DepthToSpace DequantizeLinear Div Dropout DynamicQuantizeLinear Elu Equal Erf Exp Expand EyeLike
    Flatten Floor Gather GatherElements GatherND Gelu GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual
    GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LRN
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool Max MaxPool MaxUnpool Mean
    MeanVarianceNormalization Min Mish Mod Mul Multinomial Neg NonZero Not OneHot Or PRelu Pad Pow QuantizeLinear
    RMSNormalization RandomNormal RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal ReduceL1 ReduceL2
    ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
    ReverseSequence Round ScatterElements ScatterND Scatter Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus
    Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze
    Upsample Where Xor
    """.split()  # noqa: SIM905
)


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
    functions = {(function.domain, function.name) for function in model.functions}
    uncounted = Counter(
        f"{node.domain or 'onnx'}::{node.op_type}"
        for node in graph.node
        if node.domain not in ("", "ai.onnx")
        or (node.domain, node.op_type) in functions
        or node.op_type not in FREE | {*PRODUCTS}
    )
    if uncounted:
        return {}, f"{path.name} has nodes that cannot be counted; {format_not_counted(uncounted)}"

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
    if len(right) == 1:  # a vector is a matrix of one column
        right, output = (*right, 1), (*output, 1)
    # A product of two activations, as in attention, belongs to no linear layer.
    name = "mm" if constant & set(node.input) else "bmm"
    return Op(name=name, scope=node.name, inputs=((*output[:-1], left[-1]), right), output=output)
