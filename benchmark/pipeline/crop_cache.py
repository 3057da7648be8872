"""Crops of people on disk: decoded once, stored as raw bytes in one memory map, and shrunk where a network needs less detail.

A cache is a folder of three files: ``pixels.bin`` (the crops one after another), ``index.npy`` (the position of each crop, and
the transform from the image to it) and ``cache.json`` (a digest of its inputs). It appears under its name only when complete;
an interrupted build is resumed by the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np

from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write, file_stamp, lock_file, writing
from benchmark.core.versions import VERSIONS
from benchmark.data.images import read_image
from benchmark.data.people import People
from benchmark.pipeline.crops import compose_transforms, crop_transforms, invert_transforms

MAX_BYTES = 64 << 30  # of all crops of a cache together
ENTRY = np.dtype(
    [("row", "<i8"), ("offset", "<i8"), ("height", "<i4"), ("width", "<i4"), ("matrix", "<f8", (2, 3))]  # one person
)


@dataclass(frozen=True, kw_only=True)
class CropCache:
    """The crops of N people; ``cache[i]`` is the i-th as uint8 ``[h, w, 3]``, RGB, read from the memory map without a copy.

    Attributes:
        pixels: uint8 ``[bytes]``, a memory map.
        offsets: position of each crop's first byte, int64 ``[N]``.
        shapes: height and width of each crop, int64 ``[N, 2]``.
        transforms: from image to crop, float64 ``[N, 2, 3]``.
        content: digest of the crops.
    """

    pixels: np.ndarray
    offsets: np.ndarray
    shapes: np.ndarray
    transforms: np.ndarray
    content: str

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, row: int) -> np.ndarray:
        height, width = self.shapes[row]
        start = self.offsets[row]
        return self.pixels[start : start + height * width * 3].reshape(height, width, 3)

    def crop_to_input(self, transforms: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Convert transforms from image to input into transforms from the crops at ``rows`` to the input, ``[B, 2, 3]``."""
        return compose_transforms(transforms, invert_transforms(self.transforms[rows]))


def crop_resolutions(people: People, rule: str, output_hw: tuple[int, int], density: float | None = 1.0) -> np.ndarray:
    """Compute the resolution of each cached crop: its pixels per pixel of the image along an axis, at most 1, ``[N]``.

    Args:
        rule: a name in :data:`benchmark.config.pipeline.CROP_RULES`.
        density: cached pixels per pixel of the input along an axis, in the person's evaluation crop; None keeps all pixels.

    Raises:
        InputError: the rule is unknown, a crop cannot be made from a box, or the density is not positive.
    """
    if density is None:
        return np.ones(len(people))
    if not density > 0:
        raise InputError(f"cached pixels per input pixel must be positive, not {density:g}")
    scale = np.linalg.norm(crop_transforms(people, rule, output_hw)[:, 0, :2], axis=1)
    return np.minimum(1.0, scale * density)


def build_cache(
    folder: Path,
    people: People,
    regions: np.ndarray,
    resolutions: np.ndarray,
    *,
    threads: int | None = None,
    wait: bool = False,
    progress: Callable[[int], object] = lambda people: None,
) -> CropCache:
    """Build the cache in ``folder``, resume an interrupted build of it, or open it if it is complete.

    Args:
        regions: left, top, right, bottom of the part of each image to store, pixels ``[N, 4]``; see
            :func:`benchmark.pipeline.augment.visible_region`. Nothing outside the image is stored.
        resolutions: cached pixels per pixel of the image along an axis, ``[N]``. Where it is 1, pixels are copied unchanged.
        threads: number of threads that decode images; by default one for each core.
        wait: wait for another process that builds the same cache, instead of raising an error.
        progress: called with the number of people each time some are finished.

    Raises:
        InputError: an image cannot be read, the crops need more than ``MAX_BYTES``, another process builds the same cache,
            the folder holds a cache of other crops, or it cannot be written.
    """
    identity = cache_digest(people, regions, resolutions)
    if folder.exists():  # it is complete then, and several processes may open it at once
        return open_cache(folder, identity)
    partial = folder.with_name(folder.name + ".partial")
    with lock_file(folder.with_name(folder.name + ".lock"), wait=wait) as locked:
        if not locked:
            raise InputError(f"{folder}: another process is building this cache")
        if not folder.exists():
            with writing(folder):
                partial.mkdir(parents=True, exist_ok=True)
                _write_crops(partial, identity, people, regions, resolutions, threads or os.cpu_count() or 1, progress)
                partial.rename(folder)
                for leftover in ("entries.bin", identity):
                    (folder / leftover).unlink()
    return open_cache(folder, identity)


