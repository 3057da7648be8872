"""Group the records of searches and compare searched with random architectures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmark.analysis.effects import compare_runs
from benchmark.config.identities import describe_setting
from benchmark.config.searches import RANDOM, SEARCHED
from benchmark.core.records import Record, select
from benchmark.core.statistics import percentile_interval


class SearchGroup(NamedTuple):
    """The searches of a package by one config for one cost on one device: by strategy, one record per seed."""

    package: str
    config: str
    label: str
    device: str | None
    ends: Mapping[str, Sequence[Record]]

    @property
    def file(self) -> str:
        """The figure's name below ``reports/figures``."""
        name = f"search-{self.package}-{self.label}-{self.device or ''}".lower()
        return re.sub(r"[^a-z0-9_]+", "-", name).strip("-") + ".svg"


def search_groups(records: Mapping[str, Record]) -> list[SearchGroup]:
    """Group the records of searches by package, config, cost and device."""
    groups: dict[tuple[str, str, str, str | None], dict[str, list[Record]]] = {}
    for record in select(records, kind="search"):
        key = (record.subject, record.setting["config"], describe_setting(record), record.device)
        groups.setdefault(key, {}).setdefault(record.setting["strategy"], []).append(record)
    return [
        SearchGroup(*key, {strategy: sorted(runs, key=lambda run: run.seed or 0) for strategy, runs in ends.items()})
        for key, ends in sorted(groups.items(), key=str)
    ]


def search_difference(
    group: SearchGroup, records: Mapping[str, Record]
) -> tuple[float | None, tuple[float, float] | None, int]:
    """Searched less random in points, its 95 % interval over persons and seeds (of one seed over persons alone), and how many
    seeds have both."""
    by_seed = [{record.seed: record for record in group.ends.get(end, ())} for end in (SEARCHED, RANDOM)]
    both = sorted(by_seed[0].keys() & by_seed[1].keys(), key=str)
    sides = [[records.get(own[seed].samples["accuracy"]) for seed in both] for own in by_seed]
    ours, theirs = ([record for record in side if record is not None] for side in sides)
    if not both or len(ours) != len(both) or len(theirs) != len(both):
        return None, None, 0
    value, interval = compare_runs(ours, theirs)
    if len(both) == 1:
        replicates = np.array(ours[0].samples["replicates"]) - np.array(theirs[0].samples["replicates"])
        interval = percentile_interval(replicates)
    return value, interval, len(both)
