"""Records are stored completely: each measurement once, and no line is lost to two writers or to a killed one."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from benchmark.core.errors import InputError
from benchmark.core.records import RECORD_SCHEMA, RECORDS, Record, append_record, load_records, provenance, select


def record(subject: str = "package/net", value: float = 1.0, version: int = 1) -> Record:
    return Record(
        kind="cost",
        subject=subject,
        dataset="mpii",
        metric="counts",
        setting={"input": "256x256"},
        versions={"cost": version},
        value=value,
        **provenance("a command"),
    )


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = replace(record(), interval=(0.5, 1.5), seed=1, n=3)
    assert append_record(written, tmp_path)
    assert load_records(tmp_path) == {written.id: written}


def test_the_same_measurement_is_kept_once_whatever_it_gave(tmp_path: Path) -> None:
    assert append_record(record(value=1.0), tmp_path)
    assert not append_record(record(value=2.0), tmp_path)
    assert [r.value for r in load_records(tmp_path).values()] == [1.0]


def test_a_new_version_of_the_instrument_is_another_measurement(tmp_path: Path) -> None:
    append_record(record(version=1), tmp_path)
    assert append_record(record(version=2), tmp_path)
    assert len(load_records(tmp_path)) == 2


def test_a_line_torn_by_a_kill_is_dropped_and_nothing_else(tmp_path: Path) -> None:
    append_record(record("a/whole"), tmp_path)
    path = tmp_path / "cost.jsonl"
    path.write_text(path.read_text() + path.read_text()[:100])
    assert [r.subject for r in load_records(tmp_path).values()] == ["a/whole"]
    append_record(record("b/next"), tmp_path)
    assert [r.subject for r in load_records(tmp_path).values()] == ["a/whole", "b/next"]


def _write(folder: Path, writer: int) -> None:
    for number in range(40):
        append_record(record(f"net/{number}", value=writer), folder)


def test_two_writers_lose_and_repeat_nothing(tmp_path: Path) -> None:
    writers = [multiprocessing.get_context("fork").Process(target=_write, args=(tmp_path, n)) for n in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(r.subject for r in load_records(tmp_path).values()) == sorted(f"net/{n}" for n in range(40))


def test_commands_on_record_name_no_folder_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["ablate", "sic", "--work", "/mnt/a", "--seeds", "3", "--cache=/mnt/b", "--out", "/mnt/c"])
    assert provenance()["command"].endswith(" sic --seeds 3")
    assert not any(f" {option}" in record.command for record in load_records().values() for option in ("--work", "--cache"))


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (lambda line: line.replace('"value": 1.0', '"value": 1.0, "extra": 2'), "not a record"),
        (lambda line: line.replace('"subject": "package/net"', '"subject": "other/net"'), "does not belong"),
        (lambda line: line[:-20] + "\n", "not a record"),
        (lambda line: line + line, "duplicate"),
    ],
)
def test_a_spoiled_file_is_refused_by_line(tmp_path: Path, edit, complaint: str) -> None:
    append_record(record(), tmp_path)
    path = tmp_path / "cost.jsonl"
    path.write_text(edit(path.read_text()))
    with pytest.raises(InputError, match=rf"cost\.jsonl:\d: .*{complaint}"):
        load_records(tmp_path)


def test_every_committed_record_fits_the_schema() -> None:
    lines = [line for path in RECORDS.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert lines
    adapter = TypeAdapter(Record)
    for line in lines:
        fields = json.loads(line)
        stored_id, schema = fields.pop("id"), fields.pop("schema")
        assert schema == RECORD_SCHEMA
        assert adapter.validate_json(json.dumps(fields), strict=True).id == stored_id


def test_select_reads_fields_and_what_the_setting_holds() -> None:
    small, large = record(), replace(record(), setting={"input": "384x288"})
    records = {each.id: each for each in (small, large)}
    assert select(records, kind="cost", input="384x288") == [large]
    assert select(records.values(), subject="package/net") == [small, large]
    assert select(records, setting={"input": "256x256"}, seed=None) == [small]
    assert select(records, input="1x1") == []
