"""Describe operators of a forward pass and group them as counters need it."""

from __future__ import annotations

from dataclasses import dataclass

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


UNARY = {"relu", "silu", "sigmoid", "hardtanh", "hardswish", "hardsigmoid", "gelu", "elu", "leaky_relu"}
PAIRWISE = {"add", "sub", "mul", "div"}
INPLACE = {f"{name}_" for name in UNARY | PAIRWISE}
WINDOW_POOL = {"max_pool2d_with_indices", "avg_pool2d"}
BATCH_NORM = {"native_batch_norm", "_native_batch_norm_legit_no_training"}
NORM = BATCH_NORM | {"native_layer_norm", "native_group_norm"}
