"""A search as records: what identifies its two ends, the searched architecture and the best random one, and showing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark import accuracy, lookup, records, searching, training, training_log
from benchmark.feed import joints_of
from benchmark.records import Record
from benchmark.search_random import Candidate
from benchmark.search_scales import KIND, LOOKUP, RANDOM, SEARCHED, VALIDATED, WHOLE, Cost, Scale, Strategy
from benchmark.searching import Plan, Run
from benchmark.testing import MAIN


def identity(package: str, scale: Scale, cost: Cost, device: str, seed: int, strategy: Strategy) -> dict[str, Any]:
    """What identifies the record of a strategy's architecture.

    Args:
        device: that costs were measured on; "" for operations.
    """
    dataset, split = scale.recipe.test
    return {
        "kind": KIND,
        "subject": package,
        "dataset": dataset,
        "split": split,
        "protocol": f"scale {scale.name} {scale.version}, cost {cost}",
        "metric": f"{MAIN[joints_of(scale.recipe)]}, {strategy}",
        "version": 100 * (searching.VERSION + lookup.VERSION + training.VERSION + accuracy.VERSION),
        "seed": seed,
        "device": device or None,
    }


def on_record(scale: Scale, known: Mapping[str, Record], identities: Sequence[Mapping[str, Any]]) -> list[Record]:
    """The records of all these, if there are all, of this very scale."""
    found = [known.get(records.identify(**one)) for one in identities]
    same = [record for record in found if record and record.samples["digest"] == scale.digest()]
    return same if len(same) == len(identities) else []


def searched(run: Run, plan: Plan, progress: Mapping[str, Any], text: str, model: str, tested: Sequence[Record]) -> Record:
    """The record of the searched architecture: how good it is trained, and how the search went, epoch by epoch."""
    curves = [[line["epoch"], _rounded(line["figures"])] for line in training_log.read(run.folder)[1]]
    more = {"images": plan.images, "seconds": round(progress["seconds"]), "curves": curves}
    return _record(run, SEARCHED, text, model, tested, more)


def random(run: Run, images: int, found: Sequence[Candidate], best: Candidate, model: str, tested: Sequence[Record]) -> Record:
    """The record of the best random architecture: how good it is trained, and what the others came to.

    Args:
        images: that all candidates together were trained on.
    """
    more = {
        "images": images,
        "seconds": round(sum(candidate.seconds for candidate in found)),
        "candidates": [_rounded({"cost": run.table.shown(c.cost), "loss": c.loss, "accuracy": c.accuracy}) for c in found],
    }
    return _record(run, RANDOM, best.text, model, tested, more)


def _record(run: Run, strategy: Strategy, text: str, model: str, tested: Sequence[Record], more: Mapping[str, Any]) -> Record:
    metric = MAIN[joints_of(run.recipe)]
    figure = next(record for record in tested if record.metric == metric and record.subject == model)
    cost = run.table.predict(searching.module(run.model).used(text))
    samples = {
        "digest": run.scale.digest(),
        "model": model,
        "architecture": text,
        "cost": float(f"{run.table.shown(cost):.6g}"),
        "unit": lookup.UNITS[run.table.cost],
        "table": run.table.digest(),
        "accuracy": figure.id,
    }
    return Record(
        **identity(run.model, run.scale, run.table.cost, run.table.device, run.seed, strategy),
        value=figure.value,
        interval=figure.interval,
        n=figure.n,
        samples=samples | dict(more),
        **records.provenance(),
    )


def _digits(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in figures.items()}


def architectures(package: str, scale: Scale, known: Mapping[str, Record]) -> dict[str, str]:
    """The texts of all that was searched at a scale, and at random beside it, by the id of the network."""
    told = f"scale {scale.name} {scale.version},"
    found = (r for r in known.values() if (r.kind, r.subject) == (KIND, package) and r.protocol.startswith(told))
    return {record.samples["model"]: record.samples["architecture"] for record in found}


def validated(
    package: str, scale: Scale, table: lookup.Table, pairs: Sequence[tuple[float, float]], found: lookup.Validation
) -> Record:
    """The record of a lookup table's predictions of whole networks: pairs of predicted and measured, in the table's unit."""
    more = {"bias": found.bias, "error": found.error, "pairs": [_digits(pair) for pair in pairs]}
    return _looked_up(package, scale, table, VALIDATED, found.rank, len(pairs), more)


def whole(package: str, scale: Scale, table: lookup.Table, model: str, predicted: float, measured: float) -> Record:
    """The record of what a network costs as a whole, beside what the table predicts."""
    value, expected = _digits((measured, predicted))
    return _looked_up(package, scale, table, f"{WHOLE}{model}", value, None, {"predicted": expected})


def _looked_up(
    package: str, scale: Scale, table: lookup.Table, metric: str, value: float, n: int | None, more: Mapping[str, Any]
) -> Record:
    return Record(
        kind=KIND,
        subject=package,
        dataset="-",
        split="-",
        protocol=f"{LOOKUP}scale {scale.name}, {table.input}, {table.joints} joints, cost {table.cost}",
        metric=metric,
        value=value,
        version=100 * lookup.VERSION,
        device=table.device or None,
        n=n,
        samples={"unit": lookup.UNITS[table.cost], "table": table.digest(), **more},
        **records.provenance(),
    )


def show(made: Sequence[Record]) -> str:
    """For reading: the architectures, and what they came to."""
    lines = []
    for record in made:
        told = record.samples
        interval = "[{:.2f}, {:.2f}]".format(*record.interval) if record.interval else ""
        lines += [
            f"{record.metric}: {record.value:.2f} {interval}; {told['cost']:.4g} {told['unit']}, "
            f"{told['images']:,} images in {told['seconds'] / 60:.0f} min; {told['model']}",
            *("  " + line for line in told["architecture"].splitlines()),
        ]
    return "\n".join(lines)


def report(made: Sequence[Record]) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/search.schema.json."""
    keys = ("subject", "dataset", "split", "protocol", "metric", "value", "seed", "device", "n")
    told = ("model", "architecture", "cost", "unit", "images", "seconds")
    results = [
        {
            **{key: getattr(record, key) for key in keys},
            "ci95": list(record.interval) if record.interval else None,
            **{key: record.samples[key] for key in told},
            "record": record.id,
        }
        for record in made
    ]
    return {"schema": 1, "results": results}


def table_report(table: lookup.Table, path: Path, found: lookup.Validation | None) -> dict[str, Any]:
    """What ``lookup --json`` prints; see schemas/search.schema.json."""
    return {
        "schema": 1,
        "table": asdict(table) | {"file": str(path), "digest": table.digest()},
        "validation": found._asdict() if found else None,
    }
