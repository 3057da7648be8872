"""Judge every printed cell and claim by measured records, without torch and without naming any paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

from benchmark.config.identities import COMMON_TERMS, cost_record_id, description_identity, load_current
from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import NOT_APPLICABLE, Record, record_id
from benchmark.ledger.accuracy import judge_accuracy
from benchmark.ledger.explanations import count_in_unit, explain_cost, explain_derived, explain_reading
from benchmark.ledger.latency import TIME_METRICS, compare_printed_time, latency_command
from benchmark.models.registry import Entry, canonical_id, entries, find_entry, single_switch_variants
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.rounding import round_half_up
from benchmark.papers.tables import Cell, Claim, Kind, Paper, Slug, Text, load_papers, no_unknown_fields

Token = Literal["reproduced", "explained", "contradicted", "inconclusive", "proxy", "not_run", "hidden_labels", "no_definition"]
TOKENS: tuple[Token, ...] = get_args(Token)
TOKEN_MEANING: Mapping[Token, str] = {
    "reproduced": "our value, counted by the table's convention, rounds to the printed value",
    "explained": "our value differs, and a reason from a closed list yields exactly the printed value",
    "contradicted": "our value differs, the definition is public, and no reason from the list yields the printed value",
    "inconclusive": "our interval is too wide to decide",
    "proxy": "measured under a smaller protocol or on another device: shows a direction or a ratio, never counts as a match",
    "not_run": "not measured yet; the verdict gives the command, and what it needs",
    "hidden_labels": "only the benchmark's server can score it, as the labels of its test set are not public",
    "no_definition": "there is no public specification to build the network from",
}
KINDS: tuple[Kind, ...] = get_args(Kind)
HIDDEN_LABEL_SPLITS = ("test", "test-dev")


@no_unknown_fields
@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict on one printed cell or claim: a row of ``reports/verdicts.csv``. A field without a value is ``-``.

    Attributes:
        paper: Id of the paper.
        table: Id of the table; ``claims`` for a claim.
        row_id: Id of the row or of the claim.
        column: Name of the column; ``printed`` for a claim.
        kind: Kind under which the verdict is counted.
        metric: Metric of the column; ``claim`` for a claim.
        unit: Unit of the printed number.
        printed: The printed string.
        ours: Our value in the printed unit.
        ours_rounded: Our value, rounded to the printed number of decimals.
        verdict: The verdict.
        cause: Why, in words; for a verdict without a measurement the command that makes one.
        record: Id of the record of our value, or ``expression:...`` for a value that follows from printed cells.
    """

    paper: Slug
    table: Slug
    row_id: Slug
    column: Slug
    kind: Kind
    metric: Text
    unit: Text
    printed: Text
    ours: Text
    ours_rounded: Text
    verdict: Token
    cause: Text
    record: Text


VERDICT_COLUMNS = tuple(Verdict.__annotations__)


def judge_all(records: Mapping[str, Record] | None = None) -> list[Verdict]:
    """Judge every numeric cell of every paper, then every claim, in printed order.

    Args:
        records: Current records, by id; by default those under ``reports/records``.

    Raises:
        InputError: a table or record is malformed, or a row names an unknown model.
    """
    entries()  # a malformed package is reported as such, not as the unknown model of some cell
    papers = load_papers()
    records = load_current() if records is None else records
    cells = [cell for paper in papers.values() for table in paper.tables.values() for cell in table.cells()]
    # Derived cells and claims may follow from our counts of their sources, so those are judged first.
    measured = {cell.name: judge_cell(cell, records) for cell in cells if not cell.column.expression}
    counts = {name: float(v.ours) for name, v in measured.items() if v.kind == "cost" and v.ours != NOT_APPLICABLE}
    verdicts = [measured.get(cell.name) or judge_derived(cell, papers, counts) for cell in cells]
    return verdicts + [judge_claim(claim, paper, papers, counts) for paper in papers.values() for claim in paper.claims]


def judge_cell(cell: Cell, records: Mapping[str, Record]) -> Verdict:
    """Judge a cell by records; for cells that follow from other cells see :func:`judge_derived`.

    Raises:
        InputError: the row names an unknown model.
    """
    if not cell.row.model:
        return _cell_verdict(cell, "no_definition", cause=cell.row.none)
    try:
        entry = find_entry(cell.row.model)
    except InputError as problem:
        raise InputError(f"{cell.name}: {problem}") from None
    if cell.column.kind == "cost":
        return _judge_cost(cell, entry, records)
    if cell.column.kind == "architecture":
        return _judge_architecture(cell, records)
    if cell.column.kind == "derived":
        return _judge_readings(cell, records)
    if cell.column.kind == "accuracy" and cell.table.split in HIDDEN_LABEL_SPLITS:
        return _cell_verdict(cell, "hidden_labels", cause=remedy_command(cell))
    if cell.column.kind == "accuracy" and (judged := judge_accuracy(cell, records)):
        return _cell_verdict(cell, judged.verdict, value=judged.value, cause=judged.how, record=judged.record)
    if cell.column.metric in TIME_METRICS and (timed := compare_printed_time(cell, records)):
        return _cell_verdict(cell, "proxy", value=timed.ours, cause=timed.cause, record=timed.record)
    return _cell_verdict(cell, "not_run", cause=remedy_command(cell))


