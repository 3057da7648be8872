"""Write a training as records, find it again, and format it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

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
from benchmark.core.records import Record, load_records, provenance, record_id, select
from benchmark.data.people import People
from benchmark.evaluation.scoring import MetricResult
from benchmark.models.weights import load_safetensors
from benchmark.training.checkpoint import save_weights
from benchmark.training.log import read_log
from benchmark.training.trainer import TrainingRun, weights_metadata
from benchmark.training.validation import Validator


def setting_of(run: TrainingRun) -> dict[str, Any]:
    """Return what identifies a run among those of its network and seed."""
    start = Path(run.start).name if Path(run.start).is_file() else run.start
    return training_setting(run.recipe, start, run.overrides, run.rate)


def run_identity(run: TrainingRun, metric: str) -> Identity:
    """Return what identifies a metric of the finished run."""
    return accuracy_identity(run.model, run.recipe, setting_of(run), metric, run.seed)


def find_rate_record(run: TrainingRun, folder: Path) -> Record | None:
    """Return the record of the learning rate that was found for the run's recipe."""
    return load_records(folder).get(record_id(learning_rate_identity(run.model, run.recipe, run.seed)))


def find_training_records(run: TrainingRun, metric: str, folder: Path) -> list[Record]:
    """Return the records of this training on the test people, if it was finished before by this very recipe."""
    known = load_records(folder)
    identity = run_identity(run, metric)
    main = known.get(record_id(identity))
    if main is None or (main.samples or {}).get("digest") != run.recipe.digest():
        return []
    return select(known, **{name: value for name, value in identity.items() if name != "metric"})


def training_records(run: TrainingRun, network: nn.Module, validator: Validator, people: People) -> list[Record]:
    """Return a finished training's records, in the first process: metrics of its last or best epoch, curves, and the mean pose.

    The weights that were tested are left in ``final.safetensors``.
    """
    if run.recipe.reports == "best":
        load_safetensors(network, run.folder / "best.safetensors", run.model)
    results, predictions = validator.evaluate(network)
    if predictions is None:
        return []
    save_weights(run.folder / "final.safetensors", network, weights_metadata(run, run.recipe.epochs))
    origin = provenance()
    samples = {"sha256": predictions.sha256(), "digest": run.recipe.digest()}
    records = []
    for metric, result in results.items():
        replicates = {"replicates": result.replicates.round(3).tolist()} if metric in validator.replicated else {}
        records.append(_record(run_identity(run, metric), result, len(validator.people), samples | replicates, origin))
    curves = training_identity(run.model, run.recipe, setting_of(run), run.seed)
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
    """Return what the mean pose of the training people reaches on the recipe's test people."""
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


def training_report(records: Sequence[Record]) -> dict[str, Any]:
    """Return what ``--json`` prints; see schemas/train.schema.json."""
    names = ("kind", "subject", "dataset", "split", "protocol", "metric", "value", "seed", "n")
    results = [
        {
            **{name: getattr(record, name) for name in names},
            "setting": describe_setting(record),
            "ci95": list(record.interval) if record.interval else None,
            "record": record.id,
        }
        for record in records
    ]
    return {"schema": 2, "results": results}
