"""Batched inference: from people on images to predicted joints, for several protocols at once.

People are processed in chunks. A chunk's predictions are cached in a file, which is named by the hash of everything that they
depend on and written atomically. A killed run therefore loses at most the chunk it was working on, and processes that share the
folder share their work. The chunks do not depend on the number of processes, so that the results do not either.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmark.config.protocols import Protocol
from benchmark.core.files import atomic_write
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
    rank, world_size = shard
    chunks = {}
    for number in range(rank, _chunk_count(len(people)), world_size):
        rows = np.arange(number * CHUNK, min((number + 1) * CHUNK, len(people)))
        chunk = people.select(rows)

        # Predictions that an earlier run or another process has cached.
        paths = {
            name: folder / name / f"{_cache_key(chunk, backend, protocol, broken)}.npz" for name, protocol in protocols.items()
        }
        results = {name: cached for name, path in paths.items() if (cached := _read_cache(path)) is not None}

        # All protocols that are missing, together, because they share crops and forward passes.
        missing = {name: protocol for name, protocol in protocols.items() if name not in results}
        if missing:
            predicted = _predict_chunk(chunk, backend, missing, torch.device(device), broken)
            for name, predictions in predicted.items():
                _write_cache(paths[name], predictions)
            results |= predicted

        chunks[number] = {name: results[name] for name in protocols}
        progress(len(rows))
    return chunks


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


def _cache_key(chunk: People, backend: Backend, protocol: Protocol, broken: str) -> str:
    """Hash everything that a chunk's predictions depend on: code versions, network, protocol, image files, boxes."""
    versions = versions_of("inference", "crops", "batches", "decoding")
    defaults = asdict(Protocol())
    options = {key: value for key, value in asdict(protocol).items() if value != defaults[key] and key != "description"}
    files = [
        (path.name, *((stat := path.stat()).st_size, stat.st_mtime_ns)) if path.is_file() else path.name
        for path in chunk.images
    ]
    identity = json.dumps([versions, backend.sha256, backend.input_hw, options, chunk.dataset, files, broken])
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


def _predict_chunk(
    chunk: People, backend: Backend, protocols: Mapping[str, Protocol], device: torch.device, broken: Literal["raise", "skip"]
) -> dict[str, Predictions]:
    # Read each image once, however many people are on it. People whose image cannot be read keep NaN.
    images = {path: read_image(path, broken) for path in dict.fromkeys(chunk.images)}
    readable = np.flatnonzero([images[path] is not None for path in chunk.images])
    shape = (len(chunk), len(backend.joints))
    results = {name: Predictions(np.full((*shape, 2), np.nan), np.full(shape, np.nan)) for name in protocols}

    # Predict in batches, and write each batch's joints into its rows.
    batch_size = CPU_BATCH if device.type == "cpu" else CHUNK
    for start in range(0, len(readable), batch_size):
        rows = readable[start : start + batch_size]
        batch_images = [image for row in rows if (image := images[chunk.images[row]]) is not None]
        for name, batch in _predict_batch(chunk.select(rows), batch_images, backend, protocols, device):
            results[name].joints[rows], results[name].scores[rows] = batch
    return results


def _predict_batch(
    people: People,
    images: Sequence[np.ndarray],
    backend: Backend,
    protocols: Mapping[str, Protocol],
    device: torch.device,
) -> Iterator[tuple[str, Predictions]]:
    """Predict one batch under each protocol; protocols with the same crops share them and the forward passes."""
    shared: dict[tuple[object, ...], tuple[np.ndarray, _BatchOutputs]] = {}
    for name, protocol in protocols.items():
        # Crop and normalise, once for all protocols that crop alike.
        crop = (protocol.crop, protocol.padding, protocol.center_shift, protocol.antialias, protocol.bgr)
        if crop not in shared:
            transforms = person_transforms(people, images, protocol, backend.input_hw)
            inputs = torch.from_numpy(sample_inputs(images, transforms, backend.input_hw, antialias=protocol.antialias))
            shared[crop] = transforms, _BatchOutputs(backend, normalize(inputs.to(device), bgr=protocol.bgr))
        transforms, outputs = shared[crop]

        # Run the network, and average its heatmaps over flip and scales as the protocol asks.
        heatmaps = outputs.average(protocol)

        # Decode the heatmaps to joints in the input, then undo the crop to get pixels of the image.
        stride = backend.input_hw[1] / heatmaps.shape[-1]
        peaks = decode_heatmaps(heatmaps, protocol.decoding, stride, protocol.convention)
        joints = transform_points(invert_transforms(transforms), peaks.points.double().cpu().numpy())
        yield name, Predictions(joints, peaks.scores.double().cpu().numpy())


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
