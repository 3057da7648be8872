"""Printed cell x measured record -> verdict, without torch and without naming any paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from benchmark import models, timings, trained
from benchmark.conventions import VERSION
from benchmark.errors import InputError
from benchmark.expressions import evaluate
from benchmark.predicates import Explanation, counted, explain_cost, explain_derived, explain_reading
from benchmark.records import FOLDER, Record, identify, load
from benchmark.rounding import rounded
from benchmark.tables import Cell, Claim, Paper, papers

Token = Literal["reproduced", "explained", "contradicted", "inconclusive", "proxy", "not_run", "hidden_labels", "no_definition"]
TOKENS: tuple[Token, ...] = (
    "reproduced",
    "explained",
    "contradicted",
    "inconclusive",
    "proxy",
    "not_run",
    "hidden_labels",
    "no_definition",
)
MEANING: Mapping[Token, str] = {
    "reproduced": "ours rounds to the printed string at its printed precision, counted as the table counts",
    "explained": "differs, and one named predicate yields exactly the printed string",
    "contradicted": "the definition is public, ours differs, and no predicate yields the printed string",
    "inconclusive": "our interval is too wide to say",
    "proxy": "measured under a smaller, named protocol: direction and interval, never a match",
    "not_run": "anyone with the data can run it: the command stands beside it",
    "hidden_labels": "only the benchmark's own server can score it",
    "no_definition": "no public specification exists to build it from",
}
KINDS = ("cost", "accuracy", "latency", "derived", "architecture")
HIDDEN = ("test", "test-dev")
COMMON = ("mpii", "256x256")  # the head and the size at which all networks are compared on equal terms
NONE = "-"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One printed cell or claim, judged. ``ours`` is in the printed unit; ``-`` stands where there is nothing to say."""

    paper: str
    table: str
    row_id: str
    column: str
    kind: str
    metric: str
    unit: str
    printed: str
    ours: str
    ours_rounded: str
    verdict: Token
    cause: str
    record: str


COLUMNS = tuple(Verdict.__annotations__)


def judge(folder: Path = FOLDER) -> list[Verdict]:
    """Every numeric cell of every paper, then every claim, in printed order.

    Raises:
        InputError: a malformed table or record, or a row that names an unknown model.
    """
    records, known = load(folder), papers()
    cells = [cell for paper in known.values() for table in paper.tables.values() for cell in table.cells()]
    # Derived cells and claims may follow from our counts of their sources, so the counts come first.
    plain = {cell.name: judge_cell(cell, records, known) for cell in cells if not cell.column.expression}
    ours = {name: float(v.ours) for name, v in plain.items() if v.kind == "cost" and v.ours != NONE}
    verdicts = [plain.get(cell.name) or derived(cell, known, ours) for cell in cells]
    return verdicts + [judge_claim(claim, paper, known, ours) for paper in known.values() for claim in paper.claims]


def judge_cell(cell: Cell, records: Mapping[str, Record], known: Mapping[str, Paper]) -> Verdict:
    """The verdict of a cell that stands for itself; see :func:`derived` for the others."""
    if cell.row.model:
        try:
            entry = models.find(cell.row.model)
        except InputError as problem:
            raise InputError(f"{cell.name}: {problem}") from None
    if not cell.row.model:
        return _verdict(cell, "no_definition", cause=cell.row.none)
    if cell.column.kind == "cost":
        return _cost(cell, entry, records)
    if cell.column.kind == "architecture":
        return _architecture(cell, records)
    if cell.column.kind == "derived":
        return _reading(cell, records)
    if cell.column.kind == "accuracy" and cell.table.split in HIDDEN:
        return _verdict(cell, "hidden_labels", cause=command(cell))
    if cell.column.kind == "accuracy" and (found := trained.judge(cell, records)):
        cause = f"{found.how}; {command(cell)}" if found.verdict == "proxy" else found.how
        return _verdict(cell, found.verdict, value=found.value, cause=cause, record=found.record)
    if cell.column.metric in timings.TIMES and (timed := timings.compare(cell, records)):
        return _verdict(cell, "proxy", value=timed.ours, cause=timed.cause, record=timed.record)
    return _verdict(cell, "not_run", cause=command(cell))


