"""Write a training as records, find it again, and format it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast

from torch import nn
from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.config.identities import (
    MEAN_POSE,
    Identity,
    accuracy_identity,
    describe_setting,
    learning_rate_identity,
    mean_pose_identity,
    training_identity,
    training_setting,
)
from benchmark.core.errors import InputError
from benchmark.core.records import Record, load_records, provenance, record_id, select
from benchmark.core.statistics import pack_replicates
from benchmark.data.people import People, inventory_digest
from benchmark.evaluation.scoring import MetricResult
from benchmark.models.external import identify_external
from benchmark.models.weights import load_weights
from benchmark.training.checkpoint import save_weights
from benchmark.training.log import read_log
from benchmark.training.trainer import TrainingRun, weights_metadata
from benchmark.training.validation import Validator

TrainingKind = Literal["accuracy", "training", "mean_pose", "learning_rate"]


class TrainingResult(TypedDict):
    """A record of a training.

    Attributes:
        subject: A model's id, the name of a user's network, or ``mean pose``.
        n: Number of people.
        setting: Recipe, its version and start, and overrides.
        ci95: 95 % confidence interval.
        record: Id of the record.
    """

    kind: TrainingKind
    subject: str
    dataset: str
    split: str
    protocol: str
    metric: str
    value: float
    seed: int | None
    n: int
    setting: str
    ci95: list[float] | None
    record: str


class TrainingReport(TypedDict):
    """Output of ``python -m benchmark.train --json``, version 2: metrics of the trained network and of the mean pose."""

    schema: Literal[2]
    results: list[TrainingResult]


def run_setting(run: TrainingRun) -> dict[str, Any]:
    """Return what identifies a run among those of its network and seed."""
    return training_setting(run.recipe, run.start_label, run.overrides, run.rate) | identify_external(run.model)


def run_identity(run: TrainingRun, metric: str) -> Identity:
    """Return what identifies a metric of the finished run."""
    return accuracy_identity(run.model, run.recipe, run_setting(run), metric, run.seed)


def rate_identity(run: TrainingRun) -> Identity:
    """Return what identifies the learning rate that is found for the run's recipe."""
    identity = learning_rate_identity(run.model, run.recipe, run.seed)
    return identity | {"setting": identity["setting"] | identify_external(run.model)}


def find_rate_record(run: TrainingRun, folder: Path) -> Record | None:
    """Return the record of the learning rate that was found for the run's recipe."""
    return load_records(folder).get(record_id(rate_identity(run)))


def data_sample(trained_on: People, tested_on: People) -> dict[str, list[str]]:
    """Return the sample of a record that tells the photographs and annotations that it rests on from others of their names."""
    return {"data": [inventory_digest(trained_on), inventory_digest(tested_on)]}


def find_training_records(
    run: TrainingRun, metric: str, folder: Path, data: Mapping[str, list[str]] | None = None
) -> list[Record]:
    """Return the records of this training on the test people, if it was finished before with the same content of its recipe.

    Args:
        data: the present photographs and annotations; by default they are not compared.

    Raises:
        InputError: the records rest on other photographs or annotations.
    """
    records = load_records(folder)
    identity = run_identity(run, metric)
    record = records.get(record_id(identity))
    if record is None or (record.samples or {}).get("digest") != run.recipe.digest():
        return []
    if data and (record.samples or {}).get("data", data["data"]) != data["data"]:
        raise InputError(
            f"the records of {run.model} in {folder} rest on other photographs or annotations of {run.recipe.dataset} than "
            "are there now; remove them, or train with --no-keep"
        )
    return select(records, **{name: value for name, value in identity.items() if name != "metric"})


def training_records(
    run: TrainingRun, network: nn.Module, validator: Validator, people: People, data: Mapping[str, list[str]]
) -> list[Record]:
    """Return a finished training's records: metrics of its last or best epoch, curves, and the mean pose.

    All processes must call it; only the first returns records, and saves the tested weights as ``final.safetensors``.
    """
    if run.recipe.reports == "best":
        load_weights(network, run.folder / "best.safetensors", run.model)
    results, predictions = validator.evaluate(network)
    if predictions is None:
        return []
    save_weights(run.folder / "final.safetensors", network, weights_metadata(run, run.recipe.epochs))
    origin = provenance()
    samples = {"sha256": predictions.sha256(), "digest": run.recipe.digest(), **data}
    records = []
    for metric, result in results.items():
        replicates = {"replicates": pack_replicates(result.replicates)} if metric in validator.replicated else {}
        records.append(_record(run_identity(run, metric), result, len(validator.people), samples | replicates, origin))
    curves = training_identity(run.model, run.recipe, run_setting(run), run.seed)
    records.append(Record(**curves, **_curves(run), n=len(people), **origin))
    return records + mean_pose_records(run, validator, people, origin)


def _curves(run: TrainingRun) -> dict[str, Any]:
    """Return the last epoch's mean loss as value; losses by epoch, evaluations and speed as samples."""
    steps, evaluations = read_log(run.folder)
    epochs: dict[int, list[float]] = {}
    for line in steps:
        epochs.setdefault(line["epoch"], []).append(line["loss"])
    losses = [sum(values) / len(values) for _, values in sorted(epochs.items())]
    seconds = sorted(line["seconds"] for line in steps)
    samples = {
        "loss": losses,
        "figures": [[line["epoch"], line["figures"]] for line in evaluations],
        "images per second": round(run.recipe.batch / seconds[len(seconds) // 2], 1),
        "seconds": round(sum(seconds)),  # without the evaluations
        "digest": run.recipe.digest(),
    }
    return {"value": losses[-1], "samples": samples}


def mean_pose_records(run: TrainingRun, validator: Validator, people: People, origin: Mapping[str, Any]) -> list[Record]:
    """Return the records of the mean pose of the training people, tested on the recipe's test people."""
    predictions = validator.mean_pose(people)
    samples = {"sha256": predictions.sha256()}
    return [
        _record(mean_pose_identity(run.recipe, len(people), metric), result, len(validator.people), samples, origin)
        for metric, result in validator.score(predictions).items()
    ]


def _record(
    identity: Identity, result: MetricResult, people: int, samples: Mapping[str, Any], origin: Mapping[str, Any]
) -> Record:
    parts = {"parts": dict(result.parts)} if result.parts else {}
    return Record(**identity, value=result.value, interval=result.interval(), n=people, samples={**samples, **parts}, **origin)


def format_training(records: Sequence[Record]) -> str:
    """Format the records as text, one line each."""
    lines = []
    for record in sorted(records, key=lambda record: (record.kind, record.subject != MEAN_POSE)):
        interval = "[{:.2f}, {:.2f}]".format(*record.interval) if record.interval else ""
        lines.append(f"{record.subject:36}{record.metric:34}{record.value:>10.4g}  {interval}".rstrip())
    return "\n".join(lines)


def training_report(records: Sequence[Record]) -> TrainingReport:
    """Return the content of ``--json``."""
    return {"schema": 2, "results": [_result(record) for record in records]}


def _result(record: Record) -> TrainingResult:
    assert record.n is not None
    return {
        "kind": cast(TrainingKind, record.kind),
        "subject": record.subject,
        "dataset": record.dataset,
        "split": record.split,
        "protocol": record.protocol,
        "metric": record.metric,
        "value": record.value,
        "seed": record.seed,
        "n": record.n,
        "setting": describe_setting(record),
        "ci95": list(record.interval) if record.interval else None,
        "record": record.id,
    }
