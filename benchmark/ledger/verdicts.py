"""Printed cell x measured record -> verdict, without torch and without naming any paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from benchmark.config.identities import COMMON_TERMS, cost_record_id, description_identity, load_current
from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import NOT_APPLICABLE, Record, record_id
from benchmark.ledger.accuracy import judge_accuracy
from benchmark.ledger.explanations import Explanation, count_in_unit, explain_cost, explain_derived, explain_reading
from benchmark.ledger.latency import TIME_METRICS, compare_printed_time, latency_command
from benchmark.models.registry import Entry, canonical_id, entries, find_entry, single_switch_variants
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.rounding import round_half_up
from benchmark.papers.tables import Cell, Claim, Paper, load_papers

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
TOKEN_MEANING: Mapping[Token, str] = {
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
HIDDEN_LABEL_SPLITS = ("test", "test-dev")


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


VERDICT_COLUMNS = tuple(Verdict.__annotations__)


def judge_all(records: Mapping[str, Record] | None = None) -> list[Verdict]:
    """Every numeric cell of every paper, then every claim, in printed order.

    Raises:
        InputError: a malformed table or record, or a row that names an unknown model.
    """
    entries()  # a malformed package is reported as such, not as the unknown model of some cell
    known = load_papers()
    records = load_current() if records is None else records
    cells = [cell for paper in known.values() for table in paper.tables.values() for cell in table.cells()]
    # Derived cells and claims may follow from our counts of their sources, so the counts come first.
    plain = {cell.name: judge_cell(cell, records, known) for cell in cells if not cell.column.expression}
    ours = {name: float(v.ours) for name, v in plain.items() if v.kind == "cost" and v.ours != NOT_APPLICABLE}
    verdicts = [plain.get(cell.name) or judge_derived(cell, known, ours) for cell in cells]
    return verdicts + [judge_claim(claim, paper, known, ours) for paper in known.values() for claim in paper.claims]


def judge_cell(cell: Cell, records: Mapping[str, Record], known: Mapping[str, Paper]) -> Verdict:
    """The verdict of a cell that stands for itself; see :func:`derived` for the others."""
    if cell.row.model:
        try:
            entry = find_entry(cell.row.model)
        except InputError as problem:
            raise InputError(f"{cell.name}: {problem}") from None
    if not cell.row.model:
        return _cell_verdict(cell, "no_definition", cause=cell.row.none)
    if cell.column.kind == "cost":
        return _cost(cell, entry, records)
    if cell.column.kind == "architecture":
        return _architecture(cell, records)
    if cell.column.kind == "derived":
        return _reading(cell, records)
    if cell.column.kind == "accuracy" and cell.table.split in HIDDEN_LABEL_SPLITS:
        return _cell_verdict(cell, "hidden_labels", cause=remedy_command(cell))
    if cell.column.kind == "accuracy" and (found := judge_accuracy(cell, records)):
        cause = f"{found.how}; {remedy_command(cell)}" if found.verdict == "proxy" else found.how
        return _cell_verdict(cell, found.verdict, value=found.value, cause=cause, record=found.record)
    if cell.column.metric in TIME_METRICS and (timed := compare_printed_time(cell, records)):
        return _cell_verdict(cell, "proxy", value=timed.ours, cause=timed.cause, record=timed.record)
    return _cell_verdict(cell, "not_run", cause=remedy_command(cell))


def remedy_command(cell: Cell) -> str:
    """What to run for a figure that was not measured here, and what it takes."""
    model, size = cell.row.model, cell.input
    needs = f" and {cell.row.needs}" if cell.row.needs else ""
    if cell.column.kind == "cost":
        return f"python -m benchmark.measure cost {model} --input {size} --joints {JOINT_COUNTS[cell.dataset]} --keep"
    if cell.column.metric in TIME_METRICS:
        return f"{latency_command(cell)}; the printed figure is of {cell.row.needs or cell.column.header}"
    if cell.column.kind == "latency":
        return f"needs the device of {cell.table.where}{needs}, and {model}"
    if cell.column.kind == "accuracy":
        if cell.dataset not in JOINT_COUNTS:
            dataset = cell.dataset or "a dataset, which the table does not name"
            return f"needs {dataset}: not one of {', '.join(JOINT_COUNTS)}{needs}"
        where = {"mpii": "MPII images and annotations", "coco": "COCO 2017 images and annotations"}.get(cell.dataset, "data")
        submission = " --submission FILE" if cell.table.split in HIDDEN_LABEL_SPLITS else ""
        tested = canonical_id(model)
        run = f"python -m benchmark.evaluate {tested} --weights FILE --dataset {cell.dataset}{submission}"
        return f"{run}; needs {where} and trained weights{needs}"
    return f"needs a measurement of {model}{needs}"


def cost_setting(cell: Cell) -> tuple[str, str]:
    """Return under which dataset's head and at which size a row's cost is counted.

    Raises:
        InputError: The table states no size, or a dataset whose joints are unknown.
    """
    if cell.dataset not in JOINT_COUNTS:
        raise InputError(f"{cell.name}: no joints are known for dataset {cell.dataset!r}; known: {', '.join(JOINT_COUNTS)}")
    if not cell.input:
        raise InputError(f'{cell.name}: neither the row nor the table states an input size, as in input = "256x256"')
    return cell.dataset, cell.input


def _cost(cell: Cell, entry: Entry, records: Mapping[str, Record]) -> Verdict:
    dataset, size = cost_setting(cell)
    record = records.get(cost_record_id(cell.row.model, dataset, size))
    if record is None:
        return _cell_verdict(cell, "not_run", cause=remedy_command(cell))
    value = count_in_unit(record, cell, cell.column.convention)
    if value is None:
        raise InputError(f"{cell.name}: {record.subject} has no part {cell.column.scope!r} counted in record {record.id}")
    token: Token = "reproduced"
    cause, source = cell.column.convention, record.id
    if round_half_up(value, cell.number.decimals) != str(cell.number):
        why = explain_cost(cell, record, _variants(record, records))
        if why:
            token, cause, source = "explained", why.cause, why.record or record.id
        elif entry.evidence == "reconstruction":
            token, cause = "no_definition", f"only a reconstruction exists: {entry.source}{_span(cell, records)}"
        else:
            token, cause = "contradicted", f"{cell.column.convention} counts {_show(value)} ({entry.evidence})"
    return _cell_verdict(cell, token, value=value, cause=cause, record=source)


def _span(cell: Cell, records: Mapping[str, Record]) -> str:
    """Between which figures the package's readings of the cell lie under the column's convention."""
    found = _description(cell, records, "readings")
    readings = found[1] if found else []
    values = [reading["value"] for reading in readings if reading["convention"] == cell.column.convention]
    return f"; its space reaches from {min(values):.4g} to {max(values):.4g} under {cell.column.convention}" if values else ""


def _variants(record: Record, records: Mapping[str, Record]) -> list[Record]:
    """The current records of the same network at the same size with one switch set otherwise."""
    ids = (
        cost_record_id(variant, record.dataset, record.setting["input"]) for variant in single_switch_variants(record.subject)
    )
    return [records[i] for i in ids if i in records]


def _description(cell: Cell, records: Mapping[str, Record], metric: str) -> tuple[Record, Any] | None:
    record = records.get(record_id(description_identity(cell.row.model.split("/")[0], cell.table.id, metric)))
    key = f"{cell.row.id}/{cell.column.name}"
    return (record, record.value[key]) if record and key in record.value else None


def _architecture(cell: Cell, records: Mapping[str, Record]) -> Verdict:
    found = _description(cell, records, "structure")
    if found is None:
        return _cell_verdict(cell, "not_run", cause=f"{cell.row.model.split('/')[0]} does not describe this part of itself")
    record, built = found
    token: Token = "reproduced" if _same_text(built, cell.printed) else "contradicted"
    return _cell_verdict(cell, token, value=built, cause=f"built as {built}", record=record.id)


def _reading(cell: Cell, records: Mapping[str, Record]) -> Verdict:
    found = _description(cell, records, "readings")
    if found is None:
        return _cell_verdict(cell, "not_run", cause=remedy_command(cell))
    record, readings = found
    why = explain_reading(cell, record, readings)
    if why is None:
        return _cell_verdict(cell, "contradicted", cause=f"none of {len(readings)} readings comes to it", record=record.id)
    return _cell_verdict(cell, "explained", value=why.value, cause=why.cause, record=record.id)


def _same_text(a: str, b: str) -> bool:
    return a.replace(" ", "") == b.replace(" ", "")


def judge_derived(cell: Cell, known: Mapping[str, Paper], ours: Mapping[str, float]) -> Verdict:
    """The verdict of a cell that should follow from other cells."""
    paper = known[cell.paper]
    token, cause, value = _judge_expression(cell.printed, cell.column.expression, paper, known, ours, row=cell.row.id)
    return _cell_verdict(cell, token, value=value, cause=cause, record=f"expression:{cell.paper}/{cell.table.id}")


def judge_claim(claim: Claim, paper: Paper, known: Mapping[str, Paper], ours: Mapping[str, float]) -> Verdict:
    """A sentence's verdict: its expression over printed cells against the figure it states."""
    if claim.printed == "true":
        result = evaluate_expression(claim.expression, paper, known)
        values = ", ".join(f"{c.row.id} {c.printed}" for c in result.cells)
        token: Token = "reproduced" if result.value is True else "contradicted"
        shown, cause = str(bool(result.value)).lower(), f"{claim.expression} with {values}"
        return _claim_verdict(claim, token, shown, shown, cause)
    token, cause, value = _judge_expression(claim.printed, claim.expression, paper, known, ours, claim=claim)
    places = len(claim.printed.partition(".")[2])
    return _claim_verdict(claim, token, _show(value), round_half_up(value, places), cause)


