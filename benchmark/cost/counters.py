"""Count a trace's operators under each convention; every convention is a pure function of the trace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any

from torch import nn

from benchmark.cost.ops import NORM, WINDOW_POOL, Op
from benchmark.cost.trace import trace_network


def count_cost(network: nn.Module, height: int, width: int) -> dict[str, Any]:
    """Whole-number counts of one image: ``{"params": {...}, "flops": {convention: count}}``."""
    found = trace_network(network, height, width)
    return {"params": found.params, "flops": count_operations(found.ops)}


def count_operations(ops: Iterable[Op]) -> dict[str, int]:
    """The operators counted under every convention."""
    ops = list(ops)
    return {name: rule(ops) for name, rule in COUNTERS.items()}


# --- operator by operator -------------------------------------------------------------------------------------------------


def _conv_macs(op: Op, positions: int) -> int:
    """Multiply-accumulates of a convolution whose kernel is applied at ``positions`` places of one image."""
    weight = op.inputs[1]  # [out, in / groups, *kernel], or [in, out / groups, *kernel] when transposed
    return op.inputs[0][0] * positions * prod(weight)


def _linear_macs(op: Op) -> int:
    match op.name:
        case "mm" | "bmm":
            return prod(op.inputs[0]) * op.inputs[1][-1]
        case "addmm":
            return prod(op.inputs[1]) * op.inputs[2][-1]
        case "baddbmm":
            return prod(op.inputs[1]) * op.inputs[2][-1]
    return 0


def count_macs(op: Op) -> int:
    """True multiply-accumulates: a transposed convolution works at its input positions. Borders are not discounted."""
    if op.name == "convolution":
        return _conv_macs(op, prod(op.inputs[0][2:] if op.transposed else op.output[2:]))
    return _linear_macs(op)


def count_hrnet(op: Op) -> int:
    """The counter of the HRNet repository: transposed convolutions at output positions, which is stride^2 times too many.

    It looks at convolution and linear modules, so products of activations, as in attention, do not exist for it.
    """
    if op.name == "convolution":
        return _conv_macs(op, prod(op.output[2:]))
    return _linear_macs(op) if op.name in LINEAR else 0


def count_exact(op: Op) -> int:
    """Multiply-accumulates that touch real pixels: products with zero padding are left out."""
    if op.name != "convolution":
        return _linear_macs(op)
    size, kernel = op.inputs[0][2:], op.inputs[1][2:]
    small, large = (size, op.output[2:]) if op.transposed else (op.output[2:], size)
    taps = 1
    for n, limit, k, s, p, d in zip(small, large, kernel, op.stride, op.padding, op.dilation, strict=True):
        taps *= sum(0 <= i * s - p + j * d < limit for i in range(n) for j in range(k))
    return op.inputs[0][0] * taps * prod(op.inputs[1][:2])


LINEAR = {"mm", "addmm"}
RELU = {"relu", "relu_", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "prelu", "_prelu_kernel", "elu", "elu_"}
POOL = WINDOW_POOL | {"_adaptive_avg_pool2d", "adaptive_max_pool2d"}
UPSAMPLE = {"upsample_nearest2d", "upsample_bilinear2d"}


def _global_pool(op: Op) -> bool:
    """A global average pool arrives at the dispatcher as a mean over an image's height and width."""
    return op.name == "mean" and len(op.inputs[0]) == 4


def count_mmcv(op: Op) -> int:
    """mmcv's counter: true MACs, biases, two per element of an affine norm, one per element of ReLU, pooling and resizing."""
    if op.name == "convolution":
        return count_macs(op) + (prod(op.output) if op.bias else 0)
    if op.name in LINEAR:
        return _linear_macs(op) + (prod(op.output) if op.name == "addmm" else 0)
    if op.name in NORM:
        return prod(op.inputs[0]) * (2 if op.affine else 1)
    if op.name in POOL or _global_pool(op):
        return prod(op.inputs[0])
    if op.name in RELU or op.name in UPSAMPLE:
        return prod(op.output)
    return 0


# What TensorFlow's profiler has registered for element-wise operators, per output element. A sigmoid and a batch norm have
# nothing registered; x * sigmoid(x), which is one operator here, is a sigmoid and a product there, and Keras spells PReLU as
# a negation, a product and a sum.
TF_ELEMENTWISE = dict.fromkeys(
    ("add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_", "maximum", "minimum", "neg", "rsqrt", "silu", "silu_"), 1
) | {"_prelu_kernel": 3}


def count_tf_profiler(op: Op) -> int:
    """TensorFlow's profiler: two per MAC, one per bias, and what it has registered for poolings, means and arithmetic."""
    if op.name == "convolution":
        return 2 * count_macs(op) + (prod(op.output) if op.bias else 0)
    if op.name == "mean":
        return prod(op.inputs[0])
    if op.name in WINDOW_POOL:
        return prod(op.kernel) * prod(op.output)
    if op.name in TF_ELEMENTWISE:
        return TF_ELEMENTWISE[op.name] * prod(op.output)
    return 2 * _linear_macs(op) + (prod(op.output) if op.name == "addmm" else 0)


def count_torchstat(ops: Sequence[Op]) -> int:
    """torchstat's counter: true MACs with biases, two per batch-normed element, one per ReLU and globally pooled element.

    It hangs on to modules and keeps what each saw last: a module that is called twice counts once. That the copy behind the
    small networks' published figures counts global poolings, which the public one does not, is inferred from those figures.
    """
    last: dict[tuple[str, str], int] = {}
    for op in ops:
        if op.name == "convolution":
            last[op.scope, op.name] = count_macs(op) + (prod(op.output) if op.bias else 0)
        elif op.name in NORM:
            last[op.scope, op.name] = 2 * prod(op.output)
        elif op.name in RELU:
            last[op.scope, op.name] = prod(op.output)
        elif _global_pool(op):
            last[op.scope, op.name] = prod(op.inputs[0])
    return sum(last.values())


def _each(rule: Callable[[Op], int]) -> Callable[[Sequence[Op]], int]:
    return lambda ops: sum(map(rule, ops))


COUNTERS: Mapping[str, Callable[[Sequence[Op]], int]] = {
    "hrnet": _each(count_hrnet),
    "hrnet_1e9": _each(count_hrnet),
    "mmcv": _each(count_mmcv),
    "tf_profiler": _each(count_tf_profiler),
    "torchstat": count_torchstat,
    "macs": _each(count_macs),
    "exact": _each(count_exact),
}
