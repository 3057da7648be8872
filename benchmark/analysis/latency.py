"""Compare networks that were timed together: sessions from records, ratios, orders, repeatability.

A session is a set of models timed in interleaved rounds under one setting on one device. Records hold the time of each model
and, for all but the first, its ratio to the first in each round. The ratio of any two models follows from these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from benchmark.config.identities import MILLISECONDS, RATIO
from benchmark.config.latency import Setting
from benchmark.core.records import Record, select
from benchmark.core.statistics import kendall_tau, median_with_interval

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Session:
    """Models timed in interleaved rounds.

    Attributes:
        device: Name of the processor.
        setting: Setting that all models share; its ``model`` is empty.
        first: Model that ratios refer to.
        repeat: ``once`` or ``again`` if the set was timed twice, else empty.
        unstable: Some times vary more than is accepted by default.
        rounds: By model, its time relative to the first's, one value per round ``[R]``.
        times: By model, milliseconds: median, 10th and 90th percentile.
    """

    device: str
    setting: Setting
    first: str
    repeat: str
    unstable: bool
    rounds: Mapping[str, np.ndarray]
    times: Mapping[str, tuple[float, float, float]]

    def ratio(self, model: str, reference: str) -> tuple[float, Interval]:
        """Return the ratio of a model's time to that of a reference model, with its 95 % interval over rounds."""
        return median_with_interval(self.rounds[model] / self.rounds[reference])


def load_sessions(records: Iterable[Record]) -> Iterator[Session]:
    """Iterate over all sets of two or more models that were timed together."""
    latencies = select(records, kind="latency")
    times: dict[tuple[str, Setting, str, str], tuple[float, float, float]] = {}
    # Unstable times come first, so that stable ones of the same setting replace them.
    for record in sorted(select(latencies, metric=MILLISECONDS), key=lambda record: record.setting["unstable"], reverse=True):
        timed_as = (record.device or "", Setting.of(record.setting), record.setting["repeat"], record.subject)
        times[timed_as] = (record.value, record.samples["p10"], record.samples["p90"])
    # Ratios to the same model that one command wrote at one time belong together.
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in select(latencies, metric=RATIO):
        setting = Setting.of(record.setting)
        written = record.time, record.command
        key = (record.device or "", setting, record.setting["repeat"], record.setting["to"], *written)
        groups.setdefault(key, []).append(record)

    def order(group: tuple[tuple[Any, ...], list[Record]]) -> tuple[str, ...]:
        device, setting, *others = group[0]
        return (device, setting.label, *others)

    for (device, setting, repeat, first, *_), ratios in sorted(groups.items(), key=order):
        rounds = {first: np.ones(len(ratios[0].samples["rounds"]))}
        rounds |= {r.subject: np.array(r.samples["rounds"]) for r in sorted(ratios, key=lambda record: record.subject)}
        yield Session(
            device=device,
            setting=setting,
            first=first,
            repeat=repeat,
            unstable=any(record.setting["unstable"] for record in ratios),
            rounds=rounds,
            times={m: times[device, setting, repeat, m] for m in rounds if (device, setting, repeat, m) in times},
        )


def excludes_one(interval: Interval) -> bool:
    """Return whether the interval of a ratio excludes 1."""
    return interval[0] > 1 or interval[1] < 1


class Repeatability(NamedTuple):
    """Agreement of two measurements of the same models.

    Attributes:
        pairs: Pairs of models whose ratio excludes 1 in both measurements.
        kept: Those of ``pairs`` that have the same order in both.
        tau: Kendall's tau of the two orders by time; None if it is undefined.
        spread: By model, its time in the second measurement over that in the first.
    """

    pairs: tuple[tuple[str, str], ...]
    kept: tuple[tuple[str, str], ...]
    tau: float | None
    spread: Mapping[str, float]


def compare_sessions(first: Session, second: Session) -> Repeatability:
    """Compare two sessions by the models that both have."""
    common = [model for model in first.rounds if model in second.rounds]
    pairs, kept = [], []
    for a, b in combinations(common, 2):
        (first_ratio, first_interval), (second_ratio, second_interval) = first.ratio(a, b), second.ratio(a, b)
        if excludes_one(first_interval) and excludes_one(second_interval):
            pairs.append((a, b))
            if (first_ratio > 1) == (second_ratio > 1):
                kept.append((a, b))
    orders = [[float(np.median(session.rounds[model])) for model in common] for session in (first, second)]
    spread = {m: second.times[m][0] / first.times[m][0] for m in common if m in first.times and m in second.times}
    return Repeatability(tuple(pairs), tuple(kept), kendall_tau(*orders), spread)
