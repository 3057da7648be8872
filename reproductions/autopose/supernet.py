"""The super-network: every branch of every stage, and on each edge of each cell all six operations, of which one is used.

Which one is decided once an edge and cell kind, for all stages and branches, as their alphas are shared (Sec. 4.2). A forward
pass therefore computes one architecture of the search space, with its weights and no others, and takes the memory of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproductions.autopose.architectures import OPERATIONS, SCALES, STAGES, Architecture, Node, Vector
from reproductions.autopose.network import AutoPose, Cell, operation

Kind = Literal["individual", "aggregation"]
KEPT = 2  # inputs of a derived individual cell's node


class Edge:
    """An edge of a cell kind: which operation it has by now, and the factor through which that is learned, if it is."""

    def __init__(self, node: int, source: str) -> None:
        self.node, self.source = node, source
        self.place = 0
        self.gate: Tensor | None = None


class Mixed(nn.Module):
    """``[N, channels, H, W]``, as it comes, to the same: the operation of OPERATIONS that the edge has by now."""

    def __init__(self, edge: Edge, channels: int) -> None:
        super().__init__()
        self.edge = edge
        self.choices = nn.ModuleList(operation(name, channels) for name in OPERATIONS)

    def forward(self, x: Tensor) -> Tensor:
        result = self.choices[self.edge.place](x)
        return result if self.edge.gate is None else self.edge.gate * result


def complete(nodes: tuple[int, int]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """An individual and an aggregation cell with every edge that Eqs. 2 and 3 allow."""
    individual = ({"input": "skip"} | {f"node{j}": "skip" for j in range(1, i + 1)} for i in range(nodes[0]))
    return tuple(individual), tuple(dict.fromkeys(SCALES, "skip") for _ in range(nodes[1]))


def straight_through(alpha: Tensor, temperature: float) -> Tensor:
    """A Gumbel-softmax sample: rows that are one-hot, with the gradient of the soft ones (Eq. 4, as GDAS draws it).

    Args:
        alpha: ``[edges, operations]``, as the result.
    """
    noise = -torch.empty(alpha.shape).exponential_().log()  # drawn on the processor, so that every device draws the same
    soft = ((alpha.log_softmax(1) + noise.to(alpha.device)) / temperature).softmax(1)
    return F.one_hot(soft.argmax(1), soft.shape[1]) + (soft - soft.detach())


def by_batch(network: nn.Module) -> None:
    """Let all batch norms normalise each batch by its own statistics, always, and keep none."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = norm.num_batches_tracked = None


class SuperNetwork(AutoPose):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]`` of the architecture that was chosen last.

    Batch norms go by each batch: running statistics would mix those of all architectures.

    Args:
        nodes: of an individual and of an aggregation cell; without the latter features are concatenated, as in Table 4.
    """

    def __init__(self, *, channels: Sequence[int], nodes: tuple[int, int], num_joints: int) -> None:
        individual, aggregation = complete(nodes)
        everything = Architecture(
            name="everything",
            evidence="reconstruction",
            note="",
            channels=tuple(channels),
            stages=((1,) * len(SCALES),) * STAGES,
            individual=individual,
            aggregation=aggregation,
        )
        super().__init__(architecture=everything, num_joints=num_joints)
        cells: dict[Kind, tuple[Node, ...]] = {"individual": individual, "aggregation": aggregation}
        self.edges = {
            kind: [Edge(node, source) for node, sources in enumerate(cell) for source in sources]
            for kind, cell in cells.items()
            if cell
        }
        self.alphas = nn.ParameterDict(
            {kind: nn.Parameter(1e-3 * torch.randn(len(own), len(OPERATIONS))) for kind, own in self.edges.items()}
        )
        for module in self.stages:
            for scale, width in zip(SCALES, channels, strict=True):
                for cell in module.individual[scale]:
                    self._mix(cell, "individual", width)
                self._mix(module.aggregation[scale].cell, "aggregation", width)
        by_batch(self)

    def _mix(self, cell: Cell, kind: Kind, channels: int) -> None:
        for edge in self.edges.get(kind, ()):
            cell.nodes[edge.node][edge.source] = Mixed(edge, channels)

    def weights(self) -> list[nn.Parameter]:
        """All parameters but the alphas."""
        own = set(map(id, self.alphas.values()))
        return [parameter for parameter in self.parameters() if id(parameter) not in own]

    def run(self, stages: Sequence[Vector]) -> None:
        """Switch branches on and off, stage by stage."""
        for number, module in enumerate(self.stages):
            vector = stages[number * len(stages) // len(self.stages)]
            module.active = tuple(scale for scale, runs in zip(SCALES, vector, strict=True) if runs)

    def draw(self, temperature: float, *, learn: bool) -> None:
        """Draw an operation for each edge; ``learn``: so that the loss has a gradient for the alphas."""
        for kind, alpha in self.alphas.items():
            with torch.set_grad_enabled(learn):
                gates = straight_through(alpha, temperature)
            for edge, row, place in zip(self.edges[kind], gates, gates.argmax(1).tolist(), strict=True):
                edge.place, edge.gate = place, row[place] if learn else None

    def decide(self) -> None:
        """Give each edge its most probable operation."""
        for kind, alpha in self.alphas.items():
            for edge, place in zip(self.edges[kind], alpha.argmax(1).tolist(), strict=True):
                edge.place, edge.gate = place, None

    def chosen(self, kind: Kind) -> tuple[Node, ...]:
        """The cell that the edges make now."""
        edges = self.edges.get(kind, [])
        nodes = range(1 + max((edge.node for edge in edges), default=-1))
        return tuple({edge.source: OPERATIONS[edge.place] for edge in edges if edge.node == node} for node in nodes)

    def derived(self, kind: Kind) -> tuple[Node, ...]:
        """The cell of the most probable operations; of an individual cell's node, only the inputs whose operations are the most
        probable of all, at most two."""
        self.decide()
        cell = self.chosen(kind)
        if kind == "aggregation":
            return cell
        strengths = self.alphas[kind].softmax(1).amax(1).tolist()
        strength = {(edge.node, edge.source): value for edge, value in zip(self.edges[kind], strengths, strict=True)}
        kept = [sorted(own, key=lambda source: -strength[node, source])[:KEPT] for node, own in enumerate(cell)]
        return tuple({source: own[source] for source in own if source in kept[node]} for node, own in enumerate(cell))

    def entropy(self) -> float:
        """How undecided the edges are on average: 1 where all operations are as probable, 0 where one is certain."""
        shares = torch.cat([alpha.detach().double().cpu() for alpha in self.alphas.values()]).softmax(1)
        return float(torch.special.entr(shares).sum(1).mean() / torch.tensor(float(len(OPERATIONS))).log())
