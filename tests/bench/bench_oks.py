"""Time OKS AP on a set of val2017's size beside the usual alternatives: ``make bench``.

It is timed twice: from arrays, and the others from their loaded annotations and results, so that reading JSON counts for none
of them; and from the two files to the metrics, in seconds of processor time.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from benchmark.core.statistics import draw_counts
from benchmark.metrics.average_precision import AP_METRICS, compute_average_precision, resample_average_precision
from benchmark.metrics.coco_files import parse_coco_detections, parse_coco_people
from benchmark.metrics.oks import CocoDetections, CocoPeople, match_detections
from benchmark.metrics.score_files import ScoreArguments, score_file
from tests.metrics.coco_cases import Annotations, Detections, val2017_sized

Arrays = tuple[CocoPeople, CocoDetections]
PROMISED = {"none": 1.5, "bootstrap": 4.0}  # seconds from files to metrics, by --intervals
processor_time = pytest.mark.benchmark(timer=time.process_time)  # of all threads


@pytest.fixture(scope="module")
def files() -> tuple[Annotations, Detections]:
    return val2017_sized()


@pytest.fixture(scope="module")
def arrays(files: tuple[Annotations, Detections]) -> Arrays:
    people = parse_coco_people(files[0])
    return people, parse_coco_detections(files[1], people)


@pytest.fixture(scope="module")
def metrics(arrays: Arrays) -> dict[str, float]:
    return compute_average_precision(match_detections(*arrays))


def test_from_arrays(benchmark, arrays: Arrays) -> None:
    """Compute all ten metrics in less than 2 s."""
    benchmark.pedantic(lambda: compute_average_precision(match_detections(*arrays)), rounds=5, warmup_rounds=1)
    assert benchmark.stats.stats.median < 2


def test_from_parsed_json(benchmark, files: tuple[Annotations, Detections]) -> None:
    """Turn parsed JSON into arrays, including all checks of the input."""

    def parse() -> CocoDetections:
        return parse_coco_detections(files[1], parse_coco_people(files[0]))

    assert len(benchmark.pedantic(parse, rounds=2).scores) == len(files[1])


def test_a_thousand_bootstrap_replicates(benchmark, arrays: Arrays) -> None:
    """Draw 1,000 resampled datasets and compute the ten metrics of each in less than 20 s."""
    matches = match_detections(*arrays)

    def resample() -> dict[str, Any]:
        return resample_average_precision(matches, draw_counts(len(matches.people)))

    replicates = benchmark.pedantic(resample, rounds=1)
    assert replicates["AP"].shape == (1000,)
    assert benchmark.stats.stats.median < 20


def test_by_pycocotools(benchmark, files: tuple[Annotations, Detections], metrics: dict[str, float]) -> None:
    assert evaluate_by(benchmark, COCO, COCOeval, files) == metrics


def test_by_faster_coco_eval(benchmark, files: tuple[Annotations, Detections], metrics: dict[str, float]) -> None:
    faster = pytest.importorskip("faster_coco_eval", reason="faster-coco-eval is not installed")
    assert evaluate_by(benchmark, faster.COCO, faster.COCOeval_faster, files) == pytest.approx(metrics, abs=1e-12)


def test_by_hotcoco(benchmark, files: tuple[Annotations, Detections], metrics: dict[str, float]) -> None:
    hotcoco = pytest.importorskip("hotcoco", reason="hotcoco is not installed")
    assert evaluate_by(benchmark, hotcoco.COCO, hotcoco.COCOeval, files) == pytest.approx(metrics, abs=1e-12)


def evaluate_by(benchmark: Any, coco: Any, coco_eval: Any, files: tuple[Annotations, Detections]) -> dict[str, float]:
    """Time evaluation and accumulation by a library with pycocotools' interface, and return its metrics."""
    annotations, detections = files
    with silent():
        truth = coco(copy.deepcopy(annotations)) if coco is not COCO else COCO()
        if coco is COCO:
            truth.dataset = copy.deepcopy(annotations)
            truth.createIndex()
        evaluation = coco_eval(truth, truth.loadRes(copy.deepcopy(detections)), "keypoints")

        def evaluate() -> None:
            evaluation.evaluate()
            evaluation.accumulate()

        benchmark.pedantic(evaluate, rounds=1)
        evaluation.summarize()
    return dict(zip(AP_METRICS, [float(value) for value in evaluation.stats], strict=True))


@pytest.fixture(scope="module")
def paths(files: tuple[Annotations, Detections], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("val2017")
    written = folder / "annotations.json", folder / "detections.json"
    for path, content in zip(written, files, strict=True):
        path.write_text(json.dumps(content))
    return written


@processor_time
@pytest.mark.parametrize("intervals", PROMISED)
def test_from_files(benchmark, paths: tuple[Path, Path], metrics: dict[str, float], intervals: Any) -> None:
    """Score as the command does."""
    arguments = ScoreArguments(dataset="coco", annotations=paths[0], predictions=paths[1], intervals=intervals)
    scores = benchmark.pedantic(lambda: score_file(arguments), rounds=3)
    assert metrics.items() <= scores.items()
    assert benchmark.stats.stats.median < PROMISED[intervals]


@processor_time
def test_from_files_by_pycocotools(benchmark, paths: tuple[Path, Path], metrics: dict[str, float]) -> None:
    assert evaluate_files_by(benchmark, COCO, COCOeval, paths) == metrics


@processor_time
def test_from_files_by_faster_coco_eval(benchmark, paths: tuple[Path, Path], metrics: dict[str, float]) -> None:
    faster = pytest.importorskip("faster_coco_eval", reason="faster-coco-eval is not installed")
    assert evaluate_files_by(benchmark, faster.COCO, faster.COCOeval_faster, paths) == pytest.approx(metrics, abs=1e-12)


@processor_time
def test_from_files_by_hotcoco(benchmark, paths: tuple[Path, Path], metrics: dict[str, float]) -> None:
    hotcoco = pytest.importorskip("hotcoco", reason="hotcoco is not installed")
    assert evaluate_files_by(benchmark, hotcoco.COCO, hotcoco.COCOeval, paths) == pytest.approx(metrics, abs=1e-12)


def evaluate_files_by(benchmark: Any, coco: Any, coco_eval: Any, paths: tuple[Path, Path]) -> dict[str, float]:
    """Time all steps of a library with pycocotools' interface, and return its metrics."""

    def evaluate() -> list[float]:
        truth = coco(str(paths[0]))
        evaluation = coco_eval(truth, truth.loadRes(str(paths[1])), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return [float(value) for value in evaluation.stats]

    with silent():
        return dict(zip(AP_METRICS, benchmark.pedantic(evaluate, rounds=1), strict=True))


@contextlib.contextmanager
def silent() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield
