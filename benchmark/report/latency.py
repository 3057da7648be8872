"""Printed times beside ours: orders and ratios, never the figures, which belong to the device that they were measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from benchmark.analysis.latency import Session, compare_sessions, excludes_one, load_sessions
from benchmark.config.conventions import FLOPS
from benchmark.config.identities import AGAIN, MILLISECONDS, ONCE, cost_record_id, describe_setting
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record, select
from benchmark.core.statistics import kendall_tau, median_with_interval
from benchmark.ledger.latency import (
    TIME_METRICS,
    latency_command,
    matches_setting,
    printed_device,
    printed_ratio,
    to_printed_quantity,
)
from benchmark.papers.expressions import evaluate_expression, printed_value
from benchmark.papers.tables import Cell, Claim, Paper, load_papers
from benchmark.report.markdown import grid, page

MACS = "macs"


def latency_page(records: Mapping[str, Record]) -> str:
    """``reports/latency.md``, from the records of ``python -m benchmark.measure latency``."""
    known, found = load_papers(), list(load_sessions(records.values()))
    blocks = [
        "# How long the networks take",
        "A printed time belongs to the device that it was measured on, so no figure below is called reproduced. What may "
        "travel is the order of the networks and the ratio of their times. Ours were measured with each network in a process "
        "of its own, all of them warm and taking turns, so that whatever drifts on the machine hits all alike; a ratio is the "
        "median over rounds, in brackets its 95 % interval over rounds. A pair of networks is decided where that interval "
        "leaves out 1. Kendall's tau is +1 where two orders are the same, and -1 where one is the reverse of the other.",
    ]
    for paper in known.values():
        for cells in _columns(paper):
            blocks += _column(paper, cells, found, records, known)
    blocks += [*_savings(known, found, records), *_repeatability(found), *_pipelines(records)]
    return page(*blocks)


# --- one printed column -----------------------------------------------------------------------------------------------------


def _columns(paper: Paper) -> Iterator[list[Cell]]:
    """The printed columns of times or rates, of each the cells whose networks can be built."""
    for table in paper.tables.values():
        for column in table.columns.values():
            cells = [cell for cell in table.cells() if cell.column is column and cell.row.model]
            if column.metric in TIME_METRICS and cells:
                yield cells


def _column(
    paper: Paper, cells: Sequence[Cell], found: Sequence[Session], records: Mapping[str, Record], known: Mapping[str, Paper]
) -> list[str]:
    table, column = cells[0].table, cells[0].column
    blocks = [f"## {paper.short}, {table.where}: {column.header}, {column.unit}"]
    measured = [s for s in found if matches_setting(cells[0], s.setting) and len(_ours(cells, s)) > 1 and not s.repeat]
    same = [session for session in measured if session.setting.device == printed_device(cells[0])]
    if not same:
        blocks.append(f"Not measured on such a device yet: `{latency_command(cells[0])}`")
    if measured and not same:
        blocks.append("Beside it, for want of one, what another kind of device says.")
    for session in same or measured:
        blocks += [
            f"### {session.setting.label}, on {session.device}" + ", noisy" * session.unstable,
            _grid(cells, session, records),
            _order(cells, session),
            _promise(cells, session, records),
            _claims(paper, known, cells, session),
        ]
    return blocks


def _ours(cells: Sequence[Cell], session: Session) -> list[Cell]:
    """The cells that a session measured, those of the printed column's first network first of all."""
    return [cell for cell in cells if cell.row.model in session.rounds]


