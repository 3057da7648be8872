"""Record each operator of one forward pass on the meta device.

"GFLOPs" means different things in different papers: multiply-accumulates or twice that, transposed convolutions at input or
at output positions, 1e9 or 2^30, element-wise work or none. The trace is taken at the dispatcher, where an operator cannot be
missed because its module type has no hook; :mod:`benchmark.cost.counters` then counts the same trace under every convention.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch._ops import HigherOrderOperator, OpOverload
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.utils import parametrize
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from benchmark.cost.ops import BATCH_NORM, NORM, WINDOW_POOL, Op
from benchmark.cost.rules import FREE, PRODUCTS

# Operators whose result has the shape of their first argument, or a size that they are given: see _result_by_shape.
UNARY = {"relu", "silu", "sigmoid", "hardtanh", "hardswish", "hardsigmoid", "gelu", "elu", "leaky_relu"}
PAIRWISE = {"add", "sub", "mul", "div"}
INPLACE = {f"{name}_" for name in UNARY | PAIRWISE}
GIVEN_SIZE = {"upsample_bilinear2d", "upsample_bicubic2d"}
COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
SAME_AS = {"_convolution": "convolution"}  # TorchScript's convolution


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The operators of one forward pass, and what else it shows of the network.

    Attributes:
        ops: Operators in the order in which they were called.
        params: Parameter counts from :func:`count_parameters`.
        multiplied: Parameters that are an operand of a product, such as the weight of a convolution.
        output: The network's output, on the meta device.
    """

    ops: tuple[Op, ...]
    params: Mapping[str, int]
    multiplied: frozenset[nn.Parameter]
    output: Any

    def within(self, scopes: Iterable[str]) -> list[Op]:
        """Return the operators called inside any of the named submodules."""
        prefixes = tuple(scopes)
        return [op for op in self.ops if any(op.scope == p or op.scope.startswith(p + ".") for p in prefixes)]


def trace_network(network: nn.Module, height: int, width: int, *, channels: int = 3, device: str = "meta") -> Trace:
    """Run a network once on one image ``[channels, height, width]``, without gradients, and return its trace.

    The network is moved to the meta device and loses its weights. Pass one that was built for this, preferably under
    ``torch.device("meta")``, where building is fast too.

    Args:
        device: ``cpu`` runs a network that asks for the values of its tensors, which those on the meta device lack.
    """
    _move(network, device)
    network.eval()
    recorder = _Recorder(network)
    image = torch.zeros(1, channels, height, width, device=device)
    with _recordable(device), parametrize.cached():
        recorder.add_known([image, *_named_tensors(network).values(), *_compute_parametrizations(network)])
        enter = register_module_forward_pre_hook(recorder.enter)
        leave = register_module_forward_hook(recorder.leave, always_call=True)
        with enter, leave, _in_new_threads(recorder, device), recorder:
            output = network(image)
    multiplied = frozenset(p for p in network.parameters() if p.untyped_storage()._cdata in recorder.operands)
    return Trace(ops=tuple(recorder.ops), params=count_parameters(network, multiplied), multiplied=multiplied, output=output)


def count_parameters(network: nn.Module, multiplied: Collection[nn.Parameter] = ()) -> dict[str, int]:
    """Count a network's parameters in the three ways in use; a tensor that several modules share counts once.

    ``trainable`` are those that take a gradient. ``stored`` is everything that a weight file holds: frozen parameters and
    batch-norm statistics too, but not their step counters. ``weights`` are the weights of convolutions and linear layers,
    without biases and norms.

    Args:
        multiplied: Parameters that a forward pass multiplies: ``weights`` too, whatever module holds them.
    """
    stored = [*network.parameters(), *(b for name, b in network.named_buffers() if not name.endswith("num_batches_tracked"))]
    layers = [module for module in network.modules() if isinstance(module, nn.Linear | nn.modules.conv._ConvNd)]
    # A layer with a parametrization has its weight computed from other parameters.
    in_layers = {id(parameter) for layer in layers for parameter in layer.parameters()}
    others = (p for p in network.parameters() if p in multiplied and id(p) not in in_layers)
    weights = {id(weight): weight.numel() for weight in chain((layer.weight for layer in layers), others)}
    return {
        "trainable": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "stored": sum(tensor.numel() for tensor in stored),
        "weights": sum(weights.values()),
    }


