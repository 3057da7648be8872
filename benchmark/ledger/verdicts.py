"""Judge every printed cell and claim, by measured records and by the paper's other cells, without torch or any paper's name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from benchmark.analysis.latency import Session, load_sessions
from benchmark.config.conventions import format_not_counted
from benchmark.config.identities import COMMON_TERMS, description_identity, load_current
from benchmark.core.errors import InputError
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import NOT_APPLICABLE, Record, indexed, record_id
from benchmark.ledger.accuracy import judge_accuracy
from benchmark.ledger.derived import Judgement, Measurement, Sources, describe_rounding, judge_by_sources
from benchmark.ledger.explanations import explain_cost
from benchmark.ledger.internal import (
    NOTHING,
    InternalVerdict,
    judge_expression,
    judge_internally,
    quoted_cell,
    repeated_cell,
)
from benchmark.ledger.latency import TIME_METRICS, compare_printed_time, latency_command, printed_device
from benchmark.ledger.predicates import (
    CountedCell,
    cost_setting,
    count_cell,
    count_cells,
    describe_form,
    find_weak_choice,
    source_setting,
)
from benchmark.ledger.tokens import BUILT_BY_US, GROUP_OF, Group, Measured, Verdict
from benchmark.models.checkpoints import published_commands
from benchmark.models.registry import Entry, canonical_id, entries, find_entry
from benchmark.papers.expressions import NotComputable, suffix_scale
from benchmark.papers.rounding import round_half_up
from benchmark.papers.tables import Cell, Claim, Paper, load_papers, parse_number

HIDDEN_LABEL_SPLITS = ("test", "test-dev")
MEASURED_GROUPS: tuple[Group, ...] = ("agrees", "explained", "ambiguous", "differs", "undecided")


def judge_all(records: Mapping[str, Record] | None = None, papers: Mapping[str, Paper] | None = None) -> list[Verdict]:
    """Judge every cell of every paper, then every claim, in printed order.

    Args:
        records: Current records, by id; by default those under ``reports/records``.
        papers: Papers, by id; by default those under ``paper_tables``.

    Raises:
        InputError: a table or record is malformed, or a row names an unknown model.
    """
    entries()  # a malformed package is reported as such, not as the unknown model of some cell
    papers = load_papers() if papers is None else papers
    records = load_current() if records is None else indexed(records)
    cells = [cell for paper in papers.values() for table in paper.tables.values() for cell in table.cells()]
    internal = judge_internally(papers)
    # What follows from other cells is judged by our measurements of these, which therefore come first.
    counted, sessions = count_cells(papers, records), list(load_sessions(records))
    judged = {cell.name: measure(cell, records, counted, sessions) for cell in cells if not cell.column.expression}
    repeats = {cell.name: repeated for cell in cells if (repeated := repeated_cell(cell, papers[cell.paper]))}
    _share_judgements(judged, repeats)
    sources = collect_sources(papers, cells, judged, counted)
    for cell in cells:
        if cell.column.expression:
            judged[cell.name] = _judge_derived(cell, sources, internal[cell.name])
    verdicts: dict[str, Verdict] = {}
    for cell in cells:
        internally = internal.get(cell.name, NOTHING)
        verdicts[cell.name] = _cell_verdict(cell, judged[cell.name], internally, repeats.get(cell.name, ""))
    claims = [judge_claim(claim, paper, sources, verdicts) for paper in papers.values() for claim in paper.claims]
    return [*verdicts.values(), *claims]


def _share_judgements(judged: dict[str, Judgement], repeats: Mapping[str, str]) -> None:
    """Give each printed value one judgement: that of its cell, or of the network that contradicts a cell of several."""
    for name, repeated in repeats.items():
        if judged[name].token == "contradicted" and GROUP_OF[judged[repeated].token] == "agrees":
            judged[repeated] = judged[name]
    for name, repeated in repeats.items():
        shared = judged[repeated]
        judged[name] = judged[name]._replace(token=shared.token, cause=f"as {repeated}: {shared.cause}")


def judge_cell(cell: Cell, records: Mapping[str, Record]) -> Verdict:
    """Judge a cell by records alone, a cost without other costs that could support an explanation.

    One that follows from other cells is judged only in :func:`judge_all`.

    Raises:
        InputError: the row names an unknown model.
    """
    return _cell_verdict(cell, measure(cell, records, sessions=list(load_sessions(records))), NOTHING)


def measure(
    cell: Cell,
    records: Mapping[str, Record],
    counted: Mapping[str, CountedCell] | None = None,
    sessions: Sequence[Session] = (),
) -> Judgement:
    """Judge a cell that does not follow from others by the record of its quantity.

    Args:
        cell: The printed cell.
        records: Current records, by id.
        counted: All printed costs with their counts, which an explanation of one is held against.
        sessions: All networks that were timed together.

    Raises:
        InputError: the row names an unknown model.
    """
    if cell.column.kind == "setting":
        return _judge_setting(cell)
    if not cell.row.model:
        return Judgement("no_definition", cell.row.none)
    try:
        entry = find_entry(cell.row.model)
    except InputError as problem:
        raise InputError(f"{cell.name}: {problem}") from None
    if cell.column.none:
        return Judgement("no_definition", cell.column.none)
    if cell.column.kind == "cost":
        return _judge_cost(cell, entry, records, counted)
    if cell.column.kind == "architecture":
        return _judge_architecture(cell, records)
    if cell.column.kind == "accuracy":
        return _judge_accuracy(cell, records)
    if cell.column.metric in TIME_METRICS:
        try:
            timed = compare_printed_time(cell, sessions)
        except NotComputable as problem:
            return Judgement("not_measured", str(problem))
        if timed and timed.outcome == "compared":
            return Judgement("proxy", timed.cause, timed.value, "timing", timed.record)
        if timed:
            return Judgement("not_run", f"{remedy_command(cell)}; {timed.cause}")
    return Judgement("not_run", remedy_command(cell))


def collect_sources(
    papers: Mapping[str, Paper], cells: list[Cell], judged: Mapping[str, Judgement], counted: Mapping[str, CountedCell]
) -> Sources:
    """Collect our measurements of the cells that derived cells and claims may refer to.

    A count is the one under its column's convention, whatever explains the printed one. What shows nothing by construction is
    no measurement.
    """
    measurements: dict[str, Measurement] = {}
    missing = {name: judgement.token for name, judgement in judged.items()}
    for cell in cells:
        judgement = judged.get(cell.name)
        if judgement is None or GROUP_OF[judgement.token] not in MEASURED_GROUPS:
            continue
        value: float | None = None
        if cell.column.kind == "cost":
            value = float(counted[cell.name].value) * suffix_scale(cell)
        elif isinstance(judgement.value, int | float | Fraction):
            value = float(judgement.value)
        elif judgement.value is not None:
            value = _number_or_none(str(judgement.value))
        if value is not None:
            measurements[cell.name] = Measurement(value, judgement.basis, judgement.token)
    return Sources(papers, measurements, missing)


def _number_or_none(text: str) -> float | None:
    try:
        return parse_number(text).value
    except InputError:  # a structure in words
        return None


def remedy_command(cell: Cell) -> str:
    """Return the command that measures a cell's value, and what it needs."""
    model = cell.row.model
    needs = f" and {cell.row.needs}" if cell.row.needs else ""
    if cell.column.kind == "cost":
        dataset, size = cost_setting(cell)
        return f"python -m benchmark.measure cost {model} --input {size} --joints {JOINT_COUNTS[dataset]} --keep"
    if cell.column.metric in TIME_METRICS:
        return f"{latency_command(cell)}; needs {printed_device(cell)}"
    if cell.column.kind == "latency":
        return f"needs the device of {cell.table.where}{needs}, and {model}"
    if cell.column.kind == "accuracy":
        if cell.dataset not in JOINT_COUNTS:
            dataset = cell.dataset or "a dataset, which the table does not name"
            return f"needs {dataset}: not one of {', '.join(JOINT_COUNTS)}{needs}"
        data = {"mpii": "MPII images and annotations", "coco": "COCO 2017 images and annotations"}.get(cell.dataset, "data")
        submission = " --submission FILE" if cell.table.split in HIDDEN_LABEL_SPLITS else ""
        if not (needs or cell.row.unpublished) and (
            commands := published_commands(canonical_id(model), cell.dataset, cell.input, submission)
        ):
            return f"{commands}; needs {data}"
        command = f"python -m benchmark.evaluate {canonical_id(model)} --weights FILE --dataset {cell.dataset}{submission}"
        return f"{command}; needs {data} and trained weights{needs}"
    return f"needs a measurement of {model}{needs}"


