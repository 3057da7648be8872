"""Batched inference: from people on images to predicted joints, for several protocols at once.

People are processed in chunks. A chunk's predictions are cached in a file, which is named by the hash of everything that they
depend on and written atomically. A killed run therefore loses at most the chunk it was working on, and processes that share the
folder share their work. The chunks do not depend on the number of processes, so that the results do not either.

While the network runs on one chunk, threads read the images of the next one and crop the people on them. An image is released
as soon as its people are cropped, so that memory holds one image per thread and the crops of two chunks, however many people
there are: at 256 x 256, 13 MB of crops for each crop rule.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmark.config.protocols import Protocol
from benchmark.core.files import atomic_write, file_stamp
from benchmark.core.keypoints import mirrored_indices
from benchmark.core.versions import versions_of
from benchmark.data.images import read_image
from benchmark.data.people import People
from benchmark.evaluation.backends import Backend
from benchmark.pipeline.batches import normalize
from benchmark.pipeline.crops import invert_transforms, person_transforms, sample_inputs, transform_points
from benchmark.pipeline.decode import decode_heatmaps, flip_back, zoom_maps

CHUNK = 32  # people
CPU_BATCH = 8  # people per forward pass on a CPU, whose caches can hold their heatmaps
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # numbers of malloc.h


class Predictions(NamedTuple):
    """Predicted joints in the network's order; NaN for a person whose image was skipped.

    Attributes:
        joints: float64 ``[N, K, 2]`` pixels of the image.
        scores: float64 ``[N, K]``, heights of the decoded peaks.
    """

    joints: np.ndarray
    scores: np.ndarray

    def readable(self) -> np.ndarray:
        """Return whether each person's image could be read, ``[N]``."""
        return np.isfinite(self.joints).all((1, 2))

    def sha256(self) -> str:
        """Hash the joints, rounded to a thousandth of a pixel, and the scores, rounded to a millionth."""
        content = np.round(self.joints, 3).tobytes() + np.round(self.scores, 6).tobytes()
        return hashlib.sha256(content).hexdigest()


# --- chunks and their cache ---------------------------------------------------------------------------------------------------


def predict_people(
    people: People,
    backend: Backend,
    protocols: Mapping[str, Protocol],
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    broken: Literal["raise", "skip"] = "raise",
    shard: tuple[int, int] = (0, 1),
    progress: Callable[[int], object] = lambda count: None,
) -> dict[int, dict[str, Predictions]]:
    """Predict the people of this process's chunks; return predictions by chunk number and protocol.

    Args:
        folder: where predictions of chunks are cached.
        broken: ``skip`` leaves out people whose image cannot be read.
        shard: rank and world size; with W processes, rank r takes the chunks r, r + W, r + 2 W, ...
        progress: called after each chunk with its number of people.

    Raises:
        InputError: an image cannot be read, a crop cannot be made from a box, or a crop rule or decoding method is unknown.
    """
    _keep_freed_memory()
    rank, world_size = shard
    numbers = range(rank, _chunk_count(len(people)), world_size)
    results = {}
    readers = ThreadPoolExecutor(torch.get_num_threads())
    try:
        chunks = (_Chunk(number, people, backend, protocols, folder, broken) for number in numbers)
        for chunk in _read_ahead(chunks, readers):
            results[chunk.number] = chunk.predict(torch.device(device))
            progress(len(chunk.people))
    finally:
        readers.shutdown(cancel_futures=True)
    return results


def count_people_of_shard(people: int, shard: tuple[int, int]) -> int:
    """Count the people in one process's chunks; ``shard``: rank and world size."""
    rank, world_size = shard
    return sum(min(CHUNK, people - start) for start in range(rank * CHUNK, people, world_size * CHUNK))


def assemble_chunks(parts: Iterable[Mapping[int, Mapping[str, Predictions]]], people: int) -> dict[str, Predictions]:
    """Join the chunks of all processes; return each protocol's predictions of all people.

    Raises:
        RuntimeError: a chunk is missing, was done by two processes, or has the wrong length.
    """
    chunks: dict[int, Mapping[str, Predictions]] = {}
    for part in parts:
        if duplicates := chunks.keys() & part.keys():
            raise RuntimeError(f"chunk {min(duplicates)} was done by two processes")
        chunks |= part
    numbers = range(_chunk_count(people))
    if missing := set(numbers) - chunks.keys():
        raise RuntimeError(f"chunk {min(missing)} was done by no process")
    joined = {}
    for name in chunks[0]:
        columns = zip(*(chunks[number][name] for number in numbers), strict=True)
        joints, scores = (np.concatenate(column) for column in columns)
        if len(joints) != people:
            raise RuntimeError(f"{len(joints)} predictions for {people} people")
        joined[name] = Predictions(joints, scores)
    return joined


