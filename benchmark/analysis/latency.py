"""Compare networks that were timed together: sessions from records, ratios, orders, repeatability.

A session is a set of models timed in interleaved rounds under one setting on one device. Records keep each model's times, and
for each but the first its ratio to the first, round by round; the ratio of any two follows from those two.
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
        device: The processor's name.
        setting: The setting that all share; its model is empty.
        first: The model that ratios refer to.
        repeat: ``once`` or ``again`` of a set that was measured twice, else empty.
        unstable: Some times scatter more than is accepted by default.
        rounds: The time of each model relative to the first's, one value per round ``[R]``.
        times: Milliseconds of each model: median, 10th and 90th percentile.
    """

    device: str
    setting: Setting
    first: str
    repeat: str
    unstable: bool
    rounds: Mapping[str, np.ndarray]
    times: Mapping[str, tuple[float, float, float]]

    def ratio(self, one: str, other: str) -> tuple[float, Interval]:
        """Return how many times as long ``one`` takes as ``other``, with the 95 % interval over rounds."""
        return median_with_interval(self.rounds[one] / self.rounds[other])


def load_sessions(records: Iterable[Record]) -> Iterator[Session]:
    """Iterate over all sets of two or more models that were timed together."""
    timed = select(records, kind="latency")
    times: dict[tuple[str, Setting, str, str], tuple[float, float, float]] = {}
    # Stable times replace unstable ones of the same setting.
    for record in sorted(select(timed, metric=MILLISECONDS), key=lambda record: record.setting["unstable"], reverse=True):
        timed_as = (record.device or "", Setting.of(record.setting), record.setting["repeat"], record.subject)
        times[timed_as] = (record.value, record.samples["p10"], record.samples["p90"])
    # Ratios to the same model that one command wrote at one time belong together.
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in select(timed, metric=RATIO):
        setting = Setting.of(record.setting)
        key = (record.device or "", setting.label, record.setting["repeat"], record.setting["to"], record.time + record.command)
        groups.setdefault(key, []).append(record)
    for (device, _, repeat, first, _), ratios in sorted(groups.items(), key=lambda item: item[0]):
        setting = Setting.of(ratios[0].setting)
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
    """Whether a ratio's interval leaves out 1."""
    return interval[0] > 1 or interval[1] < 1


class Repeatability(NamedTuple):
    """How two measurements of the same set agree."""

    pairs: tuple[tuple[str, str], ...]  # those whose ratio leaves out 1 both times
    kept: tuple[tuple[str, str], ...]  # those of them that keep their order
    tau: float | None  # of the two orders by time
    spread: Mapping[str, float]  # each model's second time over its first


def compare_sessions(one: Session, other: Session) -> Repeatability:
    """Compare two sessions of the same models; what only one of them has is left out."""
    common = [model for model in one.rounds if model in other.rounds]
    pairs, kept = [], []
    for a, b in combinations(common, 2):
        (before, low), (after, high) = one.ratio(a, b), other.ratio(a, b)
        if excludes_one(low) and excludes_one(high):
            pairs.append((a, b))
            if (before > 1) == (after > 1):
                kept.append((a, b))
    orders = [[float(np.median(s.rounds[model])) for model in common] for s in (one, other)]
    spread = {m: other.times[m][0] / one.times[m][0] for m in common if m in one.times and m in other.times}
    return Repeatability(tuple(pairs), tuple(kept), kendall_tau(*orders), spread)
