"""No record is lost, doubled or half-written, whatever ends a writer; a store of any size is quickly loaded and appended to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmark.core import record_ids, record_lines
from benchmark.core import records as store
from benchmark.core.errors import InputError
from benchmark.core.record_ids import ids_path
from benchmark.core.record_lines import format_line
from benchmark.core.records import append_record, append_records, check_store, load_records
from tests.core.test_records import record
from tests.full_disk import file_size_limit


def whole_lines(folder: Path) -> list[bytes]:
    return [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines(keepends=True)]


# --- a last line without newline ---------------------------------------------------------------------------------------------


def test_a_line_torn_by_a_kill_is_said_and_replaced_wherever_it_was_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cost.jsonl"
    first, second, other = record("a/net"), record("b/net"), record("c/net")
    whole, torn, third = (format_line(r.id, asdict(r)) for r in (first, second, other))
    for length in range(1, len(torn) - 1, 7):
        path.write_bytes(whole + torn[:length])
        assert list(load_records(tmp_path)) == [first.id]
        assert f"{path}:2: writing was cut off in this line" in capsys.readouterr().err
        assert append_record(other, tmp_path)
        assert path.read_bytes() == whole + third
        assert append_record(second, tmp_path)
        assert path.read_bytes() == whole + third + torn
        assert len(load_records(tmp_path)) == 3
        assert not capsys.readouterr().err


@pytest.mark.parametrize(
    "tail", [b"\0" * 5000, b"{", b'{"id": "' + b"x" * 200_000], ids=["zeros", "one byte", "longer than a block"]
)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_whatever_a_crash_leaves_behind_the_last_newline_is_replaced(tmp_path: Path, tail: bytes, count: int) -> None:
    written = [record(f"{number}/net") for number in range(count)]
    lines = b"".join(format_line(r.id, asdict(r)) for r in written)
    (tmp_path / "cost.jsonl").write_bytes(lines + tail)
    assert list(load_records(tmp_path).values()) == written
    added = record()
    assert append_record(added, tmp_path)
    assert list(load_records(tmp_path).values()) == [*written, added]
    assert (tmp_path / "cost.jsonl").read_bytes().startswith(lines)


def test_a_whole_last_line_without_newline_is_kept_and_completed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    append_records([record("a/net"), record("b/net")], tmp_path)
    path = tmp_path / "cost.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    assert len(load_records(tmp_path)) == 2
    assert f"{path}:2: the last line has no newline; the next record adds it" in capsys.readouterr().err
    assert not append_record(record("b/net"), tmp_path)
    assert append_record(record("c/net"), tmp_path)
    assert [r.subject for r in load_records(tmp_path).values()] == ["a/net", "b/net", "c/net"]
    assert path.read_bytes().endswith(b"\n")
    path.write_bytes(path.read_bytes().replace(b'"trainable": 1', b'"trainable": 7')[:-1])
    with pytest.raises(InputError, match=r"cost\.jsonl:1: not a record: its checksum"):
        load_records(tmp_path)


# --- space and rights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [0, 1, 100, 700, 1300])
def test_a_short_write_leaves_the_file_as_it_was(tmp_path: Path, extra: int) -> None:
    append_record(record("a/net"), tmp_path)
    path = tmp_path / "cost.jsonl"
    before, batch = path.read_bytes(), [record(f"{number}/net") for number in range(5)]
    with file_size_limit(len(before) + extra), pytest.raises(InputError, match=f"^{path}: cannot be written: File too large$"):
        append_records(batch, tmp_path)
    assert path.read_bytes() == before
    assert append_records(batch, tmp_path) == [r.id for r in batch]
    assert len(load_records(tmp_path)) == 6


def test_a_store_that_cannot_be_written_is_noticed_before(tmp_path: Path) -> None:
    append_records([record(f"{number}/net") for number in range(20)], tmp_path)
    path = tmp_path / "cost.jsonl"
    size = path.stat().st_size
    check_store(tmp_path)
    with file_size_limit(size + 1000), pytest.raises(InputError, match=f"^{tmp_path}: cannot be written: File too large$"):
        check_store(tmp_path)
    with file_size_limit(size + 5000):
        check_store(tmp_path)
    assert path.stat().st_size == size
    (tmp_path / "latency.jsonl").mkdir()
    with pytest.raises(InputError, match=r"latency\.jsonl: not a file"):
        check_store(tmp_path)
    with pytest.raises(InputError, match=f"^{path}: cannot be written: {path} is a file, not a folder$"):
        check_store(path)
    check_store(tmp_path / "new" / "store")
    assert not (tmp_path / "new").exists()


# --- several writers, and kills ----------------------------------------------------------------------------------------------

WRITER = """
import signal, sys
from pathlib import Path
from benchmark.core.records import append_records
from tests.core.test_records import record
folder, writer, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it runs in the background
print("ready", flush=True)
for number in range(count):
    mine, shared = record(f"writer-{writer}/{number}"), record(f"shared/{number}", value=writer)
    print(*append_records([mine, shared], folder), flush=True)
