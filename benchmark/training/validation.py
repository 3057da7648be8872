"""Validate a network during and after its training, with the crops, decoding and scoring of ``benchmark.evaluate``."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.config.conventions import PCKH_PRESETS, PCKH_THRESHOLDS, pckh_metric_name
from benchmark.config.packages import find_protocol
from benchmark.config.recipes import Recipe
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_NAMES, joint_set_of
from benchmark.data import find_dataset
from benchmark.data.people import People
from benchmark.evaluation.backends import Backend, network_runner
from benchmark.evaluation.distributed import gather_parts, rank_and_world_size
from benchmark.evaluation.inference import Predictions, assemble_chunks, predict_people
from benchmark.evaluation.scoring import MetricResult, score_predictions
from benchmark.models.outputs import final_heatmaps
from benchmark.models.registry import import_object
from benchmark.pipeline.crops import crop_transforms, invert_transforms, transform_points
from benchmark.training.loader import BatchLoader, load_annotated_people
from benchmark.training.losses import Targets

# The metric that decides which epoch is best, and that summarises a run.
MAIN_METRIC = {"mpii": "pckh@0.5 (hrnet)", "coco": "AP", "lsp": "pck@0.2"}

# The metrics whose bootstrap replicates are all recorded, so that runs can be averaged and compared in pairs: those that papers
# print, and those of ablations.
REPLICATED_METRICS = {
    "mpii": tuple(pckh_metric_name(threshold, preset) for preset in PCKH_PRESETS for threshold in PCKH_THRESHOLDS),
    "coco": ("AP", "AP50", "AP75", "APM", "APL", "AR"),
    "lsp": ("pck@0.2", "pck@0.05"),
}


class Validator:
    """A recipe's test people whose images are present, and the protocol that they are tested by.

    Raises:
        InputError: The annotations or all images are missing.
    """

    def __init__(self, model: str, recipe: Recipe, root: Path | None, device: torch.device) -> None:
        self.model, self.recipe, self.device = model, recipe, device
        kind, self.folder = find_dataset(recipe.dataset, root)
        self.people = load_annotated_people(*recipe.test, root).present()
        self.protocol = find_protocol(model, recipe.protocol)
        self.metric, self.replicated = MAIN_METRIC[kind], REPLICATED_METRICS[kind]

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Return the value of each metric; none in processes but the first."""
        return {name: result.value for name, result in self.evaluate(network)[0].items()}

    def evaluate(self, network: nn.Module) -> tuple[Mapping[str, MetricResult], Predictions | None]:
        """Compute the metrics with their replicates, and the predictions that they rest on; neither in processes but the first.

        The network is left in eval mode.
        """
        names = JOINT_NAMES[joint_set_of(self.recipe.dataset)]
        run_network = network_runner(network.eval(), self.model, len(names))
        # A digest that is never repeated: predictions of the same network at another step must not be reused.
        backend = Backend(run_network, names, parse_size(self.recipe.input), secrets.token_hex(16))
        # Each process predicts its share of the people, batch by batch.
        with tempfile.TemporaryDirectory() as folder:
            part = predict_people(
                self.people,
                backend,
                {"": self.protocol},
                Path(folder),
                device=self.device,
                shard=rank_and_world_size(),
            )
        # The first process collects the shares and scores them together.
        parts = gather_parts(part)
        if not parts:
            return {}, None
        predictions = assemble_chunks(parts, len(self.people))[""]
        return self.score(predictions), predictions

    def score(self, predictions: Predictions) -> Mapping[str, MetricResult]:
        """Compute the metrics of predictions for all people, with the joints in the dataset's order."""
        hw = parse_size(self.recipe.input)
        return score_predictions(self.people, {"": predictions}, {"": self.protocol}, self.folder, hw)[""]

    def mean_pose(self, trained_on: People) -> Predictions:
        """Predict each joint at its mean position in the training crops, as a network that ignores the image could.

        Args:
            trained_on: The training people.
        """
        hw = parse_size(self.recipe.input)
        in_crop = transform_points(crop_transforms(trained_on, self.recipe.crop, hw), trained_on.joints)
        annotated = (trained_on.visible > 0)[..., None]
        mean = np.where(annotated, in_crop, 0.0).sum(0) / annotated.sum(0)
        to_image = invert_transforms(crop_transforms(self.people, self.recipe.crop, hw))
        joints = transform_points(to_image, np.broadcast_to(mean, (len(self.people), *mean.shape)))
        return Predictions(joints, np.ones(joints.shape[:2]))


# --- by heatmaps alone -------------------------------------------------------------------------------------------------------


def heatmap_accuracy(heatmaps: Tensor, targets: Targets) -> Tensor:
    """Compute the percentage of annotated joints whose peak is near the target's peak.

    Near means within a twentieth of the heatmap's sides. HRNet's code prints this while it trains: distances in tenths of the
    sides, at a threshold of 0.5.

    Args:
        heatmaps: ``[B, K, h, w]``.
    """
    height, width = heatmaps.shape[-2:]
    peaks, target_peaks = heatmaps.flatten(2).argmax(2), targets.heatmaps.flatten(2).argmax(2)
    rows = (peaks // width - target_peaks // width).float()
    columns = (peaks % width - target_peaks % width).float()
    near = (rows * 10 / height).square() + (columns * 10 / width).square() <= 0.25
    annotated = targets.weights > 0
    return 100 * (near & annotated).sum() / annotated.sum().clamp(min=1)


@torch.no_grad()
def validate_heatmaps(network: nn.Module, loader: BatchLoader, loss: Callable[..., Tensor]) -> dict[str, float]:
    """Compute a network's mean loss and :func:`heatmap_accuracy` over the loader's first epoch.

    The network is left in eval mode.
    """
    network.eval()
    totals = {"loss": 0.0, "accuracy": 0.0}
    for step in range(loader.steps_per_epoch):
        images, targets = loader.load(step)
        outputs = network(images)
        totals["loss"] += float(loss(outputs, targets))
        totals["accuracy"] += float(heatmap_accuracy(final_heatmaps(outputs), targets))
    return {name: total / loader.steps_per_epoch for name, total in totals.items()}


def recipe_loss(recipe: Recipe) -> Callable[..., Tensor]:
    """Return a recipe's loss with its options bound."""
    return partial(import_object(recipe.loss), **recipe.loss_options)
