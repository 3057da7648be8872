"""Compare printed with measured times: by order and by ratio, as a time itself holds only for its device."""

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

MACS = "macs"  # the convention that counts true multiply-accumulates


def latency_page(records: Mapping[str, Record]) -> str:
    """Return ``reports/latency.md``, from the records of ``python -m benchmark.measure latency``."""
    papers, sessions = load_papers(), list(load_sessions(records.values()))
    blocks = [
        "# Latency",
        "A time holds only for the device that it was measured on, so no printed time is called reproduced. The order of the "
        "networks and the ratios of their times may hold on other devices, too. We run each network in a process of its own, "
        "warmed up, and time all networks in interleaved rounds, so that drifts of the machine affect them alike. A ratio is "
        "the median over rounds, followed by its 95 % interval over rounds in brackets. A pair of networks is decided if the "
        "interval of its ratio excludes 1. Kendall's tau is +1 for identical orders and -1 for opposite ones. Times are "
        "called *unstable* if their quartiles lie more than a tenth of the median apart.",
    ]
    for paper in papers.values():
        for cells in _printed_columns(paper):
            blocks += _column_section(paper, cells, sessions, records, papers)
    blocks += [*_savings(papers, sessions, records), *_repeatability(sessions), *_pipelines(records)]
    return page(*blocks)


def _describe_session(session: Session, unstable: bool | None = None) -> str:
    is_unstable = session.unstable if unstable is None else unstable
    return f"{session.setting.label}, on {session.device}" + ", unstable" * is_unstable


# --- one printed column -----------------------------------------------------------------------------------------------------


def _printed_columns(paper: Paper) -> Iterator[list[Cell]]:
    """Iterate over the printed columns of times or rates: of each, the cells whose networks can be built."""
    for table in paper.tables.values():
        for column in table.columns.values():
            cells = [cell for cell in table.cells() if cell.column is column and cell.row.model]
            if column.metric in TIME_METRICS and cells:
                yield cells


def _column_section(
    paper: Paper,
    cells: Sequence[Cell],
    sessions: Sequence[Session],
    records: Mapping[str, Record],
    papers: Mapping[str, Paper],
) -> list[str]:
    table, column = cells[0].table, cells[0].column
    blocks = [f"## {paper.short}, {table.where}: {column.header}, {column.unit}"]
    comparable = [s for s in sessions if matches_setting(cells[0], s.setting) and len(_timed(cells, s)) > 1 and not s.repeat]
    on_same_device = [session for session in comparable if session.setting.device == printed_device(cells[0])]
    if not on_same_device:
        blocks.append(f"Not measured on such a device yet: `{latency_command(cells[0])}`")
    if comparable and not on_same_device:
        blocks.append("Until then, these are results from another kind of device.")
    for session in on_same_device or comparable:
        blocks += [
            f"### {_describe_session(session)}",
            _times(cells, session, records),
            _order(cells, session),
            _time_per_operation(cells, session, records),
            _judge_claims(paper, papers, cells, session),
        ]
    return blocks


def _timed(cells: Sequence[Cell], session: Session) -> list[Cell]:
    """Return the cells whose networks a session timed; ratios refer to the first."""
    return [cell for cell in cells if cell.row.model in session.rounds]


def _times(cells: Sequence[Cell], session: Session, records: Mapping[str, Record]) -> str:
    """Format one row per printed cell; the measured columns are empty for networks that were not timed."""
    first = _timed(cells, session)[0]
    rows = []
    for cell in cells:
        model, printed = cell.row.model, printed_ratio(cell, first)
        if model not in session.rounds:
            rows.append((f"`{model}`", cell.printed, f"{printed:.3f}", *[""] * 6))
            continue
        value, low, high = to_printed_quantity(cell, *session.ratio(model, first.row.model))
        milliseconds, p10, p90 = session.times.get(model, (None, None, None))
        time = f"{milliseconds:.4g} [{p10:.4g}, {p90:.4g}]" if milliseconds is not None else ""
        inside = "" if cell is first else "yes" if low <= printed <= high else "no"
        ratio = "1" if cell is first else f"{value:.3f} [{low:.3f}, {high:.3f}]"
        rows.append((f"`{model}`", cell.printed, f"{printed:.3f}", ratio, inside, time, *_per_gmac(cell, session, records)))
    unit = cells[0].column.unit
    ratios = ("printed ratio", "our ratio", "printed ratio in interval")
    per_gmac = ("GMACs", "printed ms per GMAC", "our ms per GMAC")
    return grid(("network", f"printed, {unit}", *ratios, "ours, ms [p10, p90]", *per_gmac), rows)