def open_cache(folder: Path, identity: str | None = None) -> CropCache:
    """Open a complete cache.

    Args:
        identity: digest of the inputs that the cache must have been built from; by default it is not checked.

    Raises:
        InputError: there is no cache, it is damaged, or it holds other crops.
    """
    try:
        description = json.loads((folder / "cache.json").read_text())
        index = np.array(np.load(folder / "index.npy", mmap_mode="r"))  # no larger than its file
        pixels = np.asarray(np.memmap(folder / "pixels.bin", np.uint8, mode="r"))  # slicing a plain array is faster
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: no readable cache of crops ({error})") from None
    if identity is not None and description.get("identity") != identity:
        raise InputError(f"{folder}: holds a cache of other crops; remove it or name another folder")
    sizes = (len(pixels), len(index))
    if description.get("version") != VERSIONS["crop_cache"] or sizes != (description.get("bytes"), description.get("persons")):
        raise InputError(f"{folder}: the cache of crops is damaged or of another version; remove it")
    shapes = np.stack([index["height"], index["width"]], 1).astype(np.int64)
    content = description.get("content") or _content_digest(index, pixels)  # a cache from before it was stored
    return CropCache(pixels=pixels, offsets=index["offset"], shapes=shapes, transforms=index["matrix"], content=content)


def extract_crop(image: np.ndarray, region: np.ndarray, resolution: float) -> tuple[np.ndarray, np.ndarray]:
    """Extract a region of an image, shrunk to ``resolution``, with a margin for interpolation at its edges.

    Args:
        image: uint8 ``[h, w, 3]``.
        region: left, top, right, bottom, pixels ``[4]``.
        resolution: pixels of the crop per pixel of the image along an axis, at most 1.

    Returns:
        The crop, uint8 ``[h', w', 3]``, and the transform from image to crop ``[2, 3]``. A region outside the image gives one
        black pixel.
    """
    margin = 1 / resolution
    extent = np.array(image.shape[1::-1])
    low = np.floor(np.clip(region[:2] - margin, 0, extent)).astype(int)
    high = np.ceil(np.clip(region[2:] + margin + 1, 0, extent)).astype(int)
    if (high <= low).any():
        return np.zeros((1, 1, 3), np.uint8), np.array([[1.0, 0.0, -region[0]], [0.0, 1.0, -region[1]]])
    patch = image[low[1] : high[1], low[0] : high[0]]
    if resolution >= 1:
        return np.ascontiguousarray(patch), np.array([[1.0, 0.0, -low[0]], [0.0, 1.0, -low[1]]])
    size = np.maximum(np.ceil((high - low) * resolution), 1).astype(int)
    scale = size / (high - low)
    offset = (0.5 - low) * scale - 0.5  # borders of pixels lie on borders of pixels
    small = cv2.resize(patch, size.tolist(), interpolation=cv2.INTER_AREA)
    return small, np.array([[scale[0], 0.0, offset[0]], [0.0, scale[1], offset[1]]])


