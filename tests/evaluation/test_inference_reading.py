"""Images are read in threads ahead of the network; results, errors and what a kill loses are those of reading in turn."""

from __future__ import annotations

import platform
import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.config.protocols import PROTOCOLS, Protocol
from benchmark.core.errors import InputError
from benchmark.core.keypoints import MPII_JOINTS, mirrored_indices
from benchmark.data.images import read_image
from benchmark.data.people import People
from benchmark.evaluation.backends import Backend
from benchmark.evaluation.inference import CHUNK, CPU_BATCH, Predictions, assemble_chunks, predict_people
from benchmark.pipeline.batches import normalize
from benchmark.pipeline.crops import invert_transforms, person_transforms, sample_inputs, transform_points
from benchmark.pipeline.decode import decode_heatmaps, flip_back
from tests.evaluation.generated_people import people as generate

READ = "benchmark.evaluation.inference.read_image"
HRNET = {"hrnet": PROTOCOLS["hrnet"]}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    """Three chunks of people, the last of them not full; two people share each image."""
    couples = generate(tmp_path_factory.mktemp("images"), CHUNK + 5, (72, 96))
    chosen = couples.select(np.repeat(np.arange(CHUNK + 5), 2))
    return replace(chosen, centers=chosen.centers + np.arange(len(chosen))[:, None] % 2 * 5)


@pytest.fixture(scope="module")
def backend() -> Backend:
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 16, 7, stride=4, padding=3).requires_grad_(False)
    return Backend(lambda images: (network(images),), MPII_JOINTS, (64, 64), "")


def predict(
    people: People, backend: Backend, folder: Path, protocols: dict[str, Protocol] = HRNET, **options: Any
) -> Predictions:
    return assemble_chunks([predict_people(people, backend, protocols, folder, **options)], len(people))["hrnet"]


def predict_in_turn(people: People, backend: Backend, protocol: Protocol) -> Predictions:
    """Predict without threads, chunks or cache: read a batch, crop it, run it, decode it."""
    joints, scores = [], []
    for first in range(0, len(people), CPU_BATCH):
        batch = people.select(np.arange(first, min(first + CPU_BATCH, len(people))))
        images = [read_image(path) for path in batch.images]
        transforms = person_transforms(batch, images, protocol, backend.input_hw)
        inputs = normalize(torch.from_numpy(sample_inputs(images, transforms, backend.input_hw, antialias=protocol.antialias)))
        [heatmaps], [mirrored] = backend.forward(inputs), backend.forward(inputs.flip(-1))
        heatmaps = (heatmaps + flip_back(mirrored, mirrored_indices(backend.joints), shift=True)) / 2
        peaks = decode_heatmaps(heatmaps, protocol.decoding, 4.0, protocol.convention)
        joints.append(transform_points(invert_transforms(transforms), peaks.points.double().numpy()))
        scores.append(peaks.scores.double().numpy())
    return Predictions(np.concatenate(joints), np.concatenate(scores))


def assert_same_bits(predictions: Predictions, expected: Predictions) -> None:
    assert predictions.joints.tobytes() == expected.joints.tobytes()
    assert predictions.scores.tobytes() == expected.scores.tobytes()


