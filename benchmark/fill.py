"""Measure what the papers' tables need and no record holds: ``python -m benchmark.measure cost --all``."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tqdm import tqdm

from benchmark import ablation as ablations
from benchmark import ledger, models, records, tables
from benchmark.errors import InputError
from benchmark.measure import cost_record, measure_cost
from benchmark.records import Record

SETTLED = ("reproduced", "explained")
Task = tuple[Callable[..., Record | None], tuple[str, ...]]


def fill() -> None:
    """Keep every cost that a table's cell needs, and what the packages say they build where a paper prints that.

    Where a count is not what the table prints, the network is also counted with each switch set otherwise: one of those may
    be what was printed.

    Raises:
        InputError: a row names an unknown model, or one that takes no image of its size.
    """
    known = tables.papers()
    for model, _, size in ledger.wanted(known):
        models.check_size(model, models.parse_size(size))  # a wrong id or size is reported before any work is done
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        kept = records.load()
        tasks: list[Task] = list(_descriptions(known, kept))
        jobs = dict.fromkeys([*ledger.wanted(known), *_ablated()])
        tasks += [(_count, job) for job in jobs if ledger.cost_record(*job) not in kept]
        _run(pool, tasks, "cost")
        kept = records.load()
        _run(pool, [(_count_variant, job) for job in _variants(known) if ledger.cost_record(*job) not in kept], "variants")


def _ablated() -> Iterator[tuple[str, str, str]]:
    """The variants of all ablations, at the size at which all networks are compared."""
    for ablation in ablations.known().values():
        for variant in ablation.variants:
            yield variant.model, *ledger.COMMON


def _run(pool: Any, tasks: list[Task], what: str) -> None:
    for record in tqdm(pool.imap(_do, tasks), desc=what, total=len(tasks), disable=not tasks):
        if record:
            records.append(record)


def _do(task: Task) -> Record | None:
    function, arguments = task
    return function(*arguments)


def _count(model: str, dataset: str, size: str) -> Record:
    counts = measure_cost(model, models.JOINTS[dataset], *models.parse_size(size))
    return cost_record(model, dataset, size, counts)


def _count_variant(model: str, dataset: str, size: str) -> Record | None:
    try:
        return _count(model, dataset, size)
    except InputError:  # switches that make no network together
        return None


def _variants(known: Mapping[str, tables.Paper]) -> list[tuple[str, str, str]]:
    """What else to count for the rows with a cost that is neither reproduced nor explained."""
    unsettled = {(v.paper, v.table, v.row_id) for v in ledger.judge() if v.kind == "cost" and v.verdict not in SETTLED}
    jobs = {
        (variant, *ledger.protocol(cell))
        for paper, table, row in unsettled
        for cell in known[paper].tables[table].cells()
        if cell.row.id == row and cell.row.model and cell.column.kind == "cost"
        for variant in models.neighbours(cell.row.model)
    }
    return sorted(jobs)


def _descriptions(known: Mapping[str, tables.Paper], kept: Mapping[str, Record]) -> Iterator[Task]:
    for paper in known.values():
        for table in paper.tables.values():
            packages = {cell.row.model.split("/")[0] for cell in table.cells()}
            for package in sorted(packages - {""}):
                for metric in ("structure", "readings"):
                    spoken = hasattr(models.packages()[package], metric)
                    if spoken and ledger.built_record(package, table.id, metric) not in kept:
                        yield _describe, (package, table.id, metric)


def _describe(package: str, table: str, metric: str) -> Record | None:
    """What a package builds where a paper prints an architecture (its ``structure(table)``), or what an unspecific figure
    comes to under each reading (its ``readings(table)``); None where it says nothing of this table."""
    built = getattr(models.packages()[package], metric)(table)
    if not built:
        return None
    return Record(
        kind="architecture",
        subject=package,
        dataset=ledger.NONE,
        split=ledger.NONE,
        protocol=table,
        metric=metric,
        value=built,
        version=ledger.structure_version(package),
        **records.provenance("python -m benchmark.measure cost --all"),
    )
