"""Measure what the papers' tables need and no record holds: ``python -m benchmark.measure cost --all``."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tqdm import tqdm

from benchmark.config.ablations import known_ablations
from benchmark.config.identities import COMMON_TERMS, cost_record_id, description_identity
from benchmark.config.packages import declarations
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record, append_record, load_records, provenance, record_id
from benchmark.cost.records import cost_record, measure_cost
from benchmark.ledger.verdicts import cost_setting, judge_all, required_costs
from benchmark.models.registry import check_input_size, import_object, single_switch_variants
from benchmark.papers.tables import Paper, load_papers

RESOLVED = ("reproduced", "explained")
Task = tuple[Callable[..., Record | None], tuple[str, ...]]


def measure_missing() -> None:
    """Keep every cost that a table's cell needs, and what the packages say they build where a paper prints that.

    Where a count is not what the table prints, the network is also counted with each switch set otherwise: one of those may
    be what was printed.

    Raises:
        InputError: a row names an unknown model, or one that takes no image of its size.
    """
    known = load_papers()
    for model, _, size in required_costs(known):
        check_input_size(model, parse_size(size))  # a wrong id or size is reported before any work is done
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        kept = load_records()
        tasks: list[Task] = list(_descriptions(known, kept))
        jobs = dict.fromkeys([*required_costs(known), *_ablation_costs()])
        tasks += [(_count, job) for job in jobs if cost_record_id(*job) not in kept]
        _run_tasks(pool, tasks, "cost")
        kept = load_records()
        _run_tasks(pool, [(_count_variant, job) for job in _variants(known) if cost_record_id(*job) not in kept], "variants")


def _ablation_costs() -> Iterator[tuple[str, str, str]]:
    """The variants of all ablations, at the size at which all networks are compared."""
    for ablation in known_ablations().values():
        for variant in ablation.variants:
            yield variant.model, *COMMON_TERMS


def _run_tasks(pool: Any, tasks: list[Task], what: str) -> None:
    for record in tqdm(pool.imap(_run_task, tasks), desc=what, total=len(tasks), disable=not tasks):
        if record:
            append_record(record)


def _run_task(task: Task) -> Record | None:
    function, arguments = task
    return function(*arguments)


def _count(model: str, dataset: str, size: str) -> Record:
    counts = measure_cost(model, JOINT_COUNTS[dataset], *parse_size(size))
    return cost_record(model, dataset, size, counts)


def _count_variant(model: str, dataset: str, size: str) -> Record | None:
    try:
        return _count(model, dataset, size)
    except InputError:  # switches that make no network together
        return None


def _variants(known: Mapping[str, Paper]) -> list[tuple[str, str, str]]:
    """What else to count for the rows with a cost that is neither reproduced nor explained."""
    unsettled = {(v.paper, v.table, v.row_id) for v in judge_all() if v.kind == "cost" and v.verdict not in RESOLVED}
    jobs = {
        (variant, *cost_setting(cell))
        for paper, table, row in unsettled
        for cell in known[paper].tables[table].cells()
        if cell.row.id == row and cell.row.model and cell.column.kind == "cost"
        for variant in single_switch_variants(cell.row.model)
    }
    return sorted(jobs)


def _descriptions(known: Mapping[str, Paper], kept: Mapping[str, Record]) -> Iterator[Task]:
    for paper in known.values():
        for table in paper.tables.values():
            packages = {cell.row.model.split("/")[0] for cell in table.cells()}
            for package in sorted(packages - {""}):
                for metric in ("structure", "readings"):
                    spoken = bool(getattr(declarations()[package], metric))
                    if spoken and record_id(description_identity(package, table.id, metric)) not in kept:
                        yield _describe, (package, table.id, metric)


def _describe(package: str, table: str, metric: str) -> Record | None:
    """What a package builds where a paper prints an architecture (its ``structure(table)``), or what an unspecific figure
    comes to under each reading (its ``readings(table)``); None where it says nothing of this table."""
    built = import_object(getattr(declarations()[package], metric))(table)
    if not built:
        return None
    return Record(
        **description_identity(package, table, metric),
        value=built,
        **provenance("python -m benchmark.measure cost --all"),
    )