def _judge_expression(
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
    result = evaluate_expression(expression, paper, known, row)
    value = float(result.value)
    if round_half_up(value, decimals) == round_half_up(float(digits.replace("−", "-")), decimals):
        return "reproduced", f"{expression} = {_show(value)}", value
    why: Explanation | None = explain_derived(digits, decimals, expression, paper, known, row, claim, ours)
    if why:
        return "explained", f"{why.cause}; {expression} = {_show(value)}", value
    return "contradicted", f"{expression} = {_show(value)}", value


def _show(value: float | Fraction) -> str:
    return f"{float(value):.6g}"


def _claim_verdict(claim: Claim, token: Token, ours: str, ours_rounded: str, cause: str) -> Verdict:
    return Verdict(
        paper=claim.paper,
        table="claims",
        row_id=claim.id,
        column="printed",
        kind="derived",
        metric="claim",
        unit=claim.unit or NOT_APPLICABLE,
        printed=claim.printed,
        ours=ours,
        ours_rounded=ours_rounded,
        verdict=token,
        cause=cause,
        record=f"expression:{claim.paper}/claims/{claim.id}",
    )


def _cell_verdict(cell: Cell, token: Token, *, value: Any = None, cause: str, record: str = NOT_APPLICABLE) -> Verdict:
    number = isinstance(value, int | float | Fraction)
    return Verdict(
        paper=cell.paper,
        table=cell.table.id,
        row_id=cell.row.id,
        column=cell.column.name,
        kind=cell.column.kind or NOT_APPLICABLE,
        metric=cell.column.metric,
        unit=cell.column.unit or NOT_APPLICABLE,
        printed=cell.printed,
        ours=_show(value) if number else value or NOT_APPLICABLE,
        ours_rounded=round_half_up(value, cell.number.decimals) if number else value or NOT_APPLICABLE,
        verdict=token,
        cause=cause,
        record=record,
    )


def count_verdicts(verdicts: Sequence[Verdict]) -> Mapping[tuple[str, str], Mapping[Token, int]]:
    """How many verdicts of each token, by paper and kind, in the order of papers and of ``KINDS``."""
    tally: dict[tuple[str, str], dict[Token, int]] = {}
    for verdict in verdicts:
        tally.setdefault((verdict.paper, verdict.kind), dict.fromkeys(TOKENS, 0))[verdict.verdict] += 1
    order = list(dict.fromkeys(paper for paper, _ in tally))
    return dict(sorted(tally.items(), key=lambda item: (order.index(item[0][0]), KINDS.index(item[0][1]))))


def required_costs(known: Mapping[str, Paper]) -> Iterator[tuple[str, str, str]]:
    """The (model, dataset, size) triples whose cost some cell needs, each once, and each of those models at the common size."""
    seen: dict[tuple[str, str, str], None] = {}
    for paper in known.values():
        for table in paper.tables.values():
            for cell in table.cells():
                if cell.row.model and cell.column.kind == "cost":
                    seen[cell.row.model, *cost_setting(cell)] = None
    return iter(seen | dict.fromkeys((model, *COMMON_TERMS) for model, *_ in seen))
