"""Cached crops: the image's own bytes, bounded, resumable, and never incomplete under the final name."""

from __future__ import annotations

import fcntl
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.core.errors import InputError
from benchmark.data.images import read_image
from benchmark.data.people import People
from benchmark.pipeline.crop_cache import CropCache, build_cache, cache_digest, crop_resolutions, extract_crop, open_cache
from benchmark.pipeline.crops import transform_points
from tests.evaluation.generated_people import people as write_people
from tests.evaluation.generated_people import scene


@pytest.fixture
def people(tmp_path: Path) -> People:
    return write_people(tmp_path / "images", 10, (90, 120))


def regions_of(people: People) -> np.ndarray:
    return np.concatenate([people.centers - people.sizes, people.centers + people.sizes], 1)


def build(folder: Path, people: People, **options) -> CropCache:
    return build_cache(folder, people, regions_of(people), np.ones(len(people)), threads=2, **options)


def test_a_crop_is_the_photographs_own_bytes(tmp_path: Path, people: People) -> None:
    cache = build(tmp_path / "cache", people)
    assert len(cache) == 10
    for row, path in enumerate(people.images):
        left, top = -cache.transforms[row, :, 2].astype(int)
        height, width = cache.shapes[row]
        image = read_image(path)
        np.testing.assert_array_equal(cache[row], image[top : top + height, left : left + width])
        low = np.maximum(regions_of(people)[row, :2], 0)
        high = np.minimum(regions_of(people)[row, 2:], [119, 89])
        assert (np.array([left, top]) <= low).all()
        assert (np.array([left + width, top + height]) - 1 >= high).all()


def test_a_shrunk_crop_maps_borders_to_borders() -> None:
    image = scene(100, 200)
    small, transform = extract_crop(image, np.array([-50.0, -50.0, 500.0, 500.0]), 0.5)
    assert small.shape == (50, 100, 3)
    corners = np.array([[-0.5, -0.5], [199.5, 99.5]])
    np.testing.assert_allclose(transform_points(transform, corners), [[-0.5, -0.5], [99.5, 49.5]])
    np.testing.assert_allclose(small[3, 4], image[6:8, 8:10].reshape(4, 3).mean(0), atol=0.51)


def test_a_region_outside_of_the_photograph_is_black() -> None:
    crop, _ = extract_crop(scene(50, 50), np.array([200.0, 10.0, 300.0, 90.0]), 1.0)
    assert crop.shape == (1, 1, 3)
    assert not crop.any()


def test_a_complete_cache_is_opened_without_reading_photographs(tmp_path: Path, people: People, monkeypatch) -> None:
    cache = build(tmp_path / "cache", people)

    def fail(path: Path) -> np.ndarray:
        raise AssertionError(path)

    monkeypatch.setattr("benchmark.pipeline.crop_cache.read_image", fail)
    reopened = build(tmp_path / "cache", people)
    np.testing.assert_array_equal(reopened[7], cache[7])
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["cache.json", "index.npy", "pixels.bin"]


def test_an_interrupted_build_goes_on_where_it_stopped(tmp_path: Path, people: People, monkeypatch) -> None:
    whole = build(tmp_path / "whole", people)
    read: list[Path] = []

    def failing(path: Path) -> np.ndarray:
        if len(read) == 9:
            raise KeyboardInterrupt
        read.append(path)
        return read_image(path)

    folder = tmp_path / "cache"
    monkeypatch.setattr("benchmark.pipeline.crop_cache.read_image", failing)
    with pytest.raises(KeyboardInterrupt):
        build_cache(folder, people, regions_of(people), np.ones(10), threads=1)
    assert not folder.exists()
    with pytest.raises(InputError, match="no readable cache of crops"):
        open_cache(folder)
    for name in ("pixels.bin", "entries.bin"):  # as if killed in the middle of writing
        with open(tmp_path / "cache.partial" / name, "ab") as file:
            file.write(b"torn")
    counts: list[int] = []
    read_before = len(read)
    read.clear()
    monkeypatch.setattr("benchmark.pipeline.crop_cache.read_image", lambda path: read.append(path) or read_image(path))
    resumed = build(folder, people, progress=counts.append)
    assert 0 < len(read) < 10
    assert counts[0] + len(read) == 10
    assert counts[0] <= read_before
    assert sum(counts) == 10
    for row in range(10):
        np.testing.assert_array_equal(resumed[row], whole[row])


