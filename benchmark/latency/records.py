"""Convert timings to records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.analysis.latency import Session, load_sessions
from benchmark.config.identities import MILLISECONDS, RATIO, latency_identity, latency_subject
from benchmark.core.records import Record, provenance
from benchmark.core.statistics import round_digits
from benchmark.latency.timer import Timing, timing_ratio

MAX_SAMPLES = 400  # raw samples in one record; if there are more, only the median of each round is stored


def latency_records(timings: Sequence[Timing], command: str | None = None, *, repeat: str = "") -> list[Record]:
    """Return the records of models timed in interleaved rounds: the times of each, and the ratio of each to the first.

    Args:
        repeat: ``once`` or ``again`` where the same set is measured twice.
    """
    origin = provenance(command)
    records = []
    for timing in timings:
        seconds = {"p10": timing.p10, "p90": timing.p90, "iqr": timing.iqr}
        samples = {name: round_digits(1e3 * value) for name, value in seconds.items()} | {
            "memory": timing.memory,
            "stable": timing.stable,
            "parts": {part: round_digits(1e3 * value) for part, value in timing.part_medians.items()},
            "seconds": _thin_samples(timing.rounds),
        }
        identity = latency_identity(timing.setting, MILLISECONDS, timing.device, unstable=timing.unstable, repeat=repeat)
        low, high = timing.interval
        records.append(_record(identity, timing, 1e3 * timing.median, (1e3 * low, 1e3 * high), samples, origin))
    reference = timings[0]
    for timing in timings[1:]:
        value, interval = timing_ratio(timing, reference)
        identity = latency_identity(
            timing.setting,
            RATIO,
            timing.device,
            unstable=timing.unstable or reference.unstable,
            repeat=repeat,
            to=latency_subject(reference.setting.model),
        )
        samples = {"rounds": [round_digits(ratio) for ratio in timing.by_round / reference.by_round]}
        records.append(_record(identity, timing, value, interval, samples, origin))
    return records


def _record(
    identity: Mapping[str, Any],
    timing: Timing,
    value: float,
    interval: tuple[float, float],
    samples: Mapping[str, Any],
    origin: Mapping[str, Any],
) -> Record:
    return Record(
        **identity,
        value=round_digits(value, 6),
        n=timing.rounds.size,
        interval=(round_digits(interval[0], 6), round_digits(interval[1], 6)),
        samples=dict(samples),
        **dict(origin) | {"environment": {**origin["environment"], **timing.environment}},
    )


def _thin_samples(rounds: np.ndarray) -> list[list[float]]:
    samples = rounds if rounds.size <= MAX_SAMPLES else np.median(rounds, axis=1, keepdims=True)
    return [[round_digits(seconds) for seconds in row] for row in samples]


def session_from_timings(timings: Sequence[Timing]) -> Session:
    """Return the session of models that have just been timed in interleaved rounds."""
    return next(load_sessions(latency_records(timings, "-")))
