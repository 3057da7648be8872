"""Timed figures as records, and what follows from models that took turns: ratios, orders, repeatability, printed times.

A session is a set of models that took turns under one setting on one device. Records keep each model's times, and for each but
the first its ratio to the first, round by round; the ratio of any two follows from those two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from benchmark import models, records, tables
from benchmark.errors import InputError
from benchmark.expressions import printed_value
from benchmark.latency import VERSION, Cell, Timing, center, ratio
from benchmark.records import Record

TIMES = ("latency", "fps")  # the printed metrics that are times of a forward pass, or rates of them
MILLISECONDS, RATIO = "milliseconds", "ratio to "
ONCE, AGAIN = " once", " again"  # end the metrics of a set that was measured twice
NOISY = ", noisy"  # ends the protocol of figures that were kept although they scatter
KEPT = 400  # raw samples in one record; of more, each round's median is kept

Interval = tuple[float, float]


# --- records ----------------------------------------------------------------------------------------------------------------


def to_records(timings: Sequence[Timing], command: str | None = None, *, ending: str = "") -> list[Record]:
    """What to keep of models that took turns: each one's times, and the ratio of each but the first to the first."""
    origin = records.provenance(command)
    kept = []
    for timing in timings:
        low, high = timing.interval
        figures = {"p10": timing.p10, "p90": timing.p90, "iqr": timing.iqr}
        samples = {name: digits(1e3 * value) for name, value in figures.items()} | {
            "memory": timing.memory,
            "stable": timing.stable,
            "parts": {part: digits(1e3 * seconds) for part, seconds in timing.part_medians.items()},
            "seconds": _thinned(timing.rounds),
        }
        kept.append(_record(timing, MILLISECONDS, 1e3 * timing.median, (1e3 * low, 1e3 * high), samples, timing.noisy, origin))
    first = timings[0]
    for timing in timings[1:]:
        value, interval = ratio(timing, first)
        samples = {"rounds": [digits(r) for r in timing.by_round / first.by_round]}
        noisy = timing.noisy or first.noisy
        kept.append(_record(timing, RATIO + _subject(first.cell.model), value, interval, samples, noisy, origin))
    return [_replaced(record, ending) for record in kept] if ending else kept


def _record(
    timing: Timing,
    metric: str,
    value: float,
    interval: Interval,
    samples: Mapping[str, Any],
    noisy: bool,
    origin: Mapping[str, Any],
) -> Record:
    cell = timing.cell
    return Record(
        kind="latency",
        subject=_subject(cell.model),
        dataset="-",
        split="-",
        protocol=cell.setting + NOISY * noisy,
        metric=metric,
        value=digits(value, 6),
        version=version(cell.model),
        device=timing.device,
        n=timing.rounds.size,
        interval=(digits(interval[0], 6), digits(interval[1], 6)),
        samples=dict(samples),
        **dict(origin) | {"environment": {**origin["environment"], **timing.environment}},
    )


def version(model: str) -> int:
    """What the instrument and, for a network of this project, its entry declare."""
    try:
        return 100 * VERSION + models.find(model).version
    except InputError:
        return 100 * VERSION


def _subject(model: str) -> str:
    """How records name a network: a file's is known by what it says, not by where it lies."""
    return models.find(model).id if models.reader(model) else model


def digits(value: float, places: int = 4) -> float:
    """A number with so many significant digits."""
    return float(f"{value:.{places}g}")


def _thinned(rounds: np.ndarray) -> list[list[float]]:
    kept = rounds if rounds.size <= KEPT else np.median(rounds, axis=1, keepdims=True)
    return [[digits(seconds) for seconds in row] for row in kept]


def _replaced(record: Record, ending: str) -> Record:
    return Record(**{**vars(record), "metric": record.metric + ending})


