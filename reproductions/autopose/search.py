"""AutoPose's search: cells by gradients, branches by a controller that is rewarded, in turns (Sec. 3.2)."""

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
from reproductions.autopose import controller
from reproductions.autopose.architectures import SCALES, STAGES, VECTORS, Architecture, Vector, parse, write
from reproductions.autopose.controller import Controller
from reproductions.autopose.search_configs import CONTROLLER
from reproductions.autopose.search_space import components, components_of, sample_within
from reproductions.autopose.supernet import SuperNetwork


class Search:
    """Weights and alphas learn along one path that is drawn for each step; the controller from what its branches are worth.

    The ``options`` of the scale: ``channels`` of the super-network, and ``derived`` ones; ``nodes`` of the two cells;
    ``branches``, a key of VECTORS; ``temperature`` at the beginning and at the end; and the controller's ``rate``, the
    ``samples`` that it draws for each update, the ``entropy`` factor, the ``baseline``'s decay, and the ``candidates`` of which
    the best one is derived. A weight off the path has no gradient, so that Adam leaves it alone too.
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
        """By phase."""
        return self._optimizers

    def step(self, phase: str, batch: tuple[Tensor, Targets], progress: float) -> dict[str, Tensor]:
        """One step of a phase; see :class:`benchmark.nas.trainer.SearchAlgorithm`."""
        if phase == CONTROLLER:
            return self._reward(batch)
        first, last = self.options["temperature"]
        self.shared.run(self._branches())
        self.shared.draw(first + (last - first) * progress, learn=phase == ARCHITECTURE_PHASE)
        images, truth = batch
        maps = self.shared(images)
        loss, optimizer = self.loss(maps, truth), self._optimizers[phase]
        if phase == WEIGHTS_PHASE:
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
        else:
            alphas = list(self.shared.alphas.values())
            for alpha, gradient in zip(alphas, torch.autograd.grad(loss, alphas, allow_unused=True), strict=True):
                alpha.grad = gradient  # None where no branch runs: cells that take no part do not learn (Sec. 3.1.1)
        optimizer.step()
        return {"loss": loss.detach(), "accuracy": heatmap_accuracy(maps.detach(), truth)}

    def _branches(self) -> tuple[Vector, ...]:
        """Those of a step: drawn by the controller once it has begun to learn, and before that as many as may run."""
        if self.baseline is not None:
            with torch.no_grad():
                return self.policy.sample().stages
        most = max(map(sum, self.policy.allowed))
        fullest = [vector for vector in self.policy.allowed if sum(vector) == most]
        return tuple(fullest[place] for place in torch.randint(len(fullest), (STAGES,)).tolist())

    def _reward(self, batch: tuple[Tensor, Targets]) -> dict[str, Tensor]:
        """A step of the controller: a few samples of it are judged on one batch."""
        samples = [self.policy.sample() for _ in range(self.options["samples"])]
        self.shared.decide()
        accuracies = torch.stack([self._worth(sample.stages, [batch]) for sample in samples])
        rewards = (accuracies / 100).tolist()
        mean, decay = sum(rewards) / len(rewards), self.options["baseline"]
        baseline = mean if self.baseline is None else self.baseline
        self.baseline = decay * baseline + (1 - decay) * mean
        loss = controller.loss(samples, rewards, baseline, self.policy.entropy(), self.options["entropy"])
        self._optimizers[CONTROLLER].zero_grad(set_to_none=True)
        loss.backward()
        self._optimizers[CONTROLLER].step()
        return {"loss": loss.detach(), "accuracy": accuracies.mean()}

    @torch.no_grad()
    def _worth(self, stages: Sequence[Vector], batches: Sequence[tuple[Tensor, Targets]]) -> Tensor:
        """Mean accuracy, in percent, of the shared weights with these branches and the cells as they are."""
        self.shared.run(stages)
        return torch.stack([heatmap_accuracy(self.shared(images), truth) for images, truth in batches]).mean()

    def metrics(self) -> dict[str, float]:
        """Entropies of the edges' operations, on average, and of the controller's vectors, each as a share of the largest; and
        in the table's unit what the most probable cells cost, on average over the vectors' probabilities."""
        found = {"entropy of cells": self.shared.entropy(), "expected cost": self.table.shown(self._expected())}
        if len(self.policy.allowed) > 1:
            with torch.no_grad():
                found["entropy of branches"] = float(self.policy.entropy()) / self.policy.largest_entropy
        return found

    @torch.no_grad()
    def _expected(self) -> float:
        """The cost over all that the controller can draw. A stage's is its own, whatever other stages run."""
        shares = [joint.exp().sum(0).tolist() for _, joint in self.policy.steps()]
        off = (0,) * len(SCALES)
        fixed = self._cost((off,) * STAGES)
        costs = [self._cost((vector, *(off,) * (STAGES - 1))) - fixed for vector in self.policy.allowed]
        return fixed + sum(share * cost for stage in shares for share, cost in zip(stage, costs, strict=True))

    def _cost(self, stages: tuple[Vector, ...]) -> float:
        return self.table.predict(components_of(self._architecture(stages)))

    def derive(self, held_out: BatchLoader) -> str:
        """The text of the best architecture among those that the controller draws, the most probable operations on its edges,
        with the channels of a network that is trained (Secs. 3.3 and 4.2)."""
        generator = torch.Generator().manual_seed(self.seed)
        with torch.no_grad():
            drawn = [self.policy.sample(generator).stages for _ in range(self.options["candidates"])]
        self.shared.decide()
        worth = dict.fromkeys(drawn, 0.0)
        for step in range(held_out.steps_per_epoch):
            batch = held_out.load(step)
            worth = {stages: value + float(self._worth(stages, [batch])) for stages, value in worth.items()}
        return write(self._architecture(max(worth, key=worth.__getitem__)))

    def _architecture(self, stages: tuple[Vector, ...]) -> Architecture:
        return Architecture(
            name=self.scale.name,
            evidence="searched",
            note=f"found by the scale {self.scale.name} {self.scale.version} of this project's search",
            channels=tuple(self.options["derived"]),
            stages=stages,
            individual=self.shared.derived("individual"),
            aggregation=self.shared.derived("aggregation"),
        )

    def state(self) -> dict[str, Any]:
        """The baseline: checkpoints hold the network, the controller, the optimizers and the generator."""
        return {"baseline": self.baseline}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The inverse of :meth:`state`."""
        self.baseline = state["baseline"]


def build_search_algorithm(scale: SearchConfig, table: LookupTable, *, joints: int, seed: int, device: torch.device) -> Search:
    """The search as it starts. What architectures cost is no part of its objective."""
    torch.manual_seed(seed)
    options = scale.options
    network = SuperNetwork(channels=options["channels"], nodes=tuple(options["nodes"]), num_joints=joints)
    policy = Controller(allowed=VECTORS[options["branches"]])
    network, policy = network.to(device).to(memory_format=torch.channels_last), policy.to(device)
    return Search(network.train(), policy, scale, table, seed)


def list_components(scale: SearchConfig, joints: int) -> dict[str, Component]:
    """What lookup tables hold; see :func:`reproductions.autopose.search_space.components`."""
    options = scale.options
    return components(options["derived"], options["nodes"], joints=joints, input_hw=parse_size(scale.cost_input))


def used_components(text: str) -> list[str]:
    """The parts of an architecture.

    Raises:
        InputError: its text is malformed.
    """
    return components_of(parse(text))


def sample_architecture(scale: SearchConfig, table: LookupTable, cost: float | None, generator: np.random.Generator) -> str:
    """The text of a random architecture, of about ``cost`` where one is given."""
    return write(sample_within(scale, table, cost, generator))
