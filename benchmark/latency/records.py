"""Write timings as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.analysis.latency import MILLISECONDS, RATIO, Interval, Session, load_sessions
from benchmark.config.identities import latency_subject, latency_version
from benchmark.config.latency import UNSTABLE_MARK
from benchmark.core.records import Record, provenance
from benchmark.core.statistics import round_digits
from benchmark.latency.timer import Timing, timing_ratio

MAX_SAMPLES = 400  # raw samples in one record; of more, each round's median is kept


# --- records ----------------------------------------------------------------------------------------------------------------


def latency_records(timings: Sequence[Timing], command: str | None = None, *, ending: str = "") -> list[Record]:
    """What to keep of models that took turns: each one's times, and the ratio of each but the first to the first."""
    origin = provenance(command)
    kept = []
    for timing in timings:
        low, high = timing.interval
        figures = {"p10": timing.p10, "p90": timing.p90, "iqr": timing.iqr}
        samples = {name: round_digits(1e3 * value) for name, value in figures.items()} | {
            "memory": timing.memory,
            "stable": timing.stable,
            "parts": {part: round_digits(1e3 * seconds) for part, seconds in timing.part_medians.items()},
            "seconds": _thin_samples(timing.rounds),
        }
        kept.append(
            _latency_record(timing, MILLISECONDS, 1e3 * timing.median, (1e3 * low, 1e3 * high), samples, timing.noisy, origin)
        )
    first = timings[0]
    for timing in timings[1:]:
        value, interval = timing_ratio(timing, first)
        samples = {"rounds": [round_digits(r) for r in timing.by_round / first.by_round]}
        noisy = timing.noisy or first.noisy
        kept.append(_latency_record(timing, RATIO + latency_subject(first.cell.model), value, interval, samples, noisy, origin))
    return [_with_metric_suffix(record, ending) for record in kept] if ending else kept


def _latency_record(
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
        subject=latency_subject(cell.model),
        dataset="-",
        split="-",
        protocol=cell.setting + UNSTABLE_MARK * noisy,
        metric=metric,
        value=round_digits(value, 6),
        version=latency_version(cell.model),
        device=timing.device,
        n=timing.rounds.size,
        interval=(round_digits(interval[0], 6), round_digits(interval[1], 6)),
        samples=dict(samples),
        **dict(origin) | {"environment": {**origin["environment"], **timing.environment}},
    )


def _thin_samples(rounds: np.ndarray) -> list[list[float]]:
    kept = rounds if rounds.size <= MAX_SAMPLES else np.median(rounds, axis=1, keepdims=True)
    return [[round_digits(seconds) for seconds in row] for row in kept]


def _with_metric_suffix(record: Record, ending: str) -> Record:
    return Record(**{**vars(record), "metric": record.metric + ending})


def session_from_timings(timings: Sequence[Timing], *, ending: str = "") -> Session:
    """Models that have just taken turns."""
    return next(load_sessions(latency_records(timings, "-", ending=ending)))
