"""Record each operator of one forward pass on the meta device.

"GFLOPs" means different things in different papers: multiply-accumulates or twice that, transposed convolutions at input or
at output positions, 1e9 or 2^30, element-wise work or none. The trace is taken at the dispatcher, where an operator cannot be
missed because its module type has no hook; :mod:`benchmark.cost.counters` then counts the same trace under every convention.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.module_tracker import ModuleTracker

from benchmark.cost.ops import BATCH_NORM, NORM, WINDOW_POOL, Op

# Operators whose result has the shape of their first argument: see _result_by_shape.
UNARY = {"relu", "silu", "sigmoid", "hardtanh", "hardswish", "hardsigmoid", "gelu", "elu", "leaky_relu"}
PAIRWISE = {"add", "sub", "mul", "div"}
INPLACE = {f"{name}_" for name in UNARY | PAIRWISE}


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The operators of one forward pass, the network's parameter counts from :func:`count_parameters`, and its output."""

    ops: tuple[Op, ...]
    params: Mapping[str, int]
    output: Any

    def within(self, scopes: Iterable[str]) -> list[Op]:
        """Return the operators called inside any of the named submodules."""
        prefixes = tuple(scopes)
        return [op for op in self.ops if any(op.scope == p or op.scope.startswith(p + ".") for p in prefixes)]


def trace_network(network: nn.Module, height: int, width: int, *, channels: int = 3, device: str = "meta") -> Trace:
    """Run a network once on one image ``[channels, height, width]``, in inference mode, and return its trace.

    The network is moved to the meta device and loses its weights. Pass one that was built for this, preferably under
    ``torch.device("meta")``, where building is fast too.

    Args:
        device: ``cpu`` runs a network that asks for the values of its tensors, which those on the meta device lack.
    """
    network.to(device)
    network.eval()
    tracker = ModuleTracker()
    recorder = _Recorder(tracker, network)
    image = torch.zeros(1, channels, height, width, device=device)
    # Fused attention hides its matrix products from the dispatcher; the MATH backend calls them one by one.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), tracker, recorder:
        output = network(image)
    return Trace(ops=tuple(recorder.ops), params=count_parameters(network), output=output)


def count_parameters(network: nn.Module) -> dict[str, int]:
    """Count a network's parameters in the three ways in use.

    ``trainable`` are those that take a gradient. ``stored`` is everything that a weight file holds: frozen parameters and
    batch-norm statistics too, but not their step counters. ``weights`` are the weights of convolutions and linear layers,
    without biases and norms.
    """
    stored = [*network.parameters(), *(b for name, b in network.named_buffers() if not name.endswith("num_batches_tracked"))]
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)]
    return {
        "trainable": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "stored": sum(tensor.numel() for tensor in stored),
        "weights": sum(weight.numel() for weight in weights),
    }


class _Recorder(TorchDispatchMode):
    def __init__(self, tracker: ModuleTracker, network: nn.Module) -> None:
        super().__init__()
        self.ops: list[Op] = []
        self.tracker = tracker
        named = network.named_modules(remove_duplicate=False)
        self.classes = {name: _layer_class(module) for name, module in named}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        is_meta = bool(args) and isinstance(args[0], torch.Tensor) and args[0].is_meta
        result = _result_by_shape(name, args) if is_meta else None
        if result is None:
            result = func(*args, **(kwargs or {}))
        output = result[0] if isinstance(result, tuple) else result
        if isinstance(output, torch.Tensor):
            scope = self._scope()
            self.ops.append(_to_op(name, scope, self.classes.get(scope, ""), args, output))
        return result

    def _scope(self) -> str:
        # Parents are qualified by the root's class name: "Global", "SimpleBaseline", "SimpleBaseline.head.0", ...
        path = max(self.tracker.parents, key=lambda name: (name != "Global", name.count("."), len(name)))
        return path.partition(".")[2]


def _layer_class(module: nn.Module) -> str:
    """Return the nearest class in ``torch.nn`` of a module without submodules; empty for a module with some."""
    if next(module.children(), None) is not None:
        return ""
    return next(kind.__name__ for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn."))


def _result_by_shape(name: str, args: Any) -> Any:
    """Return the result of an operator that keeps its first argument's shape; None for any other operator.

    On the meta device most operators run as Python code, which takes a millisecond each only to compute this shape.
    """
    if name in BATCH_NORM:
        return torch.empty_like(args[0]), torch.empty(0), torch.empty(0)
    if name in INPLACE:
        return args[0]
    same = name in PAIRWISE and isinstance(args[1], torch.Tensor) and args[0].shape == args[1].shape
    return torch.empty_like(args[0]) if same or name in UNARY else None


def _to_op(name: str, scope: str, module: str, args: Any, output: torch.Tensor) -> Op:
    tensors = args[0] if name in ("cat", "stack") else [a for a in args if isinstance(a, torch.Tensor)]
    details: dict[str, Any] = {}
    if name == "convolution":
        _, _, bias, stride, padding, dilation, transposed, *_ = args
        details = {
            "stride": tuple(stride),
            "padding": tuple(padding),
            "dilation": tuple(dilation),
            "transposed": transposed,
            "bias": bias is not None,
        }
    elif name in NORM:
        details = {"affine": any(isinstance(a, torch.Tensor) for a in args[1:3])}
    elif name in WINDOW_POOL:
        details = {"kernel": tuple(args[1])}
    inputs = tuple(tuple(tensor.shape) for tensor in tensors)
    return Op(name=name, scope=scope, inputs=inputs, output=tuple(output.shape), module=module, **details)
