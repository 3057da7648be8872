"""Describe the operators of a forward pass."""

from __future__ import annotations

from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Op:
    """One operator of a forward pass.

    Attributes:
        name: the dispatcher's name, without the overload; with the namespace (``torchvision::nms``) if it is not PyTorch's.
        scope: path of the module that called the operator.
        module: class of that module, or its nearest ancestor in ``torch.nn``; empty for a module with submodules.
        inputs: shapes of the tensor arguments in order, including the weight's.
        output: shape of the result, or of its first tensor.
        kernel: window of a pooling; the kernel of a convolution is in the shape of its weight.
        stride: of a convolution, like padding, dilation and transposed.
        bias: whether a convolution or a linear layer has a bias.
        affine: whether a norm has a weight or a bias.
        free: whether it is known to multiply nothing.
        unregistered: whether an operand of a product is a weight that the network holds, but not as a parameter or buffer.
    """

    name: str
    scope: str
    inputs: tuple[Shape, ...]
    output: Shape
    module: str = ""
    kernel: Shape = ()
    stride: Shape = ()
    padding: Shape = ()
    dilation: Shape = ()
    transposed: bool = False
    bias: bool = False
    affine: bool = False
    free: bool = False
    unregistered: bool = False


WINDOW_POOL = {"max_pool2d_with_indices", "avg_pool2d", "max_pool3d_with_indices", "avg_pool3d"}
POOL = WINDOW_POOL | {"_adaptive_avg_pool2d", "adaptive_max_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool3d"}
RESIZE = {
    *("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d"),
    *("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d"),
    *("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d"),
    *("_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "grid_sampler_2d", "grid_sampler_3d"),
}
BATCH_NORM = {"native_batch_norm", "_native_batch_norm_legit_no_training"}
NORM = BATCH_NORM | {"_native_batch_norm_legit", "native_layer_norm", "native_group_norm"}
