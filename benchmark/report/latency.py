"""Compare printed with measured times: by order and by ratio, as a time itself holds only for its device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from benchmark.analysis.latency import (
    Estimate,
    Session,
    coverage_over_rounds,
    coverage_over_runs,
    decides_order,
    estimate_over_runs,
    load_sessions,
    spread_between_runs,
)
from benchmark.config.conventions import FLOPS
from benchmark.config.identities import cost_record_id
from benchmark.config.latency import CPU_ESTIMATOR, ESTIMATORS, MAX_RELATIVE_WIDTH, MIN_RUNS, WALL_ESTIMATOR
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record, select
from benchmark.core.statistics import kendall_tau
from benchmark.core.text import escape_markdown
from benchmark.ledger.latency import (
    TIME_METRICS,
    compare_with_session,
    format_estimate,
    latency_command,
    matches_setting,
    printed_device,
    printed_kind,
)
from benchmark.papers.expressions import evaluate_expression, printed_value
from benchmark.papers.tables import Cell, Claim, Paper, load_papers
from benchmark.report.markdown import code, grid, page

MACS = "macs"  # the convention that counts true multiply-accumulates
KIND_NAMES = {"cpu": "CPU", "cuda": "GPU"}


def latency_page(records: Mapping[str, Record]) -> str:
    """Return ``reports/latency.md``, from the records of ``python -m benchmark.measure latency``."""
    papers = load_papers()
    sessions = [session for session in load_sessions(records) if session.runs]
    blocks = [
        "# Latency",
        "A time holds only for the device that it was measured on, so no printed time is called reproduced. The order of the "
        "networks and the ratios of their times may hold on other devices of the same kind, but not between CPU and GPU: a "
        "printed GPU time gets no verdict from a CPU. We run each network in a process of its own, warmed up, and time all "
        f"networks of a set in interleaved rounds. That is a run; its time is the {CPU_ESTIMATOR} of all calls on one CPU "
        f"thread, else the {WALL_ESTIMATOR} of the wall clock. A set is timed in "
        f"at least {MIN_RUNS} separate runs, minutes apart and in new processes. A time or ratio is the median over runs, "
        "followed by its 95 % interval in brackets, by a bootstrap of runs. One whose interval is wider than "
        f"{100 * MAX_RELATIVE_WIDTH:.0f} % of the value is *noisy*: it does not pass the noise gate, and no verdict rests on "
        "it. A pair of networks is decided if the interval of its ratio excludes 1. Kendall's tau is +1 for identical orders "
        "and -1 for opposite ones.",
        *_repeatability(sessions),
    ]
    compared: list[Session] = []
    for paper in papers.values():
        for cells in _printed_columns(paper):
            of_same_kind = [session for session in sessions if _is_of_same_kind(cells, session)]
            blocks += _column_section(paper, cells, of_same_kind, records, papers)
            compared += of_same_kind
    others = [s for s in sessions if s.setting.part == "forward" and not any(s is session for session in compared)]
    blocks += [*_savings(papers, sessions, records), *_uncompared(others, records), *_pipelines(sessions)]
    return page(*blocks)


def _describe_session(session: Session) -> str:
    runs = len(session.runs)
    return f"{session.setting.label}, on {escape_markdown(session.device)}, {runs} run" + "s" * (runs > 1)


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
    if not sessions:
        kind = KIND_NAMES[printed_kind(cells[0])]
        needs = f"Not measured on a {kind}, so no verdict: needs {printed_device(cells[0])}."
        blocks.append(f"{needs} The command is {code(latency_command(cells[0]))}.")
    for session in sessions:
        blocks += [
            f"### {_describe_session(session)}",
            f"{escape_markdown(session.device)} stands in for {printed_device(cells[0])}.",
            _times(cells, session, records),
            _order(cells, session),
            _time_per_operation(cells, session, records),
            _judge_claims(paper, papers, cells, session),
        ]
    return blocks


def _is_of_same_kind(cells: Sequence[Cell], session: Session) -> bool:
    """Check that a session timed networks of a column under its setting, on the printed kind of device."""
    setting = session.setting
    matches = matches_setting(cells[0], setting) and setting.device == printed_kind(cells[0])
    return matches and len(_timed(cells, session)) > 1


def _timed(cells: Sequence[Cell], session: Session) -> list[Cell]:
    """Return the cells whose networks a session timed."""
    return [cell for cell in cells if cell.row.model in session.models]


def _times(cells: Sequence[Cell], session: Session, records: Mapping[str, Record]) -> str:
    """Format one row per printed cell; the measured columns are empty for networks that were not timed."""
    first = _timed(cells, session)[0]
    rows = []
    for cell in cells:
        model, printed = cell.row.model, printed_value(cell) / printed_value(first)
        if model not in session.models:
            rows.append((code(model), cell.printed, f"{printed:.3f}", *[""] * 6))
            continue
        time, comparison = format_estimate(session.time(model)), compare_with_session(cell, first, session)
        holds = {"compared": "yes" if comparison.agrees else "no", "noisy": "noisy"}.get(comparison.outcome, "")
        ratio = "1" if cell is first else format_estimate(comparison.ours)
        rows.append((code(model), cell.printed, f"{printed:.3f}", ratio, holds, time, *_per_gmac(cell, session, records)))
    unit = cells[0].column.unit
    ratios = ("printed ratio", f"our ratio, on {escape_markdown(session.device)}", "printed ratio in interval")
    per_gmac = ("GMACs", "printed ms per GMAC", "our ms per GMAC")
    return grid(("network", f"printed, {unit}", *ratios, "our ms", *per_gmac), rows)


def _per_gmac(cell: Cell, session: Session, records: Mapping[str, Record]) -> tuple[str, str, str]:
    """Return true GMACs of one image, and the printed and our milliseconds per GMAC."""
    gmacs = _gmacs(cell, records)
    if gmacs is None:
        return "", "", ""
    milliseconds = session.time(cell.row.model).value / session.setting.batch
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
    as_printed: list[str] = []
    opposite: list[str] = []
    undecided: list[str] = []
    for a, b in combinations(timed, 2):
        ratio = session.ratio(a.row.model, b.row.model)
        if _printed_milliseconds(a) == _printed_milliseconds(b):
            continue
        same_order = (ratio.value > 1) == (_printed_milliseconds(a) > _printed_milliseconds(b))
        pairs = undecided if not decides_order(ratio) else as_printed if same_order else opposite
        pairs.append(f"{a.row.id} and {b.row.id}")
    measured = [session.time(cell.row.model).value for cell in timed]
    tau = kendall_tau([_printed_milliseconds(cell) for cell in timed], measured)
    total = len(as_printed) + len(opposite) + len(undecided)
    order = (
        f"Kendall's tau between the printed order and ours: {'-' if tau is None else f'{tau:+.2f}'}"
        f"{' by the medians alone' * bool(undecided)}. Of {total} pairs, "
        f"{len(as_printed)} are in the printed order, {len(opposite)} in the opposite order{_in_parentheses(opposite)}, and "
        f"{len(undecided)} undecided{_in_parentheses(undecided if len(session.runs) >= MIN_RUNS else ())}."
    )
    comparisons = [compare_with_session(cell, timed[0], session) for cell in timed[1:]]
    compared = [comparison for comparison in comparisons if comparison.outcome == "compared"]
    if not compared:
        return order
    inside = sum(comparison.agrees for comparison in compared)
    return f"{order} Of {len(compared)} ratios to {timed[0].row.id} that are not noisy, {inside} agree with the printed ones."


def _in_parentheses(pairs: Sequence[str]) -> str:
    return f" ({'; '.join(pairs)})" if pairs else ""


def _time_per_operation(cells: Sequence[Cell], session: Session, records: Mapping[str, Record]) -> str:
    """Name the networks with the longest and the shortest time per operation, which counts of operations do not show."""
    measured, printed, models = {}, {}, {}
    for cell in _timed(cells, session):
        models[cell.row.id] = cell.row.model
        if gmacs := _gmacs(cell, records):
            measured[cell.row.id] = session.time(cell.row.model).value / gmacs
            printed[cell.row.id] = _printed_milliseconds(cell) / gmacs
    if len(measured) < 2:
        return ""
    slowest, fastest = max(measured, key=measured.__getitem__), min(measured, key=measured.__getitem__)
    noisy = " (noisy)" * (not session.ratio(models[slowest], models[fastest]).is_precise)
    factor, printed_factor = measured[slowest] / measured[fastest], printed[slowest] / printed[fastest]
    return (
        f"Time per operation is longest for {slowest}: {factor:.1f} times{noisy} that of {fastest}, for which it is shortest "
        f"(printed: {printed_factor:.1f} times). By the printed times it is longest for "
        f"{max(printed, key=printed.__getitem__)}."
    )


# --- claims about times -----------------------------------------------------------------------------------------------------


def _judge_claims(paper: Paper, papers: Mapping[str, Paper], cells: Sequence[Cell], session: Session) -> str:
    """Evaluate the paper's claims that compare networks by this column with our times, run by run."""
    rows = [row for claim in paper.claims if (row := _claim(claim, paper, papers, cells, session))]
    return grid(("claim", "printed", "from our times"), rows) if rows else ""


