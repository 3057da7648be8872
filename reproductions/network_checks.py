"""What the checks share: a network ready to be compared, its maps, the distance of two outputs, ONNX, a checkpoint to serve,
the memory of a pass."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmark.models.registry import build_model

SIDE = 64  # pixels a side; the hourglasses take nothing smaller


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network in eval mode, two random images, and what it makes of them.

    Attributes:
        id: of the model.
        network: shared between checks, so that a check which changes it takes a :meth:`copy`.
        images: ``[2, 3, 64, 64]``.
        maps: the network's outputs of ``images``, see :func:`maps`.
    """

    id: str
    network: nn.Module
    images: Tensor
    maps: list[Tensor]

    def copy(self) -> nn.Module:
        """A network of one's own with the same weights."""
        return copy.deepcopy(self.network)


def subject(model: str, *, joints: int = 16) -> Subject:
    """Build a network and prepare it to be compared."""
    torch.manual_seed(0)
    network = build_model(model, joints=joints)
    images = torch.rand(2, 3, SIDE, SIDE)
    settle(network, images)
    return Subject(id=model, network=network, images=images, maps=run(network, images))


def settle(network: nn.Module, images: Tensor) -> None:
    """Give each batch norm random statistics, of such a size that ``images [N, 3, H, W]`` pass it at about unit scale.

    With the initial ones the signal of many networks fades from layer to layer, down to exact zeros, and zeros are easy to
    reproduce. With those of training, an untrained network magnifies rounding a thousandfold: it divides each channel by the
    little in which the images differ there. Here all channels of a layer share one scale, up to a factor of two.
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
    """The maps of ``images`` without gradients."""
    with torch.no_grad():
        return maps(network(images))


def maps(outputs: Tensor | tuple) -> list[Tensor]:
    """All maps of a network's output in order, the final heatmaps last."""
    return [outputs] if isinstance(outputs, Tensor) else [leaf for part in outputs for leaf in maps(part)]


def distance(others: Iterable[Tensor], ours: Iterable[Tensor]) -> float:
    """The largest difference of two outputs, each map's relative to the largest value of ``ours``; NaN where one is NaN."""
    relative = [(other - own).abs().max() / own.abs().max() for other, own in zip(others, ours, strict=True)]
    return float(torch.stack(relative).max())


def correlation(others: Iterable[Tensor], ours: Iterable[Tensor]) -> float:
    """The smallest Pearson correlation of two maps' pixels."""
    pairs = (torch.stack([other.flatten(), own.flatten()]) for other, own in zip(others, ours, strict=True))
    return min(float(torch.corrcoef(pair)[0, 1]) for pair in pairs)


def publish(folder: Path, name: str, content: object) -> str:
    """Save ``content`` in ``folder`` as torchvision names its files, with the beginning of the SHA-256; the file's name."""
    torch.save(content, folder / "unnamed")
    digest = hashlib.sha256((folder / "unnamed").read_bytes()).hexdigest()
    file = f"{name}-{digest[:8]}.pth"
    (folder / "unnamed").rename(folder / file)
    return file


def export_onnx(network: nn.Module, images: Tensor, path: Path, *, traced: bool = True) -> None:
    """Write a network as ONNX for ``images`` of this size.

    Args:
        traced: by the tracing exporter, which takes a second or two; otherwise by ``torch.export``, five to ten times that.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, of sizes that it takes for constants: they are meant to be
        torch.onnx.export(network, (images,), path, input_names=["images"], dynamo=not traced, verbose=False)


def run_onnx(path: Path, images: Tensor) -> list[Tensor]:
    """The outputs of an ONNX file under onnxruntime, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(output) for output in session.run(None, {"images": images.numpy()})]


def saved(network: nn.Module, images: Tensor) -> int:
    """Bytes that a forward pass keeps for the backward one."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        maps = network(images)
    return sum(kept.values()) + 0 * maps.numel()
