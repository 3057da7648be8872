"""Training images a second on one core, beside a loader that does one image after another: ``make bench``.

Both show 256 x 256 views with 16 targets of 64 x 64, augmented alike. ``photographs`` are 1280 x 720 JPEG files, ``small`` ones
are those of LSP where POSE_DATA has them, else generated ones of that size.
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

PERSONS, BATCH, OUTPUT = 96, 32, (256, 256)


@pytest.fixture(scope="module", autouse=True)
def one_core() -> Iterator[None]:
    """Neither library may use a second thread."""
    threads = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    yield
    cv2.setNumThreads(threads[0])
    torch.set_num_threads(threads[1])


@pytest.fixture(scope="module", params=["photographs", "small"])
def persons(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> People:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "photographs":
        return people(folder, PERSONS, (720, 1280), suffix=".jpg")
    generated = people(folder, PERSONS, (196, 132), suffix=".jpg")
    lsp = sorted((Path(os.environ.get("POSE_DATA", "nowhere")) / "lsp" / "images").glob("*.jpg"))[:PERSONS]
    if len(lsp) < PERSONS:
        return generated
    extents = np.array([cv2.imread(str(path)).shape[1::-1] for path in lsp], float)
    return replace(generated, images=tuple(lsp), centers=extents / 2, sizes=extents * 0.75)


def views_of(persons: People) -> Views:
    return draw_views(persons, MPII_JOINTS, AUGMENTATIONS["hrnet_mpii"], "mpii", epoch_generator(0, 0))


def one_after_another(persons: People) -> Callable[[], object]:
    """The usual loader."""
    views = views_of(persons)

    def epoch() -> None:
        for first in range(0, len(persons), BATCH):
            load(persons, views, np.arange(first, min(first + BATCH, len(persons))), OUTPUT)

    return epoch


def batched(persons: People, route: Route, folder: Path, density: float | None = 2.0) -> Callable[[], object]:
    """Ours, from a cache made beforehand; ``direct`` has none."""
    made = None
    if route != "direct":
        regions = visible_region(persons, MPII_JOINTS, AUGMENTATIONS["hrnet_mpii"], "mpii", OUTPUT)
        made = build_cache(folder, persons, regions, crop_resolutions(persons, "mpii", OUTPUT, density))
    views = views_of(persons)

    def epoch() -> None:
        for first in range(0, len(persons), BATCH):
            rows = np.arange(first, min(first + BATCH, len(persons)))
            batch = load_batch(persons, MPII_JOINTS, views, rows, OUTPUT, cache=made, route=route)
            draw_gaussians(batch.joints, batch.visible, heatmap_hw=(64, 64), stride=4.0)

    return epoch


def measure(benchmark, epoch: Callable[[], object]) -> None:
    benchmark.pedantic(epoch, rounds=5, warmup_rounds=1)
    benchmark.extra_info["images per second"] = round(PERSONS / benchmark.stats.stats.median, 1)


def test_one_image_after_another(benchmark, persons: People) -> None:
    measure(benchmark, one_after_another(persons))


@pytest.mark.parametrize("route", ["direct", "cached", "resampled"])
def test_batches(benchmark, persons: People, route: Route, tmp_path: Path) -> None:
    measure(benchmark, batched(persons, route, tmp_path / "cache"))


def test_cached_batches_are_faster_by_the_promised_factor(benchmark, persons: People, tmp_path: Path) -> None:
    """3 on photographs, 2 on small images; both loaders in turn, so that a busy machine slows both."""
    plain, ours = one_after_another(persons), batched(persons, "cached", tmp_path / "cache")
    seconds: dict[Callable[[], object], list[float]] = {plain: [], ours: []}

    def both() -> None:
        for loader, taken in seconds.items():
            start = time.perf_counter()
            loader()
            taken.append(time.perf_counter() - start)

    benchmark.pedantic(both, rounds=5, warmup_rounds=1)
    slow, fast = (float(np.median(taken[1:])) for taken in seconds.values())
    benchmark.extra_info["images per second"] = {"plain": round(PERSONS / slow, 1), "cached": round(PERSONS / fast, 1)}
    print(f"\nplain {PERSONS / slow:.0f}, cached {PERSONS / fast:.0f} images a second: {slow / fast:.2f} x")
    assert slow / fast >= (3 if persons.images[0].parent.name.startswith("photographs") else 2)


def test_targets(benchmark) -> None:
    """16 heatmaps of 64 x 64 for 32 persons."""
    joints, visible = torch.rand(32, 16, 2) * 256, torch.ones(32, 16)
    benchmark(lambda: draw_gaussians(joints, visible, heatmap_hw=(64, 64), stride=4.0))