def _claim(
    claim: Claim, paper: Paper, papers: Mapping[str, Paper], cells: Sequence[Cell], session: Session
) -> tuple[str, str, str] | None:
    names = [cell.name for cell in evaluate_expression(claim.expression, paper, papers).cells]
    rows_by_column: dict[str, set[str]] = {}
    by_name = {cell.name: cell for cell in cells[0].table.cells()}
    for name in names:
        if name not in by_name or by_name[name].row.model not in session.models:
            return None
        if by_name[name].column.metric not in TIME_METRICS:
            return None
        rows_by_column.setdefault(by_name[name].column.name, set()).add(by_name[name].row.id)
    # A claim over two columns can be evaluated if it compares the same networks in each; one between devices cannot.
    if cells[0].column.name not in rows_by_column or len({frozenset(rows) for rows in rows_by_column.values()}) > 1:
        return None
    if len(set(names)) < 2:  # a value, not a comparison
        return None

    def value_in_run(number: int) -> float | bool:
        def our_value(cell: Cell) -> float:
            time = float(session.milliseconds(cell.row.model)[number])
            return 1 / time if cell.column.metric == "fps" else time

        return evaluate_expression(claim.expression, paper, papers, value_of=our_value).value

    values = np.array([value_in_run(number) for number in range(len(session.runs))], float)
    if claim.printed == "true":
        return claim.description, "true", f"true in {int(values.sum())} of {len(values)} runs"
    if claim.unit not in ("%", "×"):  # a time or rate in its own unit holds only for its device
        return None
    return claim.description, f"{claim.printed} {claim.unit}", format_estimate(estimate_over_runs(values))


