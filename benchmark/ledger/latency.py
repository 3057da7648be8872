"""Compare printed latencies with ours, as ratios within a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from benchmark.config.identities import MILLISECONDS, RATIO, describe_setting
from benchmark.config.latency import Setting
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import Record, select
from benchmark.papers.expressions import NotComputable, printed_value
from benchmark.papers.tables import Cell

Interval = tuple[float, float]

TIME_METRICS = ("latency", "fps")  # the printed metrics that are times of a forward pass, or rates of them


class PrintedTimeComparison(NamedTuple):
    """Our measurement for a printed time.

    Attributes:
        ours: Ratio to the column's first network, of times or of rates, as the column prints them.
        cause: How the ratio was measured, and the printed ratio, in words.
        record: Id of the record.
    """

    ours: str
    cause: str
    record: str


def compare_printed_time(cell: Cell, records: Mapping[str, Record]) -> PrintedTimeComparison | None:
    """Compare a printed time with ours, as ratios to the column's first network; None without a record.

    A time depends on the device it is measured on; a ratio of times depends on it less.
    """
    first = timed_cells(cell)[0]
    is_first = first.row.model == cell.row.model
    record = matching_record(cell, MILLISECONDS if is_first else RATIO, "" if is_first else first.row.model, records)
    if record is None or record.interval is None:
        return None
    where = f"on {record.device} ({describe_setting(record)})"
    if is_first:
        cause = f"the other networks of the column are compared with this one; {record.value:.4g} ms {where}"
        return PrintedTimeComparison("1×", cause, record.id)
    printed, (value, low, high) = printed_ratio(cell, first), to_printed_quantity(cell, record.value, record.interval)
    position = "in it" if low <= printed <= high else "outside"
    interval = f"95 % [{low:.3g}, {high:.3g}]"
    cause = f"{value:.3g} times {first.row.id}'s, {interval}, {where}; printed {printed:.3g} times, {position}"
    return PrintedTimeComparison(f"{value:.3g}×", cause, record.id)


def matching_record(cell: Cell, metric: str, to: str, records: Mapping[str, Record]) -> Record | None:
    """Return the record to compare with a printed time; None if there is none.

    It has the printed input size and the printed number of joints, and covers the network alone. If there are several records,
    stable times are preferred, then the printed kind of device, then the plainest setting.

    Args:
        cell: Printed time.
        metric: :data:`MILLISECONDS` or :data:`RATIO`.
        to: Model that the ratio refers to; empty for a time.
        records: Current records, by id.
    """

    def preference(record: Record) -> tuple[object, ...]:
        setting = Setting.of(record.setting)
        unusual = (setting.device != printed_device(cell), setting.backend != "eager", setting.layout != "nchw")
        return record.setting["unstable"], *unusual, setting.batch, setting.threads, record.device or ""

    candidates = select(records, kind="latency", subject=cell.row.model, metric=metric, to=to, repeat="")
    fitting = [record for record in candidates if matches_setting(cell, Setting.of(record.setting))]
    return min(fitting, key=preference, default=None)


def matches_setting(cell: Cell, setting: Setting) -> bool:
    """Check that a setting is that of a printed time as far as papers state it: input size, joints, the network alone."""
    return (setting.input, setting.joints, setting.part) == (cell.input, JOINT_COUNTS.get(cell.dataset), "forward")


def printed_device(cell: Cell) -> str:
    """Return the kind of device of a printed time, ``cpu`` or ``cuda``, from the column's header or the cell ``device``."""
    text = cell.column.header + cell.table.printed.get((cell.row.id, "device"), "")
    return "cpu" if "CPU" in text else "cuda"


def timed_cells(cell: Cell) -> list[Cell]:
    """Return the cells of the same column whose networks can be built."""
    return [other for other in cell.table.cells() if other.column is cell.column and other.row.model]


def printed_ratio(cell: Cell, first: Cell) -> float:
    """Return the ratio of a printed time or rate to another one.

    Raises:
        NotComputable: The other one is zero.
    """
    if not (reference := printed_value(first)):
        raise NotComputable(f"{first.name} prints a time of {first.printed}")
    return printed_value(cell) / reference


def to_printed_quantity(cell: Cell, value: float, interval: Interval) -> tuple[float, float, float]:
    """Convert a ratio of times and its interval to the printed quantity: to a ratio of rates if the column prints rates."""
    low, high = interval
    return (1 / value, 1 / high, 1 / low) if cell.column.metric == "fps" else (value, low, high)


def latency_command(cell: Cell) -> str:
    """Return the command that times all networks of a printed column in interleaved rounds and records the times."""
    networks = " ".join(dict.fromkeys(other.row.model for other in timed_cells(cell)))
    device = " --device cuda" * (printed_device(cell) == "cuda")
    sizes = f"--input {cell.input} --joints {JOINT_COUNTS[cell.dataset]}"
    return f"python -m benchmark.measure latency {networks} {sizes}{device} --keep"
