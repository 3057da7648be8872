"""Time training images per second on one core, beside a loader that handles one image after another: ``make bench``.

Both produce 256 x 256 views with 16 targets of 64 x 64 and the same augmentation. The parameter ``photographs`` selects JPEG
files of 1280 x 720; ``small`` for the images of LSP if POSE_DATA has them, else for generated ones of that size.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmark.config.pipeline import AUGMENTATIONS
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.data.people import People
from benchmark.pipeline.augment import Views, draw_views, epoch_generator, visible_region
from benchmark.pipeline.batches import Route, load_batch
from benchmark.pipeline.crop_cache import build_cache, crop_resolutions
from benchmark.pipeline.targets import draw_gaussians
from tests.evaluation.generated_people import people
from tests.pipeline.plain_loader import load

NUM_PEOPLE, BATCH, OUTPUT = 96, 32, (256, 256)


@pytest.fixture(scope="module", autouse=True)
def one_core() -> Iterator[None]:
    """Limit both libraries to one thread."""
    threads = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    yield
    cv2.setNumThreads(threads[0])
    torch.set_num_threads(threads[1])


@pytest.fixture(scope="module", params=["photographs", "small"])
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> People:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "photographs":
        return people(folder, NUM_PEOPLE, (720, 1280), suffix=".jpg")
    generated = people(folder, NUM_PEOPLE, (196, 132), suffix=".jpg")
    lsp = sorted((Path(os.environ.get("POSE_DATA", "nowhere")) / "lsp" / "images").glob("*.jpg"))[:NUM_PEOPLE]
    if len(lsp) < NUM_PEOPLE:
        return generated
    extents = np.array([cv2.imread(str(path)).shape[1::-1] for path in lsp], float)
    return replace(generated, images=tuple(lsp), centers=extents / 2, sizes=extents * 0.75)


def views_of(dataset: People) -> Views:
    return draw_views(dataset, MPII_JOINTS, AUGMENTATIONS["hrnet_mpii"], "mpii", epoch_generator(0, 0))


def one_after_another(dataset: People) -> Callable[[], object]:
    """Return an epoch of the usual loader."""
    views = views_of(dataset)

    def epoch() -> None:
        for first in range(0, len(dataset), BATCH):
            load(dataset, views, np.arange(first, min(first + BATCH, len(dataset))), OUTPUT)

    return epoch


def batched(dataset: People, route: Route, folder: Path, resolution: float | None = 2.0) -> Callable[[], object]:
    """Return an epoch of our loader, from a cache that is built beforehand; ``direct`` has none."""
    cache = None
    if route != "direct":
        regions = visible_region(dataset, MPII_JOINTS, AUGMENTATIONS["hrnet_mpii"], "mpii", OUTPUT)
        cache = build_cache(folder, dataset, regions, crop_resolutions(dataset, "mpii", OUTPUT, resolution))
    views = views_of(dataset)

    def epoch() -> None:
        for first in range(0, len(dataset), BATCH):
            rows = np.arange(first, min(first + BATCH, len(dataset)))
            batch = load_batch(dataset, MPII_JOINTS, views, rows, OUTPUT, cache=cache, route=route)
            draw_gaussians(batch.joints, batch.visible, heatmap_hw=(64, 64), stride=4.0)

    return epoch


def measure(benchmark, epoch: Callable[[], object]) -> None:
    benchmark.pedantic(epoch, rounds=5, warmup_rounds=1)
    benchmark.extra_info["images per second"] = round(NUM_PEOPLE / benchmark.stats.stats.median, 1)


def test_one_image_after_another(benchmark, dataset: People) -> None:
    measure(benchmark, one_after_another(dataset))


@pytest.mark.parametrize("route", ["direct", "cached", "resampled"])
def test_batches(benchmark, dataset: People, route: Route, tmp_path: Path) -> None:
    measure(benchmark, batched(dataset, route, tmp_path / "cache"))


def test_cached_batches_are_faster_by_the_promised_factor(benchmark, dataset: People, tmp_path: Path) -> None:
    """Require a factor of 3 on large and 2 on small images; the loaders alternate, so that a busy machine slows both."""
    plain, cached = one_after_another(dataset), batched(dataset, "cached", tmp_path / "cache")
    seconds: dict[Callable[[], object], list[float]] = {plain: [], cached: []}

    def both() -> None:
        for loader, times in seconds.items():
            start = time.perf_counter()
            loader()
            times.append(time.perf_counter() - start)

    benchmark.pedantic(both, rounds=5, warmup_rounds=1)
    slow, fast = (float(np.median(times[1:])) for times in seconds.values())
    benchmark.extra_info["images per second"] = {"plain": round(NUM_PEOPLE / slow, 1), "cached": round(NUM_PEOPLE / fast, 1)}
    print(f"\nplain {NUM_PEOPLE / slow:.0f}, cached {NUM_PEOPLE / fast:.0f} images per second: {slow / fast:.2f} x")
    assert slow / fast >= (3 if dataset.images[0].parent.name.startswith("photographs") else 2)


def test_targets(benchmark) -> None:
    """Draw 16 heatmaps of 64 x 64 for 32 people."""
    joints, visible = torch.rand(32, 16, 2) * 256, torch.ones(32, 16)
    benchmark(lambda: draw_gaussians(joints, visible, heatmap_hw=(64, 64), stride=4.0))