def command(cell: Cell) -> str:
    """What to run for a figure that was not measured here, and what it takes."""
    model, size = cell.row.model, cell.input
    needs = f" and {cell.row.needs}" if cell.row.needs else ""
    if cell.column.kind == "cost":
        return f"python -m benchmark.measure cost {model} --input {size}"
    if cell.column.metric in timings.TIMES:
        return f"{timings.command(cell)}; the printed figure is of {cell.row.needs or cell.column.header}"
    if cell.column.kind == "latency":
        return f"needs the device of {cell.table.where}{needs}, and {model}"
    if cell.column.kind == "accuracy":
        where = {"mpii": "MPII images and annotations", "coco": "COCO 2017 images and annotations"}.get(cell.dataset, "data")
        submission = " --submission FILE" if cell.table.split in HIDDEN else ""
        tested = models.tested_as(model)
        run = f"python -m benchmark.evaluate {tested} --weights FILE --dataset {cell.dataset}{submission}"
        return f"{run}; needs {where} and trained weights{needs}"
    return f"needs a measurement of {model}{needs}"


def protocol(cell: Cell) -> tuple[str, str]:
    """Under which dataset's head and at which size a row's cost is counted."""
    return cell.dataset, cell.input


def cost_record(model: str, dataset: str, size: str) -> str:
    """The id of the record that holds a model's cost; a change of the counter or of the model gives another."""
    version = 100 * VERSION + models.find(model).version
    return identify(kind="cost", subject=model, dataset=dataset, split=NONE, protocol=size, metric="counts", version=version)


def _cost(cell: Cell, entry: models.Entry, records: Mapping[str, Record]) -> Verdict:
    dataset, size = protocol(cell)
    record = records.get(cost_record(cell.row.model, dataset, size))
    if record is None:
        return _verdict(cell, "not_run", cause=command(cell))
    value = counted(record, cell, cell.column.convention)
    if value is None:
        raise InputError(f"{cell.name}: {record.subject} has no part {cell.column.scope!r} counted in record {record.id}")
    token: Token = "reproduced"
    cause, source = cell.column.convention, record.id
    if rounded(value, cell.number.decimals) != str(cell.number):
        why = explain_cost(cell, record, _variants(record, records))
        if why:
            token, cause, source = "explained", why.cause, why.record or record.id
        elif entry.evidence == "reconstruction":
            token, cause = "no_definition", f"only a reconstruction exists: {entry.source}{_span(cell, records)}"
        else:
            token, cause = "contradicted", f"{cell.column.convention} counts {_show(value)} ({entry.evidence})"
    return _verdict(cell, token, value=value, cause=cause, record=source)


def _span(cell: Cell, records: Mapping[str, Record]) -> str:
    """Between which figures the package's readings of the cell lie under the column's convention."""
    found = _built(cell, records, "readings")
    values = [value for says, value in found[1] if says.endswith(f", {cell.column.convention}")] if found else []
    return f"; its space reaches from {min(values):.4g} to {max(values):.4g} under {cell.column.convention}" if values else ""


def _variants(record: Record, records: Mapping[str, Record]) -> list[Record]:
    """The current records of the same network at the same size with one switch set otherwise."""
    ids = (cost_record(variant, record.dataset, record.protocol) for variant in models.neighbours(record.subject))
    return [records[i] for i in ids if i in records]


def built_record(package: str, table: str, metric: str) -> str:
    """The id of the record that holds what a package builds for a printed table: its ``structure`` or its ``readings``."""
    version = structure_version(package)
    return identify(
        kind="architecture", subject=package, dataset=NONE, split=NONE, protocol=table, metric=metric, version=version
    )


def structure_version(package: str) -> int:
    """What a package declares as ``STRUCTURE_VERSION``, to go up when what it builds or says of itself changes."""
    return getattr(models.packages()[package], "STRUCTURE_VERSION", 1)


def _built(cell: Cell, records: Mapping[str, Record], metric: str) -> tuple[Record, Any] | None:
    record = records.get(built_record(cell.row.model.split("/")[0], cell.table.id, metric))
    key = f"{cell.row.id}/{cell.column.name}"
    return (record, record.value[key]) if record and key in record.value else None


def _architecture(cell: Cell, records: Mapping[str, Record]) -> Verdict:
    found = _built(cell, records, "structure")
    if found is None:
        return _verdict(cell, "not_run", cause=f"{cell.row.model.split('/')[0]} does not describe this part of itself")
    record, built = found
    token: Token = "reproduced" if _same(built, cell.printed) else "contradicted"
    return _verdict(cell, token, value=built, cause=f"built as {built}", record=record.id)


def _reading(cell: Cell, records: Mapping[str, Record]) -> Verdict:
    found = _built(cell, records, "readings")
    if found is None:
        return _verdict(cell, "not_run", cause=command(cell))
    record, readings = found
    why = explain_reading(cell, record, readings)
    if why is None:
        return _verdict(cell, "contradicted", cause=f"none of {len(readings)} readings comes to it", record=record.id)
    return _verdict(cell, "explained", value=why.value, cause=why.cause, record=record.id)


