"""Measure the costs that the papers' tables need and that are not on record: ``python -m benchmark.measure cost --all``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from fnmatch import fnmatchcase

from tqdm import tqdm

from benchmark.config.ablations import known_ablations, variant_model
from benchmark.config.identities import COMMON_TERMS, cost_record_id, description_identity
from benchmark.config.packages import PaperPackage, declarations
from benchmark.core.errors import InputError
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.processes import process_pool
from benchmark.core.records import Record, append_record, load_records, provenance, record_id
from benchmark.cost.records import cost_record, measure_cost
from benchmark.ledger.predicates import variant_costs
from benchmark.ledger.verdicts import required_costs
from benchmark.models.registry import check_input_size, import_object
from benchmark.papers.tables import Paper, load_papers

CostJob = tuple[str, str, str]  # model, dataset whose head it has, input size
Task = tuple[Callable[..., Record | None], tuple[str, ...]]


def measure_missing() -> None:
    """Record every missing cost that a table's cell needs, and the packages' descriptions of printed architectures.

    The network of each printed cost is also counted with each of its switches changed: one of these variants may be what was
    printed, and the chance that one would fit any other number is part of the verdict.

    Raises:
        InputError: a row names an unknown model, or an input size that its model does not take.
    """
    papers = load_papers()
    table_costs = list(required_costs(papers))
    for model, _, size in table_costs:
        check_input_size(model, parse_size(size))  # a wrong id or size is reported before any work is done
    with process_pool(os.cpu_count() or 1) as pool:
        records = load_records()
        tasks: list[Task] = list(_description_tasks(papers, records))
        jobs = dict.fromkeys([*table_costs, *_ablation_costs()])
        tasks += [(_count, job) for job in jobs if cost_record_id(*job) not in records]
        _run_tasks(pool, tasks, "cost")
        variants = [job for job in variant_costs(papers) if job not in jobs and cost_record_id(*job) not in records]
        _run_tasks(pool, [(_count_variant, job) for job in variants], "variants")


def _ablation_costs() -> Iterator[CostJob]:
    """Iterate over the variants of all ablations and their substitutes, at the size at which all networks are compared."""
    for ablation in known_ablations().values():
        for variant in ablation.variants:
            yield variant.model, *COMMON_TERMS
            for protocol in ablation.protocols:
                yield variant_model(ablation, variant, protocol), *COMMON_TERMS


def _description_tasks(papers: Mapping[str, Paper], records: Mapping[str, Record]) -> Iterator[Task]:
    """Iterate over the missing descriptions of tables by the packages that declare some."""
    for paper in papers.values():
        for table in paper.tables.values():
            packages = {cell.row.model.split("/")[0] for cell in table.cells()}
            for package in sorted(packages - {""}):
                for metric in ("structure", "readings"):
                    is_declared = bool(getattr(declarations()[package], metric))
                    if is_declared and record_id(description_identity(package, table.id, metric)) not in records:
                        yield _describe, (package, table.id, metric)


# --- run by the processes of the pool -----------------------------------------------------------------------------------------


def _run_tasks(pool: Executor, tasks: list[Task], label: str) -> None:
    """Run tasks, and keep each record as it comes, in the order of the tasks."""
    for record in tqdm(pool.map(_run_task, tasks), desc=label, total=len(tasks), disable=not tasks):
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
    except InputError:  # this combination of switches is no network
        return None


def _describe(package: str, table: str, metric: str) -> Record | None:
    """Return the record of a package's description of a table; None if it has none for this table.

    ``structure`` describes the architecture that the package builds, where the paper prints one. ``readings`` gives the values
    of an ambiguous number under each of its readings.
    """
    declared = declarations()[package]
    description = import_object(getattr(declared, metric))(table)
    if not description:
        return None
    if metric == "structure":
        description = {
            key: {"structure": value, "basis": _structure_basis(declared, f"{table}:{key}")}
            for key, value in description.items()
        }
    return Record(
        **description_identity(package, table, metric),
        value=description,
        **provenance("python -m benchmark.measure cost --all"),
    )


def _structure_basis(package: PaperPackage, place: str) -> str:
    return next((basis for pattern, basis in package.structure_basis.items() if fnmatchcase(place, pattern)), "author code")
