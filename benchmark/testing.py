"""Testing a network while it trains, and at the end: crops, decoding and scoring are those of ``benchmark.evaluate``."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmark import backends, crops, data, distributed, feed, inference, models, protocols, scoring
from benchmark.backends import Backend
from benchmark.data.people import People
from benchmark.feed import joints_of
from benchmark.inference import Predictions
from benchmark.protocols import HEADS
from benchmark.recipes import Recipe
from benchmark.scoring import Figure

# What decides which epoch was best, and what a run is known by.
MAIN = {"mpii": "pckh@0.5 (hrnet)", "coco": "AP", "lsp": "pck@0.2"}

# Of these, all replicates are kept, so that any two runs can be compared in pairs.
REPLICATED = {"mpii": ("pckh@0.5 (hrnet)", "pckh@0.1 (hrnet)"), "coco": ("AP",), "lsp": ("pck@0.2", "pck@0.05")}


class Tester:
    """The persons that a recipe tests on, and how. Photographs that are not there are left out.

    Raises:
        InputError: annotations or all photographs are missing.
    """

    def __init__(self, model: str, recipe: Recipe, root: Path | None, device: torch.device) -> None:
        self.model, self.recipe, self.device = model, recipe, device
        kind, self.folder = data.find(recipe.dataset, root)
        self.people = feed.load(*recipe.test, root).present()
        self.protocol = protocols.find(model, recipe.protocol)
        self.metric, self.replicated = MAIN[kind], REPLICATED[kind]

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """The network's figures; in processes but the first, none."""
        return {name: figure.value for name, figure in self.figures(network)[0].items()}

    def figures(self, network: nn.Module) -> tuple[Mapping[str, Figure], Predictions | None]:
        """Figures with their replicates, and the predictions behind them; in processes but the first, neither."""
        names = HEADS[joints_of(self.recipe)]
        maps = backends.runner(network.eval(), self.model, len(names))
        # Nothing names a network in training, so that no prediction of another state is ever taken for its own.
        backend = Backend(maps, names, models.parse_size(self.recipe.input), secrets.token_hex(16))
        with tempfile.TemporaryDirectory() as folder:
            part = inference.predict(
                self.people,
                backend,
                {"": self.protocol},
                Path(folder),
                device=self.device,
                shard=distributed.place(),
            )
        parts = distributed.gather(part)
        if not parts:
            return {}, None
        found = inference.assemble(parts, len(self.people))[""]
        return self.score(found), found

    def score(self, found: Predictions) -> Mapping[str, Figure]:
        """The figures of predictions of all persons, joints in the dataset's order."""
        hw = models.parse_size(self.recipe.input)
        return scoring.score(self.people, {"": found}, {"": self.protocol}, self.folder, hw)[""]

    def mean_pose(self, trained_on: People) -> Predictions:
        """What a network that ignores the picture could know: each joint where it is on average in the training crops."""
        hw = models.parse_size(self.recipe.input)
        placed = crops.apply(crops.crop_matrices(trained_on, self.recipe.crop, hw), trained_on.joints)
        seen = (trained_on.visible > 0)[..., None]
        mean = np.where(seen, placed, 0.0).sum(0) / seen.sum(0)
        back = crops.invert(crops.crop_matrices(self.people, self.recipe.crop, hw))
        joints = crops.apply(back, np.broadcast_to(mean, (len(self.people), *mean.shape)))
        return Predictions(joints, np.ones(joints.shape[:2]))
