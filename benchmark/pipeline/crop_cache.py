"""Person crops on disk: decoded once, kept as raw bytes in one memory map, shrunk where a network would not see the detail.

A cache is a folder of three files: ``pixels.bin`` (the crops one after another), ``index.npy`` (where each is, and its map
from the photograph) and ``cache.json`` (what it was made from). It appears under its name only when complete; an interrupted
build goes on where it stopped.
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
from benchmark.core.files import lock_file
from benchmark.data.images import read_image
from benchmark.data.people import People
from benchmark.pipeline.crops import compose_transforms, crop_transforms, invert_transforms

CACHE_VERSION = 1
LIMIT = 64 << 30  # bytes
ENTRY = np.dtype(
    [("row", "<i8"), ("offset", "<i8"), ("height", "<i4"), ("width", "<i4"), ("matrix", "<f8", (2, 3))]  # one person
)


@dataclass(frozen=True, kw_only=True)
class CropCache:
    """The crops of N persons; ``cache[i]`` is the i-th as uint8 ``[h, w, 3]``, RGB, straight from the memory map."""

    pixels: np.ndarray  # uint8 [bytes], a memory map
    offsets: np.ndarray  # int64 [N] where each crop begins
    shapes: np.ndarray  # int64 [N, 2] height and width of each crop
    matrices: np.ndarray  # float64 [N, 2, 3] photograph to crop, pixels

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, row: int) -> np.ndarray:
        height, width = self.shapes[row]
        start = self.offsets[row]
        return self.pixels[start : start + height * width * 3].reshape(height, width, 3)

    def relative(self, matrices: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Maps of photographs to inputs, ``[B, 2, 3]``, as maps of the crops at ``rows`` to the same inputs."""
        return compose_transforms(matrices, invert_transforms(self.matrices[rows]))


