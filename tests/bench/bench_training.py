"""Time training steps beside the usual loop: ``make bench``.

The usual loop loads one image after another and has PyTorch's default memory layout and optimizer. Ours prepares crops from the
cache during the previous step, and has channels-last memory layout and a fused optimizer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.config.packages import find_recipe
from benchmark.config.pipeline import AUGMENTATIONS
from benchmark.config.recipes import Recipe
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.data.people import People
from benchmark.models.registry import build_model
from benchmark.pipeline.augment import draw_views, epoch_generator
from benchmark.training.loader import BatchLoader, cached_crops
from benchmark.training.trainer import TrainingRun, TrainingStep, build_training, prefetch_batches
from tests.evaluation.generated_people import people
from tests.pipeline.plain_loader import load

MODEL = "efficientpose_nas/A"
NEEDED = 22246 * 200 / (30 * 60)  # images per second, for MPII's 200 epochs in half an hour
ROUNDS = 6


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> People:
    return people(tmp_path_factory.mktemp("photographs"), 64, (320, 240), suffix=".jpg")


def recipe_for(side: int, batch: int = 32) -> Recipe:
    return replace(find_recipe(MODEL, "mpii"), input=f"{side}x{side}", batch=batch, start="scratch", epochs=10_000)


def usual(dataset: People, recipe: Recipe) -> Callable[[], object]:
    """Return a step of the usual loop."""
    network = build_model(MODEL, joints=16).train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    views = draw_views(dataset, MPII_JOINTS, AUGMENTATIONS["hrnet_mpii"], "mpii", epoch_generator(0, 0))
    order, size = np.random.default_rng(0), parse_size(recipe.input)

    def step() -> None:
        images, heatmaps = load(dataset, views, order.permutation(len(dataset))[: recipe.batch], size)
        loss = (network(images) - heatmaps).square().mean() / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def ours(dataset: People, recipe: Recipe, folder: Path, device: str = "cpu", **options: Any) -> Iterator[Callable[[], object]]:
    """Yield a step of our loop; the next batch is prepared in the background."""
    run = TrainingRun(model=MODEL, recipe=recipe, start="scratch", device=torch.device(device), folder=folder, **options)
    loader = BatchLoader(dataset, recipe, 0, crops=cached_crops(dataset, recipe, folder / "cache", show=False), device=device)
    train_step = TrainingStep(run, *build_training(run), loader)
    with prefetch_batches(loader, 0, recipe.epochs * loader.steps_per_epoch, run) as batches:
        numbered = enumerate(batches)
        yield lambda: train_step(*next(numbered))


def test_a_step_is_faster_than_the_usual_loop_by_the_promised_factor(benchmark, dataset: People, tmp_path: Path) -> None:
    """Require a factor of 1.3 on a CPU; the loops alternate, so that a busy machine slows both."""
    recipe = recipe_for(128)
    loops = {"usual": usual(dataset, recipe)}
    for loops["ours"] in ours(dataset, recipe, tmp_path):
        seconds: dict[str, list[float]] = {name: [] for name in loops}

        def both(seconds: dict[str, list[float]] = seconds) -> None:
            for name, step in loops.items():
                start = time.perf_counter()
                step()
                seconds[name].append(time.perf_counter() - start)

        benchmark.pedantic(both, rounds=ROUNDS, warmup_rounds=2)
    slow, fast = (float(np.median(seconds[name][2:])) for name in ("usual", "ours"))
    benchmark.extra_info["images per second"] = {"usual": round(recipe.batch / slow, 1), "ours": round(recipe.batch / fast, 1)}
    print(f"\nusual {recipe.batch / slow:.1f}, ours {recipe.batch / fast:.1f} images per second: {slow / fast:.2f} x")
    assert slow / fast >= 1.3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="not_run: no GPU available")
@pytest.mark.parametrize("batch", [32, 256, 1024])
def test_images_a_second_on_a_gpu(benchmark, dataset: People, tmp_path: Path, batch: int) -> None:
    """Time the paper's batch of 32 at 256x256, and larger ones; 200 epochs of MPII in half an hour need 2,472 images/s."""
    enough = dataset.select(np.arange(max(batch, 64)) % len(dataset))
    recipe = replace(recipe_for(256, batch), precision="bfloat16")
    for step in ours(enough, recipe, tmp_path, "cuda"):

        def synchronised(step: Callable[[], object] = step) -> None:
            step()
            torch.cuda.synchronize()

        benchmark.pedantic(synchronised, rounds=30, warmup_rounds=10)
    reached = batch / benchmark.stats.stats.median
    benchmark.extra_info["images per second"] = {"reached": round(reached, 1), "needed": round(NEEDED)}
    print(f"\nbatch {batch}: {reached:.0f} images per second of {NEEDED:.0f} needed")