def _per_gmac(cell: Cell, session: Session, records: Mapping[str, Record]) -> tuple[str, str, str]:
    """Return true GMACs of one image, and the printed and our milliseconds per GMAC."""
    gmacs = _gmacs(cell, records)
    if gmacs is None or cell.row.model not in session.times:
        return "", "", ""
    milliseconds = session.times[cell.row.model][0] / session.setting.batch
    return f"{gmacs:.3f}", f"{_printed_milliseconds(cell) / gmacs:.1f}", f"{milliseconds / gmacs:.1f}"


def _gmacs(cell: Cell, records: Mapping[str, Record]) -> float | None:
    record = records.get(cost_record_id(cell.row.model, cell.dataset, cell.input))
    return record.value["flops"][MACS] / FLOPS[MACS].giga if record else None


def _printed_milliseconds(cell: Cell) -> float:
    """Return a printed time, or the time that a printed rate corresponds to."""
    value = printed_value(cell)
    return 1e3 / value if cell.column.metric == "fps" else value


def _order(cells: Sequence[Cell], session: Session) -> str:
    """Compare the printed order with ours in a few sentences."""
    timed = _timed(cells, session)
    first = timed[0]
    printed = [_printed_milliseconds(cell) for cell in timed]
    measured = [float(np.median(session.rounds[cell.row.model])) for cell in timed]
    as_printed: list[str] = []
    opposite: list[str] = []
    undecided: list[str] = []
    for a, b in combinations(timed, 2):
        ratio, interval = session.ratio(a.row.model, b.row.model)
        if _printed_milliseconds(a) == _printed_milliseconds(b):
            continue
        same_order = (ratio > 1) == (_printed_milliseconds(a) > _printed_milliseconds(b))
        pairs = undecided if not excludes_one(interval) else as_printed if same_order else opposite
        pairs.append(f"{a.row.id} and {b.row.id}")
    tau = kendall_tau(printed, measured)
    total = len(as_printed) + len(opposite) + len(undecided)
    inside = sum(_is_inside(cell, first, session) for cell in timed[1:])
    return (
        f"Kendall's tau between the printed order and ours: {'-' if tau is None else f'{tau:+.2f}'}. Of {total} pairs, "
        f"{len(as_printed)} are in the printed order, {len(opposite)} in the opposite order{_in_parentheses(opposite)}, and "
        f"{len(undecided)} undecided{_in_parentheses(undecided)}. {inside} of {len(timed) - 1} printed ratios to "
        f"{first.row.id} lie in our interval."
    )


def _is_inside(cell: Cell, first: Cell, session: Session) -> bool:
    _, low, high = to_printed_quantity(cell, *session.ratio(cell.row.model, first.row.model))
    return low <= printed_ratio(cell, first) <= high


def _in_parentheses(pairs: Sequence[str]) -> str:
    return f" ({'; '.join(pairs)})" if pairs else ""


