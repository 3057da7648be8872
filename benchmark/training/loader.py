"""Load deterministic training batches: which people, in which views, with which targets. Any step can be loaded directly.

Everything follows from the seed and the step's number, so that a run that is resumed, or distributed over more processes,
sees the same people in the same views in the same order.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from benchmark.config.pipeline import AUGMENTATIONS
from benchmark.config.recipes import Recipe
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_NAMES, joint_set_of
from benchmark.data import find_dataset, load_people
from benchmark.data.people import People, content_digest, join_people
from benchmark.models.registry import import_object
from benchmark.pipeline.augment import Views, draw_views, epoch_generator, visible_region
from benchmark.pipeline.batches import Batch, load_batch
from benchmark.pipeline.crop_cache import CropCache, build_cache, cache_digest, crop_resolutions
from benchmark.pipeline.targets import draw_gaussians
from benchmark.training.losses import Targets


class BatchLoader:
    """The batches of a recipe's training people, step by step.

    Args:
        crops: Crops of ``people``; without them each image is read from its file in every epoch.
        device: Where images and targets are needed.

    Raises:
        InputError: There are fewer people than fill a batch.
    """

    def __init__(
        self,
        people: People,
        recipe: Recipe,
        seed: int,
        *,
        crops: CropCache | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if len(people) < recipe.batch:
            raise InputError(
                f"{len(people)} people to train on do not fill one batch of {recipe.batch}; a smaller batch is needed"
            )
        self.people, self.recipe, self.seed = people, recipe, seed
        self.names = JOINT_NAMES[joint_set_of(recipe.dataset)]
        self.crops, self.device = crops, device
        self.hw = parse_size(recipe.input)
        self.steps_per_epoch = len(people) // recipe.batch  # the people after the last full batch differ from epoch to epoch
        self._epoch = lru_cache(maxsize=2)(self._draw)

    @property
    def steps(self) -> int:
        """Return the number of steps in all epochs of the recipe."""
        return self.recipe.epochs * self.steps_per_epoch

    def digest(self) -> str:
        """Compute a digest of the people's annotations and of the photographs, or crops, that batches are loaded from.

        Raises:
            OSError: An image cannot be read.
        """
        return content_digest(self.people, self.crops.content if self.crops else "")

    def epoch_of(self, step: int) -> tuple[int, bool]:
        """Return the epoch of a step, from 0, and whether the step is the epoch's last."""
        return step // self.steps_per_epoch, (step + 1) % self.steps_per_epoch == 0

    def _draw(self, epoch: int) -> tuple[np.ndarray, Views]:
        """Draw the order of the people ``[N]`` and their views."""
        order = np.random.default_rng([self.seed, epoch, 1]).permutation(len(self.people))
        augmentation = AUGMENTATIONS[self.recipe.augmentation]
        generator = epoch_generator(self.seed, epoch)
        return order, draw_views(self.people, self.names, augmentation, self.recipe.crop, generator)

    def rows(self, step: int) -> np.ndarray:
        """Return the indices of a step's people, over all processes, ``[batch]``."""
        order, _ = self._epoch(step // self.steps_per_epoch)
        start = step % self.steps_per_epoch * self.recipe.batch
        return order[start : start + self.recipe.batch]

    def load(self, step: int, part: int = 0, parts: int = 1) -> tuple[torch.Tensor, Targets]:
        """Load one of the equal parts of a step's batch: images ``[B, 3, H, W]`` and their targets.

        Raises:
            InputError: An image cannot be read.
        """
        _, views = self._epoch(step // self.steps_per_epoch)
        size = self.recipe.batch // parts
        rows = self.rows(step)[part * size : (part + 1) * size]
        batch = load_batch(
            self.people,
            self.names,
            views,
            rows,
            self.hw,
            cache=self.crops,
            device=self.device,
            bgr=self.recipe.bgr,
        )
        return batch.images, self._draw_targets(batch, step)

    def _draw_targets(self, batch: Batch, step: int) -> Targets:
        """Draw the heatmaps of a batch, and its part affinity fields where the recipe has them."""
        target = self.recipe.target
        hw = (self.hw[0] // target.stride, self.hw[1] // target.stride)
        sigma, fields = target.sigma, None
        if target.sigma_schedule:
            progress = step // self.steps_per_epoch / self.recipe.epochs
            sigma, half_width = import_object(target.sigma_schedule)(hw[0], progress)
            fields = import_object(target.fields)(
                batch.joints, batch.visible, self.names, heatmap_hw=hw, stride=target.stride, half_width=half_width
            )
        heatmaps, weights = draw_gaussians(
            batch.joints, batch.visible, heatmap_hw=hw, stride=target.stride, sigma=sigma, style=target.style
        )
        return Targets(heatmaps, weights, fields)


def load_training_people(recipe: Recipe, root: Path | None = None) -> tuple[People, int]:
    """Load the people that a recipe trains on, and count the annotated people whose image is missing.

    Raises:
        InputError: The annotations or all images of a split are missing.
    """
    annotated = [load_annotated_people(dataset, split, root) for dataset, split in recipe.train]
    present = [people.present() for people in annotated]
    for people, usable in zip(annotated, present, strict=True):
        if not len(usable):
            raise InputError(f"{people.dataset} {people.split}: all images are missing, {people.images[0]} for example")
    return join_people(present), sum(map(len, annotated)) - sum(map(len, present))


def load_annotated_people(dataset: str, split: str, root: Path | None = None) -> People:
    """Load the people of a split that have an annotated joint.

    Raises:
        InputError: The annotations are missing, are of nobody, or belong to another dataset.
    """
    kind, folder = find_dataset(dataset, root)
    if kind != dataset and not folder.is_dir():
        draw = f"python -m benchmark.data synthetic --out {folder.parent} --people 80 --format {kind}"
        raise InputError(f"{folder}: no Synthetic people are there; draw some with {draw}")
    people = load_people(dataset, split, root)
    if people.dataset != dataset:
        raise InputError(f"{folder} holds {people.dataset}, not {dataset}")
    annotated = people.select(np.asarray(people.visible.any(1)))
    if not len(annotated):
        raise InputError(f"{folder}: the split {split} has no annotated people")
    return annotated


def cached_crops(people: People, recipe: Recipe, folder: Path, *, show: bool = True) -> CropCache:
    """Return the people's crops from disk; write them first where they are missing.

    A crop holds everything that the recipe's augmentation can show, at the resolution of its largest scale and no higher.

    Raises:
        InputError: See :func:`benchmark.pipeline.crop_cache.build_cache`.
    """
    augmentation, hw = AUGMENTATIONS[recipe.augmentation], parse_size(recipe.input)
    regions = visible_region(people, JOINT_NAMES[joint_set_of(recipe.dataset)], augmentation, recipe.crop, hw)
    resolutions = crop_resolutions(people, recipe.crop, hw, 1 + augmentation.scale)
    cache = folder / cache_digest(people, regions, resolutions)[:16]
    with tqdm(total=len(people), unit=" crops", desc="cache", disable=None if show else True) as bar:
        return build_cache(cache, people, regions, resolutions, wait=True, progress=bar.update)
