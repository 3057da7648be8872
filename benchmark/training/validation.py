"""Testing a network while it trains, and at the end: crops, decoding and scoring are those of ``benchmark.evaluate``."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.config.packages import find_protocol
from benchmark.config.recipes import Recipe
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_NAMES
from benchmark.data import find_dataset
from benchmark.data.people import People
from benchmark.evaluation.backends import Backend, network_runner
from benchmark.evaluation.distributed import gather_parts, rank_and_world_size
from benchmark.evaluation.inference import Predictions, assemble_chunks, predict_people
from benchmark.evaluation.scoring import MetricResult, score_predictions
from benchmark.models.outputs import final_heatmaps
from benchmark.models.registry import import_object
from benchmark.pipeline.crops import crop_transforms, invert_transforms, transform_points
from benchmark.training.loader import BatchLoader, joint_set, load_annotated_people
from benchmark.training.losses import Targets

# What decides which epoch was best, and what a run is known by.
MAIN_METRIC = {"mpii": "pckh@0.5 (hrnet)", "coco": "AP", "lsp": "pck@0.2"}

# Of these, all replicates are kept, so that any two runs can be compared in pairs.
REPLICATED_METRICS = {"mpii": ("pckh@0.5 (hrnet)", "pckh@0.1 (hrnet)"), "coco": ("AP",), "lsp": ("pck@0.2", "pck@0.05")}


class Validator:
    """The persons that a recipe tests on, and how. Photographs that are not there are left out.

    Raises:
        InputError: annotations or all photographs are missing.
    """

    def __init__(self, model: str, recipe: Recipe, root: Path | None, device: torch.device) -> None:
        self.model, self.recipe, self.device = model, recipe, device
        kind, self.folder = find_dataset(recipe.dataset, root)
        self.people = load_annotated_people(*recipe.test, root).present()
        self.protocol = find_protocol(model, recipe.protocol)
        self.metric, self.replicated = MAIN_METRIC[kind], REPLICATED_METRICS[kind]

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """The network's figures; in processes but the first, none."""
        return {name: figure.value for name, figure in self.figures(network)[0].items()}

    def figures(self, network: nn.Module) -> tuple[Mapping[str, MetricResult], Predictions | None]:
        """Figures with their replicates, and the predictions behind them; in processes but the first, neither."""
        names = JOINT_NAMES[joint_set(self.recipe)]
        maps = network_runner(network.eval(), self.model, len(names))
        # Nothing names a network in training, so that no prediction of another state is ever taken for its own.
        backend = Backend(maps, names, parse_size(self.recipe.input), secrets.token_hex(16))
        with tempfile.TemporaryDirectory() as folder:
            part = predict_people(
                self.people,
                backend,
                {"": self.protocol},
                Path(folder),
                device=self.device,
                shard=rank_and_world_size(),
            )
        parts = gather_parts(part)
        if not parts:
            return {}, None
        found = assemble_chunks(parts, len(self.people))[""]
        return self.score(found), found

    def score(self, found: Predictions) -> Mapping[str, MetricResult]:
        """The figures of predictions of all persons, joints in the dataset's order."""
        hw = parse_size(self.recipe.input)
        return score_predictions(self.people, {"": found}, {"": self.protocol}, self.folder, hw)[""]

    def mean_pose(self, trained_on: People) -> Predictions:
        """What a network that ignores the picture could know: each joint where it is on average in the training crops."""
        hw = parse_size(self.recipe.input)
        placed = transform_points(crop_transforms(trained_on, self.recipe.crop, hw), trained_on.joints)
        seen = (trained_on.visible > 0)[..., None]
        mean = np.where(seen, placed, 0.0).sum(0) / seen.sum(0)
        back = invert_transforms(crop_transforms(self.people, self.recipe.crop, hw))
        joints = transform_points(back, np.broadcast_to(mean, (len(self.people), *mean.shape)))
        return Predictions(joints, np.ones(joints.shape[:2]))


# --- how good is it ----------------------------------------------------------------------------------------------------------


def heatmap_accuracy(maps: Tensor, truth: Targets) -> Tensor:
    """The share of annotated joints whose peak lies within a twentieth of the map's sides of the target's, in percent.

    What HRNet's code prints while it trains: distances in tenths of the map's sides, at the threshold 0.5.

    Args:
        maps: ``[B, K, h, w]``.
    """
    width = maps.shape[-1]
    found, wanted = maps.flatten(2).argmax(2), truth.heatmaps.flatten(2).argmax(2)
    rows, columns = (found // width - wanted // width).float(), (found % width - wanted % width).float()
    near = (rows * 10 / maps.shape[-2]).square() + (columns * 10 / width).square() <= 0.25
    seen = truth.weights > 0
    return 100 * (near & seen).sum() / seen.sum().clamp(min=1)


@torch.no_grad()
def validate_heatmaps(network: nn.Module, feed: BatchLoader, loss: Callable[..., Tensor]) -> dict[str, float]:
    """Mean loss and :func:`accuracy` of a network over a feed's first epoch; it is left in eval mode."""
    network.eval()
    totals = {"loss": 0.0, "accuracy": 0.0}
    for step in range(feed.steps_per_epoch):
        images, truth = feed.load(step)
        outputs = network(images)
        totals["loss"] += float(loss(outputs, truth))
        totals["accuracy"] += float(heatmap_accuracy(final_heatmaps(outputs), truth))
    return {name: total / feed.steps_per_epoch for name, total in totals.items()}


def recipe_loss(recipe: Recipe) -> Callable[..., Tensor]:
    """A recipe's loss with its options."""
    return partial(import_object(recipe.loss), **recipe.loss_options)
