"""AutoPose's search: cells by gradients and branches by a controller with rewards, alternately (Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.config.recipes import Optimizer
from benchmark.config.searches import ARCHITECTURE_PHASE, WEIGHTS_PHASE, SearchConfig
from benchmark.core.input_size import parse_size
from benchmark.nas.lookup_table import Component, LookupTable
from benchmark.training.loader import BatchLoader
from benchmark.training.losses import Targets
from benchmark.training.trainer import build_optimizer
from benchmark.training.validation import heatmap_accuracy, recipe_loss
from reproductions.autopose.architectures import (
    SCALES,
    STAGES,
    VECTORS,
    Architecture,
    Vector,
    format_architecture,
    parse_architecture,
)
from reproductions.autopose.controller import Controller, reinforce_loss
from reproductions.autopose.search_configs import CONTROLLER
from reproductions.autopose.search_space import components, components_of, sample_within
from reproductions.autopose.supernet import SuperNetwork


class Search:
    """The search: weights and alphas learn along one path drawn for each step, the controller by the accuracy of its branches.

    A weight that is not on the path has no gradient, so Adam does not change it. The ``options`` of a config are described in
    :mod:`reproductions.autopose.search_configs`.
    """

    def __init__(self, network: SuperNetwork, policy: Controller, scale: SearchConfig, table: LookupTable, seed: int) -> None:
        self.shared, self.policy, self.scale, self.options, self.seed = network, policy, scale, scale.options, seed
        self.table = table
        self.network = nn.ModuleDict({"shared": network, "controller": policy})
        self.loss = recipe_loss(scale.recipe)
        self.baseline: float | None = None  # until the controller is first rewarded
        self._optimizers = {
            WEIGHTS_PHASE: build_optimizer(nn.ParameterList(network.weights()), scale.recipe.optimizer),
            ARCHITECTURE_PHASE: build_optimizer(network.alphas, scale.architecture),
            CONTROLLER: build_optimizer(policy, Optimizer(lr=self.options["rate"])),
        }

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimizers by phase."""
        return self._optimizers

    def step(self, phase: str, batch: tuple[Tensor, Targets], progress: float) -> dict[str, Tensor]:
        """Run one step of a phase; see :class:`benchmark.nas.trainer.SearchAlgorithm`."""
        if phase == CONTROLLER:
            return self._train_controller(batch)
        # Choose a path: branches by the controller, an operation on each edge by the alphas.
        first, last = self.options["temperature"]
        self.shared.set_branches(self._branches())
        self.shared.draw_operations(first + (last - first) * progress, learn=phase == ARCHITECTURE_PHASE)
        # Train its weights, or the alphas.
        images, targets = batch
        heatmaps = self.shared(images)
        loss, optimizer = self.loss(heatmaps, targets), self._optimizers[phase]
        if phase == WEIGHTS_PHASE:
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
        else:
            alphas = list(self.shared.alphas.values())
            for alpha, gradient in zip(alphas, torch.autograd.grad(loss, alphas, allow_unused=True), strict=True):
                alpha.grad = gradient  # None where no branch runs: unused cells do not learn (Sec. 3.1.1)
        optimizer.step()
        return {"loss": loss.detach(), "accuracy": heatmap_accuracy(heatmaps.detach(), targets)}

    def _branches(self) -> tuple[Vector, ...]:
        """Return the branches of a step: drawn by the controller once it learns, before that as many as the space allows."""
        if self.baseline is not None:
            with torch.no_grad():
                return self.policy.sample().stages
        most = max(map(sum, self.policy.allowed))
        fullest = [vector for vector in self.policy.allowed if sum(vector) == most]
        return tuple(fullest[index] for index in torch.randint(len(fullest), (STAGES,)).tolist())

    def _train_controller(self, batch: tuple[Tensor, Targets]) -> dict[str, Tensor]:
        """Train the controller for one step: reward a few of its samples by their accuracy on one batch."""
        samples = [self.policy.sample() for _ in range(self.options["samples"])]
        self.shared.choose_operations()
        accuracies = torch.stack([self._accuracy(sample.stages, batch) for sample in samples])
        rewards = (accuracies / 100).tolist()
        mean, decay = sum(rewards) / len(rewards), self.options["baseline"]
        baseline = mean if self.baseline is None else self.baseline
        self.baseline = decay * baseline + (1 - decay) * mean
        loss = reinforce_loss(samples, rewards, baseline, self.policy.entropy(), self.options["entropy"])
        self._optimizers[CONTROLLER].zero_grad(set_to_none=True)
        loss.backward()
        self._optimizers[CONTROLLER].step()
        return {"loss": loss.detach(), "accuracy": accuracies.mean()}

    @torch.no_grad()
    def _accuracy(self, stages: Sequence[Vector], batch: tuple[Tensor, Targets]) -> Tensor:
        """Return the accuracy in percent, a scalar, of the shared weights with these branches and the current cells."""
        self.shared.set_branches(stages)
        images, targets = batch
        return heatmap_accuracy(self.shared(images), targets)

    def metrics(self) -> dict[str, float]:
        """Return the entropies of cells and branches as shares of the largest, and the expected cost in the table's unit.

        The cost is that of the most probable cells, in expectation over the controller's vectors.
        """
        values = {"entropy of cells": self.shared.entropy(), "expected cost": self.table.shown(self._expected_cost())}
        if len(self.policy.allowed) > 1:
            with torch.no_grad():
                values["entropy of branches"] = float(self.policy.entropy()) / self.policy.largest_entropy
        return values

    @torch.no_grad()
    def _expected_cost(self) -> float:
        """Return the expected cost over the controller's vectors; the cost of a stage does not depend on other stages."""
        shares = [joint.exp().sum(0).tolist() for _, joint in self.policy.log_probabilities()]
        off = (0,) * len(SCALES)
        fixed = self._cost((off,) * STAGES)
        costs = [self._cost((vector, *(off,) * (STAGES - 1))) - fixed for vector in self.policy.allowed]
        return fixed + sum(share * cost for stage in shares for share, cost in zip(stage, costs, strict=True))

    def _cost(self, stages: tuple[Vector, ...]) -> float:
        return self.table.predict(components_of(self._architecture(stages)))

    def derive(self, held_out: BatchLoader) -> str:
        """Return the text of the best architecture that the controller draws (Secs. 3.3 and 4.2).

        It has the most probable operation on each edge, and the channels of a network that is trained from scratch.
        """
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            candidates = [self.policy.sample(generator).stages for _ in range(self.options["candidates"])]
        self.shared.choose_operations()
        accuracies = dict.fromkeys(candidates, 0.0)  # summed over the batches
        for step in range(held_out.steps_per_epoch):
            batch = held_out.load(step)
            for stages in accuracies:
                accuracies[stages] += float(self._accuracy(stages, batch))
        return format_architecture(self._architecture(max(accuracies, key=accuracies.__getitem__)))

    def _architecture(self, stages: tuple[Vector, ...]) -> Architecture:
        return Architecture(
            name=self.scale.name,
            evidence="searched",
            note=f"found by the scale {self.scale.name} {self.scale.version} of this project's search",
            channels=tuple(self.options["derived"]),
            stages=stages,
            individual=self.shared.derive_cell("individual"),
            aggregation=self.shared.derive_cell("aggregation"),
        )

    def state(self) -> dict[str, Any]:
        """Return the baseline; checkpoints hold the network, the controller, the optimizers and the generator."""
        return {"baseline": self.baseline}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` returned."""
        self.baseline = state["baseline"]


def build_search_algorithm(scale: SearchConfig, table: LookupTable, *, joints: int, seed: int, device: torch.device) -> Search:
    """Build the search in its initial state; the cost of architectures is not part of its objective."""
    torch.manual_seed(seed)
    options = scale.options
    network = SuperNetwork(channels=options["channels"], nodes=tuple(options["nodes"]), num_joints=joints)
    policy = Controller(allowed=VECTORS[options["branches"]])
    network, policy = network.to(device).to(memory_format=torch.channels_last), policy.to(device)
    return Search(network.train(), policy, scale, table, seed)


def list_components(scale: SearchConfig, joints: int) -> dict[str, Component]:
    """Return the components that lookup tables list; see :func:`reproductions.autopose.search_space.components`."""
    options = scale.options
    return components(options["derived"], options["nodes"], joints=joints, input_hw=parse_size(scale.cost_input))


def used_components(text: str) -> list[str]:
    """Return the names of an architecture's components, one for each occurrence.

    Raises:
        InputError: The text is malformed.
    """
    return components_of(parse_architecture(text))


def sample_architecture(scale: SearchConfig, table: LookupTable, cost: float | None, generator: np.random.Generator) -> str:
    """Draw a random architecture, of about ``cost`` where it is given, and return its text."""
    return format_architecture(sample_within(scale, table, cost, generator))
