"""A training as records: what identifies it, finding it again, keeping it and showing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from benchmark.config.recipes import training_label
from benchmark.core import records
from benchmark.core.records import LARGEST_RATE, MEAN_POSE, Record, load_records, record_id
from benchmark.data.people import People
from benchmark.evaluation.records import EVALUATION_VERSION
from benchmark.evaluation.scoring import MetricResult
from benchmark.models.registry import find_entry
from benchmark.models.weights import load_safetensors
from benchmark.training.checkpoint import save_weights
from benchmark.training.log import read_log
from benchmark.training.trainer import TRAINING_VERSION, TrainingRun, weights_metadata
from benchmark.training.validation import Validator


def training_protocol(run: TrainingRun, overrides: Sequence[str]) -> str:
    """How records name the training; see :func:`benchmark.config.recipes.training_label`."""
    return training_label(run.recipe, Path(run.start).name if Path(run.start).is_file() else run.start, overrides)


def accuracy_identity(run: TrainingRun, told: str, metric: str) -> dict[str, Any]:
    """What identifies the record of a figure on the test persons."""
    dataset, split = run.recipe.test
    version = 100 * (EVALUATION_VERSION + TRAINING_VERSION) + find_entry(run.model).version
    return {**_base(run, told, metric, version), "kind": "accuracy", "dataset": dataset, "split": split}


def training_identity(run: TrainingRun, told: str, metric: str) -> dict[str, Any]:
    """What identifies a record of the training itself."""
    dataset = run.recipe.train[0][0]
    split = "+".join("/".join(pair) for pair in run.recipe.train)
    version = 100 * TRAINING_VERSION + find_entry(run.model).version
    return {**_base(run, told, metric, version), "kind": "training", "dataset": dataset, "split": split}


def _base(run: TrainingRun, told: str, metric: str, version: int) -> dict[str, Any]:
    return {"subject": run.model, "protocol": told, "metric": metric, "version": version, "seed": run.seed}


def rate_identity(run: TrainingRun) -> dict[str, Any]:
    """What identifies the record of the learning rate that was found for a recipe without one."""
    return training_identity(run, f"{run.recipe.name} {run.recipe.version}", LARGEST_RATE)


def find_training_records(run: TrainingRun, overrides: Sequence[str], metric: str, folder: Path) -> list[Record]:
    """The records of this very training on the test persons, if it was finished before."""
    known = load_records(folder)
    main = known.get(record_id(**accuracy_identity(run, training_protocol(run, overrides), metric)))
    if main is None or (main.samples or {}).get("digest") != run.recipe.digest():
        return []

    def setting(record: Record) -> tuple[Any, ...]:
        return record.kind, record.subject, record.dataset, record.split, record.protocol, record.seed, record.version

    return [record for record in known.values() if setting(record) == setting(main)]


def training_records(
    run: TrainingRun, network: nn.Module, tester: Validator, people: People, overrides: Sequence[str]
) -> list[Record]:
    """The records of a finished training, in the first process: figures of its last or best epoch, those of the mean pose, and
    its curves. The weights tested are left in ``final.safetensors``."""
    if run.recipe.reports == "best":
        load_safetensors(network, run.folder / "best.safetensors", run.model)
    figures, found = tester.evaluate(network)
    if found is None:
        return []
    weights = run.folder / "final.safetensors"
    save_weights(weights, network, weights_metadata(run, run.recipe.epochs))
    told, provenance = training_protocol(run, overrides), records.provenance()
    samples = {"sha256": found.sha256(), "digest": run.recipe.digest()}
    made = []
    for name, figure in figures.items():
        replicates = {"replicates": figure.replicates.round(3).tolist()} if name in tester.replicated else {}
        made.append(_record(accuracy_identity(run, told, name), figure, len(tester.people), samples | replicates, provenance))
    curve = Record(
        **training_identity(run, told, "loss"),
        **_curves(run),
        n=len(people),
        **provenance,
    )
    return [*made, curve, *mean_pose_records(run, tester, people, provenance)]


def _curves(run: TrainingRun) -> dict[str, Any]:
    """The last epoch's mean loss as value; epochs' losses, evaluations and speed as samples."""
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
        "seconds": round(sum(seconds)),  # testing not counted
        "digest": run.recipe.digest(),
    }
    return {"value": losses[-1], "samples": samples}


def mean_pose_records(run: TrainingRun, tester: Validator, people: People, provenance: Mapping[str, Any]) -> list[Record]:
    """What is reached on the recipe's test persons without looking at them."""
    found = tester.mean_pose(people)
    told = f"of {len(people)} persons; recipe {run.recipe.name} {run.recipe.version}"
    made = []
    for name, figure in tester.score(found).items():
        identity = accuracy_identity(run, told, name) | {
            "subject": MEAN_POSE,
            "version": 100 * EVALUATION_VERSION,
            "seed": None,
        }
        made.append(_record(identity, figure, len(tester.people), {"sha256": found.sha256()}, provenance))
    return made


def _record(
    identity: Mapping[str, Any], figure: MetricResult, persons: int, samples: Mapping[str, Any], provenance: Mapping[str, Any]
) -> Record:
    parts = {"parts": dict(figure.parts)} if figure.parts else {}
    return Record(
        **identity, value=figure.value, interval=figure.interval(), n=persons, samples={**samples, **parts}, **provenance
    )


def format_training(made: Sequence[Record]) -> str:
    """Figures for reading, one line each."""
    lines = []
    for record in sorted(made, key=lambda record: (record.kind, record.subject != MEAN_POSE)):
        interval = "[{:.2f}, {:.2f}]".format(*record.interval) if record.interval else ""
        lines.append(f"{record.subject:36}{record.metric:34}{record.value:>10.4g}  {interval}".rstrip())
    return "\n".join(lines)


def training_report(made: Sequence[Record]) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/train.schema.json."""
    keys = ("kind", "subject", "dataset", "split", "protocol", "metric", "value", "seed", "n")
    results = [
        {
            **{key: getattr(record, key) for key in keys},
            "ci95": list(record.interval) if record.interval else None,
            "record": record.id,
        }
        for record in made
    ]
    return {"schema": 1, "results": results}
