"""The super-network: all branches of all stages, and on every edge of every cell all six operations, one of which is used.

The operation is chosen once for each edge of a cell kind, for all stages and branches, as they share the alphas (Sec. 4.2).
So a forward pass computes one architecture of the search space and no other, and takes the memory of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reproductions.autopose.architectures import OPERATIONS, SCALES, STAGES, Architecture, Node, Vector
from reproductions.autopose.network import AutoPose, Cell, build_operation

Kind = Literal["individual", "aggregation"]
INPUTS_KEPT = 2  # by each node of a derived individual cell


class Edge:
    """An edge of a cell kind, shared by all its copies.

    Attributes:
        node: Index of the node that the edge leads to.
        source: Name of the input or earlier node that it comes from.
        choice: Index in OPERATIONS of the operation it has at present.
        gate: Factor of that operation's output through which the alphas get a gradient; None where they do not learn.
    """

    def __init__(self, node: int, source: str) -> None:
        self.node, self.source = node, source
        self.choice = 0
        self.gate: Tensor | None = None


class MixedOperation(nn.Module):
    """The operation that an edge has at present, ``[N, channels, H, W] -> [N, channels, H, W]``."""

    def __init__(self, edge: Edge, channels: int) -> None:
        super().__init__()
        self.edge = edge
        self.choices = nn.ModuleList(build_operation(name, channels) for name in OPERATIONS)

    def forward(self, x: Tensor) -> Tensor:
        """Return the operation's output, times the edge's gate where it has one."""
        result = self.choices[self.edge.choice](x)
        return result if self.edge.gate is None else self.edge.gate * result


def complete_cells(nodes: tuple[int, int]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Return an individual and an aggregation cell of these numbers of nodes, with all edges that Eqs. 2 and 3 allow."""
    individual = ({"input": "skip"} | {f"node{j}": "skip" for j in range(1, i + 1)} for i in range(nodes[0]))
    return tuple(individual), tuple(dict.fromkeys(SCALES, "skip") for _ in range(nodes[1]))


def straight_through(alpha: Tensor, temperature: float) -> Tensor:
    """Draw a straight-through Gumbel-softmax sample, ``[edges, operations]`` (Eq. 4, drawn as in GDAS).

    The rows are one-hot and have the gradient of the soft sample.

    Args:
        alpha: Logits, ``[edges, operations]``.
        temperature: Temperature of the softmax.
    """
    noise = -torch.empty(alpha.shape).exponential_().log()  # drawn on the CPU, so that every device draws the same
    soft = ((alpha.log_softmax(1) + noise.to(alpha.device)) / temperature).softmax(1)
    return F.one_hot(soft.argmax(1), soft.shape[1]) + (soft - soft.detach())


def use_batch_statistics(network: nn.Module) -> None:
    """Make all batch norms normalize by the statistics of each batch, in training and in testing, and keep no running ones."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = norm.num_batches_tracked = None


class SuperNetwork(AutoPose):
    """``images [N, 3, H, W] -> heatmaps [N, num_joints, H/4, W/4]`` of the architecture that was chosen last.

    Batch norms use the statistics of each batch: running statistics would mix those of all architectures.

    Args:
        channels: Channels of the branches, finest first.
        nodes: Numbers of nodes of an individual and of an aggregation cell; with 0 for the latter, features are concatenated,
            as in Table 4.
        num_joints: Number of joints.
    """

    def __init__(self, *, channels: Sequence[int], nodes: tuple[int, int], num_joints: int) -> None:
        individual, aggregation = complete_cells(nodes)
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
            {kind: nn.Parameter(1e-3 * torch.randn(len(edges), len(OPERATIONS))) for kind, edges in self.edges.items()}
        )
        for module in self.stages:
            for scale, width in zip(SCALES, channels, strict=True):
                for cell in module.individual[scale]:
                    self._mix(cell, "individual", width)
                self._mix(module.aggregation[scale].cell, "aggregation", width)
        use_batch_statistics(self)

    def _mix(self, cell: Cell, kind: Kind, channels: int) -> None:
        """Replace the operations of a cell by mixed ones."""
        for edge in self.edges.get(kind, ()):
            cell.nodes[edge.node][edge.source] = MixedOperation(edge, channels)

    def weights(self) -> list[nn.Parameter]:
        """Return all parameters except the alphas."""
        alphas = set(map(id, self.alphas.values()))
        return [parameter for parameter in self.parameters() if id(parameter) not in alphas]

    def set_branches(self, stages: Sequence[Vector]) -> None:
        """Switch branches on and off by the scale vector of each stage."""
        for index, module in enumerate(self.stages):
            vector = stages[index * len(stages) // len(self.stages)]
            module.active = tuple(scale for scale, runs in zip(SCALES, vector, strict=True) if runs)

    def draw_operations(self, temperature: float, *, learn: bool) -> None:
        """Draw an operation for each edge.

        Args:
            temperature: Temperature of the Gumbel-softmax.
            learn: Whether the loss has a gradient for the alphas.
        """
        for kind, alpha in self.alphas.items():
            with torch.set_grad_enabled(learn):
                gates = straight_through(alpha, temperature)
            for edge, row, choice in zip(self.edges[kind], gates, gates.argmax(1).tolist(), strict=True):
                edge.choice, edge.gate = choice, row[choice] if learn else None

    def choose_operations(self) -> None:
        """Give each edge its most probable operation."""
        for kind, alpha in self.alphas.items():
            for edge, choice in zip(self.edges[kind], alpha.argmax(1).tolist(), strict=True):
                edge.choice, edge.gate = choice, None

    def current_cell(self, kind: Kind) -> tuple[Node, ...]:
        """Return the cell of the operations that the edges have at present."""
        edges = self.edges.get(kind, [])
        nodes = range(1 + max((edge.node for edge in edges), default=-1))
        return tuple({edge.source: OPERATIONS[edge.choice] for edge in edges if edge.node == node} for node in nodes)

    def derive_cell(self, kind: Kind) -> tuple[Node, ...]:
        """Return the cell of the most probable operations, and give the edges these operations.

        A node of an individual cell keeps at most two inputs, those whose operations are the most probable.
        """
        self.choose_operations()
        cell = self.current_cell(kind)
        if kind == "aggregation":
            return cell
        strengths: list[dict[str, float]] = [{} for _ in cell]
        for edge, strength in zip(self.edges[kind], self.alphas[kind].softmax(1).amax(1).tolist(), strict=True):
            strengths[edge.node][edge.source] = strength
        strongest = [sorted(node, key=node.__getitem__, reverse=True)[:INPUTS_KEPT] for node in strengths]
        return tuple({source: node[source] for source in node if source in strongest[index]} for index, node in enumerate(cell))

    def entropy(self) -> float:
        """Return the edges' mean entropy as a share of the largest: 1 for uniform operations, 0 where each edge is certain."""
        shares = torch.cat([alpha.detach().double().cpu() for alpha in self.alphas.values()]).softmax(1)
        return float(torch.special.entr(shares).sum(1).mean() / torch.tensor(float(len(OPERATIONS))).log())