def remedy_command(cell: Cell) -> str:
    """Return the command that measures a cell's value, and what it needs."""
    model = cell.row.model
    needs = f" and {cell.row.needs}" if cell.row.needs else ""
    if cell.column.kind == "cost":
        dataset, size = cost_setting(cell)
        return f"python -m benchmark.measure cost {model} --input {size} --joints {JOINT_COUNTS[dataset]} --keep"
    if cell.column.metric in TIME_METRICS:
        return f"{latency_command(cell)}; the printed time is that of {cell.row.needs or cell.column.header}"
    if cell.column.kind == "latency":
        return f"needs the device of {cell.table.where}{needs}, and {model}"
    if cell.column.kind == "accuracy":
        if cell.dataset not in JOINT_COUNTS:
            dataset = cell.dataset or "a dataset, which the table does not name"
            return f"needs {dataset}: not one of {', '.join(JOINT_COUNTS)}{needs}"
        data = {"mpii": "MPII images and annotations", "coco": "COCO 2017 images and annotations"}.get(cell.dataset, "data")
        submission = " --submission FILE" if cell.table.split in HIDDEN_LABEL_SPLITS else ""
        command = f"python -m benchmark.evaluate {canonical_id(model)} --weights FILE --dataset {cell.dataset}{submission}"
        return f"{command}; needs {data} and trained weights{needs}"
    return f"needs a measurement of {model}{needs}"


def cost_setting(cell: Cell) -> tuple[str, str]:
    """Return the dataset, whose joints the head predicts, and the input size at which a row's cost is counted.

    Raises:
        InputError: The table states no size, or a dataset whose joints are unknown.
    """
    if cell.dataset not in JOINT_COUNTS:
        raise InputError(f"{cell.name}: no joints are known for dataset {cell.dataset!r}; known: {', '.join(JOINT_COUNTS)}")
    if not cell.input:
        raise InputError(f'{cell.name}: neither the row nor the table states an input size, as in input = "256x256"')
    return cell.dataset, cell.input


def _judge_cost(cell: Cell, entry: Entry, records: Mapping[str, Record]) -> Verdict:
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
        explanation = explain_cost(cell, record, _variant_records(record, records))
        if explanation:
            token, cause, source = "explained", explanation.cause, explanation.record or record.id
        elif entry.evidence == "reconstruction":
            token, cause = "no_definition", f"only a reconstruction exists: {entry.source}{_format_range(cell, records)}"
        else:
            token, cause = "contradicted", f"{cell.column.convention} counts {_format(value)} ({entry.evidence})"
    return _cell_verdict(cell, token, value=value, cause=cause, record=source)


def _format_range(cell: Cell, records: Mapping[str, Record]) -> str:
    """Format the range of the package's readings of a cell under the column's convention; empty without readings."""
    description = _find_description(cell, records, "readings")
    readings = description[1] if description else []
    values = [reading["value"] for reading in readings if reading["convention"] == cell.column.convention]
    if not values:
        return ""
    return f"; its search space ranges from {min(values):.4g} to {max(values):.4g} under {cell.column.convention}"


def _variant_records(record: Record, records: Mapping[str, Record]) -> list[Record]:
    """Return the cost records, at the same size, of networks that differ in one switch."""
    dataset, size = record.dataset, record.setting["input"]
    ids = (cost_record_id(variant, dataset, size) for variant in single_switch_variants(record.subject))
    return [records[id_] for id_ in ids if id_ in records]


def _find_description(cell: Cell, records: Mapping[str, Record], metric: str) -> tuple[Record, Any] | None:
    """Return the package's description of a cell, its ``structure`` or ``readings``, with the record that holds it."""
    record = records.get(record_id(description_identity(cell.row.model.split("/")[0], cell.table.id, metric)))
    key = f"{cell.row.id}/{cell.column.name}"
    return (record, record.value[key]) if record and key in record.value else None


def _judge_architecture(cell: Cell, records: Mapping[str, Record]) -> Verdict:
    description = _find_description(cell, records, "structure")
    if description is None:
        package = cell.row.model.split("/")[0]
        return _cell_verdict(cell, "not_run", cause=f"{package} does not describe this part of the network")
    record, built = description
    token: Token = "reproduced" if built.replace(" ", "") == cell.printed.replace(" ", "") else "contradicted"
    return _cell_verdict(cell, token, value=built, cause=f"built as {built}", record=record.id)


