"""A training as records: what identifies it, finding it again, keeping it and showing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from benchmark import accuracy, backends, checkpoints, models, recipes, records, training, training_log
from benchmark.data.people import People
from benchmark.records import MEAN_POSE, RATE, Record
from benchmark.scoring import Figure
from benchmark.testing import Tester
from benchmark.training import Run


def protocol(run: Run, departures: Sequence[str]) -> str:
    """How records name the training; see :func:`benchmark.recipes.told`."""
    return recipes.told(run.recipe, Path(run.start).name if Path(run.start).is_file() else run.start, departures)


def tested(run: Run, told: str, metric: str) -> dict[str, Any]:
    """What identifies the record of a figure on the test persons."""
    dataset, split = run.recipe.test
    version = 100 * (accuracy.VERSION + training.VERSION) + models.find(run.model).version
    return {**_base(run, told, metric, version), "kind": "accuracy", "dataset": dataset, "split": split}


def trained(run: Run, told: str, metric: str) -> dict[str, Any]:
    """What identifies a record of the training itself."""
    dataset = run.recipe.train[0][0]
    split = "+".join("/".join(pair) for pair in run.recipe.train)
    version = 100 * training.VERSION + models.find(run.model).version
    return {**_base(run, told, metric, version), "kind": "training", "dataset": dataset, "split": split}


def _base(run: Run, told: str, metric: str, version: int) -> dict[str, Any]:
    return {"subject": run.model, "protocol": told, "metric": metric, "version": version, "seed": run.seed}


def found_rate(run: Run) -> dict[str, Any]:
    """What identifies the record of the learning rate that was found for a recipe without one."""
    return trained(run, f"{run.recipe.name} {run.recipe.version}", RATE)


def on_record(run: Run, departures: Sequence[str], metric: str, folder: Path) -> list[Record]:
    """The records of this very training on the test persons, if it was finished before."""
    known = records.load(folder)
    main = known.get(records.identify(**tested(run, protocol(run, departures), metric)))
    if main is None or (main.samples or {}).get("digest") != run.recipe.digest():
        return []

    def setting(record: Record) -> tuple[Any, ...]:
        return record.kind, record.subject, record.dataset, record.split, record.protocol, record.seed, record.version

    return [record for record in known.values() if setting(record) == setting(main)]


def finish(run: Run, network: nn.Module, tester: Tester, people: People, departures: Sequence[str]) -> list[Record]:
    """The records of a finished training, in the first process: figures of its last or best epoch, those of the mean pose, and
    its curves. The weights tested are left in ``final.safetensors``."""
    if run.recipe.reports == "best":
        backends.load_safetensors(network, run.folder / "best.safetensors", run.model)
    figures, found = tester.figures(network)
    if found is None:
        return []
    weights = run.folder / "final.safetensors"
    checkpoints.save_weights(weights, network, training.describe(run, run.recipe.epochs))
    told, provenance = protocol(run, departures), records.provenance()
    samples = {"sha256": found.sha256(), "digest": run.recipe.digest()}
    made = []
    for name, figure in figures.items():
        replicates = {"replicates": figure.replicates.round(3).tolist()} if name in tester.replicated else {}
        made.append(_record(tested(run, told, name), figure, len(tester.people), samples | replicates, provenance))
    curve = Record(
        **trained(run, told, "loss"),
        **_curves(run),
        n=len(people),
        **provenance,
    )
    return [*made, curve, *mean_pose(run, tester, people, provenance)]


def _curves(run: Run) -> dict[str, Any]:
    """The last epoch's mean loss as value; epochs' losses, evaluations and speed as samples."""
    steps, evaluations = training_log.read(run.folder)
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


def mean_pose(run: Run, tester: Tester, people: People, provenance: Mapping[str, Any]) -> list[Record]:
    """What is reached on the recipe's test persons without looking at them."""
    found = tester.mean_pose(people)
    told = f"of {len(people)} persons; recipe {run.recipe.name} {run.recipe.version}"
    made = []
    for name, figure in tester.score(found).items():
        identity = tested(run, told, name) | {"subject": MEAN_POSE, "version": 100 * accuracy.VERSION, "seed": None}
        made.append(_record(identity, figure, len(tester.people), {"sha256": found.sha256()}, provenance))
    return made


def _record(
    identity: Mapping[str, Any], figure: Figure, persons: int, samples: Mapping[str, Any], provenance: Mapping[str, Any]
) -> Record:
    parts = {"parts": dict(figure.parts)} if figure.parts else {}
    return Record(
        **identity, value=figure.value, interval=figure.interval(), n=persons, samples={**samples, **parts}, **provenance
    )


def show(made: Sequence[Record]) -> str:
    """Figures for reading, one line each."""
    lines = []
    for record in sorted(made, key=lambda record: (record.kind, record.subject != MEAN_POSE)):
        interval = "[{:.2f}, {:.2f}]".format(*record.interval) if record.interval else ""
        lines.append(f"{record.subject:36}{record.metric:34}{record.value:>10.4g}  {interval}".rstrip())
    return "\n".join(lines)


def report(made: Sequence[Record]) -> dict[str, Any]:
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
