"""Compare networks that were timed together, over separate runs: times, ratios, their intervals, and how well these hold.

A session is a set of models under one setting on one device. It was timed in several runs, each in new processes and in
interleaved rounds. A run gives one time of each model, and so one ratio of any two; values and intervals are taken over runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from math import comb, erf
from typing import Any, NamedTuple

import numpy as np

from benchmark.config.identities import MILLISECONDS
from benchmark.config.latency import MAX_RELATIVE_WIDTH, MIN_GAP, MIN_RUNS, Setting
from benchmark.core.records import Record, select
from benchmark.core.statistics import median_with_interval

Interval = tuple[float, float]


class Estimate(NamedTuple):
    """A value over separate runs.

    Attributes:
        value: The median over runs.
        interval: Its 95 % interval, by a bootstrap of runs; None with fewer than :data:`MIN_RUNS` runs.
        runs: Number of runs.
    """

    value: float
    interval: Interval | None
    runs: int

    @property
    def is_precise(self) -> bool:
        """True if the value passes the noise gate: it has an interval, at most a tenth of the value wide."""
        return self.interval is not None and self.interval[1] - self.interval[0] <= MAX_RELATIVE_WIDTH * self.value


def estimate_over_runs(values: np.ndarray) -> Estimate:
    """Return the median of ``[N]`` values, one per run, with its interval."""
    value, interval = median_with_interval(values)
    return Estimate(value, interval if len(values) >= MIN_RUNS else None, len(values))


@dataclass(frozen=True, kw_only=True)
class Session:
    """Models timed in interleaved rounds, in separate runs.

    Attributes:
        device: Name of the processor.
        setting: Setting that all models share; its ``model`` is empty.
        models: The models, in the order in which they were named.
        runs: For each run, the record of each model.
    """

    device: str
    setting: Setting
    models: tuple[str, ...]
    runs: tuple[Mapping[str, Record], ...]

    def milliseconds(self, model: str, estimator: str = "") -> np.ndarray:
        """Return the times of a model by an estimator, by default the setting's, one per run ``[N]``."""
        return np.array([run[model].samples["estimates"][estimator or self.setting.estimator] for run in self.runs])

    def time(self, model: str) -> Estimate:
        """Return the time of a model in milliseconds."""
        return estimate_over_runs(self.milliseconds(model))

    def ratio(self, model: str, reference: str) -> Estimate:
        """Return how many times as long a model takes as a reference model."""
        return estimate_over_runs(self.milliseconds(model) / self.milliseconds(reference))

    @property
    def occupancy(self) -> np.ndarray:
        """The share of their time in which calls had the processor, one per run ``[N]``: median CPU time over wall clock."""
        ratios = [self.milliseconds(m, "median of CPU time") / self.milliseconds(m, "median") for m in self.models]
        return np.median(ratios, axis=0)

    def shares(self, model: str) -> dict[str, float]:
        """Return the share of each part of a pipeline in its time, the median over runs; empty for the network alone."""
        parts = [run[model].samples["parts"] for run in self.runs]
        return {part: float(np.median([of_run[part] / sum(of_run.values()) for of_run in parts])) for part in parts[0]}


def load_sessions(records: Mapping[str, Record] | Iterable[Record]) -> Iterator[Session]:
    """Iterate over all sets of models that were timed together, in the order of devices and settings."""
    groups: dict[tuple[Any, ...], dict[int, dict[str, Record]]] = {}
    for record in select(records, kind="latency", metric=MILLISECONDS):
        key = (record.device or "", Setting.of(record.setting), tuple(record.setting["together"]))
        groups.setdefault(key, {}).setdefault(record.setting["run"], {})[record.subject] = record
    for (device, setting, together), by_number in sorted(groups.items(), key=lambda group: (group[0][0], group[0][1].label)):
        # Only models whose version is the present one still have records.
        models = tuple(model for model in together if any(model in run for run in by_number.values()))
        yield Session(device=device, setting=setting, models=models, runs=tuple(_separate_runs(models, by_number)))


