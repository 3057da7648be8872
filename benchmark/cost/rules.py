"""State which operators multiply and how often, and which are known not to: every other operator is reported as not counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import NamedTuple

import numpy as np

from benchmark.cost.ops import NORM, POOL, RESIZE, Op, Shape

DEFORMABLE = "torchvision::deform_conv2d"
RECURRENT = "mkldnn_rnn_layer"  # a layer of an LSTM, in one direction, on a processor


class Product(NamedTuple):
    """A rule: the multiply-accumulates of an operator with these operands, which are ``operands`` of its tensor arguments."""

    count: Callable[..., int]
    operands: slice = slice(2)


def _conv(op: Op, image: Shape, weight: Shape) -> int:
    """Count a convolution at its output positions, or at its input positions if it is transposed.

    A weight is ``[out, in / groups, *kernel]``, or ``[in, out / groups, *kernel]`` of a transposed one.
    """
    return image[0] * prod(image[2:] if op.transposed else op.output[2:]) * prod(weight)


def _matrix(op: Op, left: Shape, right: Shape) -> int:
    """Count a product ``[*, m, k] x [*, k, n]``, where either side may be a vector ``[k]``."""
    return prod(left) * (right[-1] if len(right) > 1 else 1)


def _linear(op: Op, tokens: Shape, weight: Shape) -> int:
    return prod(tokens) * weight[0]


def _outer(op: Op, *operands: Shape) -> int:
    return prod(op.output)


def _inner(op: Op, left: Shape, right: Shape) -> int:
    return prod(np.broadcast_shapes(left, right))


def _bilinear(op: Op, left: Shape, right: Shape, weight: Shape) -> int:
    """Count ``x' W y`` for each output feature as one product per entry of its matrix."""
    return prod(op.output) * left[-1] * right[-1]


def _distance(op: Op, points: Shape) -> int:
    return prod(op.output) * points[-1]


def _recurrent(op: Op, steps: Shape, of_input: Shape, of_state: Shape) -> int:
    """Count the products of each step ``[T, N, in]`` with the weights of the input and of the state, for all gates."""
    return prod(steps[:2]) * (prod(of_input) + prod(of_state))


def _attention(op: Op, query: Shape, key: Shape, value: Shape) -> int:
    """Count attention of queries ``[*, heads, q, d]`` to keys ``[*, heads, k, d]``: scores, and their product with the values.

    A mask saves nothing. Keys and values may have fewer heads than queries.
    """
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


PRODUCTS: Mapping[str, Product] = {
    "convolution": Product(_conv),
    # As a convolution; reading the image between pixels is interpolation.
    DEFORMABLE: Product(_conv),
    "linear": Product(_linear),
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot", "_int_mm"), Product(_matrix)),
    # The first argument is added to the product.
    **dict.fromkeys(("addmm", "addmv", "addbmm", "baddbmm", "_addmm_activation"), Product(_matrix, slice(1, 3))),
    **dict.fromkeys(("outer", "ger", "kron"), Product(_outer)),
    "addr": Product(_outer, slice(1, 3)),
    "linalg_vecdot": Product(_inner),
    "bilinear": Product(_bilinear, slice(3)),
    **dict.fromkeys(("_cdist_forward", "_euclidean_dist", "_pdist_forward"), Product(_distance, slice(1))),
    RECURRENT: Product(_recurrent, slice(3)),
    # Attention by each of its backends. The one that PyTorch writes in its own operators is traced as those.
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_fused_attention_overrideable",
            "_scaled_dot_product_attention_math_for_mps",
        ),
        Product(_attention, slice(3)),
    ),
}

# Operators without products, besides views and element-wise operators, which PyTorch marks as such. Some conventions count
# them by rules of their own, or not at all. Neither a Fourier transform nor a decomposition of a matrix is among them.
FREE = frozenset(
    """
    arange empty empty_like empty_permuted empty_strided eye from_file full full_like lift linspace logspace new_empty
    new_empty_strided _efficientzerotensor new_full new_ones new_zeros ones ones_like range scalar_tensor tril_indices
    triu_indices zeros zeros_like bartlett_window blackman_window hamming_window hann_window kaiser_window complex polar

    bernoulli binomial cauchy exponential geometric log_normal multinomial native_dropout normal normal_functional poisson
    rand rand_like randint randint_like randn randn_like random randperm rrelu_with_noise uniform _standard_gamma

    _assert_async _assert_scalar _assert_tensor_metadata _linalg_check_errors _local_scalar_dense allclose is_same_size
    sym_constrain_range sym_constrain_range_for_size _has_same_storage_numel torchvision::_cuda_version
    profiler::_record_function_enter_new profiler::_record_function_exit

    _copy_from _resize_output _to_copy _to_dense _unsafe_index _unsafe_index_put _unsafe_masked_index _unsafe_view
    _pin_memory _conj_physical detach dequantize quantize_per_channel quantize_per_tensor as_strided as_strided_scatter
    block_diag cat channel_shuffle col2im constant_pad_nd copy diag_embed diagonal_scatter embedding fill flip gather im2col
    index index_copy index_fill index_put index_select masked_fill masked_scatter masked_select pixel_shuffle
    pixel_unshuffle put reflection_pad1d reflection_pad2d reflection_pad3d repeat replication_pad1d replication_pad2d
    replication_pad3d resize resize_as roll rot90 scatter select_scatter set slice_scatter split split_with_sizes squeeze
    stack t take transpose tril triu unfold unsafe_split unsafe_split_with_sizes unsqueeze where zero
    _jagged_to_padded_dense_forward _padded_dense_to_jagged_forward _pack_padded_sequence max_unpool2d max_unpool3d

    _aminmax all amax amin aminmax any argmax argmin argsort bincount bucketize count_nonzero cummax _cummax_helper cummin
    _cummin_helper histc isin kthvalue logcumsumexp _logcumsumexp logsumexp max median min mode nanmedian nonzero
    nonzero_static searchsorted sort topk unique_consecutive unique_dim _unique _unique2 _is_all_true _is_any_true cumprod
    cumsum dist index_add index_reduce linalg_vector_norm linalg__powsum mean nansum norm prod renorm scatter_add
    scatter_reduce segment_reduce std std_mean sum trace var var_mean

    _fused_moving_avg_obs_fq_helper fake_quantize_per_channel_affine_cachemask fake_quantize_per_tensor_affine_cachemask
    _fake_quantize_per_tensor_affine_cachemask_tensor_qparams _log_softmax _masked_softmax _prelu_kernel _safe_softmax
    _softmax _thnn_fused_gru_cell _thnn_fused_lstm_cell _weight_norm_interface abs copysign eq floor_divide gcd ge gelu glu
    gt hardswish heaviside lcm le linalg_cross fractional_max_pool2d fractional_max_pool3d log_sigmoid_forward lt mish ne
    native_norm _fused_rms_norm threshold
    """.split()  # noqa: SIM905
) | (NORM | POOL | RESIZE)
