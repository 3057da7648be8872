"""Timed figures as records, and what follows from models that took turns: ratios, orders, repeatability, printed times.

A session is a set of models that took turns under one setting on one device. Records keep each model's times, and for each but
the first its ratio to the first, round by round; the ratio of any two follows from those two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from benchmark.config.identities import latency_version
from benchmark.config.latency import UNSTABLE_MARK, Setting
from benchmark.core.records import Record
from benchmark.core.statistics import kendall_tau, median_with_interval

MILLISECONDS, RATIO = "milliseconds", "ratio to "
ONCE, AGAIN = " once", " again"  # end the metrics of a set that was measured twice

Interval = tuple[float, float]


# --- sessions ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Session:
    """Models that took turns. ``rounds``: the time of each model relative to the first's, one value a round ``[R]``;
    ``times``: milliseconds, with the 10th and 90th percentile. ``setting`` has no model."""

    device: str
    setting: Setting
    first: str
    ending: str  # ONCE or AGAIN of a set that was measured twice
    noisy: bool
    rounds: Mapping[str, np.ndarray]
    times: Mapping[str, tuple[float, float, float]]

    def ratio(self, one: str, other: str) -> tuple[float, Interval]:
        """How many times as long ``one`` takes as ``other``, with the 95 % interval over rounds."""
        return median_with_interval(self.rounds[one] / self.rounds[other])


def load_sessions(found: Iterable[Record]) -> Iterator[Session]:
    """All sets of two models or more that took turns, from their records; of an older instrument or network, none."""
    timed = [r for r in found if r.kind == "latency" and r.version == latency_version(r.subject)]
    times: dict[tuple[str, str, str, str], tuple[float, float, float]] = {}
    together: dict[tuple[str, str, str, str, str], list[Record]] = {}
    for record in sorted(
        timed, key=lambda r: r.protocol.endswith(UNSTABLE_MARK), reverse=True
    ):  # clean figures replace noisy ones
        setting = record.protocol.removesuffix(UNSTABLE_MARK)
        ending = next((ending for ending in (ONCE, AGAIN) if record.metric.endswith(ending)), "")
        metric = record.metric.removesuffix(ending)
        if metric == MILLISECONDS:
            percentiles = (record.samples["p10"], record.samples["p90"])
            times[record.device or "", setting, ending, record.subject] = (record.value, *percentiles)
        elif metric.startswith(RATIO):
            key = (record.device or "", setting, ending, metric.removeprefix(RATIO), record.time + record.command)
            together.setdefault(key, []).append(record)
    for (device, text, ending, first, _), ratios in sorted(together.items(), key=lambda item: item[0]):
        cell = Setting.parse(text)
        if cell is None:
            continue
        rounds = {first: np.ones(len(ratios[0].samples["rounds"]))}
        rounds |= {r.subject: np.array(r.samples["rounds"]) for r in sorted(ratios, key=lambda r: r.subject)}
        yield Session(
            device=device,
            setting=cell,
            first=first,
            ending=ending,
            noisy=any(r.protocol.endswith(UNSTABLE_MARK) for r in ratios),
            rounds=rounds,
            times={model: known for model in rounds if (known := times.get((device, text, ending, model)))},
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