def _separate_runs(models: tuple[str, ...], by_number: Mapping[int, Mapping[str, Record]]) -> Iterator[Mapping[str, Record]]:
    """Iterate over the runs that have all models and are at least :data:`MIN_GAP` later than the one before."""
    last = None
    for _, run in sorted(by_number.items()):
        ended = datetime.fromisoformat(next(iter(run.values())).time)
        if len(run) == len(models) and (last is None or (ended - last).total_seconds() >= MIN_GAP):
            last = ended
            yield run


def decides_order(ratio: Estimate) -> bool:
    """Return whether a ratio says which of two is longer: it passes the noise gate, and its interval excludes 1."""
    return ratio.is_precise and ratio.interval is not None and not ratio.interval[0] <= 1 <= ratio.interval[1]


# --- what is repeatable ------------------------------------------------------------------------------------------------------


class Spread(NamedTuple):
    """Standard deviations between runs over the mean, in percent: the median and the maximum over networks, and over pairs."""

    times: tuple[float, float]
    ratios: tuple[float, float]


def spread_between_runs(session: Session, estimator: str) -> Spread:
    """Return how much times and ratios differ between the runs of a session, which are at least two of two models."""

    def summarise(values: Iterable[np.ndarray]) -> tuple[float, float]:
        spreads = [100 * float(of_runs.std(ddof=1) / of_runs.mean()) for of_runs in values]
        return float(np.median(spreads)), max(spreads)

    times = {model: session.milliseconds(model, estimator) for model in session.models}
    return Spread(summarise(times.values()), summarise(times[a] / times[b] for a, b in combinations(session.models, 2)))


class Coverage(NamedTuple):
    """Frequency with which an interval holds what a repeat gives.

    Attributes:
        pairs: Number of ratios of two models.
        covered: Number of those whose repeat lies in the interval.
        runs: Number of runs in the repeat.
        exact: Expected share if the intervals are right. It is less than 95 %, as the repeat varies, too.
    """

    pairs: int
    covered: int
    runs: int
    exact: float


def coverage_over_runs(session: Session) -> Coverage | None:
    """Count how often the interval over the first :data:`MIN_RUNS` runs holds the median of the later ones.

    The repeat is an odd number of runs, at most as many as the first. None without later runs.
    """
    later = min(len(session.runs) - MIN_RUNS, MIN_RUNS)
    if later < 1:
        return None
    later -= 1 - later % 2
    first = replace(session, runs=session.runs[:MIN_RUNS])
    again = replace(session, runs=session.runs[MIN_RUNS : MIN_RUNS + later])
    pairs = list(combinations(session.models, 2))
    intervals = [first.ratio(*pair).interval or (0.0, 0.0) for pair in pairs]
    covered = _count_inside(intervals, [again.ratio(*pair).value for pair in pairs])
    return Coverage(len(pairs), covered, later, exact_coverage(MIN_RUNS, later))


def exact_coverage(runs: int, later: int) -> float:
    """Return the probability that the range of five runs holds the median of an odd number of later ones, if all are alike.

    The interval of the median of five runs is their range. All orders of first and later runs are equally probable; the median
    lies below the range if more than half of the later runs lie below all first ones.
    """
    below = comb(runs + later - (later + 1) // 2, runs) / comb(runs + later, runs)
    return 1 - 2 * below


def coverage_over_rounds(session: Session) -> Coverage:
    """Count how often a run's interval over its rounds holds the ratio of the next run, by medians of the wall clock.

    The exact share is that of two normally distributed values of equal variance.
    """
    pairs = list(combinations(session.models, 2))
    covered = 0
    for run, following in zip(session.runs, session.runs[1:], strict=False):
        first, again = (
            [median_with_interval(_by_round(of_run[a]) / _by_round(of_run[b])) for a, b in pairs] for of_run in (run, following)
        )
        covered += _count_inside([interval for _, interval in first], [ratio for ratio, _ in again])
    return Coverage(len(pairs) * (len(session.runs) - 1), covered, 1, erf(1.96 / 2))


def _by_round(record: Record) -> np.ndarray:
    """Return the median call of each round, ``[R]`` seconds."""
    return np.median(np.array(record.samples["seconds"]), axis=1)


def _count_inside(intervals: Iterable[Interval], values: Iterable[float]) -> int:
    return sum(low <= value <= high for (low, high), value in zip(intervals, values, strict=True))