def _judge_readings(cell: Cell, records: Mapping[str, Record]) -> Verdict:
    description = _find_description(cell, records, "readings")
    if description is None:
        return _cell_verdict(cell, "not_run", cause=remedy_command(cell))
    record, readings = description
    explanation = explain_reading(cell, record, readings)
    if explanation is None:
        return _cell_verdict(cell, "contradicted", cause=f"none of {len(readings)} readings gives it", record=record.id)
    return _cell_verdict(cell, "explained", value=explanation.value, cause=explanation.cause, record=record.id)


def judge_derived(cell: Cell, papers: Mapping[str, Paper], counts: Mapping[str, float]) -> Verdict:
    """Judge a cell that should follow from other cells.

    Args:
        cell: Cell of a column with an expression.
        papers: All papers, by id.
        counts: Our counts by the name of the cell, in the printed units.
    """
    paper = papers[cell.paper]
    token, cause, value = _judge_expression(cell.printed, cell.column.expression, paper, papers, counts, row=cell.row.id)
    return _cell_verdict(cell, token, value=value, cause=cause, record=f"expression:{cell.paper}/{cell.table.id}")


def judge_claim(claim: Claim, paper: Paper, papers: Mapping[str, Paper], counts: Mapping[str, float]) -> Verdict:
    """Judge a sentence: the number that it states should follow from printed cells; see :func:`judge_derived`."""
    if claim.printed == "true":
        result = evaluate_expression(claim.expression, paper, papers)
        values = ", ".join(f"{c.row.id} {c.printed}" for c in result.cells)
        token: Token = "reproduced" if result.value is True else "contradicted"
        text, cause = str(bool(result.value)).lower(), f"{claim.expression} with {values}"
        return _claim_verdict(claim, token, text, text, cause)
    token, cause, value = _judge_expression(claim.printed, claim.expression, paper, papers, counts, claim=claim)
    decimals = len(claim.printed.partition(".")[2])
    return _claim_verdict(claim, token, _format(value), round_half_up(value, decimals), cause)


def _judge_expression(
    printed: str,
    expression: str,
    paper: Paper,
    papers: Mapping[str, Paper],
    counts: Mapping[str, float],
    row: str = "",
    claim: Claim | None = None,
) -> tuple[Token, str, float | Fraction]:
    """Return the verdict on a number that should follow from printed cells, its cause, and the expression's value."""
    digits = printed.strip("×%+KMG")
    decimals = len(digits.partition(".")[2])
    value = float(evaluate_expression(expression, paper, papers, row).value)
    if round_half_up(value, decimals) == round_half_up(float(digits.replace("−", "-")), decimals):
        return "reproduced", f"{expression} = {_format(value)}", value
    explanation = explain_derived(digits, decimals, expression, paper, papers, row, claim, counts)
    if explanation:
        return "explained", f"{explanation.cause}; {expression} = {_format(value)}", value
    return "contradicted", f"{expression} = {_format(value)}", value


def _format(value: float | Fraction) -> str:
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
    assert cell.column.kind, "only cells of columns with a kind have verdicts"
    return Verdict(
        paper=cell.paper,
        table=cell.table.id,
        row_id=cell.row.id,
        column=cell.column.name,
        kind=cell.column.kind,
        metric=cell.column.metric,
        unit=cell.column.unit or NOT_APPLICABLE,
        printed=cell.printed,
        ours=_format(value) if number else value or NOT_APPLICABLE,
        ours_rounded=round_half_up(value, cell.number.decimals) if number else value or NOT_APPLICABLE,
        verdict=token,
        cause=cause,
        record=record,
    )


def count_verdicts(verdicts: Sequence[Verdict]) -> Mapping[tuple[str, Kind], Mapping[Token, int]]:
    """Count the verdicts of each token by paper and kind, in the order of papers and of :data:`KINDS`."""
    tally: dict[tuple[str, Kind], dict[Token, int]] = {}
    for verdict in verdicts:
        tally.setdefault((verdict.paper, verdict.kind), dict.fromkeys(TOKENS, 0))[verdict.verdict] += 1
    order = list(dict.fromkeys(paper for paper, _ in tally))
    return dict(sorted(tally.items(), key=lambda item: (order.index(item[0][0]), KINDS.index(item[0][1]))))


def required_costs(papers: Mapping[str, Paper]) -> Iterator[tuple[str, str, str]]:
    """Iterate over the costs that the papers' cells need, once each, as (model, dataset, input size).

    Each of these models is also counted on common terms, at the end.
    """
    required: dict[tuple[str, str, str], None] = {}
    for paper in papers.values():
        for table in paper.tables.values():
            for cell in table.cells():
                if cell.row.model and cell.column.kind == "cost":
                    required[cell.row.model, *cost_setting(cell)] = None
    return iter(required | dict.fromkeys((model, *COMMON_TERMS) for model, *_ in required))
