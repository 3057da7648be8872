"""A search as records: what identifies its two ends, the searched architecture and the best random one, and showing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.config.identities import describe_setting, lookup_identity, search_identity
from benchmark.config.searches import RANDOM, SEARCHED, SearchConfig, Strategy
from benchmark.core.records import Record, provenance, record_id, select
from benchmark.nas.lookup_table import COST_UNITS, LookupTable, TableValidation
from benchmark.nas.random_search import RandomCandidate
from benchmark.nas.trainer import SearchPlan, SearchRun, search_module
from benchmark.training.loader import joint_set
from benchmark.training.log import read_log
from benchmark.training.validation import MAIN_METRIC


def matching_searches(
    scale: SearchConfig, known: Mapping[str, Record], identities: Sequence[Mapping[str, Any]]
) -> list[Record]:
    """The records of all these, if there are all, of this very scale."""
    found = [known.get(record_id(identity)) for identity in identities]
    same = [record for record in found if record and record.samples["digest"] == scale.digest()]
    return same if len(same) == len(identities) else []


def searched_record(
    run: SearchRun, plan: SearchPlan, progress: Mapping[str, Any], text: str, model: str, tested: Sequence[Record]
) -> Record:
    """The record of the searched architecture: how good it is trained, and how the search went, epoch by epoch."""
    curves = [[line["epoch"], _rounded(line["figures"])] for line in read_log(run.folder)[1]]
    more = {"images": plan.images, "seconds": round(progress["seconds"]), "curves": curves}
    return _record(run, SEARCHED, text, model, tested, more)


def random_record(
    run: SearchRun, images: int, found: Sequence[RandomCandidate], best: RandomCandidate, model: str, tested: Sequence[Record]
) -> Record:
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


def _record(
    run: SearchRun, strategy: Strategy, text: str, model: str, tested: Sequence[Record], more: Mapping[str, Any]
) -> Record:
    metric = MAIN_METRIC[joint_set(run.recipe)]
    figure = next(record for record in tested if record.metric == metric and record.subject == model)
    cost = run.table.predict(search_module(run.model).used_components(text))
    samples = {
        "digest": run.scale.digest(),
        "model": model,
        "architecture": text,
        "cost": float(f"{run.table.shown(cost):.6g}"),
        "unit": COST_UNITS[run.table.cost],
        "table": run.table.digest(),
        "accuracy": figure.id,
    }
    return Record(
        **search_identity(run.model, run.scale, run.table.cost, strategy, metric, run.table.device, run.seed),
        value=figure.value,
        interval=figure.interval,
        n=figure.n,
        samples=samples | dict(more),
        **provenance(),
    )


def _digits(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in figures.items()}


def recorded_architectures(package: str, scale: SearchConfig, known: Mapping[str, Record]) -> dict[str, str]:
    """The texts of all that was searched at a scale, and at random beside it, by the id of the network."""
    found = select(known, kind="search", subject=package, config=scale.name, config_version=scale.version)
    return {record.samples["model"]: record.samples["architecture"] for record in found}


def validation_record(
    package: str, scale: SearchConfig, table: LookupTable, pairs: Sequence[tuple[float, float]], found: TableValidation
) -> Record:
    """The record of a lookup table's predictions of whole networks: pairs of predicted and measured, in the table's unit."""
    more = {"bias": found.bias, "error": found.error, "pairs": [_digits(pair) for pair in pairs]}
    return _lookup_record(package, scale, table, "", found.rank, len(pairs), more)


def whole_network_record(
    package: str, scale: SearchConfig, table: LookupTable, model: str, predicted: float, measured: float
) -> Record:
    """The record of what a network costs as a whole, beside what the table predicts."""
    value, expected = _digits((measured, predicted))
    return _lookup_record(package, scale, table, model, value, None, {"predicted": expected})


def _lookup_record(
    package: str, scale: SearchConfig, table: LookupTable, model: str, value: float, n: int | None, more: Mapping[str, Any]
) -> Record:
    return Record(
        **lookup_identity(package, scale.name, table.input, table.joints, table.cost, table.device, model),
        value=value,
        n=n,
        samples={"unit": COST_UNITS[table.cost], "table": table.digest(), **more},
        **provenance(),
    )


def format_search(made: Sequence[Record]) -> str:
    """For reading: the architectures, and what they came to."""
    lines = []
    for record in made:
        told = record.samples
        interval = "[{:.2f}, {:.2f}]".format(*record.interval) if record.interval else ""
        lines += [
            f"{record.metric}, {record.setting['strategy']}: {record.value:.2f} {interval}; {told['cost']:.4g} {told['unit']}, "
            f"{told['images']:,} images in {told['seconds'] / 60:.0f} min; {told['model']}",
            *("  " + line for line in told["architecture"].splitlines()),
        ]
    return "\n".join(lines)


def search_report(made: Sequence[Record]) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/search.schema.json."""
    keys = ("subject", "dataset", "split", "protocol", "metric", "value", "seed", "device", "n")
    told = ("model", "architecture", "cost", "unit", "images", "seconds")
    results = [
        {
            **{key: getattr(record, key) for key in keys},
            "setting": describe_setting(record),
            "strategy": record.setting["strategy"],
            "ci95": list(record.interval) if record.interval else None,
            **{key: record.samples[key] for key in told},
            "record": record.id,
        }
        for record in made
    ]
    return {"schema": 2, "results": results}


def table_report(table: LookupTable, path: Path, found: TableValidation | None) -> dict[str, Any]:
    """What ``lookup --json`` prints; see schemas/search.schema.json."""
    return {
        "schema": 1,
        "table": asdict(table) | {"file": str(path), "digest": table.digest()},
        "validation": found._asdict() if found else None,
    }