def test_the_rest_of_another_build_is_not_taken_over(tmp_path: Path, people: People, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.pipeline.crop_cache.MAX_BYTES", 50_000)
        with pytest.raises(InputError, match="need more than 50,000 bytes"):
            build(tmp_path / "cache", people)
    moved = replace(people, centers=people.centers + 1)
    cache = build(tmp_path / "cache", moved)
    np.testing.assert_array_equal(cache[3], build(tmp_path / "fresh", moved)[3])


def test_a_larger_limit_lets_a_bounded_build_go_on(tmp_path: Path, people: People, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.pipeline.crop_cache.MAX_BYTES", 100_000)
        with pytest.raises(InputError, match="of the people fit"):
            build(tmp_path / "cache", people)
    assert len(build(tmp_path / "cache", people)) == 10


def test_persons_of_one_photograph_share_its_decoding(tmp_path: Path, people: People, monkeypatch) -> None:
    couple = replace(people, images=tuple(people.images[row // 2] for row in range(10)))
    read: list[Path] = []
    monkeypatch.setattr("benchmark.pipeline.crop_cache.read_image", lambda path: read.append(path) or read_image(path))
    cache = build(tmp_path / "cache", couple)
    assert len(read) == 5
    left, top = -cache.transforms[9, :, 2].astype(int)
    np.testing.assert_array_equal(cache[9][0, 0], read_image(couple.images[9])[top, left])


def test_other_crops_damage_and_a_second_builder_are_refused(tmp_path: Path, people: People) -> None:
    folder = tmp_path / "cache"
    build(folder, people)
    with pytest.raises(InputError, match="holds a cache of other crops"):
        build(folder, replace(people, centers=people.centers + 1))
    with open(tmp_path / "other.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is building"):
            build(tmp_path / "other", people)
    with open(folder / "pixels.bin", "ab") as file:
        file.write(b"more")
    with pytest.raises(InputError, match="damaged"):
        open_cache(folder)


def test_a_broken_photograph_is_named(tmp_path: Path, people: People) -> None:
    people.images[4].write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"0004\.png"):
        build(tmp_path / "cache", people)


def test_densities_never_enlarge_and_follow_the_input(people: People) -> None:
    box = replace(people, sizes=np.tile([40.0, 40.0], (10, 1)))  # padded to 50 pixels
    np.testing.assert_allclose(crop_resolutions(box, "hrnet", (20, 20), 1.0), 0.4)
    np.testing.assert_allclose(crop_resolutions(box, "hrnet", (20, 20), 2.0), 0.8)
    np.testing.assert_allclose(crop_resolutions(box, "hrnet", (256, 256), 1.0), 1.0)
    np.testing.assert_allclose(crop_resolutions(box, "hrnet", (20, 20), None), 1.0)
    with pytest.raises(InputError, match="must be positive, not 0"):
        crop_resolutions(box, "hrnet", (20, 20), 0.0)


def test_processes_that_want_the_same_cache_at_once_share_one(tmp_path: Path, people: People, monkeypatch) -> None:
    """One process builds the cache, the others wait and open it."""
    reads: list[Path] = []

    def slow(path: Path) -> np.ndarray:
        reads.append(path)
        time.sleep(0.02)
        return read_image(path)

    monkeypatch.setattr("benchmark.pipeline.crop_cache.read_image", slow)
    with ThreadPoolExecutor(3) as pool:
        caches = list(pool.map(lambda _: build(tmp_path / "cache", people, wait=True), range(3)))
    assert len(reads) == len(people)
    assert all(np.array_equal(cache.pixels, caches[0].pixels) for cache in caches)


@pytest.mark.parametrize("replace_by", ["another size", "another time"])
def test_crops_of_photographs_that_were_replaced_are_cut_again(tmp_path: Path, people: People, replace_by: str) -> None:
    regions, resolutions = regions_of(people), np.ones(len(people))
    before = cache_digest(people, regions, resolutions)
    build(tmp_path / before, people)
    image = people.images[3]
    status = image.stat()
    cv2.imwrite(str(image), 255 - read_image(image))
    if replace_by == "another size":
        image.write_bytes(image.read_bytes() + bytes(max(0, 1 + status.st_size - image.stat().st_size)))
        os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    after = cache_digest(people, regions, resolutions)
    assert after != before
    with pytest.raises(InputError, match="holds a cache of other crops"):
        build(tmp_path / before, people)
    cache = build(tmp_path / after, people)
    top, left = -cache.transforms[3, 1, 2].astype(int), -cache.transforms[3, 0, 2].astype(int)
    np.testing.assert_array_equal(cache[3][0, 0], read_image(image)[top, left])