def _chunk_count(people: int) -> int:
    return -(-people // CHUNK)


def _keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors for the next ones; without glibc, do nothing.

    By default it returns large blocks to the system and gets them again, zeroed page by page, for the output of each layer. On
    a CPU this takes up to a third of a small network's time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1)):
            mallopt(parameter, value)


def _cache_key(chunk: People, backend: Backend, protocol: Protocol, broken: str) -> str:
    """Hash everything that a chunk's predictions depend on: code versions, network, protocol, image files, boxes."""
    versions = versions_of("inference", "crops", "batches", "decoding")
    defaults = asdict(Protocol())
    options = {key: value for key, value in asdict(protocol).items() if value != defaults[key] and key != "description"}
    files = [file_stamp(path) for path in chunk.images]
    identity = json.dumps([versions, backend.model, backend.sha256, backend.input_hw, options, chunk.dataset, files, broken])
    return hashlib.sha256(identity.encode() + chunk.centers.tobytes() + chunk.sizes.tobytes()).hexdigest()[:24]


def _read_cache(path: Path) -> Predictions | None:
    try:
        with np.load(path) as arrays:
            return Predictions(arrays["joints"], arrays["scores"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write_cache(path: Path, predictions: Predictions) -> None:
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, joints=predictions.joints, scores=predictions.scores)


# --- from images to joints ----------------------------------------------------------------------------------------------------


class _Chunk:
    """Consecutive people: what is cached of them, their crops, and their joints.

    Args:
        number: of the chunk among those of all people.
    """

    def __init__(
        self,
        number: int,
        people: People,
        backend: Backend,
        protocols: Mapping[str, Protocol],
        folder: Path,
        broken: Literal["raise", "skip"],
    ) -> None:
        self.number, self.backend, self.protocols, self.broken = number, backend, protocols, broken
        self.people = people.select(np.arange(number * CHUNK, min((number + 1) * CHUNK, len(people))))

        # Predictions that an earlier run or another process has cached.
        keys = {name: _cache_key(self.people, backend, protocol, broken) for name, protocol in protocols.items()}
        self.paths = {name: folder / name / f"{key}.npz" for name, key in keys.items()}
        self.cached = {name: cached for name, path in self.paths.items() if (cached := _read_cache(path)) is not None}
        self.missing = {name: protocol for name, protocol in protocols.items() if name not in self.cached}

        # Room for the crops. Protocols with the same crops share them.
        count, hw = len(self.people), backend.input_hw
        self.crops = {
            _crop_key(protocol): _Crops(protocol, np.empty((count, 2, 3)), np.empty((count, *hw, 3), np.uint8))
            for protocol in self.missing.values()
        }
        self.readable = np.zeros(count, bool)
        self.reading: list[Future[None]] = []

    def start_reading(self, readers: Executor) -> None:
        """Read each image once, however many people are on it, in threads; nothing is read where all is cached."""
        rows: dict[Path, list[int]] = {}
        for row, path in enumerate(self.people.images if self.missing else ()):
            rows.setdefault(path, []).append(row)
        self.reading = [readers.submit(self._read_image, path, np.array(indices)) for path, indices in rows.items()]

    def _read_image(self, path: Path, rows: np.ndarray) -> None:
        """Read an image, and crop the people on it, who are at ``rows``, by each rule."""
        image = read_image(path, self.broken)
        if image is None:
            return
        people, images, hw = self.people.select(rows), [image] * len(rows), self.backend.input_hw
        for protocol, transforms, inputs in self.crops.values():
            transforms[rows] = person_transforms(people, images, protocol, hw)
            inputs[rows] = sample_inputs(images, transforms[rows], hw, antialias=protocol.antialias)
        self.readable[rows] = True

    def predict(self, device: torch.device) -> dict[str, Predictions]:
        """Predict under the protocols that are missing, together, and cache the results; return all protocols' predictions.

        Raises:
            InputError: see :func:`predict_people`.
        """
        for image in self.reading:
            image.result()

        # Predict in batches, and write each batch's joints into its rows. People whose image cannot be read keep NaN.
        shape = (len(self.people), len(self.backend.joints))
        predicted = {name: Predictions(np.full((*shape, 2), np.nan), np.full(shape, np.nan)) for name in self.missing}
        rows = np.flatnonzero(self.readable)
        batch_size = CPU_BATCH if device.type == "cpu" else CHUNK
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            for name, predictions in self._predict_batch(batch, device):
                predicted[name].joints[batch], predicted[name].scores[batch] = predictions
        for name, predictions in predicted.items():
            _write_cache(self.paths[name], predictions)
        return {name: (self.cached | predicted)[name] for name in self.protocols}

    def _predict_batch(self, rows: np.ndarray, device: torch.device) -> Iterator[tuple[str, Predictions]]:
        """Predict the people at ``rows`` under each missing protocol."""
        shared: dict[tuple[object, ...], _BatchOutputs] = {}
        for name, protocol in self.missing.items():
            # Normalise, once for all protocols that crop alike.
            key = _crop_key(protocol)
            crops = self.crops[key]
            if key not in shared:
                inputs = torch.from_numpy(crops.inputs[rows]).to(device)
                shared[key] = _BatchOutputs(self.backend, normalize(inputs, bgr=protocol.bgr))

            # Run the network, and average its heatmaps over flip and scales as the protocol asks.
            heatmaps = shared[key].average(protocol)

            # Decode the heatmaps to joints in the input, then undo the crop to get pixels of the image.
            stride = self.backend.input_hw[1] / heatmaps.shape[-1]
            peaks = decode_heatmaps(heatmaps, protocol.decoding, stride, protocol.convention)
            points = peaks.points.double().cpu().numpy()
            joints = transform_points(invert_transforms(crops.transforms[rows]), points)
            yield name, Predictions(joints, peaks.scores.double().cpu().numpy())


def _read_ahead(chunks: Iterable[_Chunk], readers: Executor) -> Iterator[_Chunk]:
    """Yield the chunks in their order, each when the next one is being read."""
    current: _Chunk | None = None
    for following in chunks:
        following.start_reading(readers)
        if current is not None:
            yield current
        current = following
    if current is not None:
        yield current


class _Crops(NamedTuple):
    """A chunk's people cropped by one rule."""

    protocol: Protocol  # any of those that crop in this way
    transforms: np.ndarray  # float64 [N, 2, 3], from image to input
    inputs: np.ndarray  # uint8 [N, H, W, 3]


def _crop_key(protocol: Protocol) -> tuple[object, ...]:
    """Return the fields that determine a network's input: protocols that agree in them share crops and forward passes."""
    return (protocol.crop, protocol.padding, protocol.center_shift, protocol.antialias, protocol.bgr)


class _BatchOutputs:
    """The network's outputs for one batch at any scale, mirrored or not; each is computed once, when it is first needed."""

    def __init__(self, backend: Backend, images: Tensor) -> None:
        self.backend = backend
        self.images = images
        self.mirrored = mirrored_indices(backend.joints)
        self.outputs: dict[tuple[float, bool], tuple[Tensor, ...]] = {}

    def average(self, protocol: Protocol) -> Tensor:
        """Return the heatmaps that a protocol decodes, ``[B, K, h, w]``: the mean over its scales and its flip test."""
        heatmaps = [zoom_maps(self._flip_test(protocol, scale), 1 / scale) for scale in protocol.scales]
        return torch.stack(heatmaps).mean(0) if len(heatmaps) > 1 else heatmaps[0]

    def _flip_test(self, protocol: Protocol, scale: float) -> Tensor:
        heatmaps = self._heatmaps(protocol, scale, mirror=False)
        if protocol.flip == "off":
            return heatmaps
        of_mirrored = self._heatmaps(protocol, scale, mirror=True)
        return (heatmaps + flip_back(of_mirrored, self.mirrored, shift=protocol.flip == "shifted")) / 2

    def _heatmaps(self, protocol: Protocol, scale: float, *, mirror: bool) -> Tensor:
        if (scale, mirror) not in self.outputs:
            images = zoom_maps(self.images, scale)
            self.outputs[scale, mirror] = self.backend.forward(images.flip(-1) if mirror else images)
        heatmaps = self.outputs[scale, mirror][protocol.output]
        return heatmaps.sigmoid() if protocol.activation == "sigmoid" else heatmaps
