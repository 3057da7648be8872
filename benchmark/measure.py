"""Measure a model: ``python -m benchmark.measure cost MODEL...``.

Examples:
    python -m benchmark.measure cost efficientpose_nas/A --input 256x256 --joints 16
    python -m benchmark.measure cost baselines/simple_baseline-r50 efficientpose_nas/C --json
    python -m benchmark.measure cost --all
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import tyro
from tqdm import tqdm

from benchmark import ledger, models, records, tables
from benchmark.conventions import FLOPS, VERSION
from benchmark.errors import InputError, run


@dataclass
class Cost:
    """Count parameters and operations of one image under every convention.

    Example: python -m benchmark.measure cost efficientpose_nas/A --input 256x192 --joints 17
    """

    models: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Model ids, as in efficientpose_nas/A+sic=off."""
    input: str = "256x256"
    """Height x width of the image in pixels."""
    joints: int = 16
    """Keypoints of the head: 16 for MPII, 17 for COCO."""
    all: bool = False
    """Measure what the papers' tables need and is not on record yet, and keep it."""
    keep: bool = False
    """Keep the figures as records under reports/records."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> None:
        if bool(self.models) == self.all:
            raise InputError("give model ids, or --all")
        if self.joints < 1:
            raise InputError(f"--joints {self.joints}: at least one keypoint is needed")
        if self.all:
            measure_missing()
            return
        height, width = models.parse_size(self.input)
        dataset = {v: k for k, v in models.JOINTS.items()}.get(self.joints, f"{self.joints} joints")
        counts = {}
        for model in self.models:
            counts[model] = measure_cost(model, self.joints, height, width)
            if self.keep:
                records.append(cost_record(model, dataset, self.input, counts[model]))
        print(json.dumps(report(self.input, self.joints, counts)) if self.json else text(self.input, self.joints, counts))


def measure_cost(model: str, joints: int, height: int, width: int) -> dict[str, Any]:
    """Whole-number counts of a model and of its named parts (``scopes``).

    Raises:
        InputError: unknown model, or a size that the network refuses.
    """
    import torch

    from benchmark import cost

    entry = models.find(model)
    with torch.device("meta"):
        network = models.build(model, joints=joints)
    try:
        trace = cost.trace(network, height, width)
    except RuntimeError as problem:
        raise InputError(f"{model} takes no {height}x{width} image: {str(problem).splitlines()[0]}") from None
    found = {"params": {"trainable": trace.trainable, "stored": trace.stored}, "flops": cost.counts(trace.ops)}
    scopes = {}
    for name, parts in entry.scopes.items():
        trainable, stored = map(sum, zip(*(cost.parameters(network.get_submodule(part)) for part in parts), strict=True))
        scopes[name] = {
            "params": {"trainable": trainable, "stored": stored},
            "flops": cost.counts(trace.within(parts)),
        }
    return found | {"scopes": scopes}


def cost_record(model: str, dataset: str, size: str, counts: dict[str, Any]) -> records.Record:
    """The record of one model's cost at one size with one dataset's head."""
    joints = models.JOINTS.get(dataset) or int(dataset.split()[0])
    return records.Record(
        kind="cost",
        subject=model,
        dataset=dataset,
        split=ledger.NONE,
        protocol=size,
        metric="counts",
        value=counts,
        version=100 * VERSION + models.find(model).version,
        **records.provenance(f"python -m benchmark.measure cost {model} --input {size} --joints {joints}"),
    )


Job = tuple[str, str, str]  # model, dataset, size


def measure_missing() -> None:
    """Measure and keep every cost that a table's cell needs and no record holds, and what the packages build.

    Where a count is not what the table prints, the same network's other sizes, heads and switches are counted too: one of
    them may be what was printed.
    """
    known = tables.papers()
    for model, *_ in ledger.wanted(known):
        models.find(model)  # a wrong id is reported before any work is done
    for record in structures(known):
        records.append(record)
    _measure(ledger.wanted(known), "cost")
    open_rows = {(v.paper, v.table, v.row_id) for v in ledger.judge() if v.kind == "cost" and v.verdict not in SETTLED}
    jobs = [
        job
        for paper, table, row in open_rows
        for cell in known[paper].tables[table].cells()
        if cell.row.id == row and cell.row.model and cell.column.kind == "cost"
        for job in _alternatives(cell.row.model, *ledger.protocol(cell))
    ]
    _measure(sorted(set(jobs)), "variants")


SETTLED = ("reproduced", "explained")


def _alternatives(model: str, dataset: str, size: str) -> Iterator[Job]:
    for neighbour in models.neighbours(model):
        yield neighbour, dataset, size
    for other in models.find(model).inputs:
        yield from ((model, head, other) for head in ("mpii", "coco"))


def _measure(jobs: Iterable[Job], what: str) -> None:
    kept = records.load()
    missing = [job for job in jobs if ledger.cost_record(*job) not in kept]
    for model, dataset, size in tqdm(missing, desc=what, disable=not missing):
        try:
            counts = measure_cost(model, models.JOINTS[dataset], *models.parse_size(size))
        except InputError as refused:
            if what == "cost":
                raise
            tqdm.write(f"{refused}")  # a combination of switches that makes no network
            continue
        records.append(cost_record(model, dataset, size, counts))


def structures(known: Mapping[str, tables.Paper]) -> Iterator[records.Record]:
    """What each package builds where a paper prints an architecture (its ``structure(table)``), and what an unspecific
    figure comes to under each reading (its ``readings(table)``); what is on record is not worked out again."""
    kept = records.load()
    for paper in known.values():
        for table in paper.tables.values():
            packages = {c.row.model.split("/")[0] for c in table.cells() if c.column.kind in ("architecture", "derived")}
            for package in sorted(packages - {""}):
                for metric in ("structure", "readings"):
                    describe = getattr(models.packages()[package], metric, lambda _: {})
                    if ledger.built_record(package, table.id, metric) in kept or not (built := describe(table.id)):
                        continue
                    yield records.Record(
                        kind="architecture",
                        subject=package,
                        dataset=ledger.NONE,
                        split=ledger.NONE,
                        protocol=table.id,
                        metric=metric,
                        value=built,
                        version=getattr(models.packages()[package], "STRUCTURE_VERSION", 1),
                        **records.provenance("python -m benchmark.measure cost --all"),
                    )


def report(size: str, joints: int, counts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What ``--json`` prints; see schemas/cost.schema.json."""
    rows = [{"model": model, "evidence": models.find(model).evidence, **found} for model, found in counts.items()]
    return {"schema": 1, "input": size, "joints": joints, "models": rows}


def text(size: str, joints: int, counts: dict[str, dict[str, Any]]) -> str:
    """A table for people: parameters in millions, operations in each convention's own G."""
    lines = [f"{size}, {joints} joints", f"{'':40}{'params M':>10}{'stored M':>10}" + "".join(f"{c:>13}" for c in FLOPS)]
    for model, found in counts.items():
        params = "".join(f"{found['params'][key] / 1e6:10.3f}" for key in ("trainable", "stored"))
        flops = "".join(f"{found['flops'][name] / convention.giga:13.4f}" for name, convention in FLOPS.items())
        lines.append(f"{model:40}{params}{flops}")
    return "\n".join(lines)


def main() -> None:
    """Entry point."""
    command = tyro.extras.subcommand_cli_from_dict({"cost": Cost}, prog="python -m benchmark.measure", description=__doc__)
    run(command)


if __name__ == "__main__":
    main()
