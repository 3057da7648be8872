"""The report is built whatever its records rest on; those of models that no longer exist are ignored and counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.config.identities import current_records, is_removed
from benchmark.core.record_types import KINDS
from benchmark.core.records import RECORDS, Record, append_records, load_records, select
from benchmark.report.build import build_report


def stale(record: Record) -> Iterator[Record]:
    """Iterate over records like one, each with one thing that does not exist."""
    package, setting = record.subject.split("/")[0], record.setting
    subjects = (f"{record.subject}+gone=1", f"{package}/gone", "gone/gone", "gone", f"{package}/file:gone-00000000")
    changes: list[dict[str, Any]] = [{"subject": subject} for subject in subjects]
    changes += [{name: "gone"} for name in ("dataset", "split", "protocol", "metric", "device")]
    changes += [{"dataset": "synthetic-gone"}, {"seed": 987}, {"versions": {**record.versions, "gone": 1}}]
    for name, value in setting.items():
        if name != "input":
            changed = {str: "gone", int: 999, list: ["gone"], dict: {"gone": 1}, float: 0.001}.get(type(value), value)
            changes.append({"setting": {**setting, name: changed}})
    changes += [{"setting": {**setting, "input": "999x999"}}] * ("input" in setting)
    yield from (replace(record, **change) for change in changes)


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Record]:
    """Stale records, by id, in a store beside the committed ones."""
    for path in RECORDS.glob("*.jsonl"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    current = current_records(load_records())
    examples = [select(current, kind=kind)[index] for kind in KINDS if kind != "learning_rate" for index in (0, -1)]
    added = append_records((other for example in examples for other in stale(example)), tmp_path)
    monkeypatch.setattr("benchmark.report.build.load_records", lambda: load_records(tmp_path))
    stored = load_records(tmp_path)
    return {id_: stored[id_] for id_ in added}


def test_no_stale_record_stops_the_report(records: dict[str, Record], capsys: pytest.CaptureFixture[str]) -> None:
    assert {record.kind for record in records.values()} == KINDS.keys() - {"learning_rate"}
    files = build_report()
    assert files.keys() >= {path.name for path in RECORDS.parent.glob("*.*")}
    removed = [record for record in (*records.values(), *load_records().values()) if is_removed(record)]
    assert {record.kind for record in removed} >= {"accuracy", "cost", "evaluation", "feature_maps", "latency", "training"}
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {len(removed)} records of models that no longer exist are ignored, such as those of ")


def test_what_no_longer_exists_is_not_current(records: dict[str, Record]) -> None:
    current = current_records(records)
    assert not any("gone" in record.versions or is_removed(record) for record in current.values())
    assert any(record.setting.get("recipe") == "gone" for record in current.values())  # of a user's recipe
