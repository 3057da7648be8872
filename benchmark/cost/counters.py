"""Count the operations of a trace under each convention; a convention is a pure function of the operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from math import prod
from typing import Any

from torch import nn

from benchmark.config.conventions import FLOPS, FlopsConvention
from benchmark.core.errors import InputError
from benchmark.cost.ops import NORM, POOL, RESIZE, WINDOW_POOL, Op
from benchmark.cost.rules import DEFORMABLE, PRODUCTS, RECURRENT
from benchmark.cost.trace import Trace, trace_network
from benchmark.models.registry import import_object

Count = Callable[[Sequence[Op]], int | None]
LINEAR = {"linear", "mm", "addmm", "mv", "addmv", RECURRENT}
LAYERS = LINEAR | {"convolution", DEFORMABLE}
RELU = {"relu", "relu_", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "prelu", "_prelu_kernel", "elu", "elu_"}
TORCHSTAT_RELU = {"ReLU", "ReLU6", "PReLU", "ELU", "LeakyReLU"}  # layers of torch.nn that torchstat knows

# Operations per output element that TensorFlow's profiler has registered for element-wise operators. A sigmoid and a batch
# norm have none. x * sigmoid(x) is one operator in PyTorch, but a sigmoid and a product in TensorFlow; Keras computes PReLU
# as a negation, a product and a sum.
TF_ELEMENTWISE = dict.fromkeys(
    ("add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_", "maximum", "minimum", "neg", "rsqrt", "silu", "silu_"), 1
) | {"_prelu_kernel": 3}


def count_cost(network: nn.Module, height: int, width: int) -> dict[str, Any]:
    """Trace a network on one image and return its counts: ``{"params": {...}, "flops": {convention: count}}``.

    ``not_counted`` names operators without a rule, if there are any; see :func:`find_uncounted`.
    """
    return count_trace(trace_network(network, height, width))


def count_trace(trace: Trace) -> dict[str, Any]:
    """Return the counts of a traced network, as :func:`count_cost` does."""
    counts = {"params": dict(trace.params), "flops": count_operations(trace.ops)}
    not_counted = find_uncounted(trace.ops)
    return counts | ({"not_counted": not_counted} if not_counted else {})


def count_operations(ops: Iterable[Op]) -> dict[str, int]:
    """Count operators under every convention of :data:`benchmark.config.conventions.FLOPS` that has a count for them.

    Raises:
        InputError: A convention names a counter that cannot be imported.
    """
    ops = list(ops)
    counts = {name: counter(ops) for name, counter in load_counters().items()}
    return {name: count for name, count in counts.items() if count is not None}


def find_uncounted(ops: Iterable[Op]) -> dict[str, int]:
    """Name what is missing in the counts of these operators, with the number of calls, in the order of the first ones.

    It is every operator that has no rule in :mod:`benchmark.cost.rules` and is not known to multiply nothing.
    """
    ops = list(ops)
    names = [op.name if "::" in op.name else f"aten::{op.name}" for op in ops if not (op.free or op.name in PRODUCTS)]
    names += ["parameters of a weight that the network does not register" for op in ops if op.unregistered]
    names += ["torchstat of a linear layer whose input is not [N, C]" for op in ops if _stops_torchstat(op)]
    return dict(Counter(names))


@cache
def load_counters() -> dict[str, Count]:
    """Import the counter of every convention, as functions of a whole trace.

    Raises:
        InputError: One cannot be imported.
    """
    return {name: _load_counter(name, convention) for name, convention in FLOPS.items()}


def _load_counter(name: str, convention: FlopsConvention) -> Count:
    try:
        count = import_object(convention.counter)
    except (ImportError, AttributeError, ValueError) as problem:
        raise InputError(f"convention {name!r}: counter {convention.counter!r} cannot be imported: {problem}") from None
    return count if convention.whole_trace else lambda ops: sum(map(count, ops))


# --- operations of one operator ---------------------------------------------------------------------------------------------


def _is_global_pool(op: Op) -> bool:
    """Check for a global average pool, which reaches the dispatcher as a mean over an image's height and width."""
    return op.name == "mean" and len(op.inputs[0]) == 4


def count_macs(op: Op) -> int:
    """Count true multiply-accumulates: transposed convolutions at their input positions, products with padding included."""
    rule = PRODUCTS.get(op.name)
    return rule.count(op, *op.inputs[rule.operands]) if rule else 0


def count_hrnet(op: Op) -> int:
    """Count as the HRNet repository does: transposed convolutions at output positions, stride^2 times too many.

    Its counter only sees convolution and linear modules, so it misses products of activations, as in attention.
    """
    if op.name == "convolution":
        return count_macs(replace(op, transposed=False))
    return count_macs(op) if op.name in LAYERS else 0