# --- sets without a printed time --------------------------------------------------------------------------------------------


def _uncompared(sessions: Sequence[Session], records: Mapping[str, Record]) -> list[str]:
    """Show the times of sets for which no table prints times on this kind of device, beside operations."""
    if not sessions:
        return []
    blocks = [
        "## Sets without a printed time",
        "No table prints times of these networks on this kind of device, so nothing printed stands beside them.",
    ]
    for session in sessions:
        first, dataset = session.models[0], _dataset_of(session)
        rows = []
        for model in session.models:
            ratio = "1" if model == first else format_estimate(session.ratio(model, first))
            time = session.time(model)
            record = records.get(cost_record_id(model, dataset, session.setting.input))
            gmacs = record.value["flops"][MACS] / FLOPS[MACS].giga if record else None
            per_gmac = (f"{gmacs:.3f}", f"{time.value / session.setting.batch / gmacs:.1f}") if gmacs else ("", "")
            rows.append((code(model), format_estimate(time), ratio, *per_gmac))
        header = ("network", "ms", f"times as long as {first}", "GMACs", "ms per GMAC")
        blocks += [f"### {_describe_session(session)}", grid(header, rows)]
    return blocks


def _dataset_of(session: Session) -> str:
    return next((name for name, joints in JOINT_COUNTS.items() if joints == session.setting.joints), "")


# --- operations saved, time saved -------------------------------------------------------------------------------------------


def _savings(papers: Mapping[str, Paper], sessions: Sequence[Session], records: Mapping[str, Record]) -> list[str]:
    """Show printed savings of operations beside the time that the same networks save."""
    blocks = []
    for cell in (cell for paper in papers.values() for table in paper.tables.values() for cell in table.cells()):
        pairs = _find_possible_pairs(cell, records)
        if not pairs:
            continue
        rows = []
        for session in (s for s in sessions if matches_setting(cell, s.setting)):
            for (network, baseline), saved in pairs.items():
                if {network, baseline} <= set(session.models):
                    time = _time_saved(session.ratio(network, baseline))
                    operations = [f"{saved[convention]:.1f} %" for convention in (cell.column.convention, MACS)]
                    rows.append((code(network), code(baseline), *operations, time, _describe_session(session)))
        baselines, networks = (" ".join(dict.fromkeys(pair[side] for pair in pairs)) for side in (1, 0))
        sizes = f"--input {cell.input} --joints {JOINT_COUNTS[cell.dataset]}"
        command = f"`python -m benchmark.measure latency {baselines} {networks} {sizes} --runs {MIN_RUNS} --keep`"
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


def _time_saved(ratio: Estimate) -> str:
    saved = f"{100 * (1 - ratio.value):.1f} %"
    if ratio.interval is None:
        return f"{saved} (no interval)"
    low, high = (100 * (1 - bound) for bound in reversed(ratio.interval))
    return f"{saved} [{low:.1f}, {high:.1f}]" + " (noisy)" * (not ratio.is_precise)


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
    """Show how much each estimator differs between runs, and how often intervals hold what a repeat gives."""
    repeated = [session for session in sessions if len(session.runs) > 1 and len(session.models) > 1]
    heading = "## What is repeatable"
    if not repeated:
        return [heading, f"Not measured yet: `python -m benchmark.measure latency MODEL... --runs {2 * MIN_RUNS} --keep`"]
    return [heading, *_estimator_table(repeated), *_coverage_table(repeated)]


