"""What the checks over all networks share: a network ready to be compared, its maps in order, the distance between two outputs."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmark import models

SIDE = 64  # pixels a side; the hourglasses take nothing smaller


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network in eval mode with the statistics of a few random images, and what it makes of two others.

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

    def close(self, others: Iterable[Tensor], tolerance: float) -> bool:
        """Whether each map is as near as ``tolerance`` to the network's own, relative to the largest value of that map."""
        return distance(others, self.maps) <= tolerance


def subject(model: str, *, joints: int = 16) -> Subject:
    """Build a network and prepare it to be compared."""
    torch.manual_seed(0)
    network = models.build(model, joints=joints)
    settle(network, torch.rand(8, 3, SIDE, SIDE))
    images = torch.rand(2, 3, SIDE, SIDE)
    return Subject(id=model, network=network.eval(), images=images, maps=run(network, images))


def settle(network: nn.Module, images: Tensor) -> None:
    """Give each batch norm the statistics of ``images [N, 3, H, W]``.

    With the initial ones the signal of many networks fades from layer to layer, down to exact zeros, and zeros are easy to
    reproduce.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


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


def export_onnx(network: nn.Module, images: Tensor, path: Path, *, traced: bool = True) -> None:
    """Write a network as ONNX with the input ``images`` of this size.

    Args:
        traced: by the tracing exporter, which takes a second or two; otherwise by ``torch.export``, five to ten times that.
    """
    torch.onnx.export(network, (images,), path, input_names=["images"], dynamo=not traced, verbose=False)


def run_onnx(path: Path, images: Tensor) -> list[Tensor]:
    """The outputs of an ONNX file under onnxruntime, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return [torch.from_numpy(output) for output in session.run(None, {"images": images.numpy()})]