def count_exact(op: Op) -> int:
    """Count multiply-accumulates on real pixels: products with zero padding are left out."""
    if op.name != "convolution":
        return count_macs(op)
    size, kernel = op.inputs[0][2:], op.inputs[1][2:]
    small, large = (size, op.output[2:]) if op.transposed else (op.output[2:], size)
    taps = 1
    for n, limit, k, s, p, d in zip(small, large, kernel, op.stride, op.padding, op.dilation, strict=True):
        taps *= sum(0 <= i * s - p + j * d < limit for i in range(n) for j in range(k))
    return op.inputs[0][0] * taps * prod(op.inputs[1][:2])


def count_mmcv(op: Op) -> int:
    """Count as mmcv does: true MACs, biases, two per element of an affine norm, one per element of ReLU, pooling, resizing."""
    if op.name in LAYERS:
        return count_macs(op) + _biases(op)
    if op.name in NORM:
        return prod(op.inputs[0]) * (2 if op.affine else 1)
    if op.name in POOL or _is_global_pool(op):
        return prod(op.inputs[0])
    if op.name in RELU or op.name in RESIZE:
        return prod(op.output)
    return 0


def count_tf_profiler(op: Op) -> int:
    """Count as TensorFlow's profiler does: two per MAC, one per bias, and its own rules for pooling, means and arithmetic."""
    if op.name == "mean":
        return prod(op.inputs[0])
    if op.name in WINDOW_POOL:
        return prod(op.kernel) * prod(op.output)
    if op.name in TF_ELEMENTWISE:
        return TF_ELEMENTWISE[op.name] * prod(op.output)
    return 2 * count_macs(op) + _biases(op)


def _biases(op: Op) -> int:
    return prod(op.output) if op.bias else 0


# --- operations of a whole trace --------------------------------------------------------------------------------------------


def count_torchstat(ops: Sequence[Op]) -> int | None:
    """Count as the torchstat does that Lite-HRNet's authors count with (their repository, tools/torchstat/compute_flops.py).

    It sees layers of ``torch.nn`` alone, so functional pooling or resizing counts nothing, and it stores one result per layer,
    the last one, so a layer that is called twice counts once. An adaptive pooling has one row and one column too many in each
    window, and an up-sampling no channels. It takes no layer norm and no activation but those of :data:`TORCHSTAT_RELU`.

    A linear layer of ``[N, C]`` counts N times its weights and no bias (``compute_Linear_flops``, as in Swall0w/torchstat, from
    which the file is). For any other input it stops with an error, so that there is no count of the network: None.
    """
    if any(_stops_torchstat(op) for op in ops):
        return None
    last: dict[str, int] = {}
    for op in ops:
        count = _count_torchstat_layer(op)
        if count is not None:
            last[op.scope] = count
    return sum(last.values())


def _stops_torchstat(op: Op) -> bool:
    return op.module == "Linear" and op.name == "linear" and len(op.inputs[0]) != 2


def _count_torchstat_layer(op: Op) -> int | None:
    """Count the operator that gives a layer its count; None for any other operator."""
    match op.module:
        case "Conv2d" | "ConvTranspose2d" if op.name == "convolution":
            return count_macs(op) + _biases(op)
        case "BatchNorm2d" if op.name in NORM:
            return prod(op.inputs[0]) * (2 if op.affine else 1)
        case "AvgPool2d" | "MaxPool2d" if op.name in WINDOW_POOL:
            return prod(op.kernel) * prod(op.output)
        case "AdaptiveAvgPool2d" | "AdaptiveMaxPool2d" if op.name in POOL or _is_global_pool(op):
            # A mean has no spatial axes left, or has kept them with size one.
            height, width = (_sum_windows(n, m) for n, m in zip(op.inputs[0][2:], (*op.output[2:], 1, 1), strict=False))
            return prod(op.inputs[0][:2]) * height * width
        case "Upsample" if op.name in RESIZE:
            return op.output[0] * prod(op.output[2:])
        case "Linear" if op.name == "linear":
            return count_macs(op)
        case layer if layer in TORCHSTAT_RELU and op.name in RELU:
            return prod(op.inputs[0])
    return None


def _sum_windows(size: int, windows: int) -> int:
    """Sum the lengths, each one too many, of the windows in which an axis of ``size`` is pooled to ``windows`` elements."""
    return sum(-(-(i + 1) * size // windows) - i * size // windows + 1 for i in range(windows))