"""


def start_writer(folder: Path, writer: int, count: int) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", WRITER, str(folder), str(writer), str(count)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_several_writers_lose_and_repeat_nothing(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, number, 30) for number in range(3)]
    said = [id_ for writer in writers for id_ in writer.communicate()[0].split()]
    records = load_records(tmp_path)
    assert sorted(said) == sorted(records)
    assert len(records) == len(whole_lines(tmp_path)) == 3 * 30 + 30


def kill_writers(folder: Path, kills: int, sign: signal.Signals) -> None:
    """Kill pairs of writers after ever more time, and check that what they said they wrote is there, once."""
    said: set[str] = set()
    for kill in range(kills):
        writers = [start_writer(folder, 2 * kill + number, 10_000) for number in range(2)]
        time.sleep(0.02 * (kill % 10))
        for writer in writers:
            writer.send_signal(sign)
        for writer in writers:
            output = writer.communicate()[0]
            said.update(output[: output.rfind("\n") + 1].split())
        records = load_records(folder)
        assert said <= records.keys()
        assert len(records) <= len(whole_lines(folder)) <= len(records) + 1
    assert append_record(record("last/net"), folder)
    assert len(load_records(folder)) == len(whole_lines(folder))


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_writer_loses_nothing_that_it_said_it_wrote(tmp_path: Path, sign: signal.Signals) -> None:
    kill_writers(tmp_path, 3, sign)


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_fifty_killed_pairs_of_writers_lose_nothing(tmp_path: Path, sign: signal.Signals) -> None:
    kill_writers(tmp_path, 50, sign)


def test_a_reader_beside_a_writer_sees_whole_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer, seen = start_writer(tmp_path, 0, 200), 0
    while writer.poll() is None:
        number = len(load_records(tmp_path))
        assert number >= seen
        seen = number
    assert writer.stdout
    writer.stdout.close()
    assert len(load_records(tmp_path)) == 400
    assert not capsys.readouterr().err


# --- the ids beside a file ---------------------------------------------------------------------------------------------------


def test_a_file_is_read_once_for_its_ids_and_again_when_something_else_changed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reads = record_ids._read_ids, []
    monkeypatch.setattr(record_ids, "_read_ids", lambda path: (reads.append(path), read(path))[1])
    for number in range(5):
        assert append_record(record(f"{number}/net"), tmp_path)
    assert len(reads) == 1
    path, other = tmp_path / "cost.jsonl", record("merged/net")
    path.write_bytes(format_line(other.id, asdict(other)) + path.read_bytes())  # as a merge does
    assert not append_record(other, tmp_path)
    assert not append_record(record("4/net"), tmp_path)
    assert append_record(record("5/net"), tmp_path)
    assert len(reads) == 2
    path.write_bytes(b"".join(whole_lines(tmp_path)[:2]))  # as going back to an earlier commit does
    assert append_record(record("5/net"), tmp_path)
    assert len(load_records(tmp_path)) == 3


@pytest.mark.parametrize("damage", ["text", "empty", "missing", "half"])
def test_damaged_ids_are_no_loss(tmp_path: Path, damage: str) -> None:
    append_records([record(f"{number}/net") for number in range(300)], tmp_path)
    path = ids_path(tmp_path / "cost.jsonl")
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"text": b"no database" * 100, "empty": b"", "half": content[: len(content) // 2]}[damage])
    assert not append_record(record("299/net"), tmp_path)
    assert append_record(record("300/net"), tmp_path)
    assert not append_record(record("300/net"), tmp_path)
    assert len(load_records(tmp_path)) == len(whole_lines(tmp_path)) == 301


# --- load --------------------------------------------------------------------------------------------------------------------


def test_only_new_lines_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append_records([record(f"{number}/net") for number in range(50)], tmp_path)
    parsed: list[bytes] = []
    monkeypatch.setattr(store, "parse_identity", lambda line: (parsed.append(line), record_lines.parse_identity(line))[1])
    assert len(load_records(tmp_path)) == 50
    assert len(parsed) == 50
    assert len(load_records(tmp_path)) == 50
    append_record(record("50/net"), tmp_path)
    parsed.clear()
    assert len(load_records(tmp_path)) == 51
    assert len(parsed) == 1
    path = tmp_path / "cost.jsonl"
    for change in (b'"trainable": 7', b'"trainable": 77'):  # as long, and longer
        path.write_bytes(path.read_bytes().replace(b'"trainable": 1', change, 1))
        with pytest.raises(InputError, match=r"cost\.jsonl:1: not a record: its checksum"):
            load_records(tmp_path)
        path.write_bytes(path.read_bytes().replace(change, b'"trainable": 1', 1))
        assert len(load_records(tmp_path)) == 51


def test_a_file_that_is_replaced_while_its_records_are_used_is_named(tmp_path: Path) -> None:
    append_records([record("a/net"), record("b/net")], tmp_path)
    records = load_records(tmp_path)
    path = tmp_path / "cost.jsonl"
    path.write_bytes(b"".join(reversed(whole_lines(tmp_path))))
    with pytest.raises(InputError, match=r"cost\.jsonl:\d: not a record: the file was replaced while it was used"):
        records[record("a/net").id]


@pytest.mark.slow
def test_a_store_of_100_000_records_is_loaded_reported_and_appended_to_within_its_bounds(tmp_path: Path) -> None:
    """A tenth of the bound of a million records, 20 s of processor and 1 GB, beside the 5 s and 0.2 GB of any report."""
    from tests.bench.generated_records import write_store

    write_store(tmp_path / "store", 100_000)
    code = "import resource, sys; from benchmark.report.build import build_report; build_report()"
    code += "; usage = resource.getrusage(resource.RUSAGE_SELF); print(usage.ru_utime, usage.ru_maxrss / 1e6)"
    environment = os.environ | {"POSE_RECORDS": str(tmp_path / "store")}
    output = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    seconds, gigabytes = map(float, output.split())
    assert seconds < 2 * (5 + 2)  # twice, as other processes slow this one
    assert gigabytes < 0.3
    append_record(record("first/net"), tmp_path / "store")
    before = time.process_time()
    for number in range(20):
        assert append_record(record(f"{number}/net"), tmp_path / "store")
    assert (time.process_time() - before) / 20 < 0.01