# --- sessions ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Session:
    """Models that took turns. ``rounds``: the time of each model relative to the first's, one value a round ``[R]``;
    ``times``: milliseconds, with the 10th and 90th percentile. ``setting`` has no model."""

    device: str
    setting: Cell
    first: str
    ending: str  # ONCE or AGAIN of a set that was measured twice
    noisy: bool
    rounds: Mapping[str, np.ndarray]
    times: Mapping[str, tuple[float, float, float]]

    def ratio(self, one: str, other: str) -> tuple[float, Interval]:
        """How many times as long ``one`` takes as ``other``, with the 95 % interval over rounds."""
        return center(self.rounds[one] / self.rounds[other])


def session(timings: Sequence[Timing], *, ending: str = "") -> Session:
    """Models that have just taken turns."""
    return next(sessions(to_records(timings, "-", ending=ending)))


def sessions(found: Iterable[Record]) -> Iterator[Session]:
    """All sets of two models or more that took turns, from their records; of an older instrument or network, none."""
    timed = [r for r in found if r.kind == "latency" and r.version == version(r.subject)]
    times: dict[tuple[str, str, str, str], tuple[float, float, float]] = {}
    together: dict[tuple[str, str, str, str, str], list[Record]] = {}
    for record in sorted(timed, key=lambda r: r.protocol.endswith(NOISY), reverse=True):  # clean figures replace noisy ones
        setting = record.protocol.removesuffix(NOISY)
        ending = next((ending for ending in (ONCE, AGAIN) if record.metric.endswith(ending)), "")
        metric = record.metric.removesuffix(ending)
        if metric == MILLISECONDS:
            percentiles = (record.samples["p10"], record.samples["p90"])
            times[record.device or "", setting, ending, record.subject] = (record.value, *percentiles)
        elif metric.startswith(RATIO):
            key = (record.device or "", setting, ending, metric.removeprefix(RATIO), record.time + record.command)
            together.setdefault(key, []).append(record)
    for (device, text, ending, first, _), ratios in sorted(together.items(), key=lambda item: item[0]):
        cell = Cell.parse(text)
        if cell is None:
            continue
        rounds = {first: np.ones(len(ratios[0].samples["rounds"]))}
        rounds |= {r.subject: np.array(r.samples["rounds"]) for r in sorted(ratios, key=lambda r: r.subject)}
        yield Session(
            device=device,
            setting=cell,
            first=first,
            ending=ending,
            noisy=any(r.protocol.endswith(NOISY) for r in ratios),
            rounds=rounds,
            times={model: known for model in rounds if (known := times.get((device, text, ending, model)))},
        )


# --- beside printed times -----------------------------------------------------------------------------------------------------


class Compared(NamedTuple):
    """A printed time beside ours: the ratio to the column's first network, in the printed sense, and how it was found."""

    ours: str
    cause: str
    record: str


def compare(cell: tables.Cell, found: Mapping[str, Record]) -> Compared | None:
    """What we can say of a printed time: not the figure, which belongs to its device, but how networks compare."""
    first = timed_cells(cell)[0]
    alone = first.row.model == cell.row.model
    record = beside(cell, MILLISECONDS if alone else RATIO + first.row.model, found.values())
    if record is None or record.interval is None:
        return None
    where = f"on {record.device} ({record.protocol})"
    if alone:
        cause = f"the network that the column's others are compared with; {record.value:.4g} ms {where}"
        return Compared("1×", cause, record.id)
    printed, (value, low, high) = printed_ratio(cell, first), in_printed_sense(cell, record.value, record.interval)
    lies = "in it" if low <= printed <= high else "outside"
    cause = f"{value:.3g} times {first.row.id}'s, 95 % [{low:.3g}, {high:.3g}], {where}; printed {printed:.3g} times, {lies}"
    return Compared(f"{value:.3g}×", cause, record.id)