def _grid(cells: Sequence[Cell], session: Session, records: Mapping[str, Record]) -> str:
    first = _ours(cells, session)[0]
    rows = []
    for cell in cells:
        model, printed = cell.row.model, printed_ratio(cell, first)
        if model not in session.rounds:
            rows.append((f"`{model}`", cell.printed, f"{printed:.3f}", *[""] * 6))
            continue
        value, low, high = to_printed_quantity(cell, *session.ratio(model, first.row.model))
        time, p10, p90 = session.times.get(model, (None, None, None))
        shown = f"{time:.4g} [{p10:.4g}, {p90:.4g}]" if time is not None else ""
        inside = "" if cell is first else "yes" if low <= printed <= high else "no"
        ratio = "1" if cell is first else f"{value:.3f} [{low:.3f}, {high:.3f}]"
        rows.append((f"`{model}`", cell.printed, f"{printed:.3f}", ratio, inside, shown, *_per_mac(cell, session, records)))
    unit = cells[0].column.unit
    header = ("network", f"printed, {unit}", "printed ratio", "our ratio", "printed inside", "ours, ms [p10, p90]")
    return grid((*header, "GMACs", "printed ms a GMAC", "our ms a GMAC"), rows)


def _per_mac(cell: Cell, session: Session, records: Mapping[str, Record]) -> tuple[str, str, str]:
    """True multiply-accumulates of one image, and what a billion of them took, printed and ours; ours is of one image too."""
    gmacs = _gmacs(cell, records)
    if gmacs is None or cell.row.model not in session.times:
        return "", "", ""
    ours = session.times[cell.row.model][0] / session.setting.batch
    return f"{gmacs:.3f}", f"{_milliseconds(cell) / gmacs:.1f}", f"{ours / gmacs:.1f}"


def _gmacs(cell: Cell, records: Mapping[str, Record]) -> float | None:
    record = records.get(cost_record_id(cell.row.model, cell.dataset, cell.input))
    return record.value["flops"][MACS] / FLOPS[MACS].giga if record else None


def _milliseconds(cell: Cell) -> float:
    """A printed time, or the time of a printed rate."""
    value = printed_value(cell)
    return 1e3 / value if cell.column.metric == "fps" else value


def _order(cells: Sequence[Cell], session: Session) -> str:
    """The printed order against ours."""
    own = _ours(cells, session)
    printed, ours = [_milliseconds(c) for c in own], [float(np.median(session.rounds[c.row.model])) for c in own]
    kept: list[str] = []
    reverse: list[str] = []
    undecided: list[str] = []
    for a, b in combinations(own, 2):
        value, interval = session.ratio(a.row.model, b.row.model)
        if _milliseconds(a) == _milliseconds(b):
            continue
        same = (value > 1) == (_milliseconds(a) > _milliseconds(b))
        (undecided if not excludes_one(interval) else kept if same else reverse).append(f"{a.row.id} and {b.row.id}")
    tau = kendall_tau(printed, ours)
    first, pairs = own[0], len(kept) + len(reverse) + len(undecided)
    inside = sum(_inside(cell, first, session) for cell in own[1:])
    return (
        f"Kendall's tau between the printed order and ours: {'-' if tau is None else f'{tau:+.2f}'}. Of {pairs} pairs, "
        f"{len(kept)} are decided as printed, {len(reverse)} the other way round{_list(reverse)}, {len(undecided)} undecided"
        f"{_list(undecided)}. {inside} of {len(own) - 1} printed ratios to {first.row.id} lie in our interval."
    )


def _promise(cells: Sequence[Cell], session: Session, records: Mapping[str, Record]) -> str:
    """Whose operations take longest, ours and printed: how far operations promise the time."""
    ours, printed = {}, {}
    for cell in _ours(cells, session):
        if gmacs := _gmacs(cell, records):
            ours[cell.row.id] = float(np.median(session.rounds[cell.row.model])) / gmacs
            printed[cell.row.id] = _milliseconds(cell) / gmacs
    if len(ours) < 2:
        return ""
    slow, fast = max(ours, key=ours.__getitem__), min(ours, key=ours.__getitem__)
    times, said = ours[slow] / ours[fast], printed[slow] / printed[fast]
    most = max(printed, key=printed.__getitem__)
    return (
        f"An operation takes longest in {slow}: {times:.1f} times what it takes in {fast}, where it is quickest (printed: "
        f"{said:.1f} times). By the printed times it takes longest in {most}."
    )