def _same(a: str, b: str) -> bool:
    return a.replace(" ", "") == b.replace(" ", "")


def derived(cell: Cell, known: Mapping[str, Paper], ours: Mapping[str, float]) -> Verdict:
    """The verdict of a cell that should follow from other cells."""
    paper = known[cell.paper]
    token, cause, value = _compare(cell.printed, cell.column.expression, paper, known, ours, row=cell.row.id)
    return _verdict(cell, token, value=value, cause=cause, record=f"expression:{cell.paper}/{cell.table.id}")


def judge_claim(claim: Claim, paper: Paper, known: Mapping[str, Paper], ours: Mapping[str, float]) -> Verdict:
    """A sentence's verdict: its expression over printed cells against the figure it states."""
    if claim.printed == "true":
        result = evaluate(claim.expression, paper, known)
        values = ", ".join(f"{c.row.id} {c.printed}" for c in result.cells)
        token: Token = "reproduced" if result.value is True else "contradicted"
        shown, cause = str(bool(result.value)).lower(), f"{claim.expression} with {values}"
        return _claim(claim, token, shown, shown, cause)
    token, cause, value = _compare(claim.printed, claim.expression, paper, known, ours, claim=claim)
    places = len(claim.printed.partition(".")[2])
    return _claim(claim, token, _show(value), rounded(value, places), cause)


def _compare(
    printed: str,
    expression: str,
    paper: Paper,
    known: Mapping[str, Paper],
    ours: Mapping[str, float],
    row: str = "",
    claim: Claim | None = None,
) -> tuple[Token, str, float | Fraction]:
    digits = printed.strip("×%+KMG")
    decimals = len(digits.partition(".")[2])
    result = evaluate(expression, paper, known, row)
    value = float(result.value)
    if rounded(value, decimals) == rounded(float(digits.replace("−", "-")), decimals):
        return "reproduced", f"{expression} = {_show(value)}", value
    why: Explanation | None = explain_derived(digits, decimals, expression, paper, known, row, claim, ours)
    if why:
        return "explained", f"{why.cause}; {expression} = {_show(value)}", value
    return "contradicted", f"{expression} = {_show(value)}", value


def _show(value: float | Fraction) -> str:
    return f"{float(value):.6g}"


def _claim(claim: Claim, token: Token, ours: str, ours_rounded: str, cause: str) -> Verdict:
    return Verdict(
        paper=claim.paper,
        table="claims",
        row_id=claim.id,
        column="printed",
        kind="derived",
        metric="claim",
        unit=claim.unit or NONE,
        printed=claim.printed,
        ours=ours,
        ours_rounded=ours_rounded,
        verdict=token,
        cause=cause,
        record=f"expression:{claim.paper}/claims/{claim.id}",
    )


def _verdict(cell: Cell, token: Token, *, value: Any = None, cause: str, record: str = NONE) -> Verdict:
    number = isinstance(value, int | float | Fraction)
    return Verdict(
        paper=cell.paper,
        table=cell.table.id,
        row_id=cell.row.id,
        column=cell.column.name,
        kind=cell.column.kind or NONE,
        metric=cell.column.metric,
        unit=cell.column.unit or NONE,
        printed=cell.printed,
        ours=_show(value) if number else value or NONE,
        ours_rounded=rounded(value, cell.number.decimals) if number else value or NONE,
        verdict=token,
        cause=cause,
        record=record,
    )


def count(verdicts: Sequence[Verdict]) -> Mapping[tuple[str, str], Mapping[Token, int]]:
    """How many verdicts of each token, by paper and kind, in the order of papers and of ``KINDS``."""
    tally: dict[tuple[str, str], dict[Token, int]] = {}
    for verdict in verdicts:
        tally.setdefault((verdict.paper, verdict.kind), dict.fromkeys(TOKENS, 0))[verdict.verdict] += 1
    order = list(dict.fromkeys(paper for paper, _ in tally))
    return dict(sorted(tally.items(), key=lambda item: (order.index(item[0][0]), KINDS.index(item[0][1]))))


def wanted(known: Mapping[str, Paper]) -> Iterator[tuple[str, str, str]]:
    """The (model, dataset, size) triples whose cost some cell needs, each once, and each of those models at the common size."""
    seen: dict[tuple[str, str, str], None] = {}
    for paper in known.values():
        for table in paper.tables.values():
            for cell in table.cells():
                if cell.row.model and cell.column.kind == "cost":
                    seen[cell.row.model, *protocol(cell)] = None
    return iter(seen | dict.fromkeys((model, *COMMON) for model, *_ in seen))
