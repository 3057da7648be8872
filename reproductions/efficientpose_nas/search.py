"""The search for EfficientPose's backbone: weights and architecture parameters of a super-network, alternately (section 3)."""

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
from reproductions.efficientpose_nas.architectures import SKELETONS, Skeleton, format_architecture, parse_architecture
from reproductions.efficientpose_nas.search_space import components, components_of, constant, layer_costs, sample_within
from reproductions.efficientpose_nas.supernet import SuperNetwork, entropy, expected, keep_mass, start


class Search:
    """Train weights along a sampled path; architecture parameters by two sampled operations a layer and the expected cost.

    The config's ``options`` are ``skeleton``; ``paths``, the number of operations sampled in an architecture step, or 0 for
    all; and ``factor`` and ``base`` of the cost term. A weight off the path has no gradient, so that neither decay nor momentum
    changes it.
    """

    def __init__(self, network: SuperNetwork, scale: SearchConfig, table: LookupTable) -> None:
        self.network, self.options = network, scale.options
        self.loss = recipe_loss(scale.recipe)
        self.layers = list(network.layers())
        device = network.alphas()[0].device
        costs = layer_costs(network.skeleton, table)
        self.costs = [torch.tensor(list(layer.values()), device=device) for layer in costs]
        self.constant, self.table = constant(table), table
        # Not fused: weights that have not been on a path yet have no momentum.
        self.weights = build_optimizer(torch.nn.ParameterList(network.weights()), scale.recipe.optimizer, fused=False)
        self.architecture = build_optimizer(torch.nn.ParameterList(network.alphas()), scale.architecture)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimizers by phase."""
        return {WEIGHTS_PHASE: self.weights, ARCHITECTURE_PHASE: self.architecture}

    def step(self, phase: str, batch: tuple[Tensor, Targets], progress: float) -> dict[str, Tensor]:
        """Take one step of a phase; see :class:`benchmark.nas.trainer.SearchAlgorithm`."""
        images, targets = batch
        # Which operations take part.
        if phase == WEIGHTS_PHASE:
            self.network.sample(1)
        elif self.options["paths"]:
            self.network.sample(self.options["paths"])
        else:
            self.network.use_all()
        heatmaps = self.network(images)
        loss = self.loss(heatmaps, targets)
        # Weights learn in one phase, architecture parameters in the other.
        if phase == WEIGHTS_PHASE:
            self.weights.zero_grad(set_to_none=True)
            loss.backward()
            self.weights.step()
        else:
            self._step_architecture(loss)
        return {"loss": loss.detach(), "accuracy": heatmap_accuracy(heatmaps.detach(), targets)}

    def _step_architecture(self, loss: Tensor) -> None:
        """Take an architecture step by Equation 6, with the loss in multiples of its present value."""
        alphas = self.network.alphas()
        before = [alpha.detach().clone() for alpha in alphas]
        total = loss / loss.detach() + self.cost_term()
        for alpha, gradient in zip(alphas, torch.autograd.grad(total, alphas), strict=True):
            alpha.grad = gradient
        self.architecture.step()
        for layer, old in zip(self.layers, before, strict=True):
            keep_mass(layer, old)

    def cost_term(self) -> Tensor:
        """Return ``factor x log_base(expected cost)``."""
        cost = expected(self.layers, self.costs, self.constant)
        return self.options["factor"] * cost.log() / float(np.log(self.options["base"]))

    def metrics(self) -> dict[str, float]:
        """Return the layers' mean entropy as a share of the largest, and the expected cost in the table's unit."""
        with torch.no_grad():
            cost = float(expected(self.layers, self.costs, self.constant))
        return {"entropy": entropy(self.layers), "expected cost": self.table.shown(cost)}

    def derive(self, held_out: BatchLoader) -> str:
        """Return the text of the architecture of the most probable operations; the held-out people are not used."""
        return format_architecture(self.network.derived())

    def state(self) -> dict[str, Any]:
        """Return nothing: checkpoints already hold the network, the optimizers and the generator."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Do nothing, see :meth:`state`."""


def _skeleton(scale: SearchConfig) -> Skeleton:
    return SKELETONS[scale.options["skeleton"]]


def build_search_algorithm(scale: SearchConfig, table: LookupTable, *, joints: int, seed: int, device: torch.device) -> Search:
    """Build the search, its super-network filled from the config's seed network.

    Raises:
        InputError: The seed network is missing.
    """
    torch.manual_seed(seed)
    network = SuperNetwork(skeleton=_skeleton(scale), num_joints=joints)
    if scale.start != "scratch":
        start(network, import_object(scale.recipe.starts[scale.start]))
    network = network.to(device).to(memory_format=torch.channels_last)
    return Search(network.train(), scale, table)


def list_components(scale: SearchConfig, joints: int) -> dict[str, Component]:
    """List the entries of lookup tables; see :func:`reproductions.efficientpose_nas.search_space.components`."""
    return components(_skeleton(scale), joints=joints, input_hw=parse_size(scale.cost_input))


def used_components(text: str) -> list[str]:
    """Return the names of an architecture's components.

    Raises:
        InputError: The text is malformed.
    """
    return components_of(parse_architecture(text))


def sample_architecture(scale: SearchConfig, table: LookupTable, cost: float | None, generator: np.random.Generator) -> str:
    """Return the text of a random architecture; with ``cost``, of that cost on average."""
    return format_architecture(sample_within(_skeleton(scale), table, cost, generator))