def _inside(cell: Cell, first: Cell, session: Session) -> bool:
    _, low, high = to_printed_quantity(cell, *session.ratio(cell.row.model, first.row.model))
    return low <= printed_ratio(cell, first) <= high


def _list(pairs: Sequence[str]) -> str:
    return f" ({'; '.join(pairs)})" if pairs else ""


# --- sentences about times --------------------------------------------------------------------------------------------------


def _claims(paper: Paper, known: Mapping[str, Paper], cells: Sequence[Cell], session: Session) -> str:
    """The sentences that compare networks by this column, reckoned again with our times in each round."""
    rows = [row for claim in paper.claims if (row := _claim(claim, paper, known, cells, session))]
    return grid(("sentence", "printed", "from our times"), rows) if rows else ""


def _claim(
    claim: Claim, paper: Paper, known: Mapping[str, Paper], cells: Sequence[Cell], session: Session
) -> tuple[str, str, str] | None:
    names = [cell.name for cell in evaluate_expression(claim.expression, paper, known).cells]
    columns: dict[str, set[str]] = {}  # which rows the sentence reads, by column
    by_name = {cell.name: cell for cell in cells[0].table.cells()}
    for name in names:
        if name not in by_name or by_name[name].row.model not in session.rounds:
            return None
        if by_name[name].column.metric not in TIME_METRICS:
            return None
        columns.setdefault(by_name[name].column.name, set()).add(by_name[name].row.id)
    # A sentence over two columns may stand here if it says the same of each; one between devices may not.
    if cells[0].column.name not in columns or len({frozenset(rows) for rows in columns.values()}) > 1:
        return None
    if len(set(names)) < 2:  # a figure, not a comparison
        return None

    def value_of(number: int) -> float | bool:
        def ours(cell: Cell) -> float:
            time = float(session.rounds[cell.row.model][number])
            return 1 / time if cell.column.metric == "fps" else time

        return evaluate_expression(claim.expression, paper, known, value_of=ours).value

    values = np.array([value_of(number) for number in range(len(session.rounds[session.first]))], float)
    if claim.printed == "true":
        return claim.description, "true", f"true in {int(values.sum())} of {len(values)} rounds"
    if claim.unit not in ("%", "×"):  # a rate in its own unit belongs to its device
        return None
    middle, (low, high) = median_with_interval(values)
    return claim.description, f"{claim.printed} {claim.unit}", f"{middle:.3g} [{low:.3g}, {high:.3g}]"


# --- operations saved, time saved -------------------------------------------------------------------------------------------


def _savings(known: Mapping[str, Paper], found: Sequence[Session], records: Mapping[str, Record]) -> list[str]:
    """A printed saving of operations, beside the time that the same networks save."""
    blocks = []
    for cell in (cell for paper in known.values() for table in paper.tables.values() for cell in table.cells()):
        pairs = _meant(cell, records)
        if not pairs:
            continue
        rows = []
        for session in (s for s in found if matches_setting(cell, s.setting) and not s.repeat):
            where = f"{session.setting.label}, on {session.device}" + ", noisy" * session.unstable
            for (ours, other), saved in pairs.items():
                if {ours, other} <= session.rounds.keys():
                    value, (low, high) = session.ratio(ours, other)
                    time = f"{100 * (1 - value):.1f} % [{100 * (1 - high):.1f}, {100 * (1 - low):.1f}]"
                    counts = [f"{saved[convention]:.1f} %" for convention in (cell.column.convention, MACS)]
                    rows.append((f"`{ours}`", f"`{other}`", *counts, time, where))
        others, own = (" ".join(dict.fromkeys(pair[side] for pair in pairs)) for side in (1, 0))
        sizes = f"--input {cell.input} --joints {JOINT_COUNTS[cell.dataset]}"
        command = f"`python -m benchmark.measure latency {others} {own} {sizes} --keep`"
        header = ("network", "against", f"operations saved, {cell.column.convention}", "true MACs", "time saved", "measured at")
        blocks += [
            f"## {known[cell.paper].short}: {cell.printed} of the operations saved, and the time",
            "The pairs of networks, of those that could be meant, whose saving comes within a point of the printed one.",
            grid(header, rows) if rows else f"Not measured yet: {command}",
        ]
    return blocks