def crop_resolutions(people: People, rule: str, output_hw: tuple[int, int], density: float | None = 1.0) -> np.ndarray:
    """How many pixels a cached crop keeps for each pixel of the photograph, at most 1, ``[N]``.

    Args:
        density: cached pixels for each pixel of the input when the person is seen as in evaluation; None keeps all.

    Raises:
        InputError: an unknown rule, an impossible box, or a density that is not positive.
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
    densities: np.ndarray,
    *,
    limit: int = LIMIT,
    threads: int | None = None,
    read: Callable[[Path], np.ndarray] = read_image,
    wait: bool = False,
    progress: Callable[[int], object] = lambda persons: None,
) -> CropCache:
    """Make the cache in ``folder``, or go on with it, or open it if it is there.

    Args:
        regions: left, top, right, bottom of what to keep of each photograph, pixels ``[N, 4]``; see
            :func:`benchmark.pipeline.augment.visible_region`. What lies outside the photograph is not stored.
        densities: cached pixels for each pixel of the photograph, ``[N]``. Where it is 1 the bytes are the photograph's own.
        limit: bytes that the crops may take.
        threads: that decode photographs; by default one a core.
        wait: for another process that builds the same cache, instead of refusing.
        progress: called with the number of persons each time some are done.

    Raises:
        InputError: a photograph cannot be read, the limit is too small, another process builds the same cache, or the folder
            holds a cache of something else.
    """
    identity = cache_digest(people, regions, densities)
    if folder.exists():  # complete, because it appears under its name only then; several processes may open it at once
        return open_cache(folder, identity)
    partial = folder.with_name(folder.name + ".partial")
    with lock_file(folder.with_name(folder.name + ".lock"), wait=wait) as locked:
        if not locked:
            raise InputError(f"{folder}: another process is building this cache")
        if not folder.exists():
            partial.mkdir(parents=True, exist_ok=True)
            _fill(partial, identity, people, regions, densities, limit, threads or os.cpu_count() or 1, read, progress)
            partial.rename(folder)
            for leftover in ("entries.bin", identity):
                (folder / leftover).unlink()
    return open_cache(folder, identity)


def open_cache(folder: Path, identity: str | None = None) -> CropCache:
    """Open a complete cache.

    Args:
        identity: what it must have been made from, if that matters.

    Raises:
        InputError: there is no cache, it is damaged, or it is one of something else.
    """
    try:
        made = json.loads((folder / "cache.json").read_text())
        index = np.load(folder / "index.npy")
        pixels = np.asarray(np.memmap(folder / "pixels.bin", np.uint8, mode="r"))  # as a plain array it is sliced faster
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: no cache of crops that can be read ({error})") from None
    if identity is not None and made.get("identity") != identity:
        raise InputError(f"{folder}: a cache of other crops; remove it or name another folder")
    if made.get("version") != CACHE_VERSION or len(pixels) != made.get("bytes") or len(index) != made.get("persons"):
        raise InputError(f"{folder}: a damaged cache of crops, or one of another version; remove it")
    shapes = np.stack([index["height"], index["width"]], 1).astype(np.int64)
    return CropCache(pixels=pixels, offsets=index["offset"], shapes=shapes, matrices=index["matrix"])


def extract_crop(image: np.ndarray, region: np.ndarray, density: float) -> tuple[np.ndarray, np.ndarray]:
    """A region of a photograph, shrunk to ``density``, with room for interpolating at its edge.

    Args:
        image: uint8 ``[h, w, 3]``.
        region: left, top, right, bottom, pixels ``[4]``.

    Returns:
        The crop, uint8 ``[h', w', 3]``, and the map from the photograph to it ``[2, 3]``. A region outside of the photograph
        is one black pixel.
    """
    room = 1 / density
    extent = np.array(image.shape[1::-1])
    low = np.floor(np.clip(region[:2] - room, 0, extent)).astype(int)
    high = np.ceil(np.clip(region[2:] + room + 1, 0, extent)).astype(int)
    if (high <= low).any():
        return np.zeros((1, 1, 3), np.uint8), np.array([[1.0, 0.0, -region[0]], [0.0, 1.0, -region[1]]])
    piece = image[low[1] : high[1], low[0] : high[0]]
    if density >= 1:
        return np.ascontiguousarray(piece), np.array([[1.0, 0.0, -low[0]], [0.0, 1.0, -low[1]]])
    size = np.maximum(np.ceil((high - low) * density), 1).astype(int)
    scale = size / (high - low)
    offset = (0.5 - low) * scale - 0.5  # pixel borders meet pixel borders
    small = cv2.resize(piece, size.tolist(), interpolation=cv2.INTER_AREA)
    return small, np.array([[scale[0], 0.0, offset[0]], [0.0, scale[1], offset[1]]])


def cache_digest(people: People, regions: np.ndarray, densities: np.ndarray) -> str:
    """A digest of everything the bytes depend on but the photographs' contents."""
    digest = hashlib.sha256(f"{CACHE_VERSION} {people.dataset} {people.split}".encode())
    digest.update("\n".join(image.name for image in people.images).encode())
    for column in (people.ids, regions, densities):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _fill(
    partial: Path,
    identity: str,
    people: People,
    regions: np.ndarray,
    densities: np.ndarray,
    limit: int,
    threads: int,
    read: Callable[[Path], np.ndarray],
    progress: Callable[[int], object],
) -> None:
    """Append what is missing to an unfinished cache, a photograph at a time, and describe the whole."""
    if not (partial / identity).exists():  # left over from something else
        shutil.rmtree(partial)
        partial.mkdir()
        (partial / identity).touch()
    order = sorted(range(len(people)), key=lambda row: str(people.images[row]))
    groups = [list(rows) for _, rows in groupby(order, key=lambda row: people.images[row])]

    def crops_of(rows: list[int]) -> list[tuple[int, np.ndarray, np.ndarray]]:
        image = read(people.images[rows[0]])
        return [(row, *extract_crop(image, regions[row], float(densities[row]))) for row in rows]

    with open(partial / "pixels.bin", "ab") as pixels, open(partial / "entries.bin", "ab") as entries:
        # Bytes are written before the entry that names them, so what is whole is what the whole entries name.
        done = np.fromfile(partial / "entries.bin", ENTRY)
        entries.truncate(len(done) * ENTRY.itemsize)
        size = int(done[-1]["offset"] + 3 * int(done[-1]["height"]) * int(done[-1]["width"])) if len(done) else 0
        pixels.truncate(size)
        finished = set(done["row"].tolist())
        groups = [rest for rows in groups if (rest := [row for row in rows if row not in finished])]
        progress(len(finished))
        with ThreadPoolExecutor(threads) as pool:
            for first in range(0, len(groups), 4 * threads):  # few photographs in memory at a time
                batch = [crop for crops in pool.map(crops_of, groups[first : first + 4 * threads]) for crop in crops]
                records = np.zeros(len(batch), ENTRY)
                for record, (row, crop, matrix) in zip(records, batch, strict=True):
                    record["row"], record["offset"], record["matrix"] = row, size, matrix
                    record["height"], record["width"] = crop.shape[:2]
                    size += crop.nbytes
                    if size > limit:
                        share = len(finished) / len(people)
                        raise InputError(
                            f"{partial}: the crops need more than {limit:,} bytes ({share:.0%} of the persons fit); "
                            "allow more, or keep fewer pixels of each"
                        )
                    pixels.write(crop.data)
                    finished.add(row)
                pixels.flush()
                entries.write(records.tobytes())
                entries.flush()
                progress(len(batch))
        os.fsync(pixels.fileno())
    index = np.sort(np.fromfile(partial / "entries.bin", ENTRY), order="row")
    np.save(partial / "index.npy", index)
    (partial / "cache.json").write_text(
        json.dumps({"version": CACHE_VERSION, "identity": identity, "persons": len(index), "bytes": size}) + "\n"
    )
