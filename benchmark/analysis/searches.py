"""Group the records of architecture searches, and compare searched with random architectures."""

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
    """The searches of a package by one config, for one kind of cost on one device.

    Attributes:
        package: Name of the package.
        config: Name of the config.
        label: Config and cost in words.
        device: Name of the processor that costs were measured on; None for operations.
        ends: By strategy, one record per seed.
    """

    package: str
    config: str
    label: str
    device: str | None
    ends: Mapping[str, Sequence[Record]]

    @property
    def file(self) -> str:
        """Name of the figure below ``reports/figures``."""
        name = f"search-{self.package}-{self.label}-{self.device or ''}".lower()
        return re.sub(r"[^a-z0-9_]+", "-", name).strip("-") + ".svg"


def search_groups(records: Mapping[str, Record]) -> list[SearchGroup]:
    """Group the records of searches by package, config, cost and device."""
    groups: dict[tuple[str, str, int, str, str | None], dict[str, list[Record]]] = {}
    for record in select(records, kind="search"):
        setting = record.setting
        key = (record.subject, setting["config"], setting["config_version"], setting["cost"], record.device)
        groups.setdefault(key, {}).setdefault(setting["strategy"], []).append(record)
    return [
        SearchGroup(
            package=package,
            config=config,
            label=describe_setting(next(iter(by_strategy.values()))[0]),
            device=device,
            ends={strategy: sorted(runs, key=lambda run: run.seed or 0) for strategy, runs in by_strategy.items()},
        )
        for (package, config, _, _, device), by_strategy in sorted(groups.items(), key=str)
    ]


def search_difference(
    group: SearchGroup, records: Mapping[str, Record]
) -> tuple[float | None, tuple[float, float] | None, int]:
    """Compare the accuracies of the searched and the random architectures.

    Returns:
        The difference, searched minus random, in points; its 95 % interval over people and seeds, or over people alone with
        one seed; and the number of seeds that have both. ``(None, None, 0)`` if an accuracy is missing.
    """
    searched, random = ({run.seed: run for run in group.ends.get(strategy, ())} for strategy in (SEARCHED, RANDOM))
    seeds = sorted(searched.keys() & random.keys(), key=str)
    searched_ids, random_ids = ([runs[seed].samples["accuracy"] for seed in seeds] for runs in (searched, random))
    if not seeds or not records.keys() >= {*searched_ids, *random_ids}:
        return None, None, 0
    first, second = ([records[id_] for id_ in ids] for ids in (searched_ids, random_ids))
    difference, interval = compare_runs(first, second)
    if len(seeds) == 1:
        interval = percentile_interval(np.array(first[0].samples["replicates"]) - np.array(second[0].samples["replicates"]))
    return difference, interval, len(seeds)