def _meant(cell: Cell, records: Mapping[str, Record]) -> dict[tuple[str, str], dict[str, float]]:
    """For a saving of operations that does not say against what: the pairs of networks that come within a point of it, by the
    readings that the package has recorded, with the percentage by each convention."""
    if cell.column.metric != "ratio" or cell.column.convention not in FLOPS or not cell.row.model:
        return {}
    found: dict[tuple[str, str], dict[str, float]] = {}
    package = cell.row.model.split("/")[0]
    for record in select(records, kind="architecture", subject=package, table=cell.table.id, metric="readings"):
        for reading in record.value.get(f"{cell.row.id}/{cell.column.name}", ()):
            if reading.get("against") and reading["network"].split("+")[0] == cell.row.model:
                pair = (reading["network"], reading["against"])
                found.setdefault(pair, {})[reading["convention"]] = reading["value"]
    return {pair: by for pair, by in found.items() if abs(by[cell.column.convention] - cell.number.value) < 1}


# --- repeatability and pipelines --------------------------------------------------------------------------------------------


def _repeatability(found: Sequence[Session]) -> list[str]:
    """Sets that were measured twice: which orders were kept, and how far the medians moved."""
    rows = []
    for other in (session for session in found if session.repeat == AGAIN):
        for one in found:
            if (one.device, one.setting, one.first) != (other.device, other.setting, other.first) or one.repeat != ONCE:
                continue
            both = compare_sessions(one, other)
            moved = [100 * (change - 1) for change in both.spread.values()]
            spread = f"{min(moved):+.1f} % to {max(moved):+.1f} %" if moved else ""
            tau = "-" if both.tau is None else f"{both.tau:+.2f}"
            common = sum(model in other.rounds for model in one.rounds)
            lost = [f"`{a}` and `{b}`" for a, b in both.pairs if (a, b) not in both.kept]
            kept = f"{len(both.kept)} of {len(both.pairs)}" + _list(lost)
            where = f"{one.setting.label}, on {one.device}" + ", noisy" * (one.unstable or other.unstable)
            rows.append((where, common, kept, tau, spread))
    header = ("measured at", "networks", "pairs decided both times that keep their order", "Kendall's tau", "medians moved by")
    command = "`python -m benchmark.measure latency MODEL... --twice --keep`"
    return ["## Measured twice", grid(header, rows) if rows else f"Not measured yet: {command}"]


def _pipelines(records: Mapping[str, Record]) -> list[str]:
    """Where the time goes between decoded photographs and joints."""
    found = [r for r in select(records, kind="latency", metric=MILLISECONDS) if r.samples["parts"]]
    found = sorted(found, key=lambda r: (r.device or "", describe_setting(r), r.subject))
    parts = list(dict.fromkeys(part for record in found for part in record.samples["parts"]))
    rows = [
        (
            f"`{record.subject}`",
            f"{record.value:.4g}",
            *(f"{record.samples['parts'].get(part, 0):.3g}" for part in parts),
            describe_setting(record),
            record.device,
        )
        for record in found
    ]
    if not rows:
        return []
    text = "Milliseconds a batch, from decoded photographs to joints, flip test and all; each part's median."
    return ["## From photographs to joints", text, grid(("network", "all", *parts, "measured at", "on"), rows)]