def _estimator_table(sessions: Sequence[Session]) -> Iterator[str]:
    rows = []
    for estimator in ESTIMATORS:
        spreads = [spread_between_runs(session, estimator) for session in sessions]
        cells = [f"{middle:.1f} ({largest:.1f})" for spread in spreads for middle, largest in (spread.times, spread.ratios)]
        in_use = any(session.setting.estimator == estimator for session in sessions)
        rows.append((f"**{estimator}**" if in_use else estimator, *cells))
    yield (
        "How a run's time is computed from its calls decides how well it can be repeated. The table gives the standard "
        "deviation between runs in percent of the mean, of times and of ratios: the median over networks, or pairs of "
        "networks, and in parentheses the largest. The estimator in bold is the one in use."
    )
    header = [f"set {number}, {what}" for number, _ in enumerate(sessions, 1) for what in ("times", "ratios")]
    yield grid(("estimator", *header), rows)
    means = {
        estimator: float(np.mean([spread_between_runs(session, estimator).ratios[0] for session in sessions]))
        for estimator in ESTIMATORS
    }
    best = min(means, key=means.__getitem__)
    yield (
        f"On average over the sets, the spread of ratios is {means[CPU_ESTIMATOR]:.1f} % with the {CPU_ESTIMATOR}, "
        f"{means[WALL_ESTIMATOR]:.1f} % with the {WALL_ESTIMATOR} of the wall clock, and smallest with the {best}, "
        f"{means[best]:.1f} %. CPU time on one thread is what the wall clock would show if no other process interrupted the "
        "pass. It is not in use on several threads, over which it is summed, nor for a GPU, whose work it leaves out."
    )
    yield "\n".join(f"{number}. {_describe_set(session)}" for number, session in enumerate(sessions, 1))
    counters = {
        (escape_markdown(session.device), *run[model].environment["hardware counters"])
        for session in sessions
        for run in session.runs
        for model in session.models
    }
    for device, *names in sorted(counters):
        given = " and ".join(names) or "neither instructions nor cycles"
        yield f"Counts of instructions would not depend on what else a machine does. On {device}, the kernel gives {given}."


def _describe_set(session: Session) -> str:
    """Name the networks of a set, and count the values that pass the noise gate."""
    times = [session.time(model) for model in session.models]
    ratios = [session.ratio(*pair) for pair in combinations(session.models, 2)]
    counts = (f"{sum(v.is_precise for v in values)} of {len(values)}" for values in (times, ratios))
    names = ", ".join(code(model) for model in session.models)
    text = "{}: {}. {} times and {} ratios pass the noise gate.".format(_describe_session(session), names, *counts)
    if session.setting.estimator != CPU_ESTIMATOR:
        return text
    quietest, busiest = (f"{100 * share:.0f} %" for share in (session.occupancy.max(), session.occupancy.min()))
    return f"{text} In the quietest run, calls had the processor for {quietest} of their time, in the busiest for {busiest}."


def _coverage_table(sessions: Sequence[Session]) -> Iterator[str]:
    rows = []
    for number, session in enumerate(sessions, 1):
        coverages = {f"{MIN_RUNS} runs": coverage_over_runs(session), "the rounds of one run": coverage_over_rounds(session)}
        for over, coverage in coverages.items():
            if coverage:
                repeat = f"{coverage.runs} later run" + "s" * (coverage.runs > 1)
                share, exact = (f"{100 * value:.0f} %" for value in (coverage.covered / coverage.pairs, coverage.exact))
                rows.append((f"set {number}", over, repeat, f"{coverage.covered} of {coverage.pairs}", share, exact))
    yield (
        f"Does a repeat give what an interval says? The first {MIN_RUNS} runs of a set give each ratio of two networks an "
        "interval, and later runs give the ratio again. As a repeat varies, too, even an exact interval of 95 % holds fewer; "
        "the last column gives the share. Intervals over the rounds of one run, with the next run as the repeat, show what "
        "separate runs are for: the rounds share the state of the machine and the memory of the processes."
    )
    yield grid(("set", "interval over", "repeat", "ratios in the interval", "share", "if exact"), rows)


def _pipelines(sessions: Sequence[Session]) -> list[str]:
    """Show where the time goes between decoded images and joints."""
    pipelines = [session for session in sessions if session.setting.part == "pipeline"]
    if not pipelines:
        return []
    parts = list(dict.fromkeys(part for session in pipelines for model in session.models for part in session.shares(model)))
    rows = []
    for session in pipelines:
        for model in session.models:
            shares = [f"{100 * session.shares(model).get(part, 0):.1f} %" for part in parts]
            rows.append((code(model), format_estimate(session.time(model)), *shares, _describe_session(session)))
    text = "Milliseconds per batch from decoded images to joints, including the flip test, and each part's share of them."
    return ["## From images to joints", text, grid(("network", "ms", *parts, "setting"), rows)]
