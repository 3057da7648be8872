"""The search for EfficientPose's backbone: weights and architecture parameters of one super-network, in turns (section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark.config.searches import ARCHITECTURE_PHASE, WEIGHTS_PHASE, SearchConfig
from benchmark.core.input_size import parse_size
from benchmark.models.registry import import_object
from benchmark.nas.lookup_table import Component, LookupTable
from benchmark.training.loader import BatchLoader
from benchmark.training.losses import Targets
from benchmark.training.trainer import build_optimizer
from benchmark.training.validation import heatmap_accuracy, recipe_loss
from reproductions.efficientpose_nas.architectures import SKELETONS, Skeleton, parsed, write
from reproductions.efficientpose_nas.search_space import components, components_of, constant, layer_costs, sample_within
from reproductions.efficientpose_nas.supernet import SuperNetwork, entropy, expected, keep_mass, start


class Search:
    """Weights learn along one drawn path; architecture parameters from two drawn operations a layer and the expected cost.

    The ``options`` of the scale: ``skeleton``; ``paths``, the operations drawn in an architecture step, or 0 for all;
    ``factor`` and ``base`` of the cost term. A weight off the path has no gradient: decay and momentum leave it alone too.
    """

    def __init__(self, network: SuperNetwork, scale: SearchConfig, table: LookupTable) -> None:
        self.network, self.options = network, scale.options
        self.loss = recipe_loss(scale.recipe)
        self.layers = list(network.layers())
        device = network.alphas()[0].device
        found = layer_costs(network.skeleton, table)
        self.costs = [torch.tensor(list(layer.values()), device=device) for layer in found]
        self.constant, self.table = constant(table), table
        # Not in one kernel: some weights have not been on a path yet, and have no momentum.
        self.weights = build_optimizer(torch.nn.ParameterList(network.weights()), scale.recipe.optimizer, fused=False)
        self.architecture = build_optimizer(torch.nn.ParameterList(network.alphas()), scale.architecture)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """By phase."""
        return {WEIGHTS_PHASE: self.weights, ARCHITECTURE_PHASE: self.architecture}

    def step(self, phase: str, batch: tuple[Tensor, Targets], progress: float) -> dict[str, Tensor]:
        """One step of a phase; see :class:`benchmark.nas.trainer.SearchAlgorithm`."""
        images, truth = batch
        if phase == WEIGHTS_PHASE:
            self.network.sample(1)
        elif self.options["paths"]:
            self.network.sample(self.options["paths"])
        else:
            self.network.use_all()
        maps = self.network(images)
        loss = self.loss(maps, truth)
        if phase == WEIGHTS_PHASE:
            self.weights.zero_grad(set_to_none=True)
            loss.backward()
            self.weights.step()
        else:
            self._decide(loss)
        return {"loss": loss.detach(), "accuracy": heatmap_accuracy(maps.detach(), truth)}

    def _decide(self, loss: Tensor) -> None:
        """An architecture step: Equation 6, the loss in multiples of its own present value."""
        alphas = self.network.alphas()
        before = [alpha.detach().clone() for alpha in alphas]
        total = loss / loss.detach() + self.cost_term()
        for alpha, gradient in zip(alphas, torch.autograd.grad(total, alphas), strict=True):
            alpha.grad = gradient
        self.architecture.step()
        for layer, old in zip(self.layers, before, strict=True):
            keep_mass(layer, old)

    def cost_term(self) -> Tensor:
        """``factor x log_base(expected cost)``."""
        cost = expected(self.layers, self.costs, self.constant)
        return self.options["factor"] * cost.log() / float(np.log(self.options["base"]))

    def metrics(self) -> dict[str, float]:
        """Mean entropy of the layers, as a share of the largest, and the expected cost in the table's unit."""
        with torch.no_grad():
            cost = float(expected(self.layers, self.costs, self.constant))
        return {"entropy": entropy(self.layers), "expected cost": self.table.shown(cost)}

    def derive(self, held_out: BatchLoader) -> str:
        """The text of the architecture of the most probable operations; nobody is asked."""
        return write(self.network.derived())

    def state(self) -> dict[str, Any]:
        """Nothing: checkpoints hold the network, the optimizers and the generator."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Nothing to do."""


def _skeleton(scale: SearchConfig) -> Skeleton:
    return SKELETONS[scale.options["skeleton"]]


def build_search_algorithm(scale: SearchConfig, table: LookupTable, *, joints: int, seed: int, device: torch.device) -> Search:
    """The search as it starts, the super-network filled from the scale's seed network.

    Raises:
        InputError: the seed network is not there.
    """
    torch.manual_seed(seed)
    network = SuperNetwork(skeleton=_skeleton(scale), num_joints=joints)
    if scale.start != "scratch":
        start(network, import_object(scale.recipe.starts[scale.start]))
    network = network.to(device).to(memory_format=torch.channels_last)
    return Search(network.train(), scale, table)


def list_components(scale: SearchConfig, joints: int) -> dict[str, Component]:
    """What lookup tables hold; see :func:`reproductions.efficientpose_nas.search_space.components`."""
    return components(_skeleton(scale), joints=joints, input_hw=parse_size(scale.cost_input))


def used_components(text: str) -> list[str]:
    """The parts of an architecture.

    Raises:
        InputError: its text is malformed.
    """
    return components_of(parsed(text))


def sample_architecture(scale: SearchConfig, table: LookupTable, cost: float | None, generator: np.random.Generator) -> str:
    """The text of a random architecture, of ``cost`` on average where one is given."""
    return write(sample_within(_skeleton(scale), table, cost, generator))
