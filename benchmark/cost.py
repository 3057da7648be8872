"""What a network costs: one trace of a forward pass on the meta device, counted under every convention in use.

"GFLOPs" means different things in different papers: multiply-accumulates or twice that, transposed convolutions at input or
at output positions, 1e9 or 2^30, element-wise work or none. The trace records each operator once, at the dispatcher, where
nothing can be missed by a module type without a hook; a convention is then a function from operators to a whole number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.module_tracker import ModuleTracker

from benchmark.conventions import VERSION as VERSION

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operator of a forward pass. ``inputs`` are the shapes of its tensor arguments in order, the weight's among them;
    ``scope`` is the path of the module that called it."""

    name: str
    scope: str
    inputs: tuple[Shape, ...]
    output: Shape
    kernel: Shape = ()  # of a pooling; a convolution's is in its weight's shape
    stride: Shape = ()
    padding: Shape = ()
    dilation: Shape = ()
    groups: int = 1
    transposed: bool = False
    bias: bool = False
    affine: bool = False


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The operators of one forward pass and the network's parameter counts, as :func:`parameters` gives them."""

    ops: tuple[Op, ...]
    params: Mapping[str, int]

    def within(self, scopes: Iterable[str]) -> list[Op]:
        """The operators called inside any of the submodules named."""
        prefixes = tuple(scopes)
        return [op for op in self.ops if any(op.scope == p or op.scope.startswith(p + ".") for p in prefixes)]


class _Recorder(TorchDispatchMode):
    def __init__(self, tracker: ModuleTracker) -> None:
        super().__init__()
        self.ops: list[Op] = []
        self.tracker = tracker

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        result = _shape_only(name, args)
        if result is None:
            result = func(*args, **(kwargs or {}))
        output = result[0] if isinstance(result, tuple) else result
        if isinstance(output, torch.Tensor):
            self.ops.append(_record(name, self._scope(), args, output))
        return result

    def _scope(self) -> str:
        # Parents are qualified by the root's class name: "Global", "SimpleBaseline", "SimpleBaseline.head.0", ...
        path = max(self.tracker.parents, key=lambda name: (name != "Global", name.count("."), len(name)))
        return path.partition(".")[2]


def _shape_only(name: str, args: Any) -> Any:
    """The result of an operator that keeps its first argument's shape; None where the operator has to be asked.

    Most operators run on the meta device as Python, a millisecond each, to tell just this.
    """
    if name in BATCH_NORM:
        return torch.empty_like(args[0]), torch.empty(0), torch.empty(0)
    if name in INPLACE:
        return args[0]
    same = name in PAIRWISE and isinstance(args[1], torch.Tensor) and args[0].shape == args[1].shape
    return torch.empty_like(args[0]) if same or name in UNARY else None


def _record(name: str, scope: str, args: Any, output: torch.Tensor) -> Op:
    inputs = tuple(tuple(a.shape) for a in args if isinstance(a, torch.Tensor))
    if name == "cat" or name == "stack":
        inputs = tuple(tuple(a.shape) for a in args[0])
    details: dict[str, Any] = {}
    if name == "convolution":
        _, _, bias, stride, padding, dilation, transposed, _, groups = args
        details = {
            "stride": tuple(stride),
            "padding": tuple(padding),
            "dilation": tuple(dilation),
            "transposed": transposed,
            "groups": groups,
            "bias": bias is not None,
        }
    elif name in NORM:
        details = {"affine": any(isinstance(a, torch.Tensor) for a in args[1:3])}
    elif name in WINDOW_POOL:
        details = {"kernel": tuple(args[1])}
    return Op(name=name, scope=scope, inputs=inputs, output=tuple(output.shape), **details)


def parameters(network: nn.Module) -> dict[str, int]:
    """A network's parameters, counted in the three ways in use.

    ``trainable`` takes a gradient; ``stored`` is everything a weight file holds: frozen parameters and batch-norm statistics
    too (but not their step counters); ``weights`` are those of convolutions and linear layers, without biases and norms.
    """
    stored = [*network.parameters(), *(b for name, b in network.named_buffers() if not name.endswith("num_batches_tracked"))]
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)]
    return {
        "trainable": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "stored": sum(tensor.numel() for tensor in stored),
        "weights": sum(weight.numel() for weight in weights),
    }


def trace(network: nn.Module, height: int, width: int, *, channels: int = 3) -> Trace:
    """Run ``network`` once on the meta device, for one image of ``[channels, height, width]``, in inference mode.

    The network is moved to the meta device and loses its weights: give it one that was built for this, best under
    ``torch.device("meta")``, where building costs no time either.
    """
    network = network.to("meta").eval()
    tracker = ModuleTracker()
    recorder = _Recorder(tracker)
    image = torch.empty(1, channels, height, width, device="meta")
    # Fused attention hides its products from the dispatcher; the MATH backend spells them out.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), tracker, recorder:
        network(image)
    return Trace(ops=tuple(recorder.ops), params=parameters(network))