def _judge_setting(cell: Cell) -> Judgement:
    """Compare a condition of the experiment with what people read in the authors' release; there is nothing to measure."""
    released = cell.table.released.get((cell.row.id, cell.column.name))
    if released is None:
        return Judgement("given", "a condition of the experiment, which we take from the paper")
    same = _plain(released.value) == _plain(cell.printed)
    allowed = "" if same else cell.row.allows.get(cell.column.name, "")
    token: Measured = "release_unclear" if released.unread or allowed else "as_released" if same else "unlike_release"
    unread = ", which no released code reads" * released.unread
    cause = f"read in {released.repository}: {released.value}, from {released.source}{unread}"
    return Judgement(token, f"{cause}; {allowed}" if allowed else cause, released.value)


def _plain(text: str) -> str | float:
    """Return the number that a setting states, so that ``5e-4`` equals ``0.0005``; other strings without spaces."""
    try:
        return float(text)
    except ValueError:
        return text.replace(" ", "")


def _judge_cost(
    cell: Cell, entry: Entry, records: Mapping[str, Record], counted: Mapping[str, CountedCell] | None
) -> Judgement:
    known = counted.get(cell.name) if counted else None
    own = known if known and known.cell == cell else count_cell(cell, records)
    if own is None:
        return Judgement("not_run", remedy_command(cell))
    agrees, record = own.plain == str(cell.number), own.record.id
    token: Measured = "contradicted"
    cause = own.reading if agrees else f"{own.reading} counts {format_value(own.value)} ({entry.evidence})"
    if construction := own.construction or (find_weak_choice(own, counted) if counted else None):
        token, why = construction
        difference = 100 * (float(own.value) / cell.number.value - 1) if cell.number.value else math.inf
        cause += "" if agrees else f", {abs(difference):.1f} % {'more' if difference > 0 else 'less'} than printed"
        cause += f"; {token}: {why}{_format_range(cell, records)}"
    elif agrees:
        token = "inconclusive" if cell.number.is_rough else "reproduced"
        cause += f"; {describe_rounding(cell.number)}" * cell.number.is_rough
    elif explanation := explain_cost(cell, own.record, own.variants, counted):
        token, cause, record = explanation.status, explanation.cause, explanation.record
    form = describe_form(own, counted) if counted else ""
    not_counted = format_not_counted(own.record.value.get("not_counted", {}))
    return Judgement(token, "; ".join(filter(None, (cause, form, not_counted))), own.value, entry.evidence, record)


