"""Evaluate every published checkpoint that can be had, and put the results beside what its publisher prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.core.errors import InputError
from benchmark.core.files import data_root
from benchmark.core.records import RECORDS, Record
from benchmark.data.download import fetch_source
from benchmark.data.sources import list_sources
from benchmark.evaluation.run import EvaluateArguments, evaluate_model, load_test_people
from benchmark.models.checkpoints import AUTHORS, Checkpoint, checkpoints

LSP_FROM = "mpii"  # LSP's joints are among those of MPII
MAIN_METRIC = {"mpii": "pckh@0.5 (hrnet)", "coco": "AP", "lsp": "pck@0.2"}


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """The outcome for one checkpoint: its records, or the reason why there are none."""

    checkpoint: Checkpoint
    records: Sequence[Record] = ()
    problem: str = ""


def evaluate_published(arguments: EvaluateArguments, folder: Path = RECORDS) -> Iterator[PublishedResult]:
    """Evaluate the published checkpoints of the dataset one after the other; those of one model if the arguments name it.

    A file that is missing is downloaded first, unless ``arguments.offline`` or it can only be had by hand. What is on record
    or predicted already is not computed again. Where authors publish a network in several formats, the first that is there
    counts.

    Raises:
        InputError: no checkpoint predicts the dataset's joints.
    """
    dataset = LSP_FROM if arguments.kind == "lsp" else arguments.kind
    chosen = [
        checkpoint
        for checkpoint in checkpoints().values()
        if checkpoint.file and checkpoint.dataset == dataset and arguments.model in ("", checkpoint.model)
    ]
    if not chosen:
        owner = f" of {arguments.model}" if arguments.model else ""
        raise InputError(f"no published weights{owner} predict the joints of {dataset}")
    check_images(arguments)
    done = set()
    for checkpoint in chosen:
        network = (checkpoint.evidence, checkpoint.publisher, checkpoint.model, checkpoint.input)
        if checkpoint.evidence == AUTHORS and network in done:
            continue
        try:
            path = find_or_fetch(checkpoint, download=not arguments.offline)
            size = arguments.input or checkpoint.input
            one = replace(arguments, model=checkpoint.model, weights=path, head=checkpoint.dataset, input=size)
            yield PublishedResult(checkpoint=checkpoint, records=evaluate_model(one, folder)[1])
            done.add(network)
        except InputError as problem:
            yield PublishedResult(checkpoint=checkpoint, problem=str(problem))


def check_images(arguments: EvaluateArguments) -> None:
    """Check that the dataset is there before anything is downloaded for it.

    Raises:
        InputError: the annotations are missing or malformed, or none of the images is there.
    """
    people, folder = load_test_people(arguments)
    images = set(people.images)
    if not any(path.is_file() for path in images):
        raise InputError(f"{folder}: none of the {len(images):,} images of {arguments.dataset} is there; see benchmark.data")


def find_or_fetch(checkpoint: Checkpoint, *, download: bool) -> Path:
    """Return the path of a checkpoint's file in the data root.

    Raises:
        InputError: it is missing and cannot be downloaded, or must not be.
    """
    path = data_root() / checkpoint.path
    if not path.is_file():
        (source,) = list_sources()[f"weights/{checkpoint.id}"]
        if checkpoint.url and not download:
            raise InputError(f"absent; get it by python -m benchmark.data fetch weights/{checkpoint.id}")
        fetch_source(source, data_root())
    return path


class PublishedReport(TypedDict):
    """One checkpoint in the output of ``python -m benchmark.evaluate --published --json``.

    Attributes:
        results: By protocol and metric, the value and its 95 % interval.
        reported: What the publisher prints, by its names of the metrics; no verdict follows from it.
        problem: Why there are no results; empty if there are.
    """

    checkpoint: str
    model: str
    evidence: str
    input: str
    results: dict[str, tuple[float, list[float] | None]]
    reported: dict[str, str]
    problem: str


class PublishedReports(TypedDict):
    """The output of ``python -m benchmark.evaluate --published --json``."""

    schema: Literal[1]
    dataset: str
    checkpoints: list[PublishedReport]


def published_report(results: Sequence[PublishedResult], dataset: str) -> PublishedReports:
    """Return the content of ``--json``."""
    return {
        "schema": 1,
        "dataset": dataset,
        "checkpoints": [
            {
                "checkpoint": result.checkpoint.id,
                "model": result.checkpoint.model,
                "evidence": result.checkpoint.evidence,
                "input": result.checkpoint.input,
                "results": {
                    f"{record.protocol}: {record.metric}": (record.value, list(record.interval) if record.interval else None)
                    for record in result.records
                    if not record.setting["over"]
                },
                "reported": dict(result.checkpoint.figures()),
                "problem": result.problem,
            }
            for result in results
        ],
    }


def format_published(results: Sequence[PublishedResult], kind: str) -> str:
    """Format the results as a table: authors' weights and others' retrainings apart, each with its publisher's own figure."""
    metric, places = MAIN_METRIC[kind], 3 if kind == "coco" else 2
    lines = []
    for evidence in dict.fromkeys(result.checkpoint.evidence for result in results):
        lines.append(
            f"{evidence}: {metric}, 95 % interval, and what the publisher reports (MPII: PCKh, COCO: AP, in its own unit)"
        )
        for result in results:
            checkpoint = result.checkpoint
            if checkpoint.evidence != evidence:
                continue
            record = next((r for r in result.records if r.metric == metric and not r.setting["over"]), None)
            outcome = "not evaluated"
            if record is not None:
                interval = "[{:.{p}f}, {:.{p}f}]".format(*record.interval, p=places) if record.interval else ""
                outcome = f"{record.value:.{places}f}  {interval}  n = {record.n}"
            reported = next(iter(checkpoint.figures().values()), "-")
            lines.append(f"  {checkpoint.id:48}{checkpoint.input:>8}  {reported:>7}  {outcome}")
    done = sum(bool(result.records) for result in results)
    lines.append(f"{done} of {len(results)} checkpoints evaluated")
    return "\n".join(lines)