def _move(network: nn.Module, device: str) -> None:
    """Move a network with shared tensors still shared, which ``Module.to`` alone would separate on the meta device."""
    names: dict[int, list[str]] = {}
    tensors = _named_tensors(network)
    for name, tensor in tensors.items():
        names.setdefault(id(tensor), []).append(name)
    network.to(device)
    tensors = _named_tensors(network)
    for first, *others in names.values():
        for name in others:
            module, _, attribute = name.rpartition(".")
            setattr(network.get_submodule(module), attribute, tensors[first])


def _named_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    return dict(chain(network.named_parameters(remove_duplicate=False), network.named_buffers(remove_duplicate=False)))


def _compute_parametrizations(network: nn.Module) -> list[torch.Tensor]:
    """Compute weights that are functions of other parameters, once and not for each image; they are kept in the cache."""
    parametrized = [module for module in network.modules() if parametrize.is_parametrized(module)]
    return [
        getattr(module, name)
        for module in parametrized
        for name, _ in module.get_submodule("parametrizations").named_children()
    ]


@contextmanager
def _recordable(device: str) -> Iterator[None]:
    """Run the body without gradients, and so that all products reach the dispatcher.

    Fused attention hides its products; the MATH backend calls them one by one. Inference mode is fast on the meta device, but a
    network that computes gradients on its own needs another mode.
    """
    with torch.inference_mode() if device == "meta" else torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        yield


@contextmanager
def _in_new_threads(recorder: _Recorder, device: str) -> Iterator[None]:
    """Record in threads that the body starts, too: what a mode does to operators ends at a thread's border."""
    run = threading.Thread.run

    def run_recorded(thread: threading.Thread) -> None:
        with _recordable(device), recorder:
            run(thread)

    threading.Thread.run = run_recorded  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        threading.Thread.run = run  # type: ignore[method-assign]


