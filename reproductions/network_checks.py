"""Check built networks: prepare one for comparison, compare its outputs, export it, publish its weights, count saved bytes."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from _pytest.mark.structures import ParameterSet
from torch import Tensor, nn

from benchmark.models.registry import build_model

SIDE = 64  # pixels a side; the hourglasses take nothing smaller
# Deeper, wider or longer than the network named behind them, and built by the same code.
SIBLINGS = {
    *("baselines/simple_baseline-r101", "baselines/simple_baseline-r152"),  # r50
    *("baselines/hrnet-w32", "baselines/hrnet-w48"),  # w16_small
    "baselines/lite_hrnet-30",  # 18
    *("baselines/lpn-101", "baselines/lpn-152"),  # 50
    "baselines/hourglass-8",  # 1 and 2
    "baselines/du_net+nets=16",  # du_net+nets=8
    *("efficientpose/II", "efficientpose/III", "efficientpose/IV"),  # RT and I
    *("efficientpose_nas/B", "efficientpose_nas/C"),  # A
    *("efficientpose_nas/proxyless_cpu", "efficientpose_nas/proxyless_mobile"),  # proxyless_gpu
    *("fasterpose/r101", "fasterpose/r152"),  # r50
}
# So many modules that tracing them takes ten seconds.
SLOW_TO_TRACE = {"baselines/pyranet"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network in eval mode, two random images, and its outputs for them.

    Attributes:
        id: The model's id.
        network: The network, shared between checks; a check that changes it takes a :meth:`copy`.
        images: ``[2, 3, 64, 64]``.
        outputs: The network's outputs for ``images``, see :func:`flatten_outputs`.
    """

    id: str
    network: nn.Module
    images: Tensor
    outputs: list[Tensor]

    def copy(self) -> nn.Module:
        """Return an independent network with the same weights."""
        return copy.deepcopy(self.network)


def with_slow(models: Iterable[str], slow: Container[str]) -> list[ParameterSet]:
    """Return parameters of a test, of which those in ``slow``, with or without switches, are left to ``make slow``."""
    return [
        pytest.param(model, id=model, marks=[pytest.mark.slow] if model in slow or model.partition("+")[0] in slow else [])
        for model in models
    ]


def build_subject(model: str, *, joints: int = 16) -> Subject:
    """Build a network and prepare it for comparison."""
    torch.manual_seed(0)
    network = build_model(model, joints=joints)
    images = torch.rand(2, 3, SIDE, SIDE)
    randomise_batch_norms(network, images)
    return Subject(id=model, network=network, images=images, outputs=run(network, images))


def randomise_batch_norms(network: nn.Module, images: Tensor) -> None:
    """Give each batch norm random statistics under which ``images [N, 3, H, W]`` pass it at about unit scale.

    With the initial statistics the signal of many networks fades from layer to layer down to exact zeros, which are easy to
    reproduce. With the statistics of training an untrained network magnifies rounding errors a thousandfold, because it divides
    each channel by the small amount in which the images differ there. Here all channels of a layer share one scale, up to a
    factor of two.
    """

    def fit(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        variance, mean = norm.get_buffer("running_var"), norm.get_buffer("running_mean")
        power = inputs[0].square().mean()
        mean.normal_(std=0.1 * float(power.sqrt()))
        variance.uniform_(0.5, 2).mul_(power)

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(fit) for norm in norms]
    run(network.eval(), images)
    for hook in hooks:
        hook.remove()


def run(network: nn.Module, images: Tensor) -> list[Tensor]:
    """Return the outputs of ``images`` without gradients, see :func:`flatten_outputs`."""
    with torch.no_grad():
        return flatten_outputs(network(images))


def flatten_outputs(outputs: Tensor | tuple) -> list[Tensor]:
    """Return all tensors of a network's output in order, the final heatmaps last."""
    return [outputs] if isinstance(outputs, Tensor) else [leaf for part in outputs for leaf in flatten_outputs(part)]


def distance(outputs: Iterable[Tensor], expected: Iterable[Tensor]) -> float:
    """Return the largest difference between two lists of tensors, NaN where one holds NaN.

    The difference of two tensors is relative to the largest value of the expected one.
    """
    pairs = zip(outputs, expected, strict=True)
    return float(torch.stack([(output - target).abs().max() / target.abs().max() for output, target in pairs]).max())


def correlation(outputs: Iterable[Tensor], expected: Iterable[Tensor]) -> float:
    """Return the smallest Pearson correlation between the pixels of two tensors at the same place in both lists."""
    pairs = (torch.stack([output.flatten(), target.flatten()]) for output, target in zip(outputs, expected, strict=True))
    return min(float(torch.corrcoef(pair)[0, 1]) for pair in pairs)


def publish(folder: Path, name: str, content: object) -> str:
    """Save ``content`` in ``folder`` under a name that ends in the beginning of its SHA-256, as torchvision's do; return it."""
    torch.save(content, folder / "unnamed")
    digest = hashlib.sha256((folder / "unnamed").read_bytes()).hexdigest()
    file = f"{name}-{digest[:8]}.pth"
    (folder / "unnamed").rename(folder / file)
    return file


def export_onnx(network: nn.Module, images: Tensor, path: Path, *, traced: bool = True) -> None:
    """Write a network as ONNX for images of this size.

    Args:
        network: In eval mode.
        images: ``[N, 3, H, W]``.
        path: The file to write.
        traced: Use the tracing exporter, which takes a second or two; ``torch.export`` takes five to ten times that.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns that it takes sizes for constants, which is intended
        torch.onnx.export(network, (images,), path, input_names=["images"], dynamo=not traced, verbose=False)


def run_onnx(path: Path, images: Tensor) -> list[Tensor]:
    """Return the outputs of an ONNX file under onnxruntime, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(output) for output in session.run(None, {"images": images.numpy()})]


def count_saved_bytes(network: nn.Module, images: Tensor) -> int:
    """Return the bytes that a forward pass saves for the backward pass."""
    bytes_of_storage: dict[int, int] = {}

    def record(tensor: Tensor) -> Tensor:
        bytes_of_storage[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        outputs = network(images)  # kept alive until the sum, as freed storages would share addresses
    return sum(bytes_of_storage.values()) + 0 * outputs.numel()
