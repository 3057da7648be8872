"""Compare printed latencies with ours: as ratios within a column, and only between devices of one kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from benchmark.analysis.latency import Estimate, Interval, Session
from benchmark.config.latency import MAX_RELATIVE_WIDTH, MIN_RUNS, Setting
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.papers.expressions import NotComputable, printed_value
from benchmark.papers.tables import Cell

TIME_METRICS = ("latency", "fps")  # the printed metrics that are times of a forward pass, or rates of them

# What a measurement says about a printed time: its ratio to the column's first network can be compared; or nothing, because it
# is that first network, because our ratio does not pass the noise gate, or because it was measured on another kind of device.
Outcome = Literal["compared", "reference", "noisy", "other device"]


class PrintedTimeComparison(NamedTuple):
    """Our measurement for a printed time.

    Attributes:
        outcome: Whether it can be compared, or why not; only ``compared`` may lead to a verdict.
        printed_kind: Kind of the printed device, ``cpu`` or ``cuda``.
        printed_device: Name of the printed device, as the paper gives it.
        measured_kind: Kind of the device that we measured on.
        measured_device: Name of that device.
        printed: Printed ratio to the column's first network, of times or of rates, as the column prints them: the lowest and
            the highest that rounds to the printed numbers.
        ours: The same ratio from our times, over separate runs.
        cause: How our ratio was measured, and the printed one, in words.
        record: Id of the record of the network's first run.
    """

    outcome: Outcome
    printed_kind: str
    printed_device: str
    measured_kind: str
    measured_device: str
    printed: Interval
    ours: Estimate
    cause: str
    record: str

    @property
    def value(self) -> str:
        """Our ratio as text, with the device that stands in for the printed one."""
        return f"{self.ours.value:.3g}× on {self.measured_device}"

    @property
    def agrees(self) -> bool:
        """True if our interval holds a ratio that rounds to the printed numbers, in a comparison that may lead to a verdict."""
        interval = self.ours.interval
        return (
            self.outcome == "compared"
            and interval is not None
            and self.printed[0] <= interval[1]
            and interval[0] <= self.printed[1]
        )


def compare_printed_time(cell: Cell, sessions: Iterable[Session]) -> PrintedTimeComparison | None:
    """Compare a printed time with ours, as ratios to the column's first network; None if the two were not timed together.

    A time depends on the device; a ratio of times depends on it less, as long as the kind of device is the same.
    """
    first = timed_cells(cell)[0]
    session = matching_session(cell, first, sessions)
    return compare_with_session(cell, first, session) if session else None


def compare_with_session(cell: Cell, first: Cell, session: Session) -> PrintedTimeComparison:
    """Compare a printed time with ours, as ratios to another of the column, by a session that timed both networks."""
    model, setting = cell.row.model, session.setting
    ours, printed = to_printed_quantity(cell, session.ratio(model, first.row.model)), printed_ratios(cell, first)
    kind, is_first = printed_kind(cell), first.row.model == model
    outcome: Outcome
    if setting.device != kind:
        outcome, reason = "other device", f"no verdict between kinds of device: needs {printed_device(cell)}"
    elif is_first:
        outcome, reason = "reference", "the other networks of the column are compared with this one"
    elif not ours.is_precise:
        limit = f"{MIN_RUNS} or more runs and an interval at most {100 * MAX_RELATIVE_WIDTH:.0f} % of the value wide"
        outcome, reason = "noisy", f"no verdict from a noisy ratio: needs {limit}"
    else:
        outcome, reason = "compared", f"{session.device} stands in for {printed_device(cell)}"
    measured = f"{session.time(model).value:.4g} ms" if is_first else f"{format_estimate(ours)} times {first.row.id}'s"
    runs = f"{ours.runs} run" + "s" * (ours.runs > 1)
    cause = f"{reason}; {measured} on {session.device} ({setting.label}, {runs})"
    if not is_first:
        cause += f"; printed {printed_value(cell) / printed_value(first):.3g} times"
    devices = (kind, printed_device(cell), setting.device, session.device)
    return PrintedTimeComparison(outcome, *devices, printed, ours, cause, session.runs[0][model].id)


def matching_session(cell: Cell, first: Cell, sessions: Iterable[Session]) -> Session | None:
    """Return the session to compare a printed time by; None if no session timed both networks under a fitting setting.

    A session on the printed kind of device comes first, then one that passes the noise gate, then the plainest setting.
    """

    def preference(session: Session) -> tuple[object, ...]:
        setting, ratio = session.setting, session.ratio(cell.row.model, first.row.model)
        others = (setting.layout != "nchw", setting.batch, setting.threads, setting.allocator != "keep")
        unusual = (setting.backend != "eager", *others)
        return setting.device != printed_kind(cell), not ratio.is_precise, *unusual, -ratio.runs, session.device

    networks = {cell.row.model, first.row.model}
    both = (session for session in sessions if session.runs and networks <= set(session.models))
    return min((session for session in both if matches_setting(cell, session.setting)), key=preference, default=None)


def format_estimate(estimate: Estimate) -> str:
    """Format a ratio with its interval over runs, and mark one that does not pass the noise gate."""
    if estimate.interval is None:
        return f"{estimate.value:.3g} (no interval)"
    low, high = estimate.interval
    return f"{estimate.value:.3g} [{low:.3g}, {high:.3g}]" + " (noisy)" * (not estimate.is_precise)


def matches_setting(cell: Cell, setting: Setting) -> bool:
    """Check that a setting is that of a printed time as far as papers state it: input size, joints, the network alone."""
    return (setting.input, setting.joints, setting.part) == (cell.input, JOINT_COUNTS.get(cell.dataset), "forward")


def printed_kind(cell: Cell) -> str:
    """Return the kind of device of a printed time, ``cpu`` or ``cuda``, from the column's header or the cell ``device``."""
    text = cell.column.header + cell.table.printed.get((cell.row.id, "device"), "")
    return "cpu" if "CPU" in text else "cuda"