def _format_range(cell: Cell, records: Mapping[str, Record]) -> str:
    """Format the range of the package's readings of a cell under the column's convention; empty without readings."""
    description = _find_description(cell, records, "readings")
    readings = description[1] if description else []
    values = [reading["value"] for reading in readings if reading["convention"] == cell.column.convention]
    if not values:
        return ""
    return f"; its search space ranges from {min(values):.4g} to {max(values):.4g} under {cell.column.convention}"


def _find_description(cell: Cell, records: Mapping[str, Record], metric: str) -> tuple[Record, Any] | None:
    """Return the package's description of a cell, its ``structure`` or ``readings``, with the record that holds it."""
    record = records.get(record_id(description_identity(cell.row.model.split("/")[0], cell.table.id, metric)))
    key = f"{cell.row.id}/{cell.column.name}"
    return (record, record.value[key]) if record and key in record.value else None


def _judge_architecture(cell: Cell, records: Mapping[str, Record]) -> Judgement:
    """Compare a printed structure with the network as built; what was taken over as data gets no verdict."""
    description = _find_description(cell, records, "structure")
    if description is None:
        return Judgement("not_run", f"{cell.row.model.split('/')[0]} does not describe this part of the network")
    record, built = description
    value, basis = built["structure"], built["basis"]
    if basis == "data":
        return Judgement("given", f"typed in as {value}: nothing is counted", value, record=record.id)
    if basis in BUILT_BY_US:
        return Judgement("as_built", f"counted as {value} on a network that we built: {basis}", value, basis, record.id)
    same = value.replace(" ", "") == cell.printed.replace(" ", "")
    allowed = "" if same else cell.row.allows.get(cell.column.name, "")
    token: Measured = "matches_release" if same else "ambiguous" if allowed else "contradicted"
    cause = f"counted as {value} on a network from author code"
    return Judgement(token, f"{cause}; {allowed}" if allowed else cause, value, "author code", record.id)


