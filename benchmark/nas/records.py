"""Write a search as records, find it again, and format it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, cast

from typing_extensions import TypedDict  # typing.TypedDict cannot be validated by pydantic before Python 3.12

from benchmark.config.identities import describe_setting, lookup_identity, search_identity
from benchmark.config.searches import RANDOM, SEARCHED, CostKind, SearchConfig, Strategy
from benchmark.core.keypoints import joint_set_of
from benchmark.core.records import Record, provenance, record_id, select
from benchmark.core.statistics import round_digits
from benchmark.nas.lookup_table import COST_UNITS, LookupTable, TableValidation
from benchmark.nas.random_search import RandomCandidate
from benchmark.nas.trainer import SearchPlan, SearchRun, search_module
from benchmark.training.log import read_log
from benchmark.training.validation import MAIN_METRIC

# --- searches ----------------------------------------------------------------------------------------------------------------


def matching_searches(
    config: SearchConfig, records: Mapping[str, Record], identities: Sequence[Mapping[str, Any]]
) -> list[Record]:
    """Return the records of all identities, if every one is there and was made with the same content of the config."""
    matching = [records.get(record_id(identity)) for identity in identities]
    same = [record for record in matching if record and record.samples["digest"] == config.digest()]
    return same if len(same) == len(identities) else []


def searched_record(
    run: SearchRun, plan: SearchPlan, progress: Mapping[str, Any], text: str, model: str, trained: Sequence[Record]
) -> Record:
    """Return the record of the searched architecture: its accuracy when trained, and the search's curves by epoch.

    Args:
        text: The architecture.
        model: Its id.
        trained: Records of its training.
    """
    curves = [[line["epoch"], _rounded(line["figures"])] for line in read_log(run.folder)[1]]
    details = {"images": plan.images, "seconds": round(progress["seconds"]), "curves": curves}
    return _search_record(run, SEARCHED, text, model, trained, details)


def random_record(
    run: SearchRun,
    images: int,
    candidates: Sequence[RandomCandidate],
    best: RandomCandidate,
    model: str,
    trained: Sequence[Record],
) -> Record:
    """Return the record of the best random architecture: its accuracy when trained, and the metrics of all candidates.

    Args:
        images: Number of images that all candidates together were trained on.
        model: Id of the best architecture.
        trained: Records of its training.
    """
    details = {
        "images": images,
        "seconds": round(sum(candidate.seconds for candidate in candidates)),
        "candidates": [_rounded({"cost": run.table.shown(c.cost), "loss": c.loss, "accuracy": c.accuracy}) for c in candidates],
    }
    return _search_record(run, RANDOM, best.text, model, trained, details)


def _search_record(
    run: SearchRun, strategy: Strategy, text: str, model: str, trained: Sequence[Record], details: Mapping[str, Any]
) -> Record:
    metric = MAIN_METRIC[joint_set_of(run.recipe.dataset)]
    accuracy = next(record for record in trained if record.metric == metric and record.subject == model)
    cost = run.table.predict(search_module(run.model).used_components(text))
    samples = {
        "digest": run.scale.digest(),
        "model": model,
        "architecture": text,
        "cost": float(f"{run.table.shown(cost):.6g}"),
        "unit": COST_UNITS[run.table.cost],
        "table": run.table.digest(),
        "accuracy": accuracy.id,
    }
    return Record(
        **search_identity(run.model, run.scale, run.table.cost, strategy, metric, run.table.device, run.seed),
        value=accuracy.value,
        interval=accuracy.interval,
        n=accuracy.n,
        samples=samples | dict(details),
        **provenance(),
    )


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round_digits(value, 6) for name, value in values.items()}


def recorded_architectures(package: str, config: SearchConfig, records: Mapping[str, Record]) -> dict[str, str]:
    """Return the texts of all architectures found under a config, by search and at random, by the id of the network."""
    searches = select(records, kind="search", subject=package, config=config.name, config_version=config.version)
    return {record.samples["model"]: record.samples["architecture"] for record in searches}


# --- lookup tables -----------------------------------------------------------------------------------------------------------


def validation_record(
    package: str,
    config: SearchConfig,
    table: LookupTable,
    pairs: Sequence[tuple[float, float]],
    validation: TableValidation,
) -> Record:
    """Return the record of how well a lookup table predicts whole networks.

    Args:
        pairs: Predicted and measured cost of each network, in the table's unit.
    """
    details = {
        "bias": validation.bias,
        "error": validation.error,
        "pairs": [[round_digits(value, 6) for value in pair] for pair in pairs],
    }
    return _lookup_record(package, config, table, "", validation.rank, len(pairs), details)


def whole_network_record(
    package: str, config: SearchConfig, table: LookupTable, model: str, predicted: float, measured: float
) -> Record:
    """Return the record of a whole network's measured cost, with the table's prediction."""
    details = {"predicted": round_digits(predicted, 6)}
    return _lookup_record(package, config, table, model, round_digits(measured, 6), None, details)


def _lookup_record(
    package: str,
    config: SearchConfig,
    table: LookupTable,
    model: str,
    value: float,
    n: int | None,
    details: Mapping[str, Any],
) -> Record:
    return Record(
        **lookup_identity(package, config.name, table.input, table.joints, table.cost, table.device, model),
        value=value,
        n=n,
        samples={"unit": COST_UNITS[table.cost], "table": table.digest(), **details},
        **provenance(),
    )


# --- text and JSON -----------------------------------------------------------------------------------------------------------


def format_search(records: Sequence[Record]) -> str:
    """Format the architectures and their accuracy as text."""
    lines = []
    for record in records:
        samples = record.samples
        interval = "[{:.2f}, {:.2f}]".format(*record.interval) if record.interval else ""
        lines += [
            f"{record.metric}, {record.setting['strategy']}: {record.value:.2f} {interval}; "
            f"{samples['cost']:.4g} {samples['unit']}, {samples['images']:,} images in {samples['seconds'] / 60:.0f} min; "
            f"{samples['model']}",
            *("  " + line for line in samples["architecture"].splitlines()),
        ]
    return "\n".join(lines)


class SearchResult(TypedDict):
    """An architecture: the searched one, or the best of a random search at equal cost.

    Attributes:
        subject: The package that searched.
        value: Metric of the architecture, trained by the config's recipe.
        device: Device that costs were measured on; None for operations.
        n: Number of test people.
        setting: The config, its version, and the kind of cost.
        ci95: 95 % confidence interval.
        model: Id under which its accuracy is on record.
        architecture: Text of its file.
        cost: Cost by the lookup table, in ``unit``.
        images: Number of images that the search, or all random candidates, were trained on.
        seconds: Time of their steps.
        record: Id of the record.
    """

    subject: str
    dataset: str
    split: str
    protocol: str
    metric: str
    value: float
    seed: int
    device: str | None
    n: int
    setting: str
    strategy: Strategy
    ci95: list[float] | None
    model: str
    architecture: str
    cost: float
    unit: str
    images: int
    seconds: int
    record: str


class SearchReport(TypedDict):
    """Output of ``python -m benchmark.search --json``, version 2."""

    schema: Literal[2]
    results: list[SearchResult]


def search_report(records: Sequence[Record]) -> SearchReport:
    """Return the content of ``--json``."""
    fields = ("subject", "dataset", "split", "protocol", "metric", "value", "seed", "device", "n")
    samples = ("model", "architecture", "cost", "unit", "images", "seconds")
    results = [
        {
            **{name: getattr(record, name) for name in fields},
            "setting": describe_setting(record),
            "strategy": record.setting["strategy"],
            "ci95": list(record.interval) if record.interval else None,
            **{name: record.samples[name] for name in samples},
            "record": record.id,
        }
        for record in records
    ]
    return {"schema": 2, "results": cast(list[SearchResult], results)}


class TableContent(TypedDict):
    """A lookup table.

    Attributes:
        costs: By component: operations for an image, or seconds for a batch.
        device: Device that was measured; empty for operations.
        spread: Of timed components: the distance between the quartiles as a share of the median.
        environment: Versions and settings that times were measured with.
        not_counted: Operators that counts leave out, with the number of calls in all components together.
        file: The table's file.
    """

    cost: CostKind
    costs: dict[str, float]
    input: str
    joints: int
    device: str
    spread: dict[str, float]
    environment: dict[str, Any]
    not_counted: dict[str, int]
    version: int
    file: str
    digest: str


class ValidationContent(TypedDict):
    """Agreement of a table with whole networks; see :class:`benchmark.nas.lookup_table.TableValidation`."""

    rank: float
    bias: float
    error: float


class LookupTableReport(TypedDict):
    """Output of ``python -m benchmark.search lookup --json``, version 1."""

    schema: Literal[1]
    table: TableContent
    validation: ValidationContent | None


def table_report(table: LookupTable, path: Path, validation: TableValidation | None) -> LookupTableReport:
    """Return the content of ``lookup --json``."""
    content = asdict(table) | {"file": str(path), "digest": table.digest()}
    agreement = cast(ValidationContent, validation._asdict()) if validation else None
    return {"schema": 1, "table": cast(TableContent, content), "validation": agreement}
