"""Time evaluation on a set of MPII's size beside HRNet's validation loop, and say what bounds it: ``make bench``.

The set has 2,958 people on JPEG files of 1280 x 720. All loops run the same network with random weights on crops of 256 x 256,
with the shifted flip test, on PyTorch's default number of threads. Each has a process of its own, because evaluation changes
how its process allocates memory; the loops alternate, so that a busy machine slows all of them.
"""

from __future__ import annotations

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchmark.config.protocols import PROTOCOLS
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.data.mpii import load_mpii
from benchmark.evaluation import inference
from benchmark.evaluation.arguments import EvaluateArguments
from benchmark.evaluation.backends import Backend, network_runner
from benchmark.evaluation.inference import assemble_chunks, predict_people
from benchmark.evaluation.run import evaluate_model
from benchmark.models.registry import build_model
from reproductions.network_checks import randomise_batch_norms
from tests.bench import plain_evaluation
from tests.bench.generated_mpii import NUM_PEOPLE, write_mpii

MODEL, INPUT_HW = "efficientpose_nas/A", (256, 256)
PEOPLE, ROUNDS = 64, 3  # people per loop and round, two chunks
STAGES = ("read_image", "sample_inputs", "normalize", "decode_heatmaps", "_write_cache")


class Loop(NamedTuple):
    """An evaluation loop; without a number of workers, ours."""

    workers: int | None = None
    batch: int = plain_evaluation.BATCH

    def __str__(self) -> str:
        return "ours" if self.workers is None else f"HRNet's, {self.workers} workers, batches of {self.batch}"


OURS = Loop()
HRNET = (Loop(0), Loop(1), Loop(2))
OF_OUR_BATCH = Loop(2, inference.CPU_BATCH)  # shows how much of the difference comes from the size of the batches


@cache
def network() -> nn.Module:
    torch.manual_seed(0)
    model = build_model(MODEL, joints=len(MPII_JOINTS))
    randomise_batch_norms(model, torch.rand(2, 3, *INPUT_HW))  # an untrained network's heatmaps are flat
    return model.eval()


def run(loop: Loop, folder: Path, first: int, count: int) -> tuple[float, np.ndarray]:
    """Evaluate people from ``first`` on; return the seconds, and the joints ``[count, 16, 2]``."""
    people, model = load_mpii(folder).select(np.arange(first, first + count)), network()
    with tempfile.TemporaryDirectory() as work:
        begun = time.perf_counter()
        if loop.workers is not None:
            joints, _ = plain_evaluation.evaluate(people, model, INPUT_HW, workers=loop.workers, batch=loop.batch)
        else:
            backend = Backend(network_runner(model, MODEL, len(MPII_JOINTS)), MPII_JOINTS, INPUT_HW, "")
            chunks = predict_people(people, backend, {"hrnet": PROTOCOLS["hrnet"]}, Path(work))
            joints = assemble_chunks([chunks], count)["hrnet"].joints
        return time.perf_counter() - begun, joints


def run_in_stages(folder: Path, count: int) -> tuple[float, dict[str, float]]:
    """Evaluate people by our loop; return the seconds in all and in each stage; reading and cropping are in threads."""
    run(OURS, folder, 0, count)
    seconds = dict.fromkeys((*STAGES, "forward"), 0.0)

    def timed(stage: str, function: Callable) -> Callable:
        def call(*arguments: object, **options: object) -> object:
            begun = time.perf_counter()
            result = function(*arguments, **options)
            seconds[stage] += time.perf_counter() - begun
            return result

        return call

    for stage in STAGES:
        setattr(inference, stage, timed(stage, getattr(inference, stage)))
    network().forward = timed("forward", network().forward)
    return run(OURS, folder, 0, count)[0], seconds


