"""Group the records of architecture searches, and compare searched with random architectures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmark.analysis.judgement import Judgement, Pair, judge_pairs, learning_obstacle
from benchmark.analysis.runs import can_be_compared, difference_of_runs, mean_pose_accuracy, points_factor
from benchmark.config.identities import describe_setting
from benchmark.config.packages import known_searches
from benchmark.config.searches import RANDOM, SEARCHED
from benchmark.core.inference import Estimate
from benchmark.core.records import Record, select
from benchmark.papers.expressions import evaluate_expression
from benchmark.papers.tables import load_papers


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


class SearchEffect(NamedTuple):
    """The accuracy of searched architectures minus that of random ones, in percentage points.

    Attributes:
        difference: Difference of the means over seeds; None without a seed that has both.
        estimate: The difference over people and seeds; None with fewer than two seeds.
        seeds: Number of seeds that have both.
        printed: The paper's difference; None if it prints none.
        judgement: Whether the measured direction agrees with the printed one.
    """

    difference: float | None
    estimate: Estimate | None
    seeds: int
    printed: float | None
    judgement: Judgement


def search_groups(records: Mapping[str, Record]) -> list[SearchGroup]:
    """Group the records of searches by package, config, cost and device."""
    groups: dict[tuple[str, str, int, str, str | None], dict[str, list[Record]]] = {}
    for record in select(records, kind="search"):
        setting = record.setting
        if record.subject not in known_searches() or setting["strategy"] not in (SEARCHED, RANDOM):  # it no longer exists
            continue
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


def search_effects(groups: Sequence[SearchGroup], records: Mapping[str, Record]) -> list[SearchEffect]:
    """Compare the searched with the random architectures of every group, and judge the groups as one family."""
    runs = [_paired_runs(group, records) for group in groups]
    pairs = [_pair(group, first, second, records) for group, (first, second) in zip(groups, runs, strict=True)]
    return [
        SearchEffect(_difference(first, second), pair.estimate, len(first), pair.printed, judgement)
        for (first, second), pair, judgement in zip(runs, pairs, judge_pairs(pairs), strict=True)
    ]


def printed_search_difference(package: str, config: str) -> float | None:
    """Return the paper's difference, searched minus random; None if it prints none or the config no longer exists."""
    known = known_searches().get(package, {}).get(config)
    if known is None or not known.printed:
        return None
    return float(evaluate_expression(known.printed, load_papers()[package], load_papers()).value)


def _paired_runs(group: SearchGroup, records: Mapping[str, Record]) -> tuple[list[Record], list[Record]]:
    """Return the accuracies of the searched and of the random architectures, of the seeds that have both."""
    searched, random = (
        {end.seed: records.get(end.samples["accuracy"]) for end in group.ends.get(strategy, ())}
        for strategy in (SEARCHED, RANDOM)
    )
    pairs = [(searched[seed], random[seed]) for seed in sorted(searched.keys() & random.keys(), key=str)]
    complete = [(first, second) for first, second in pairs if first and second]
    return [first for first, _ in complete], [second for _, second in complete]


def _difference(first: Sequence[Record], second: Sequence[Record]) -> float | None:
    if not first:
        return None
    factor = points_factor(first[0].dataset)
    return factor * (sum(run.value for run in first) - sum(run.value for run in second)) / len(first)


def _pair(group: SearchGroup, first: Sequence[Record], second: Sequence[Record], records: Mapping[str, Record]) -> Pair:
    printed = printed_search_difference(group.package, group.config)
    if not first:
        return Pair(run=False, estimate=None, printed=printed, obstacles=())
    floor = mean_pose_accuracy(first[0].metric, records, dataset=first[0].dataset, split=first[0].split)
    estimate = difference_of_runs(first, second) if len(first) > 1 and can_be_compared(first, second) else None
    obstacles = [
        "one seed" if len(first) == 1 else "" if estimate else "the runs have no replicates over the same people",
        *(learning_obstacle(name, runs, floor) for name, runs in ((SEARCHED, first), (RANDOM, second))),
        f"no learning-rate check of {SEARCHED} and {RANDOM}",  # no command tries rates for an architecture that was found
    ]
    return Pair(run=True, estimate=estimate, printed=printed, obstacles=tuple(dict.fromkeys(filter(None, obstacles))))