class _Recorder(TorchDispatchMode):
    supports_higher_order_operators = True

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.ops: list[Op] = []
        self.operands: dict[
            int, torch.UntypedStorage
        ] = {}  # of products, by their address, which is theirs while they are kept
        self.known = WeakIdKeyDictionary()  # tensors that the network registers, or that the run has computed
        self.composites: list[str] = []  # operators that are being decomposed
        self.layers = {module: (name, _layer_class(module)) for name, module in network.named_modules()}
        self.calls = [("", "")]  # scope and class of each module that is running

    def add_known(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note tensors that are no unregistered weights."""
        self.known.update(dict.fromkeys(tensors))

    def enter(self, module: nn.Module, inputs: Any) -> None:
        """Note that a module begins to run; one that the network creates as it runs belongs to its caller."""
        self.calls.append(self.layers.get(module, self.calls[-1]))

    def leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """Note that a module has run."""
        self.calls.pop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = _operator_name(func), kwargs or {}
        if name not in PRODUCTS and _is_composite(func):
            self.composites.append(name)
            with self:  # PyTorch's own kernel: a decomposition for compilers may take other operators
                result = func._op_dk(COMPOSITE, *args, **kwargs)
            self.composites.pop()
            return result
        is_meta = bool(args) and isinstance(args[0], torch.Tensor) and args[0].is_meta
        result = _result_by_shape(name, args) if is_meta else None
        if result is None:
            result = func(*args, **kwargs)
        self._record(func, name, args, result)
        return result

    def _record(self, func: Any, name: str, args: Any, result: Any) -> None:
        if name == "mul" and "einsum" in self.composites:
            name = "outer"  # of the products of einsum, the one that sums nothing
        tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)]
        results = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        operands = tensors[PRODUCTS[name].operands] if name in PRODUCTS else []
        if unusual := {kind for kind in map(_unusual_numbers, operands) if kind}:
            name, operands = f"{name} of {' and '.join(sorted(unusual))} tensors", []  # no rule is true of these
        for storage in (tensor.untyped_storage() for tensor in operands):
            self.operands[storage._cdata] = storage
        unregistered = any(tensor not in self.known for tensor in operands[1:])
        if not (_is_view(func) or name == "_to_copy") or tensors[0] in self.known:
            self.add_known(results)
        scope, module = self.calls[-1]
        self.ops.append(
            Op(
                name=name,
                scope=scope,
                module=module,
                inputs=tuple(tuple(tensor.shape) for tensor in tensors),
                output=tuple(results[0].shape) if results else (),
                free=_is_free(func, name),
                unregistered=unregistered,
                **_details(name, args, tensors),
            )
        )


def _layer_class(module: nn.Module) -> str:
    """Return the nearest class in ``torch.nn`` of a module without submodules; empty for a module with some."""
    if next(module.children(), None) is not None:
        return ""
    return next(kind.__name__ for kind in type(module).__mro__ if kind.__module__.startswith("torch.nn."))


@cache
def _operator_name(func: OpOverload | HigherOrderOperator) -> str:
    """Return the name of an operator as :class:`Op` has it; a product in place is called as the product."""
    if isinstance(func, HigherOrderOperator):
        return f"{func.namespace}::{func.name()}"
    packet = func.overloadpacket.__name__
    if func.namespace != "aten":
        return f"{func.namespace}::{packet}"
    return packet.removesuffix("_") if packet.removesuffix("_") in PRODUCTS else SAME_AS.get(packet, packet)


@cache
def _is_composite(func: OpOverload | HigherOrderOperator) -> bool:
    """Check whether PyTorch defines an operator by others, so that autograd needs no formula of its own for it."""
    return isinstance(func, OpOverload) and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), COMPOSITE)


def _unusual_numbers(tensor: torch.Tensor) -> str:
    """Say how a tensor differs from a dense one of real numbers; nothing of such a one."""
    return "sparse" if tensor.layout is not torch.strided else "complex" if tensor.is_complex() else ""


@cache
def _is_view(func: OpOverload | HigherOrderOperator) -> bool:
    return isinstance(func, OpOverload) and func.is_view


@cache
def _is_free(func: OpOverload | HigherOrderOperator, name: str) -> bool:
    if not isinstance(func, OpOverload):
        return False
    return name.removesuffix("_") in FREE or _is_view(func) or torch.Tag.pointwise in func.tags


def _result_by_shape(name: str, args: Any) -> Any:
    """Return the result of an operator whose shape is known: its first argument's, or one given; None for any other operator.

    On the meta device most operators run as Python code, which takes a millisecond each only to compute this shape, and ten
    where it resizes.
    """
    if name in BATCH_NORM:
        return torch.empty_like(args[0]), torch.empty(0), torch.empty(0)
    if name in INPLACE:
        return args[0]
    if name in GIVEN_SIZE:
        return args[0].new_empty(*args[0].shape[:2], *args[1])
    same = name in PAIRWISE and isinstance(args[1], torch.Tensor) and args[0].shape == args[1].shape
    return torch.empty_like(args[0]) if same or name in UNARY else None


def _details(name: str, args: Any, tensors: Sequence[torch.Tensor]) -> dict[str, Any]:
    """Return those fields of :class:`Op` that only some operators have."""
    if name == "convolution":
        _, _, bias, stride, padding, dilation, transposed, *_ = args
        return {
            "stride": tuple(stride),
            "padding": tuple(padding),
            "dilation": tuple(dilation),
            "transposed": transposed,
            "bias": bias is not None,
        }
    if name == "linear":
        return {"bias": len(tensors) > 2}
    if name in ("addmm", "addmv"):
        return {"bias": True}
    if name in NORM:
        return {"affine": any(isinstance(a, torch.Tensor) for a in args[1:3])}
    return {"kernel": tuple(args[1])} if name in WINDOW_POOL else {}