def evaluate_set(folder: Path, limit: int | None) -> tuple[float, float]:
    """Evaluate by the command's function; return the seconds with scoring, and the peak of the process's memory in MB."""
    weights = folder / "random.safetensors"
    save_file(network().state_dict(), weights)
    with tempfile.TemporaryDirectory() as work:
        arguments = EvaluateArguments(
            model=MODEL, weights=weights, dataset="mpii", root=folder, device="cpu", work=Path(work), keep=False, limit=limit
        )
        begun = time.perf_counter()
        evaluate_model(arguments)
        return time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def fresh_process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


@pytest.fixture(scope="module")
def mpii(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "mpii"
    write_mpii(folder)
    return folder


@pytest.fixture
def processes() -> Iterator[dict[Loop, ProcessPoolExecutor]]:
    pools = {loop: fresh_process() for loop in (OURS, *HRNET, OF_OUR_BATCH)}
    yield pools
    for pool in pools.values():
        pool.shutdown()


def test_evaluation_is_twice_as_fast_as_hrnets_loop(benchmark, mpii: Path, processes: dict[Loop, ProcessPoolExecutor]) -> None:
    """Require a factor of 2 against HRNet's loop with its batches of 32 and its best number of workers, for the same joints."""
    seconds: dict[Loop, list[float]] = {loop: [] for loop in processes}
    starts = iter(range(0, NUM_PEOPLE, PEOPLE))
    for loop, process in processes.items():  # warm up
        process.submit(run, loop, mpii, 0, loop.batch).result()

    def all_loops() -> None:
        first, joints = next(starts), {}
        for loop, process in processes.items():
            taken, joints[loop] = process.submit(run, loop, mpii, first, PEOPLE).result()
            seconds[loop].append(taken)
        same = np.isclose(joints[OF_OUR_BATCH], joints[OURS], atol=0.01).all(2)
        assert same.mean() > 0.99

    benchmark.pedantic(all_loops, rounds=ROUNDS)
    speeds = {loop: PEOPLE / float(np.median(times)) for loop, times in seconds.items()}
    best = max(HRNET, key=lambda loop: speeds[loop])
    benchmark.extra_info["people per second"] = {"ours": round(speeds[OURS], 1), "usual": round(speeds[best], 1)}
    print(f"\n{torch.get_num_threads()} threads of PyTorch")
    for loop, speed in speeds.items():
        print(f"{speed:6.1f} people per second  {speeds[OURS] / speed:5.2f} x  {loop}")
    assert speeds[OURS] >= 2 * speeds[best]


def test_what_bounds_evaluation(benchmark, mpii: Path) -> None:
    """Time each stage: reading and cropping run in threads beside the others, whose sum is the time of the evaluation."""
    with fresh_process() as process:
        total, seconds = benchmark.pedantic(lambda: process.submit(run_in_stages, mpii, 2 * PEOPLE).result(), rounds=1)
    shares = {stage: value / total for stage, value in seconds.items()}
    benchmark.extra_info["shares"] = shares
    print(f"\n{torch.get_num_threads()} threads, {1e3 * total / (2 * PEOPLE):.1f} ms per person")
    for stage, share in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"{1e3 * seconds[stage] / (2 * PEOPLE):6.2f} ms  {share:5.1%} of the time  {stage}")
    reading = shares["read_image"] + shares["sample_inputs"]
    print(f"bound by {max(shares, key=lambda stage: shares[stage])}; reading keeps {reading:.2f} threads busy beside it")
    assert sum(shares.values()) - reading <= 1  # the stages of the main thread, one after another


def test_the_whole_set_in_bounded_memory(benchmark, mpii: Path) -> None:
    """Evaluate and score all people by the command's function, in no more memory than a tenth of them takes, plus 100 MB."""
    with fresh_process() as process:
        _, memory_of_tenth = process.submit(evaluate_set, mpii, NUM_PEOPLE // 10).result()
    with fresh_process() as process:
        seconds, memory = benchmark.pedantic(lambda: process.submit(evaluate_set, mpii, None).result(), rounds=1)
    print(f"\n{NUM_PEOPLE} people in {seconds:.0f} s, {NUM_PEOPLE / seconds:.1f} per second; {memory:.0f} MB of memory at most")
    assert memory < memory_of_tenth + 100