def _judge_accuracy(cell: Cell, records: Mapping[str, Record]) -> Judgement:
    if cell.table.split in HIDDEN_LABEL_SPLITS:
        return Judgement("hidden_labels", remedy_command(cell))
    if judged := judge_accuracy(cell, records):
        return Judgement(judged.verdict, judged.how, judged.value, judged.basis, judged.record)
    return Judgement("not_run", remedy_command(cell))


def _judge_derived(cell: Cell, sources: Sources, internal: InternalVerdict) -> Judgement:
    paper = sources.papers[cell.paper]
    judgement = judge_by_sources(
        cell.printed, cell.column.expression, paper, sources, internal, cell.row.id, unit=cell.column.unit
    )
    return judgement._replace(record=f"expression:{cell.paper}/{cell.table.id}")


def judge_claim(claim: Claim, paper: Paper, sources: Sources, cells: Mapping[str, Verdict]) -> Verdict:
    """Judge a sentence: the number, or the order, that it states should follow from printed cells.

    A sentence that repeats a cell has that cell's verdict.
    """
    internal = judge_expression(claim.printed, claim.expression, paper, sources.papers, claim=claim)
    quoted = quoted_cell(claim, paper, sources.papers) if internal.token != "inconsistent" else ""
    judgement = judge_by_sources(
        claim.printed, claim.expression, paper, sources, internal, unit=claim.unit, approximate=claim.is_approximate
    )
    if claim.printed == "true" and claim.note:
        judgement = judgement._replace(cause=f"{judgement.cause}; {claim.note}")
    if quoted:
        verdict = cells[quoted]
        value = verdict.ours if judgement.value is None and claim.unit == verdict.unit else judgement.value
        judgement = Judgement(verdict.measured, f"as {quoted}: {verdict.cause}", value, verdict.basis)
    ours = rounded = str(judgement.value or NOT_APPLICABLE)
    if isinstance(judgement.value, float):
        ours, rounded = format_value(judgement.value), round_half_up(judgement.value, parse_number(claim.printed).decimals)
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
        ours_rounded=rounded,
        measured=judgement.token,
        basis=judgement.basis,
        cause=judgement.cause,
        record=f"expression:{claim.paper}/claims/{claim.id}",
        internal=internal.token,
        internal_cause=internal.cause,
        repeats=quoted or NOT_APPLICABLE,
    )


def format_value(value: float | Fraction) -> str:
    """Format a value of ours with six digits."""
    return f"{float(value):.6g}"


def _cell_verdict(cell: Cell, judgement: Judgement, internal: InternalVerdict, repeats: str = "") -> Verdict:
    value = judgement.value
    ours = rounded = str(value or NOT_APPLICABLE)
    if isinstance(value, int | float | Fraction):
        ours, rounded = format_value(value), round_half_up(value, cell.number.decimals)
    return Verdict(
        paper=cell.paper,
        table=cell.table.id,
        row_id=cell.row.id,
        column=cell.column.name,
        kind=cell.column.kind or "setting",
        metric=cell.column.metric,
        unit=cell.column.unit or NOT_APPLICABLE,
        printed=cell.printed,
        ours=ours,
        ours_rounded=rounded,
        measured=judgement.token,
        basis=judgement.basis,
        cause=judgement.cause,
        record=judgement.record,
        internal=internal.token,
        internal_cause=internal.cause,
        repeats=repeats or NOT_APPLICABLE,
    )


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
                    if setting := source_setting(cell):
                        required[cell.row.model, *setting] = None
    return iter(required | dict.fromkeys((model, *COMMON_TERMS) for model, *_ in required))
