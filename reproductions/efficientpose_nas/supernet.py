"""The super-network: each layer of a skeleton holds all operations, of which one, two or all are active (section 3.1).

An architecture shares the weights of the operations that it names; :meth:`SuperNetwork.path` returns its network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from reproductions.efficientpose_nas.architectures import OPERATIONS, SKIP, Architecture, Skeleton, parse_operation
from reproductions.efficientpose_nas.network import MBConv, PoseNetwork, efficientpose, initialise


class MixedLayer(nn.Module):
    """Equation 3 over the ``active`` operations, ``[N, in_channels, H, W] -> [N, width, H / stride, W / stride]``.

    Args:
        skippable: Whether one of the operations leaves the layer out.
    """

    def __init__(self, *, in_channels: int, width: int, stride: int, skippable: bool) -> None:
        super().__init__()
        self.operations = OPERATIONS if skippable else tuple(name for name in OPERATIONS if name != SKIP)
        self.choices = nn.ModuleList(
            nn.Identity() if name == SKIP else _block(name, in_channels, width, stride) for name in self.operations
        )
        self.alpha = nn.Parameter(torch.zeros(len(self.operations)))
        self.active: Sequence[int] = range(len(self.operations))

    def probabilities(self) -> Tensor:
        """Return the softmax over all operations (Equation 2)."""
        return self.alpha.softmax(0)

    def shared(self) -> Tensor:
        """Return the probabilities with a gradient for the active operations alone, whose sum stays constant."""
        probabilities, active = self.probabilities().detach(), torch.tensor(list(self.active), device=self.alpha.device)
        return probabilities.index_copy(0, active, probabilities[active].sum() * self.alpha[active].softmax(0))

    def forward(self, x: Tensor) -> Tensor:
        """Return features ``[N, width, H / stride, W / stride]``."""
        if len(self.active) == 1:
            return self.choices[self.active[0]](x)
        shares = self.alpha[list(self.active)].softmax(0)
        parts = [share * self.choices[index](x) for share, index in zip(shares, self.active, strict=True)]
        return reduce(torch.add, parts)

    def choose(self, operation: str) -> None:
        """Make one operation more than ten thousand times as probable as all others."""
        with torch.no_grad():
            self.alpha.zero_()
            self.alpha[self.operations.index(operation)] = 16.0


def _block(operation: str, in_channels: int, width: int, stride: int) -> MBConv:
    kernel, expansion = parse_operation(operation)
    return MBConv(in_channels=in_channels, out_channels=width, kernel=kernel, expansion=expansion, stride=stride)


class SuperNetwork(nn.Module):
    """Stem and head of EfficientPose with mixed layers between them, ``[N, 3, H, W] -> [N, num_joints, H / 4, W / 4]``.

    Stem, head and operations start as those of a single network.
    """

    def __init__(self, *, skeleton: Skeleton, num_joints: int) -> None:
        super().__init__()
        single = efficientpose(num_joints=num_joints, architecture=uniform(skeleton, "k3e3"))
        self.skeleton = skeleton
        self.stem, self.head = next(iter(single.backbone.children())), single.head
        stages, channels = [], skeleton.separable
        for width, stride, depth in skeleton.stages:
            layers = [MixedLayer(in_channels=channels, width=width, stride=stride, skippable=False)]
            layers += [MixedLayer(in_channels=width, width=width, stride=1, skippable=True) for _ in range(depth - 1)]
            stages.append(nn.ModuleList(layers))
            channels = width
        self.stages = nn.ModuleList(stages)
        initialise(self.stages)

    def forward(self, images: Tensor) -> Tensor:
        """Return heatmaps ``[N, num_joints, H / 4, W / 4]``."""
        x = self.stem(images)
        for layer in self.layers():
            x = layer(x)
        return self.head(x)

    def layers(self) -> Iterator[MixedLayer]:
        """Iterate over the mixed layers, first to last."""
        for stage in self.stages:
            for layer in stage.children():
                assert isinstance(layer, MixedLayer)
                yield layer

    def alphas(self) -> list[nn.Parameter]:
        """Return the architecture parameters, one tensor a layer."""
        return [layer.alpha for layer in self.layers()]

    def weights(self) -> list[nn.Parameter]:
        """Return all parameters except the architecture's."""
        alphas = {id(alpha) for alpha in self.alphas()}
        return [parameter for parameter in self.parameters() if id(parameter) not in alphas]

    def sample(self, count: int) -> None:
        """Make ``count`` operations of each layer active, sampled by their probabilities without replacement."""
        alphas = torch.cat([alpha.detach() for alpha in self.alphas()]).cpu().split([len(alpha) for alpha in self.alphas()])
        for layer, alpha in zip(self.layers(), alphas, strict=True):
            # A small probability may be rounded to 0, but ``count`` operations are needed.
            sampled = torch.multinomial(alpha.softmax(0).clamp(min=1e-12), min(count, len(alpha)))
            layer.active = sorted(sampled.tolist())

    def use_all(self) -> None:
        """Make every operation active."""
        for layer in self.layers():
            layer.active = range(len(layer.operations))

    def derived(self) -> Architecture:
        """Return the architecture of the most probable operations."""
        names = [[layer.operations[int(layer.alpha.argmax())] for layer in stage] for stage in self._staged()]
        return Architecture(self.skeleton, tuple(tuple(stage) for stage in names))

    def choose(self, architecture: Architecture) -> None:
        """Make an architecture by far the most probable; see :meth:`MixedLayer.choose`."""
        for stage, operations in zip(self._staged(), architecture.stages, strict=True):
            for layer, operation in zip(stage, operations, strict=True):
                layer.choose(operation)

    def path(self, architecture: Architecture) -> PoseNetwork:
        """Return the network of an architecture, which shares its modules with this one."""
        stages = []
        for stage, operations in zip(self._staged(), architecture.stages, strict=True):
            chosen = [layer.choices[layer.operations.index(name)] for layer, name in zip(stage, operations, strict=True)]
            stages.append(nn.Sequential(*(block for block in chosen if not isinstance(block, nn.Identity))))
        return PoseNetwork(backbone=nn.Sequential(self.stem, *stages), head=self.head)

    def _staged(self) -> list[list[MixedLayer]]:
        layers = self.layers()
        return [[next(layers) for _ in range(stage.depth)] for stage in self.skeleton.stages]