def printed_device(cell: Cell) -> str:
    """Return the device of a printed time, as the paper names it."""
    return cell.column.needs or cell.row.needs or cell.column.header


def timed_cells(cell: Cell) -> list[Cell]:
    """Return the cells of the same column whose networks can be built."""
    return [other for other in cell.table.cells() if other.column is cell.column and other.row.model]


def printed_ratios(cell: Cell, first: Cell) -> Interval:
    """Return the lowest and the highest ratio of two times or rates that round to the printed ones.

    Raises:
        NotComputable: The other one is zero, or may be before it was rounded.
    """
    (value, half), (reference, reference_half) = ((printed_value(c), 0.5 * 10**-c.number.decimals) for c in (cell, first))
    if reference <= reference_half:
        raise NotComputable(f"{first.name} prints a time of {first.printed}")
    return (value - half) / (reference + reference_half), (value + half) / (reference - reference_half)


def to_printed_quantity(cell: Cell, ratio: Estimate) -> Estimate:
    """Convert a ratio of times to the printed quantity: to a ratio of rates if the column prints rates."""
    if cell.column.metric != "fps":
        return ratio
    interval = ratio.interval and (1 / ratio.interval[1], 1 / ratio.interval[0])
    return Estimate(1 / ratio.value, interval, ratio.runs)


def latency_command(cell: Cell) -> str:
    """Return the command that times all networks of a printed column in interleaved rounds and records the times."""
    networks = " ".join(dict.fromkeys(other.row.model for other in timed_cells(cell)))
    device = " --device cuda" * (printed_kind(cell) == "cuda")
    sizes = f"--input {cell.input} --joints {JOINT_COUNTS[cell.dataset]}"
    return f"python -m benchmark.measure latency {networks} {sizes}{device} --runs {MIN_RUNS} --keep"