def _time_per_operation(cells: Sequence[Cell], session: Session, records: Mapping[str, Record]) -> str:
    """Name the networks with the longest and the shortest time per operation, which counts of operations do not show."""
    measured, printed = {}, {}
    for cell in _timed(cells, session):
        if gmacs := _gmacs(cell, records):
            measured[cell.row.id] = float(np.median(session.rounds[cell.row.model])) / gmacs
            printed[cell.row.id] = _printed_milliseconds(cell) / gmacs
    if len(measured) < 2:
        return ""
    slowest, fastest = max(measured, key=measured.__getitem__), min(measured, key=measured.__getitem__)
    factor, printed_factor = measured[slowest] / measured[fastest], printed[slowest] / printed[fastest]
    return (
        f"Time per operation is longest for {slowest}: {factor:.1f} times that of {fastest}, for which it is shortest "
        f"(printed: {printed_factor:.1f} times). By the printed times it is longest for "
        f"{max(printed, key=printed.__getitem__)}."
    )


# --- claims about times -----------------------------------------------------------------------------------------------------


def _judge_claims(paper: Paper, papers: Mapping[str, Paper], cells: Sequence[Cell], session: Session) -> str:
    """Evaluate the paper's claims that compare networks by this column with our times, round by round."""
    rows = [row for claim in paper.claims if (row := _claim(claim, paper, papers, cells, session))]
    return grid(("claim", "printed", "from our times"), rows) if rows else ""


def _claim(
    claim: Claim, paper: Paper, papers: Mapping[str, Paper], cells: Sequence[Cell], session: Session
) -> tuple[str, str, str] | None:
    names = [cell.name for cell in evaluate_expression(claim.expression, paper, papers).cells]
    rows_by_column: dict[str, set[str]] = {}
    by_name = {cell.name: cell for cell in cells[0].table.cells()}
    for name in names:
        if name not in by_name or by_name[name].row.model not in session.rounds:
            return None
        if by_name[name].column.metric not in TIME_METRICS:
            return None
        rows_by_column.setdefault(by_name[name].column.name, set()).add(by_name[name].row.id)
    # A claim over two columns can be evaluated if it compares the same networks in each; one between devices cannot.
    if cells[0].column.name not in rows_by_column or len({frozenset(rows) for rows in rows_by_column.values()}) > 1:
        return None
    if len(set(names)) < 2:  # a value, not a comparison
        return None

    def value_in_round(number: int) -> float | bool:
        def our_value(cell: Cell) -> float:
            time = float(session.rounds[cell.row.model][number])
            return 1 / time if cell.column.metric == "fps" else time

        return evaluate_expression(claim.expression, paper, papers, value_of=our_value).value

    values = np.array([value_in_round(number) for number in range(len(session.rounds[session.first]))], float)
    if claim.printed == "true":
        return claim.description, "true", f"true in {int(values.sum())} of {len(values)} rounds"
    if claim.unit not in ("%", "×"):  # a time or rate in its own unit holds only for its device
        return None
    median, (low, high) = median_with_interval(values)
    return claim.description, f"{claim.printed} {claim.unit}", f"{median:.3g} [{low:.3g}, {high:.3g}]"


# --- operations saved, time saved -------------------------------------------------------------------------------------------


def _savings(papers: Mapping[str, Paper], sessions: Sequence[Session], records: Mapping[str, Record]) -> list[str]:
    """Show printed savings of operations beside the time that the same networks save."""
    blocks = []
    for cell in (cell for paper in papers.values() for table in paper.tables.values() for cell in table.cells()):
        pairs = _find_possible_pairs(cell, records)
        if not pairs:
            continue
        rows = []
        for session in (s for s in sessions if matches_setting(cell, s.setting) and not s.repeat):
            for (network, baseline), saved in pairs.items():
                if {network, baseline} <= session.rounds.keys():
                    ratio, (low, high) = session.ratio(network, baseline)
                    time = f"{100 * (1 - ratio):.1f} % [{100 * (1 - high):.1f}, {100 * (1 - low):.1f}]"
                    operations = [f"{saved[convention]:.1f} %" for convention in (cell.column.convention, MACS)]
                    rows.append((f"`{network}`", f"`{baseline}`", *operations, time, _describe_session(session)))
        baselines, networks = (" ".join(dict.fromkeys(pair[side] for pair in pairs)) for side in (1, 0))
        sizes = f"--input {cell.input} --joints {JOINT_COUNTS[cell.dataset]}"
        command = f"`python -m benchmark.measure latency {baselines} {networks} {sizes} --keep`"
        operations_saved = (f"operations saved, {cell.column.convention}", "true MACs saved")
        blocks += [
            f"## {papers[cell.paper].short}: {cell.printed} fewer operations, and the time saved",
            "The paper does not name both networks that it compares. These are the candidate pairs whose saving of operations "
            "lies within one percentage point of the printed one.",
            grid(("network", "baseline", *operations_saved, "time saved", "setting"), rows)
            if rows
            else f"Not measured yet: {command}",
        ]
    return blocks


