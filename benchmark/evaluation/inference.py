"""From persons to predicted joints, a chunk at a time: several protocols share what they have in common.

A chunk's result is a file named by the hash of all that it depends on, written whole; whoever needs it again reads it. So a
killed run loses the chunk it was at, and processes that share a folder share their work. Chunks are the same for any number of
processes, which keeps results independent of it.
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

CHUNK = 32  # persons
CPU_BATCH = 8  # of them at once, whose maps a CPU's caches can hold


class Predictions(NamedTuple):
    """Joints in pixels of the photograph, in the network's order; NaN for a person whose photograph was skipped."""

    joints: np.ndarray  # float64 [N, K, 2]
    scores: np.ndarray  # float64 [N, K], heights of the decoded maps

    def found(self) -> np.ndarray:
        """[N] whether the person's photograph could be read."""
        return np.isfinite(self.joints).all((1, 2))

    def sha256(self) -> str:
        """The content hash of joints and scores, to a thousandth of a pixel and a millionth."""
        content = np.round(self.joints, 3).tobytes() + np.round(self.scores, 6).tobytes()
        return hashlib.sha256(content).hexdigest()


def predict_people(
    people: People,
    backend: Backend,
    protocols: Mapping[str, Protocol],
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    broken: Literal["raise", "skip"] = "raise",
    shard: tuple[int, int] = (0, 1),
    progress: Callable[[int], object] = lambda persons: None,
) -> dict[int, dict[str, Predictions]]:
    """Predictions by chunk number and protocol, of the chunks that are this process's.

    Args:
        folder: where chunks are kept.
        broken: what to do about a photograph that cannot be read.
        shard: (process, processes): every so many-th chunk is this process's.
        progress: called with the number of persons each time a chunk is done.

    Raises:
        InputError: an unreadable photograph, an impossible box, an unknown crop rule or decoding.
    """
    done = {}
    for number in range(shard[0], -(-len(people) // CHUNK), shard[1]):
        rows = np.arange(number * CHUNK, min((number + 1) * CHUNK, len(people)))
        chunk = people.select(rows)
        paths = {name: folder / name / f"{_key(chunk, backend, protocol, broken)}.npz" for name, protocol in protocols.items()}
        results = {name: result for name, path in paths.items() if (result := _read(path)) is not None}
        if missing := {name: protocol for name, protocol in protocols.items() if name not in results}:
            fresh = _predict_chunk(chunk, backend, missing, torch.device(device), broken)
            for name, result in fresh.items():
                _write(paths[name], result)
            results |= fresh
        done[number] = {name: results[name] for name in protocols}
        progress(len(rows))
    return done


def assemble_chunks(parts: Iterable[Mapping[int, Mapping[str, Predictions]]], persons: int) -> dict[str, Predictions]:
    """All processes' chunks put together.

    Raises:
        RuntimeError: a chunk is missing, there twice, or of the wrong length.
    """
    chunks: dict[int, Mapping[str, Predictions]] = {}
    for part in parts:
        if twice := chunks.keys() & part.keys():
            raise RuntimeError(f"chunk {min(twice)} was done by two processes")
        chunks |= part
    numbers = range(-(-persons // CHUNK))
    if lost := set(numbers) - chunks.keys():
        raise RuntimeError(f"chunk {min(lost)} was done by no process")
    together = {}
    for name in chunks[0]:
        joints, scores = (np.concatenate(c) for c in zip(*(chunks[number][name] for number in numbers), strict=True))
        if len(joints) != persons:
            raise RuntimeError(f"{len(joints)} predictions for {persons} persons")
        together[name] = Predictions(joints, scores)
    return together


def _key(chunk: People, backend: Backend, protocol: Protocol, broken: str) -> str:
    versions = versions_of("inference", "crops", "batches", "decoding")
    told = {key: value for key, value in asdict(protocol).items() if value != asdict(Protocol())[key] and key != "description"}
    files = [
        (path.name, *((stat := path.stat()).st_size, stat.st_mtime_ns)) if path.is_file() else path.name
        for path in chunk.images
    ]
    identity = json.dumps([versions, backend.sha256, backend.input_hw, told, chunk.dataset, files, broken])
    return hashlib.sha256(identity.encode() + chunk.centers.tobytes() + chunk.sizes.tobytes()).hexdigest()[:24]


def _read(path: Path) -> Predictions | None:
    try:
        with np.load(path) as arrays:
            return Predictions(arrays["joints"], arrays["scores"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, result: Predictions) -> None:
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, joints=result.joints, scores=result.scores)


def _predict_chunk(
    chunk: People, backend: Backend, protocols: Mapping[str, Protocol], device: torch.device, broken: Literal["raise", "skip"]
) -> dict[str, Predictions]:
    pictures = {path: read_image(path, broken) for path in dict.fromkeys(chunk.images)}
    there = np.flatnonzero([pictures[path] is not None for path in chunk.images])
    shape = (len(chunk), len(backend.joints))
    results = {name: Predictions(np.full((*shape, 2), np.nan), np.full(shape, np.nan)) for name in protocols}
    size = CPU_BATCH if device.type == "cpu" else CHUNK
    for rows in (there[start : start + size] for start in range(0, len(there), size)):
        photographs = [picture for row in rows if (picture := pictures[chunk.images[row]]) is not None]
        for name, found in _predict_batch(chunk.select(rows), photographs, backend, protocols, device):
            results[name].joints[rows], results[name].scores[rows] = found
    return results


def _predict_batch(
    people: People,
    photographs: Sequence[np.ndarray],
    backend: Backend,
    protocols: Mapping[str, Protocol],
    device: torch.device,
) -> Iterator[tuple[str, Predictions]]:
    views: dict[tuple[object, ...], tuple[np.ndarray, _Maps]] = {}
    for name, protocol in protocols.items():
        view = (protocol.crop, protocol.padding, protocol.center_shift, protocol.antialias, protocol.bgr)
        if view not in views:
            matrices = person_transforms(people, photographs, protocol, backend.input_hw)
            images = torch.from_numpy(sample_inputs(photographs, matrices, backend.input_hw, antialias=protocol.antialias))
            views[view] = matrices, _Maps(backend, normalize(images.to(device), bgr=protocol.bgr))
        matrices, maps = views[view]
        heatmaps = maps.averaged(protocol)
        stride = backend.input_hw[1] / heatmaps.shape[-1]
        peaks = decode_heatmaps(heatmaps, protocol.decoding, stride, protocol.convention)
        joints = transform_points(invert_transforms(matrices), peaks.points.double().cpu().numpy())
        yield name, Predictions(joints, peaks.scores.double().cpu().numpy())


class _Maps:
    """What the network makes of a batch, enlarged and mirrored as asked; each is computed once."""

    def __init__(self, backend: Backend, images: Tensor) -> None:
        self.backend = backend
        self.images = images
        self.mirror = mirrored_indices(backend.joints)
        self.kept: dict[tuple[float, bool], tuple[Tensor, ...]] = {}

    def averaged(self, protocol: Protocol) -> Tensor:
        """The heatmaps [B, K, h, w] that a protocol decodes."""
        zoomed = [zoom_maps(self._flip_tested(protocol, scale), 1 / scale) for scale in protocol.scales]
        return torch.stack(zoomed).mean(0) if len(zoomed) > 1 else zoomed[0]

    def _flip_tested(self, protocol: Protocol, scale: float) -> Tensor:
        plain = self._activated(protocol, scale, False)
        if protocol.flip == "off":
            return plain
        turned = self._activated(protocol, scale, True)
        return (plain + flip_back(turned, self.mirror, shift=protocol.flip == "shifted")) / 2

    def _activated(self, protocol: Protocol, scale: float, flip: bool) -> Tensor:
        maps = self._forward(scale, flip)[protocol.output]
        return maps.sigmoid() if protocol.activation == "sigmoid" else maps

    def _forward(self, scale: float, flip: bool) -> tuple[Tensor, ...]:
        if (scale, flip) not in self.kept:
            images = zoom_maps(self.images, scale)
            self.kept[scale, flip] = self.backend.maps(images.flip(-1) if flip else images)
        return self.kept[scale, flip]