def beside(cell: tables.Cell, metric: str, found: Iterable[Record]) -> Record | None:
    """Our figure to put beside a printed time: of the network alone, at the printed size, with the printed head.

    Of several the clean ones come first, then those on the printed kind of device, then the plainest setting.
    """

    def place(record: Record, ours: Cell) -> tuple[object, ...]:
        plain = (ours.device != printed_device(cell), ours.backend != "eager", ours.layout != "nchw")
        return record.protocol.endswith(NOISY), *plain, ours.batch, ours.threads, record.device or ""

    wanted = ("latency", cell.row.model, metric, version(cell.row.model))
    own = [(r, Cell.parse(r.protocol.removesuffix(NOISY))) for r in found if (r.kind, r.subject, r.metric, r.version) == wanted]
    places = {place(record, ours): record for record, ours in own if ours is not None and fits(cell, ours)}
    return places[min(places)] if places else None


def fits(cell: tables.Cell, ours: Cell) -> bool:
    """Whether a setting is that of a printed time, as far as papers tell theirs: size, head, and the network alone."""
    return (ours.input, ours.joints, ours.part) == (cell.input, models.JOINTS.get(cell.dataset), "forward")


def printed_device(cell: tables.Cell) -> str:
    """On what kind of device a printed time was measured, by the column's header or the row's cell ``device``."""
    told = cell.column.header + cell.table.printed.get((cell.row.id, "device"), "")
    return "cpu" if "CPU" in told else "cuda"


def timed_cells(cell: tables.Cell) -> list[tables.Cell]:
    """The column's cells whose networks can be built."""
    return [other for other in cell.table.cells() if other.column is cell.column and other.row.model]


def printed_ratio(cell: tables.Cell, first: tables.Cell) -> float:
    """How a printed time, or rate, compares with another."""
    return printed_value(cell) / printed_value(first)


def in_printed_sense(cell: tables.Cell, value: float, interval: Interval) -> tuple[float, float, float]:
    """A ratio of times with its interval: as it is, or as a ratio of rates where the column prints rates."""
    low, high = interval
    return (1 / value, 1 / high, 1 / low) if cell.column.metric == "fps" else (value, low, high)


def command(cell: tables.Cell) -> str:
    """What measures a printed column of times, all its networks taking turns."""
    networks = " ".join(dict.fromkeys(other.row.model for other in timed_cells(cell)))
    device = " --device cuda" * (printed_device(cell) == "cuda")
    sizes = f"--input {cell.input} --joints {models.JOINTS[cell.dataset]}"
    return f"python -m benchmark.measure latency {networks} {sizes}{device} --keep"


# --- orders -----------------------------------------------------------------------------------------------------------------


def kendall(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Kendall's rank correlation of two rankings of the same things: +1 for the same order, -1 for the reverse; ties count on
    neither side. None without a pair that both rank."""
    products = [(a - b) * (c - d) for (a, c), (b, d) in combinations(zip(one, other, strict=True), 2)]
    ranked = [product > 0 for product in products if product]
    return (2 * sum(ranked) - len(ranked)) / len(ranked) if ranked else None


def decided(interval: Interval) -> bool:
    """Whether a ratio's interval leaves out 1."""
    return interval[0] > 1 or interval[1] < 1


class Repeated(NamedTuple):
    """How two measurements of the same set agree."""

    pairs: tuple[tuple[str, str], ...]  # those whose ratio leaves out 1 both times
    kept: tuple[tuple[str, str], ...]  # those of them that keep their order
    tau: float | None  # of the two orders by time
    spread: Mapping[str, float]  # each model's second time over its first


def repeated(one: Session, other: Session) -> Repeated:
    """Compare two sessions of the same models; what only one of them has is left out."""
    common = [model for model in one.rounds if model in other.rounds]
    pairs, kept = [], []
    for a, b in combinations(common, 2):
        (before, low), (after, high) = one.ratio(a, b), other.ratio(a, b)
        if decided(low) and decided(high):
            pairs.append((a, b))
            if (before > 1) == (after > 1):
                kept.append((a, b))
    orders = [[float(np.median(s.rounds[model])) for model in common] for s in (one, other)]
    spread = {m: other.times[m][0] / one.times[m][0] for m in common if m in one.times and m in other.times}
    return Repeated(tuple(pairs), tuple(kept), kendall(*orders), spread)