def cache_digest(people: People, regions: np.ndarray, resolutions: np.ndarray) -> str:
    """Compute a digest of everything that the cached bytes depend on; images are known by name, size and modification time."""
    digest = hashlib.sha256(f"{VERSIONS['crop_cache']} {people.dataset} {people.split}".encode())
    digest.update(json.dumps([file_stamp(image) for image in people.images]).encode())
    for column in (people.ids, regions, resolutions):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _content_digest(index: np.ndarray, pixels: np.ndarray) -> str:
    """Compute a digest of the crops, person by person: the order in which they were written does not matter."""
    digest = hashlib.sha256()
    for entry in index:
        start, height, width = (int(entry[name]) for name in ("offset", "height", "width"))
        digest.update(f"{height} {width}".encode() + entry["matrix"].tobytes())
        digest.update(pixels[start : start + height * width * 3].data)
    return digest.hexdigest()


def _write_crops(
    partial: Path,
    identity: str,
    people: People,
    regions: np.ndarray,
    resolutions: np.ndarray,
    threads: int,
    progress: Callable[[int], object],
) -> None:
    """Append the missing crops to an unfinished cache, then write its index and its description."""
    if not (partial / identity).exists():  # left over from a build of other crops
        shutil.rmtree(partial)
        partial.mkdir()
        (partial / identity).touch()
    # One group for each image, so that an image with several people is decoded once.
    order = sorted(range(len(people)), key=lambda row: str(people.images[row]))
    groups = [list(rows) for _, rows in groupby(order, key=lambda row: people.images[row])]

    def extract_all(rows: list[int]) -> list[tuple[int, np.ndarray, np.ndarray]]:
        image = read_image(people.images[rows[0]])
        return [(row, *extract_crop(image, regions[row], float(resolutions[row]))) for row in rows]

    with open(partial / "pixels.bin", "ab") as pixels, open(partial / "entries.bin", "ab") as entries:
        # Resume: pixels are written before the entry that refers to them, so every complete entry has all its pixels.
        complete = np.fromfile(partial / "entries.bin", ENTRY)
        entries.truncate(len(complete) * ENTRY.itemsize)
        last = complete[-1] if len(complete) else np.zeros((), ENTRY)
        size = int(last["offset"]) + 3 * int(last["height"]) * int(last["width"])
        pixels.truncate(size)
        finished = set(complete["row"].tolist())
        groups = [missing for rows in groups if (missing := [row for row in rows if row not in finished])]
        progress(len(finished))
        with ThreadPoolExecutor(threads) as pool:
            for first in range(0, len(groups), 4 * threads):  # few images in memory at a time
                batch = [crop for crops in pool.map(extract_all, groups[first : first + 4 * threads]) for crop in crops]
                batch_entries = np.zeros(len(batch), ENTRY)
                for entry, (row, crop, transform) in zip(batch_entries, batch, strict=True):
                    entry["row"], entry["offset"], entry["matrix"] = row, size, transform
                    entry["height"], entry["width"] = crop.shape[:2]
                    size += crop.nbytes
                    if size > MAX_BYTES:
                        share = len(finished) / len(people)
                        raise InputError(
                            f"{partial}: the crops need more than {MAX_BYTES:,} bytes ({share:.0%} of the people fit); "
                            "a smaller input size needs less"
                        )
                    pixels.write(crop.data)
                    finished.add(row)
                pixels.flush()
                entries.write(batch_entries.tobytes())
                entries.flush()
                progress(len(batch))
        os.fsync(pixels.fileno())
    index = np.sort(np.fromfile(partial / "entries.bin", ENTRY), order="row")
    with atomic_write(partial / "index.npy") as temporary, open(temporary, "wb") as file:
        np.save(file, index)
    content = _content_digest(index, np.asarray(np.memmap(partial / "pixels.bin", np.uint8, mode="r")))
    description = {"version": VERSIONS["crop_cache"], "identity": identity, "persons": len(index), "bytes": size}
    with atomic_write(partial / "cache.json") as temporary:
        temporary.write_text(json.dumps({**description, "content": content}) + "\n")
