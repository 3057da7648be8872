"""Rewrite the store of records from schema 1 to schema 2, once: ``python -m benchmark.migrate_records``.

Schema 1 kept what identifies a measurement in the words of ``protocol`` and ``metric``, and one sum of versions. Each line is
parsed here for the last time and written by the identities of today; every instrument that a record rests on had version 1
when it was measured (counting had version 2), which is what the old sums state, and all still have it. Readings of unspecific
values become objects. Values, samples, commands, commits and times stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmark.config import identities
from benchmark.config.latency import Setting
from benchmark.core.records import RECORDS, Record, format_line

SETTING = re.compile(
    r"(?P<input>\d+x\d+), (?P<joints>\d+) joints, batch (?P<batch>\d+), (?P<device>cpu|cuda), (?P<threads>\d+) threads?, "
    r"(?P<layout>\w+), (?P<backend>\w+), (?P<part>\w+)(?P<unstable>, noisy)?"
)
LABEL = re.compile(r"(?:trained by )?(?P<recipe>\S+) (?P<version>\d+) from (?P<start>[^;]+)(?:; (?P<rest>.*))?")


def recipe_of(old: dict[str, Any], name: str, version: int, protocol: str) -> Any:
    """Return what identities read of a recipe."""
    train = tuple(tuple(pair.split("/")) for pair in old["split"].split("+")) if old["kind"] == "training" else ()
    return SimpleNamespace(
        name=name, version=version, protocol=protocol, test=(old["dataset"], old["split"]), train=train or (("", ""),)
    )


def training(old: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the recipe and the setting of a label such as ``trained by lsp 1 from scratch; rate x2``."""
    match = LABEL.fullmatch(old["protocol"])
    assert match, old["protocol"]
    parts = match["rest"].split("; ") if match["rest"] else []
    overrides, rate = {}, 1.0
    for part in parts:
        name, _, value = part.partition(" ")
        if name == "rate":
            rate = float(value.removeprefix("x"))
        else:
            overrides[name] = value
    protocol = overrides.get("protocol", "lsp")
    if old["subject"].startswith("efficientpose/"):
        protocol = "efficientpose"
    recipe = recipe_of(old, match["recipe"], int(match["version"]), protocol)
    return recipe, identities.training_setting(recipe, match["start"], overrides, rate)


def identity_of(old: dict[str, Any]) -> dict[str, Any]:
    """Return the identity of a record of schema 1 in schema 2."""
    kind, subject, metric, protocol = old["kind"], old["subject"], old["metric"], old["protocol"]
    if kind == "cost":
        return identities.cost_identity(subject, old["dataset"], protocol)
    if kind == "architecture":
        return identities.description_identity(subject, protocol, metric)
    if kind == "accuracy" and subject == identities.MEAN_POSE:
        match = re.fullmatch(r"of (\d+) persons; recipe (\S+) (\d+)", protocol)
        assert match
        return identities.mean_pose_identity(recipe_of(old, match[2], int(match[3]), "lsp"), int(match[1]), metric)
    if kind == "accuracy" and protocol.startswith("trained by "):
        recipe, setting = training(old)
        return identities.accuracy_identity(subject, recipe, setting, metric, old["seed"])
    if kind == "accuracy":
        name, _, over = metric.partition(" over ")
        return identities.evaluation_identity(subject, old["dataset"], old["split"], protocol, name, over=over)
    if kind == "training":
        recipe, setting = training(old)
        return identities.training_identity(subject, recipe, setting, old["seed"])
    if kind == "maps":
        recipe, setting = training(old)
        name, _, where = metric.partition(" of ")
        module, _, epoch = where.rpartition(", epoch ")
        return identities.feature_map_identity(subject, recipe, setting, name, module, int(epoch), old["seed"])
    if kind == "agreement":
        augmentation, size, kept = protocol.split(", ")
        resolution = float(kept.removeprefix("cache of density ")) if kept.startswith("cache of") else None
        route = subject.partition("/")[2]
        return identities.agreement_identity(route, metric, augmentation, size, resolution, old["seed"])
    if kind == "latency":
        match = SETTING.fullmatch(protocol)
        assert match
        fields = {
            key: int(value) if value.isdigit() else value for key, value in match.groupdict().items() if key != "unstable"
        }
        repeat = next((word for word in ("once", "again") if metric.endswith(" " + word)), "")
        name = metric.removesuffix(" " + repeat) if repeat else metric
        to = name.removeprefix("ratio to ") if name.startswith("ratio to ") else ""
        return identities.latency_identity(
            Setting.of(fields, subject),
            "ratio" if to else name,
            old["device"],
            unstable=bool(match["unstable"]),
            repeat=repeat,
            to=to,
        )
    if kind == "search" and protocol.startswith("lookup of "):
        match = re.fullmatch(r"lookup of scale (\S+), (\S+), (\d+) joints, cost (\w+)", protocol)
        assert match
        model = metric.removeprefix("cost of ") if metric.startswith("cost of ") else ""
        cost: Any = match[4]
        return identities.lookup_identity(subject, match[1], match[2], int(match[3]), cost, old["device"] or "", model)
    if kind == "search":
        match = re.fullmatch(r"scale (\S+) (\d+), cost (\w+)", protocol)
        assert match
        name, _, strategy = metric.partition(", ")
        retrain = SimpleNamespace(protocol="lsp")
        config: Any = SimpleNamespace(
            name=match[1], version=int(match[2]), recipe=recipe_of(old, "", 1, "lsp"), retrain=retrain
        )
        chosen: Any = strategy
        kind_of_cost: Any = match[3]
        return identities.search_identity(subject, config, kind_of_cost, chosen, name, old["device"] or "", old["seed"])
    raise ValueError(kind)


def readings(value: dict[str, Any]) -> dict[str, Any]:
    """Return readings as objects."""

    def reading(text: str, number: float) -> dict[str, Any]:
        words, _, convention = text.rpartition(", ")
        network, against, other = words.partition(" against ")
        pair = {"network": network, "against": other} if against else {}
        return {"reading": words, **pair, "convention": convention, "value": number}

    return {cell: [reading(*pair) for pair in pairs] for cell, pairs in value.items()}


def migrated(old: dict[str, Any]) -> Record:
    """Return a record of schema 1 as one of schema 2."""
    value = readings(old["value"]) if old["kind"] == "architecture" and old["metric"] == "readings" else old["value"]
    kept = {name: old[name] for name in ("n", "interval", "samples", "command", "environment", "commit", "time")}
    return Record(**identity_of(old), value=value, **kept)


def old_records(folder: Path) -> Iterator[dict[str, Any]]:
    """Iterate over the lines of all files."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            data = json.loads(line)
            assert data["schema"] == 1, path
            yield data


def main(folder: Path = RECORDS) -> None:
    """Rewrite the store."""
    pairs = [(old, migrated(old)) for old in old_records(folder)]
    ids = {old["id"]: record.id for old, record in pairs}
    assert len(set(ids.values())) == len(ids), "two records became one"
    for path in folder.glob("*.jsonl"):
        path.unlink()
    for _, record in pairs:
        if record.kind == "search":  # a search names the record of its network's accuracy
            record.samples["accuracy"] = ids[record.samples["accuracy"]]
        with open(folder / f"{record.kind}.jsonl", "a", encoding="utf-8") as file:
            file.write(format_line(record))
    print(f"{len(ids)} records rewritten")


if __name__ == "__main__":
    main()