def cost(network: nn.Module, height: int, width: int) -> dict[str, Any]:
    """Whole-number counts of one image: ``{"params": {...}, "flops": {convention: count}}``."""
    found = trace(network, height, width)
    return {"params": found.params, "flops": counts(found.ops)}


def counts(ops: Iterable[Op]) -> dict[str, int]:
    """The operators counted under every convention."""
    ops = list(ops)
    return {name: rule(ops) for name, rule in RULES.items()}


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


def macs(op: Op) -> int:
    """True multiply-accumulates: a transposed convolution works at its input positions. Borders are not discounted."""
    if op.name == "convolution":
        return _conv_macs(op, prod(op.inputs[0][2:] if op.transposed else op.output[2:]))
    return _linear_macs(op)


def hrnet(op: Op) -> int:
    """The counter of the HRNet repository: transposed convolutions at output positions, which is stride^2 times too many.

    It looks at convolution and linear modules, so products of activations, as in attention, do not exist for it.
    """
    if op.name == "convolution":
        return _conv_macs(op, prod(op.output[2:]))
    return _linear_macs(op) if op.name in LINEAR else 0


def exact(op: Op) -> int:
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
UNARY = {"relu", "silu", "sigmoid", "hardtanh", "hardswish", "hardsigmoid", "gelu", "elu", "leaky_relu"}
PAIRWISE = {"add", "sub", "mul", "div"}
INPLACE = {f"{name}_" for name in UNARY | PAIRWISE}
RELU = {"relu", "relu_", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "prelu", "_prelu_kernel", "elu", "elu_"}
WINDOW_POOL = {"max_pool2d_with_indices", "avg_pool2d"}
POOL = WINDOW_POOL | {"_adaptive_avg_pool2d", "adaptive_max_pool2d"}
BATCH_NORM = {"native_batch_norm", "_native_batch_norm_legit_no_training"}
NORM = BATCH_NORM | {"native_layer_norm", "native_group_norm"}
UPSAMPLE = {"upsample_nearest2d", "upsample_bilinear2d"}


def _global_pool(op: Op) -> bool:
    """A global average pool arrives at the dispatcher as a mean over an image's height and width."""
    return op.name == "mean" and len(op.inputs[0]) == 4


def mmcv(op: Op) -> int:
    """mmcv's counter: true MACs, biases, two per element of an affine norm, one per element of ReLU, pooling and resizing."""
    if op.name == "convolution":
        return macs(op) + (prod(op.output) if op.bias else 0)
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


def tf_profiler(op: Op) -> int:
    """TensorFlow's profiler: two per MAC, one per bias, and what it has registered for poolings, means and arithmetic."""
    if op.name == "convolution":
        return 2 * macs(op) + (prod(op.output) if op.bias else 0)
    if op.name == "mean":
        return prod(op.inputs[0])
    if op.name in WINDOW_POOL:
        return prod(op.kernel) * prod(op.output)
    if op.name in TF_ELEMENTWISE:
        return TF_ELEMENTWISE[op.name] * prod(op.output)
    return 2 * _linear_macs(op) + (prod(op.output) if op.name == "addmm" else 0)


def torchstat(ops: Sequence[Op]) -> int:
    """torchstat's counter: true MACs with biases, two per batch-normed element, one per ReLU and globally pooled element.

    It hangs on to modules and keeps what each saw last: a module that is called twice counts once. That the copy behind the
    small networks' published figures counts global poolings, which the public one does not, is inferred from those figures.
    """
    last: dict[tuple[str, str], int] = {}
    for op in ops:
        if op.name == "convolution":
            last[op.scope, op.name] = macs(op) + (prod(op.output) if op.bias else 0)
        elif op.name in NORM:
            last[op.scope, op.name] = 2 * prod(op.output)
        elif op.name in RELU:
            last[op.scope, op.name] = prod(op.output)
        elif _global_pool(op):
            last[op.scope, op.name] = prod(op.inputs[0])
    return sum(last.values())


def _each(rule: Callable[[Op], int]) -> Callable[[Sequence[Op]], int]:
    return lambda ops: sum(map(rule, ops))


RULES: Mapping[str, Callable[[Sequence[Op]], int]] = {
    "hrnet": _each(hrnet),
    "hrnet_1e9": _each(hrnet),
    "mmcv": _each(mmcv),
    "tf_profiler": _each(tf_profiler),
    "torchstat": torchstat,
    "macs": _each(macs),
    "exact": _each(exact),
}