def uniform(skeleton: Skeleton, operation: str) -> Architecture:
    """Return the architecture that has the same operation in all layers."""
    return Architecture(skeleton, tuple((operation,) * stage.depth for stage in skeleton.stages))


def expected(layers: Sequence[MixedLayer], costs: Sequence[Tensor], constant: float) -> Tensor:
    """Return the network's mean cost over the operations' probabilities (Equations 4 and 5).

    Like the loss, it has a gradient for the active operations alone: one gains the probability that the others lose.

    Args:
        layers: The mixed layers.
        costs: The costs of each layer's operations.
        constant: The cost of the components that are in all architectures.
    """
    return constant + torch.stack([layer.shared() @ cost for layer, cost in zip(layers, costs, strict=True)]).sum()


def entropy(layers: Sequence[MixedLayer]) -> float:
    """Return the layers' mean entropy: 1 where all operations are equally probable, 0 where one is certain."""
    entropies = []
    for layer in layers:
        probabilities = layer.probabilities().detach().double().cpu()
        entropies.append(torch.special.entr(probabilities).sum() / torch.tensor(float(len(probabilities))).log())
    return float(torch.stack(entropies).mean())


def keep_mass(layer: MixedLayer, before: Tensor) -> None:
    """Keep the probabilities of the unsampled operations after an architecture step (DenseNAS, ProxylessNAS), in place.

    The unsampled operations get their former alpha back, and the active ones are shifted together so that the sum of their
    probabilities stays the same.

    Args:
        layer: The layer after the step.
        before: Its alpha before the step.
    """
    active = list(layer.active)
    with torch.no_grad():
        after = layer.alpha[active]
        shifted = after + (before[active].logsumexp(0) - after.logsumexp(0))
        layer.alpha.copy_(before)
        layer.alpha[active] = shifted


def start(network: SuperNetwork, fill: Callable[[PoseNetwork], None]) -> None:
    """Fill every operation from a seed network, in place.

    Args:
        network: The super-network.
        fill: One of the starts in :mod:`reproductions.efficientpose_nas.fna`.
    """
    for operation in OPERATIONS:
        if operation != SKIP:
            fill(network.path(uniform(network.skeleton, operation)))