def _find_possible_pairs(cell: Cell, records: Mapping[str, Record]) -> dict[tuple[str, str], dict[str, float]]:
    """Return the pairs of networks that a printed saving of operations may compare.

    These are the recorded readings of the cell that come within a percentage point of it.

    Returns:
        The saving in percent by convention, by network and baseline.
    """
    if cell.column.metric != "ratio" or cell.column.convention not in FLOPS or not cell.row.model:
        return {}
    pairs: dict[tuple[str, str], dict[str, float]] = {}
    package = cell.row.model.split("/")[0]
    for record in select(records, kind="architecture", subject=package, table=cell.table.id, metric="readings"):
        for reading in record.value.get(f"{cell.row.id}/{cell.column.name}", ()):
            if reading.get("against") and reading["network"].split("+")[0] == cell.row.model:
                pair = (reading["network"], reading["against"])
                pairs.setdefault(pair, {})[reading["convention"]] = reading["value"]
    return {pair: saved for pair, saved in pairs.items() if abs(saved[cell.column.convention] - cell.number.value) < 1}


# --- repeatability and pipelines --------------------------------------------------------------------------------------------


def _repeatability(sessions: Sequence[Session]) -> list[str]:
    """Compare sets that were measured twice: the order of pairs, and the change of the medians."""
    rows = []
    for second in (session for session in sessions if session.repeat == AGAIN):
        for first in sessions:
            same_set = (first.device, first.setting, first.first) == (second.device, second.setting, second.first)
            if not same_set or first.repeat != ONCE:
                continue
            result = compare_sessions(first, second)
            changes = [100 * (factor - 1) for factor in result.spread.values()]
            change = f"{min(changes):+.1f} % to {max(changes):+.1f} %" if changes else ""
            tau = "-" if result.tau is None else f"{result.tau:+.2f}"
            common = sum(model in second.rounds for model in first.rounds)
            reversed_pairs = [f"`{a}` and `{b}`" for a, b in result.pairs if (a, b) not in result.kept]
            same_order = f"{len(result.kept)} of {len(result.pairs)}" + _in_parentheses(reversed_pairs)
            setting = _describe_session(first, first.unstable or second.unstable)
            rows.append((setting, common, same_order, tau, change))
    header = ("setting", "networks", "pairs, decided both times, in the same order", "Kendall's tau", "change of medians")
    command = "`python -m benchmark.measure latency MODEL... --twice --keep`"
    return ["## Repeatability", grid(header, rows) if rows else f"Not measured yet: {command}"]


def _pipelines(records: Mapping[str, Record]) -> list[str]:
    """Show where the time goes between decoded images and joints."""
    pipelines = [record for record in select(records, kind="latency", metric=MILLISECONDS) if record.samples["parts"]]
    if not pipelines:
        return []
    pipelines.sort(key=lambda record: (record.device or "", describe_setting(record), record.subject))
    parts = list(dict.fromkeys(part for record in pipelines for part in record.samples["parts"]))
    rows = [
        (
            f"`{record.subject}`",
            f"{record.value:.4g}",
            *(f"{record.samples['parts'].get(part, 0):.3g}" for part in parts),
            describe_setting(record),
            record.device,
        )
        for record in pipelines
    ]
    text = "Milliseconds per batch from decoded images to joints, including the flip test; the median of each part."
    return ["## From images to joints", text, grid(("network", "total", *parts, "setting", "device"), rows)]
