"""What a training step is fed: which persons, in which views, with which targets. Any step can be asked for at once.

Everything follows from the seed and the step's number, so that a run which stops and goes on, or is shared out over more
processes, sees the same persons in the same views in the same order.
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
from benchmark.core.keypoints import JOINT_NAMES
from benchmark.data import READERS, find_dataset
from benchmark.data.people import People, join_people
from benchmark.models.registry import import_object
from benchmark.pipeline.augment import Views, draw_views, epoch_generator, visible_region
from benchmark.pipeline.batches import Batch, load_batch
from benchmark.pipeline.crop_cache import CropCache, build_cache, cache_digest, crop_resolutions
from benchmark.pipeline.targets import draw_gaussians
from benchmark.training.losses import Targets


class BatchLoader:
    """The batches of a recipe's training persons.

    Args:
        names: of the joints.
        crops: of ``people``; without them each photograph is read whenever it is shown.
        device: where images and targets end up.

    Raises:
        InputError: fewer persons than the recipe's batch.
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
            raise InputError(f"{len(people)} persons to train on do not fill one batch of {recipe.batch}")
        self.people, self.recipe, self.seed = people, recipe, seed
        self.names = JOINT_NAMES[joint_set(recipe)]
        self.crops, self.device = crops, device
        self.hw = parse_size(recipe.input)
        self.steps_per_epoch = len(people) // recipe.batch  # what fills no batch is left out, another part each epoch
        self._epoch = lru_cache(maxsize=2)(self._draw)

    def _draw(self, epoch: int) -> tuple[np.ndarray, Views]:
        """The order of the persons ``[N]`` and their views."""
        order = np.random.default_rng([self.seed, epoch, 1]).permutation(len(self.people))
        chosen = AUGMENTATIONS[self.recipe.augmentation]
        generator = epoch_generator(self.seed, epoch)
        return order, draw_views(self.people, self.names, chosen, self.recipe.crop, generator)

    def rows(self, step: int) -> np.ndarray:
        """The persons of a step, all processes together, ``[batch]``."""
        order, _ = self._epoch(step // self.steps_per_epoch)
        place = step % self.steps_per_epoch * self.recipe.batch
        return order[place : place + self.recipe.batch]

    def load(self, step: int, part: int = 0, parts: int = 1) -> tuple[torch.Tensor, Targets]:
        """One of the equal parts of a step's batch: images ``[B, 3, H, W]`` and what their maps should be.

        Raises:
            InputError: a photograph cannot be read.
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
        return batch.images, self._truth(batch, step)

    def _truth(self, batch: Batch, step: int) -> Targets:
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


def joint_set(recipe: Recipe) -> str:
    """Whose joints a recipe's network predicts: a name in :data:`benchmark.core.keypoints.JOINT_NAMES`."""
    return recipe.dataset.removeprefix("synthetic-")


def load_training_people(recipe: Recipe, root: Path | None = None) -> tuple[People, int]:
    """The persons that a recipe trains on, and how many more are annotated without their photograph being there.

    Raises:
        InputError: annotations or photographs are not there.
    """
    parts = [load_annotated_people(dataset, split, root) for dataset, split in recipe.train]
    there = [part.present() for part in parts]
    for part, found in zip(parts, there, strict=True):
        if not len(found):
            raise InputError(f"{part.dataset} {part.split}: none of the photographs is there, as {part.images[0]}")
    return join_people(there), sum(map(len, parts)) - sum(map(len, there))


def load_annotated_people(dataset: str, split: str, root: Path | None = None) -> People:
    """The persons of a split that have an annotated joint.

    Raises:
        InputError: the annotations are not there, or are another data set's.
    """
    kind, folder = find_dataset(dataset, root)
    if kind != dataset and not folder.is_dir():
        draw = f"python -m benchmark.data synthetic --out {folder.parent} --people 80 --format {kind}"
        raise InputError(f"{folder}: no Synthetic people are there; draw some with {draw}")
    people = READERS[kind](folder, split)
    if people.dataset != dataset:
        raise InputError(f"{folder} holds {people.dataset}, not {dataset}")
    return people.select(np.asarray(people.visible.any(1)))


def cached_crops(people: People, recipe: Recipe, folder: Path, *, show: bool = True) -> CropCache:
    """The persons' crops on disk, with all that the recipe's augmentation can show and no more pixels than it can use.

    Raises:
        InputError: see :func:`benchmark.pipeline.crop_cache.build_cache`.
    """
    chosen, hw = AUGMENTATIONS[recipe.augmentation], parse_size(recipe.input)
    names = JOINT_NAMES[joint_set(recipe)]
    regions = visible_region(people, names, chosen, recipe.crop, hw)
    densities = crop_resolutions(people, recipe.crop, hw, 1 + chosen.scale)  # as many as when a person is shown largest
    place = folder / cache_digest(people, regions, densities)[:16]
    with tqdm(total=len(people), unit=" crops", desc="cache", disable=None if show else True) as bar:
        return build_cache(place, people, regions, densities, wait=True, progress=bar.update)
