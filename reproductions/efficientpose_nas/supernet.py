"""The super-network: at each layer of a skeleton all operations at once, of which one, two or all are used (section 3.1).

The weights of an architecture are those of the operations that it names; :meth:`SuperNetwork.path` is that network, sharing
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from reproductions.efficientpose_nas.architectures import OPERATIONS, SKIP, Architecture, Skeleton, parse
from reproductions.efficientpose_nas.network import MBConv, PoseNetwork, efficientpose, initialise


class MixedLayer(nn.Module):
    """``[N, in_channels, H, W] -> [N, width, H / stride, W / stride]``: Equation 3 over the operations that are ``active``.

    Args:
        skippable: whether leaving the layer out is one of the operations.
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
        """Equation 2: the softmax over all operations."""
        return self.alpha.softmax(0)

    def shared(self) -> Tensor:
        """The same figures, with a gradient for the active operations alone: they share out what they have together."""
        probabilities, active = self.probabilities().detach(), torch.tensor(list(self.active), device=self.alpha.device)
        return probabilities.index_copy(0, active, probabilities[active].sum() * self.alpha[active].softmax(0))

    def forward(self, x: Tensor) -> Tensor:
        if len(self.active) == 1:
            return self.choices[self.active[0]](x)
        shares = self.alpha[list(self.active)].softmax(0)
        parts = [share * self.choices[place](x) for share, place in zip(shares, self.active, strict=True)]
        return reduce(torch.add, parts)

    def choose(self, operation: str) -> None:
        """Decide for one operation, as far as ten thousand to one."""
        with torch.no_grad():
            self.alpha.zero_()
            self.alpha[self.operations.index(operation)] = 16.0


def _block(operation: str, in_channels: int, width: int, stride: int) -> MBConv:
    kernel, expansion = parse(operation)
    return MBConv(in_channels=in_channels, out_channels=width, kernel=kernel, expansion=expansion, stride=stride)


class SuperNetwork(nn.Module):
    """``[N, 3, H, W] -> [N, num_joints, H / 4, W / 4]``: stem and head as in EfficientPose, mixed layers between them."""

    def __init__(self, *, skeleton: Skeleton, num_joints: int) -> None:
        super().__init__()
        plain = efficientpose(num_joints=num_joints, architecture=uniform(skeleton, "k3e3"))
        self.skeleton = skeleton
        self.stem, self.head = next(iter(plain.backbone.children())), plain.head
        stages, channels = [], skeleton.separable
        for width, stride, depth in skeleton.stages:
            layers = [MixedLayer(in_channels=channels, width=width, stride=stride, skippable=False)]
            layers += [MixedLayer(in_channels=width, width=width, stride=1, skippable=True) for _ in range(depth - 1)]
            stages.append(nn.ModuleList(layers))
            channels = width
        self.stages = nn.ModuleList(stages)
        initialise(self.stages)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        for layer in self.layers():
            x = layer(x)
        return self.head(x)

    def layers(self) -> Iterator[MixedLayer]:
        """All mixed layers, first to last."""
        for stage in self.stages:
            for layer in stage.children():
                assert isinstance(layer, MixedLayer)
                yield layer

    def alphas(self) -> list[nn.Parameter]:
        """What decides between operations, a layer each."""
        return [layer.alpha for layer in self.layers()]

    def weights(self) -> list[nn.Parameter]:
        """All other parameters."""
        own = {id(alpha) for alpha in self.alphas()}
        return [parameter for parameter in self.parameters() if id(parameter) not in own]

    def sample(self, count: int) -> None:
        """Make ``count`` operations of each layer active, drawn by their probabilities without replacement."""
        alphas = torch.cat([alpha.detach() for alpha in self.alphas()]).cpu().split([len(alpha) for alpha in self.alphas()])
        for layer, alpha in zip(self.layers(), alphas, strict=True):
            # Beside a large one a share may be rounded to nothing; two are drawn all the same.
            drawn = torch.multinomial(alpha.softmax(0).clamp(min=1e-12), min(count, len(alpha)))
            layer.active = sorted(drawn.tolist())

    def use_all(self) -> None:
        """Make every operation active."""
        for layer in self.layers():
            layer.active = range(len(layer.operations))

    def derived(self) -> Architecture:
        """The most probable operation of each layer."""
        names = [[layer.operations[int(layer.alpha.argmax())] for layer in stage] for stage in self._staged()]
        return Architecture(self.skeleton, tuple(tuple(stage) for stage in names))

    def choose(self, architecture: Architecture) -> None:
        """Decide for an architecture; see :meth:`MixedLayer.choose`."""
        for stage, operations in zip(self._staged(), architecture.stages, strict=True):
            for layer, operation in zip(stage, operations, strict=True):
                layer.choose(operation)

    def path(self, architecture: Architecture) -> PoseNetwork:
        """The architecture's network, of the modules here: what changes one changes the other."""
        stages = []
        for stage, operations in zip(self._staged(), architecture.stages, strict=True):
            chosen = [layer.choices[layer.operations.index(name)] for layer, name in zip(stage, operations, strict=True)]
            stages.append(nn.Sequential(*(block for block in chosen if not isinstance(block, nn.Identity))))
        return PoseNetwork(backbone=nn.Sequential(self.stem, *stages), head=self.head)

    def _staged(self) -> list[list[MixedLayer]]:
        layers = self.layers()
        return [[next(layers) for _ in range(stage.depth)] for stage in self.skeleton.stages]


def uniform(skeleton: Skeleton, operation: str) -> Architecture:
    """The architecture with one operation throughout."""
    return Architecture(skeleton, tuple((operation,) * stage.depth for stage in skeleton.stages))


def expected(layers: Sequence[MixedLayer], costs: Sequence[Tensor], constant: float) -> Tensor:
    """Equations 4 and 5: what the network costs on average over the operations' probabilities.

    Its gradient, as the loss's, is one for the active operations: what they move is taken from each other.

    Args:
        costs: of each layer's operations.
        constant: of what all architectures share.
    """
    return constant + torch.stack([layer.shared() @ own for layer, own in zip(layers, costs, strict=True)]).sum()


def entropy(layers: Sequence[MixedLayer]) -> float:
    """How undecided the layers are on average: 1 where all operations are as probable, 0 where one is certain."""
    shares = []
    for layer in layers:
        probabilities = layer.probabilities().detach().double().cpu()
        shares.append(torch.special.entr(probabilities).sum() / torch.tensor(float(len(probabilities))).log())
    return float(torch.stack(shares).mean())


def keep_mass(layer: MixedLayer, before: Tensor) -> None:
    """After a step that only the active operations had a say in: the others get their alpha back, and the active ones are moved
    together so that the probability they share is what it was. DenseNAS's and ProxylessNAS's rule."""
    active = list(layer.active)
    with torch.no_grad():
        after = layer.alpha[active]
        moved = after + (before[active].logsumexp(0) - after.logsumexp(0))
        layer.alpha.copy_(before)
        layer.alpha[active] = moved


def start(network: SuperNetwork, fill: Callable[[PoseNetwork], None]) -> None:
    """Fill every operation from a seed network, in place.

    Args:
        fill: one of the starts in :mod:`reproductions.efficientpose_nas.fna`.
    """
    for operation in OPERATIONS:
        if operation != SKIP:
            fill(network.path(uniform(network.skeleton, operation)))
