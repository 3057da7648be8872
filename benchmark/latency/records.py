"""Convert the timings of a run to records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmark.config.identities import latency_identity, latency_subject
from benchmark.core.records import Record, provenance
from benchmark.core.statistics import round_digits
from benchmark.latency.timer import Timing

MAX_SAMPLES = 400  # raw samples in one record; if there are more, only the median of each round is stored


def latency_records(timings: Sequence[Timing], command: str | None = None, *, run: int = 1) -> list[Record]:
    """Return the records of models timed in interleaved rounds, one per model.

    The value is the median of all calls; the samples hold the time by every estimator, and readers choose.

    Args:
        run: Number of the run, from 1.
    """
    origin = provenance(command)
    together = [latency_subject(timing.setting.model) for timing in timings]
    records = []
    for timing in timings:
        estimates = {name: round_digits(1e3 * seconds) for name, seconds in timing.estimates.items()}
        samples = {
            "estimates": estimates,
            "memory": timing.memory,
            "stable": timing.stable,
            "parts": {part: round_digits(1e3 * seconds) for part, seconds in timing.part_medians.items()},
            "seconds": _thin_samples(timing.rounds),
            "cpu_seconds": _thin_samples(timing.cpu),
        }
        identity = latency_identity(timing.setting, timing.device, together=together, run=run)
        environment = {**origin["environment"], **timing.environment}
        record = Record(**identity, value=estimates["median"], n=timing.rounds.size, samples=samples, **origin)
        records.append(replace(record, environment=environment))
    return records


def _thin_samples(rounds: np.ndarray) -> list[list[float]]:
    samples = rounds if rounds.size <= MAX_SAMPLES else np.median(rounds, axis=1, keepdims=True)
    return [[round_digits(seconds) for seconds in row] for row in samples]