@pytest.mark.parametrize("protocol", [HRNET["hrnet"], replace(HRNET["hrnet"], crop="picture", antialias=True, decoding="dark")])
def test_reading_ahead_changes_no_bit(
    people: People, backend: Backend, protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images that arrive in any order are those of a loop that reads them in turn."""

    def read_late(path: Path, broken: Any) -> np.ndarray | None:
        time.sleep(random.uniform(0, 0.005))
        return read_image(path, broken)

    monkeypatch.setattr(READ, read_late)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    expected = predict_in_turn(people, backend, protocol)
    assert_same_bits(predict(people, backend, tmp_path / "ahead", {"hrnet": protocol}), expected)

    # A process that does a single chunk has nothing to read ahead.
    chunks = -(-len(people) // CHUNK)
    single = [
        predict_people(people, backend, {"hrnet": protocol}, tmp_path / "single", shard=(rank, chunks))
        for rank in range(chunks)
    ]
    assert_same_bits(assemble_chunks(single, len(people))["hrnet"], expected)


def test_each_image_is_read_once_and_no_further_ahead_than_the_next_chunk(
    people: People, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []
    ahead: list[int] = []

    def record_read(path: Path, broken: Any) -> np.ndarray | None:
        assert threading.current_thread() is not threading.main_thread()
        reads.append(path)
        return read_image(path, broken)

    def forward(images: Tensor) -> tuple[Tensor, ...]:
        time.sleep(0.05)  # the threads read all that they are allowed to
        ahead.append(len(reads))
        return backend.forward(images)

    monkeypatch.setattr(READ, record_read)
    protocols = {**HRNET, "dark": PROTOCOLS["hrnet-dark"], "argmax": PROTOCOLS["hrnet-argmax"]}
    predict(people, backend._replace(forward=forward), tmp_path / "all", protocols)
    assert sorted(reads) == sorted(set(people.images))
    images_of_chunk, calls_of_chunk = CHUNK // 2, 2 * CHUNK // CPU_BATCH  # two people on an image; images and mirrored images
    assert set(ahead[:calls_of_chunk]) <= set(range(images_of_chunk, 2 * images_of_chunk + 1))
    assert ahead[calls_of_chunk - 1] == 2 * images_of_chunk

    predict(people, backend, tmp_path / "all", protocols)
    assert len(reads) == len(set(people.images)), "nothing is read where all chunks are cached"


def test_a_broken_image_stops_after_the_chunks_before_it_or_is_left_out(
    backend: Backend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = generate(tmp_path / "images", 3 * CHUNK, (72, 96))
    whole = predict(people, backend, tmp_path / "whole")
    broken = CHUNK + 7
    people.images[broken].write_bytes(people.images[broken].read_bytes()[:500])

    with pytest.raises(InputError, match=rf"{people.images[broken].name}: the image is truncated"):
        predict(people, backend, tmp_path / "stopped")
    assert len(list((tmp_path / "stopped" / "hrnet").iterdir())) == 1, "the first chunk is kept"
    assert not [thread for thread in threading.enumerate() if "ThreadPoolExecutor" in thread.name], "nothing reads on"

    rest = predict(people, backend, tmp_path / "skipped", broken="skip")
    assert np.flatnonzero(~rest.readable()).tolist() == [broken]
    assert_same_bits(Predictions(*(part[:CHUNK] for part in rest)), Predictions(*(part[:CHUNK] for part in whole)))
    np.testing.assert_array_equal(np.delete(rest.joints, broken, 0), np.delete(whole.joints, broken, 0))
    assert capsys.readouterr().err.count("skipped: ") == 1


def test_an_interrupted_run_keeps_every_finished_chunk(people: People, backend: Backend, tmp_path: Path) -> None:
    """An interrupt in a chunk loses that chunk alone, though the images of the next one have been read."""
    calls = 0

    def interrupted(images: Tensor) -> tuple[Tensor, ...]:
        nonlocal calls
        calls += 1
        if calls == 2 * CHUNK // CPU_BATCH + 3:  # in the second chunk
            raise KeyboardInterrupt
        return backend.forward(images)

    with pytest.raises(KeyboardInterrupt):
        predict(people, backend._replace(forward=interrupted), tmp_path / "work")
    assert len(list((tmp_path / "work" / "hrnet").iterdir())) == 1
    assert_same_bits(predict(people, backend, tmp_path / "work"), predict(people, backend, tmp_path / "fresh"))


COUNT_FAULTS = """
import resource, sys
import numpy as np
from benchmark.evaluation.inference import _keep_freed_memory

if sys.argv[1] == "kept":
    _keep_freed_memory()
for repetition in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(64 << 20, np.uint8).fill(1)  # as large as the output of a layer
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not_run: only glibc can be told to keep freed memory")
def test_a_freed_tensors_memory_is_used_again() -> None:
    """The system by default zeroes the pages of each large tensor; kept, the third tensor finds them ready."""
    faults = {}
    for setting in ("default", "kept"):
        command = [sys.executable, "-c", COUNT_FAULTS, setting]
        faults[setting] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert faults["kept"] < 20 < faults["default"]
