"""Compare printed latencies with ours, as ratios within a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from benchmark.config.identities import MILLISECONDS, RATIO, describe_setting
from benchmark.config.latency import Setting
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record, select
from benchmark.papers.expressions import printed_value
from benchmark.papers.tables import Cell

Interval = tuple[float, float]

TIME_METRICS = ("latency", "fps")  # the printed metrics that are times of a forward pass, or rates of them


# --- beside printed times -----------------------------------------------------------------------------------------------------


class PrintedTimeComparison(NamedTuple):
    """A printed time beside ours: the ratio to the column's first network, in the printed sense, and how it was found."""

    ours: str
    cause: str
    record: str


def compare_printed_time(cell: Cell, records: Mapping[str, Record]) -> PrintedTimeComparison | None:
    """Compare networks as a printed column does: a time belongs to its device, a ratio to the first network may not."""
    first = timed_cells(cell)[0]
    is_first = first.row.model == cell.row.model
    record = matching_record(cell, MILLISECONDS if is_first else RATIO, "" if is_first else first.row.model, records)
    if record is None or record.interval is None:
        return None
    where = f"on {record.device} ({describe_setting(record)})"
    if is_first:
        cause = f"the network that the column's others are compared with; {record.value:.4g} ms {where}"
        return PrintedTimeComparison("1×", cause, record.id)
    printed, (value, low, high) = printed_ratio(cell, first), to_printed_quantity(cell, record.value, record.interval)
    lies = "in it" if low <= printed <= high else "outside"
    cause = f"{value:.3g} times {first.row.id}'s, 95 % [{low:.3g}, {high:.3g}], {where}; printed {printed:.3g} times, {lies}"
    return PrintedTimeComparison(f"{value:.3g}×", cause, record.id)


def matching_record(cell: Cell, metric: str, to: str, records: Mapping[str, Record]) -> Record | None:
    """Return our record to compare with a printed time: of the network alone, at the printed size, with the printed head.

    Of several, stable ones come first, then those on the printed kind of device, then the plainest setting.
    """

    def preference(record: Record) -> tuple[object, ...]:
        ours = Setting.of(record.setting)
        unusual = (ours.device != printed_device(cell), ours.backend != "eager", ours.layout != "nchw")
        return record.setting["unstable"], *unusual, ours.batch, ours.threads, record.device or ""

    candidates = select(records, kind="latency", subject=cell.row.model, metric=metric, to=to, repeat="")
    fitting = [record for record in candidates if matches_setting(cell, Setting.of(record.setting))]
    return min(fitting, key=preference, default=None)


def matches_setting(cell: Cell, setting: Setting) -> bool:
    """Return whether a setting is that of a printed time, as far as papers tell theirs: size, head, and the network alone."""
    return (setting.input, setting.joints, setting.part) == (cell.input, JOINT_COUNTS.get(cell.dataset), "forward")


def printed_device(cell: Cell) -> str:
    """On what kind of device a printed time was measured, by the column's header or the row's cell ``device``."""
    told = cell.column.header + cell.table.printed.get((cell.row.id, "device"), "")
    return "cpu" if "CPU" in told else "cuda"


def timed_cells(cell: Cell) -> list[Cell]:
    """The column's cells whose networks can be built."""
    return [other for other in cell.table.cells() if other.column is cell.column and other.row.model]


def printed_ratio(cell: Cell, first: Cell) -> float:
    """How a printed time, or rate, compares with another."""
    return printed_value(cell) / printed_value(first)


def to_printed_quantity(cell: Cell, value: float, interval: Interval) -> tuple[float, float, float]:
    """A ratio of times with its interval: as it is, or as a ratio of rates where the column prints rates."""
    low, high = interval
    return (1 / value, 1 / high, 1 / low) if cell.column.metric == "fps" else (value, low, high)


def latency_command(cell: Cell) -> str:
    """What measures a printed column of times, all its networks taking turns."""
    networks = " ".join(dict.fromkeys(other.row.model for other in timed_cells(cell)))
    device = " --device cuda" * (printed_device(cell) == "cuda")
    sizes = f"--input {cell.input} --joints {JOINT_COUNTS[cell.dataset]}"
    return f"python -m benchmark.measure latency {networks} {sizes}{device} --keep"
