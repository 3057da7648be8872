"""Count the operations of an ONNX file, with the same rules as those of a traced network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from math import prod
from pathlib import Path
from typing import Any

from benchmark.cost.counters import load_counters
from benchmark.cost.ops import Op, Shape
from benchmark.cost.rules import DEFORMABLE, RECURRENT
from benchmark.models.onnx import fix_input, read_onnx

COUNTED = ("hrnet", "hrnet_1e9", "macs")
# Positions of the operands among the inputs of nodes with products.
PRODUCTS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "DeformConv", "Gemm", "MatMul", "MatMulInteger"), (0, 1)),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul"), (0, 3)),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), (0, 1, 2)),
    "Einsum": (0, 1),
}
# Nodes without products of matrices. Any other node, such as one that contains other nodes, is named as not counted.
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
    else are returned. Work that does not depend on the image is not counted, as a runtime does it once. The counts are empty if
    the shapes cannot be inferred.

    Raises:
        InputError: the file cannot be read as ONNX, or the network does not take images of ``input_hw`` pixels.
    """
    import onnx.inliner

    model = onnx.inliner.inline_local_functions(read_onnx(path))
    fix_input(model.graph, path, input_hw)
    try:
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # onnx raises errors of many types
        return {}, f"the shapes in {path.name} cannot be inferred: {str(error).splitlines()[0]}"
    graph = model.graph
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes = weights | _known_shapes([*graph.input, *graph.value_info, *graph.output])

    # Values that do not depend on the image: weights, and results of nodes that only take such values. Nodes are sorted.
    constant = set(weights)
    for node in graph.node:
        if all(name in constant or not name for name in node.input):
            constant.update(node.output)

    ops, not_counted, multiplied = [], Counter[str](), set[str]()
    for node in graph.node:
        result = next(filter(None, node.output))  # an output that is not used has no name
        kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}::{node.op_type}"
        if result in constant or kind in FREE:
            continue
        operands = [node.input[position] for position in PRODUCTS.get(kind, ()) if position < len(node.input)]
        has_shapes = all(value in shapes for value in (*operands, result))
        if operands and has_shapes and (op := _to_op(node, operands, result, shapes, constant)):
            ops.append(op)
            multiplied.update(constant.intersection(operands))
        else:
            name = kind if "::" in kind else f"onnx::{kind}"
            not_counted[f"{name} of unknown shape" if operands and not has_shapes else name] += 1
    counts = {
        "params": {"weights": sum(prod(shapes[name]) for name in multiplied)},
        "flops": {name: load_counters()[name](ops) for name in COUNTED},
    }
    missing_reason = "an ONNX export no longer separates batch norms and activations from convolutions"
    return counts | ({"not_counted": dict(not_counted)} if not_counted else {}), missing_reason


def _known_shapes(values: Iterable[Any]) -> dict[str, Shape]:
    """Return the shapes of the values whose dimensions are all known, by name."""
    shapes = {}
    for value in values:
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in tensor.shape.dim)
    return shapes


def _to_op(node: Any, operands: Sequence[str], result: str, shapes: Mapping[str, Shape], constant: Set[str]) -> Op | None:
    """Return a node as the operator that PyTorch would have called; None for a form without a rule.

    Args:
        operands: Names of the values that it multiplies.
        constant: Names of values that do not depend on the image.
    """
    import onnx

    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    inputs, output = tuple(shapes[name] for name in operands), shapes[result]
    if "Conv" in node.op_type:
        return Op(
            name=DEFORMABLE if node.op_type == "DeformConv" else "convolution",
            scope=node.name,
            inputs=inputs,
            output=output,
            transposed=node.op_type == "ConvTranspose",
        )
    if len(operands) == 3:
        return Op(name=RECURRENT, scope=node.name, inputs=inputs, output=output)
    if node.op_type == "Einsum":
        indices = _einsum_sizes(attributes["equation"].decode(), [shapes.get(name, ()) for name in node.input])
        return Op(name="bmm", scope=node.name, inputs=(indices, (1,)), output=output) if indices else None
    left, right = inputs
    if node.op_type == "Gemm":
        left = left[::-1] if attributes.get("transA") else left
        right = right[::-1] if attributes.get("transB") else right
        return Op(name="addmm", scope=node.name, inputs=((right[-1],), left, right), output=output)
    if len(right) == 1:  # a vector is a matrix of one column
        right, output = (*right, 1), (*output, 1)
    # A product of two activations, as in attention, belongs to no linear layer.
    name = "mm" if constant & set(operands) else "bmm"
    return Op(name=name, scope=node.name, inputs=((*output[:-1], left[-1]), right), output=output)


def _einsum_sizes(equation: str, shapes: Sequence[Shape]) -> Shape:
    """Return the size of each index of an equation with two operands; nothing for any other equation."""
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    if len(terms) != 2 or "." in equation:
        return ()
    sizes: dict[str, int] = {}
    for index, size in (pair for term, shape in zip(terms, shapes, strict=True) for pair in zip(term, shape, strict=True)):
        sizes[index] = max(size, sizes.get(index, 1))
    return tuple(sizes.values())
