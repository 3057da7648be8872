"""Records come back as they were measured, each once; whatever else is in their files is one line that names its place."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.core import records as store
from benchmark.core.errors import InputError
from benchmark.core.files import data_root
from benchmark.core.record_lines import SCHEMA, format_line
from benchmark.core.record_types import KINDS
from benchmark.core.records import (
    RECORDS,
    Record,
    append_record,
    append_records,
    check_store,
    load_records,
    provenance,
    record_id,
    select,
    to_record,
)
from benchmark.core.statistics import pack_replicates, unpack_replicates

CASES = data_root().parent / "cases"
COUNTS = {"params": {"trainable": 1}, "flops": {"macs": 2}, "scopes": {}}


def record(subject: str = "package/net", value: int = 1, version: int = 1, **fields: Any) -> Record:
    identity = {"dataset": "mpii", "metric": "counts", "setting": {"input": "256x256"}, "versions": {"cost": version}}
    counts = COUNTS | {"params": {"trainable": value}}
    return Record(**{"kind": "cost", "subject": subject, "value": counts, **identity, **provenance("a command"), **fields})


def values(folder: Path) -> list[int]:
    return [r.value["params"]["trainable"] for r in load_records(folder).values()]


@pytest.fixture(scope="module")
def examples() -> dict[str, Record]:
    """One committed record of each kind; of learning rates, none is committed."""
    found = {kind: select(load_records(), kind=kind)[:1] for kind in KINDS}
    rate = replace(
        *found["mean_pose"],
        kind="learning_rate",
        value=0.1,
        interval=None,
        samples={"tried": [{"rate": 0.1, "diverges": True}]},
        setting={"recipe": "lsp", "recipe_version": 1},
    )
    return {kind: next(iter(records), rate) for kind, records in found.items()}


def unsealed(record: Record) -> dict[str, Any]:
    """Return a record as the schema before checksums had it."""
    fields = {name: value for name, value in asdict(record).items() if value is not None}
    return {"id": record.id, "schema": SCHEMA - 1, **fields}


def write_lines(folder: Path, *lines: str | bytes, kind: str = "cost") -> Path:
    path = folder / f"{kind}.jsonl"
    path.write_bytes(b"".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return path


# --- identity ----------------------------------------------------------------------------------------------------------------


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    written = replace(record(), interval=(0.5, 1.5), seed=1, n=3)
    assert append_record(written, tmp_path)
    assert load_records(tmp_path) == {written.id: written}


def test_the_same_measurement_is_kept_once_whatever_it_gave(tmp_path: Path) -> None:
    assert append_record(record(value=1), tmp_path)
    assert not append_record(record(value=2), tmp_path)
    assert append_records([record(value=3), record("b/net"), record("b/net", value=4)], tmp_path) == [record("b/net").id]
    assert values(tmp_path) == [1, 1]


def test_a_new_version_of_the_instrument_is_another_measurement(tmp_path: Path) -> None:
    append_record(record(version=1), tmp_path)
    assert append_record(record(version=2), tmp_path)
    assert len(load_records(tmp_path)) == 2


def test_commands_on_record_name_no_folder_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["ablate", "sic", "--work", "/mnt/a", "--seeds", "3", "--cache=/mnt/b", "--out", "/mnt/c"])
    assert provenance()["command"].endswith(" sic --seeds 3")
    assert not any(f" {option}" in record.command for record in load_records().values() for option in ("--work", "--cache"))


def test_only_changed_code_makes_a_commit_dirty(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments], cwd=tmp_path, check=True)

    (tmp_path / "reports" / "records").mkdir(parents=True)
    files = [tmp_path / name for name in ("README.md", "reports/records/cost.jsonl", "net.py")]
    for file in files:
        file.write_text("1\n")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "all")):
        git(*arguments)
    dirty = []
    for file in files:
        file.write_text("2\n")
        store._commit.cache_clear()
        dirty.append(store._commit(tmp_path).endswith("-dirty"))
    assert dirty == [False, False, True]


def test_without_git_a_variable_may_say_the_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for commit in ("", "0123456789ab"):
        monkeypatch.setenv("POSE_COMMIT", commit)
        store._commit.cache_clear()
        assert provenance("a command")["commit"] == commit
    store._commit.cache_clear()


def test_select_reads_fields_and_what_the_setting_holds(tmp_path: Path) -> None:
    small, large = record(), replace(record(), setting={"input": "384x288"})
    append_records([small, large, record("b/net")], tmp_path)
    stored = load_records(tmp_path)
    for records in ({each.id: each for each in (small, large)}, stored):
        assert select(records, kind="cost", subject="package/net", input="384x288") == [large]
        assert select(records, subject="package/net", versions={"cost": 1}, device=None) == [small, large]
        assert select(records, setting={"input": "256x256"}, subject="package/net", seed=None) == [small]
        assert select(records, input="1x1") == select(records, kind="latency") == select(records, seed=1) == []
    assert select(stored.values(), dataset="mpii") == select(stored, dataset="mpii") == list(stored.values())


# --- what a line may hold ----------------------------------------------------------------------------------------------------

SEPARATORS = [
    "\u2028",
    "\u2029",
    "\x85",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\r",
    "\n",
    "\r\n",
    "\x00",
    "\ufeff",
    "\U0010ffff",
]


@pytest.mark.parametrize("text", SEPARATORS, ids=ascii)
def test_only_a_newline_ends_a_line(tmp_path: Path, text: str) -> None:
    written = [replace(record(f"{text}a{text}"), command=f"--name a{text}b"), record("b/net")]
    append_records(written, tmp_path)
    assert list(load_records(tmp_path).values()) == written
    assert not append_record(written[0], tmp_path)


@pytest.mark.parametrize("name", [b"\xff.py", b"caf\xe9", b"\xf0\x9f", b"a\xed\xa0\x80b", b"\xc0\xaf", b"\x80\x81\x82"])
@pytest.mark.parametrize("place", ["command", "subject", "setting", "samples", "environment"])
def test_a_name_that_is_not_utf8_is_escaped_and_found_again(tmp_path: Path, name: bytes, place: str) -> None:
    text = os.fsdecode(name)
    fields: dict[str, Any] = {
        "command": {"command": f"--weights {text}"},
        "subject": {"subject": text},
        "setting": {"kind": "lookup", "setting": {"config": text, "input": "1x1", "joints": 1, "cost": "cpu", "model": ""}},
        "samples": {"kind": "lookup", "setting": {"config": "c", "input": "1x1", "joints": 1, "cost": "cpu", "model": ""}},
        "environment": {"environment": {"machine": text}},
    }[place]
    if "setting" in fields:
        fields |= {"value": 1.0, "samples": {"unit": "ms", "table": text}}
    written = replace(record(), **fields)
    assert append_record(written, tmp_path)
    assert not append_record(written, tmp_path)
    (read,) = load_records(tmp_path).values()
    assert read.id == written.id == record_id({name: getattr(read, name) for name in store.IDENTITY})
    assert "\\udc" in json.dumps(asdict(read), ensure_ascii=False)
    json.dumps(asdict(read), ensure_ascii=False).encode()  # can be shown on a page


def test_a_non_utf8_argument_is_recorded(tmp_path: Path) -> None:
    code = "import tests.core.test_records as t; written = t.record(command=t.provenance()['command'])"
    code += f"; print(t.append_record(written, t.Path({str(tmp_path)!r})))"
    run = subprocess.run(
        [sys.executable.encode(), b"-c", code.encode(), b"--weights", b"\xff.pth"], capture_output=True, text=True
    )
    assert (run.stdout, run.returncode) == ("True\n", 0), run.stderr
    assert [r.command for r in load_records(tmp_path).values()] == [r"python -m --weights '\udcff.pth'"]


LINES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a byte of Latin-1": (lambda line: line.replace(b"a command", b"caf\xe9"), "UTF-8"),
    "a surrogate": (lambda line: line.replace(b"a command", b"\\udcff"), "surrogate"),
    "deep nesting": (lambda line: line.replace(b'"a command"', b"[" * 100_000 + b"]" * 100_000), "depth"),
    "a torn line": (lambda line: line[:-20] + b"\n", "at character"),
    "two lines in one": (lambda line: line[:-1] + line, "at character"),
    "an empty line": (lambda line: b"\n" + line, "at character"),
    "a byte-order mark": (lambda line: b"\xef\xbb\xbf" + line, "at character"),
    "bytes of zero": (lambda line: bytes(100) + b"\n", "at character"),
    "a mark of a conflict": (lambda line: b"<<<<<<< HEAD\n" + line, "at character"),
    "another line ending": (lambda line: line[:-1] + b"\r\n", "checksum"),
    "an infinite number": (lambda line: line.replace(b'"trainable": 1', b'"trainable": 1e999'), "infinity"),
    "NaN": (lambda line: line.replace(b'"trainable": 1', b'"trainable": NaN'), "at character"),
    "a list": (lambda line: b"[]\n", "an object expected"),
    "null": (lambda line: b"null\n", "an object expected"),
    "no schema": (lambda line: b"{}\n", "schema 3 expected"),
    "an old schema": (lambda line: line.replace(b'"schema": 3', b'"schema": 1'), "schema 3 expected"),
    "a later schema": (lambda line: line.replace(b'"schema": 3', b'"schema": 4'), "schema 3 expected"),
    "a schema without checksum": (lambda line: line.replace(b'"schema": 3', b'"schema": 2'), "checksum: unknown field"),
    "no checksum": (lambda line: line.partition(b', "checksum"')[0] + b"}\n", "checksum"),
    "another checksum": (lambda line: line[:-4] + (b"1" if line[-4:-3] == b"0" else b"0") + line[-3:], "checksum"),
    "a value": (lambda line: line.replace(b'"trainable": 1', b'"trainable": 2'), "checksum"),
    "a space": (lambda line: line.replace(b'"value": ', b'"value":  '), "checksum"),
    "another subject": (lambda line: line.replace(b"package/net", b"other/net"), "checksum"),
    "another id": (lambda line: line.replace(line[8:20], b"000000000000"), "checksum"),
    "a field more": (lambda line: line.replace(b'"value": ', b'"extra": 2, "value": '), "checksum"),
    "the same record again": (lambda line: line + line, "duplicate record"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_spoiled_line_is_one_line_that_names_it(tmp_path: Path, name: str) -> None:
    append_record(record("a/net"), tmp_path)
    first = (tmp_path / "cost.jsonl").read_bytes()
    append_record(record(), tmp_path)
    line = (tmp_path / "cost.jsonl").read_bytes()[len(first) :]
    spoil, complaint = LINES[name]
    assert spoil(line) != line
    write_lines(tmp_path, first, spoil(line))
    number = 3 if name == "the same record again" else 2
    for call in (load_records, check_store):
        with pytest.raises(InputError, match=rf"cost\.jsonl:{number}: not a record: .*{complaint}") as raised:
            call(tmp_path)
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 400


def test_a_spoiled_store_is_one_line_and_status_2(tmp_path: Path) -> None:
    write_lines(tmp_path, format_line(record().id, asdict(record())).replace(b"a command", b"caf\xe9"))
    command = [sys.executable, "-m", "benchmark.report", "--check"]
    run = subprocess.run(command, env=os.environ | {"POSE_RECORDS": str(tmp_path)}, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: {tmp_path}/cost.jsonl:1: not a record: ")
    assert run.stderr.count("\n") == 1


def test_a_record_of_another_kind_or_what_is_no_file_is_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path, format_line(record().id, asdict(record())), kind="latency")
    with pytest.raises(InputError, match=r"latency\.jsonl:1: not a record: kind: 'cost' belongs into another file"):
        load_records(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=r"latency\.jsonl: not a file"):
        load_records(tmp_path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"latency\.jsonl: not a file"):
        load_records(tmp_path)


def test_no_byte_of_a_record_can_change_unnoticed(tmp_path: Path, examples: dict[str, Record]) -> None:
    generator = np.random.default_rng(0)
    for kind, example in examples.items():
        line = format_line(example.id, asdict(example))
        for position in generator.choice(len(line) - 1, 25, replace=False):
            flipped = bytearray(line)
            flipped[position] ^= 1 << generator.integers(8)
            with pytest.raises(InputError, match=rf"{kind}\.jsonl:1: not a record: "):
                load_records(write_lines(tmp_path, bytes(flipped), kind=kind).parent)
        (tmp_path / f"{kind}.jsonl").unlink()


@pytest.mark.skipif(not CASES.is_dir(), reason=f"no cases at {CASES}")
@pytest.mark.parametrize(
    "name", ["records/fsize", "records/latin", "records/surrogate", "records/torn", "records/u2028", "fuzz"]
)
def test_stores_that_once_failed_are_one_line(name: str) -> None:
    for path in (CASES / name).rglob("*.jsonl"):
        with pytest.raises(InputError, match=rf"{path}:\d+: not a record: "):
            load_records(path.parent)


# --- what each kind holds ----------------------------------------------------------------------------------------------------


def test_every_committed_record_fits_its_kind_and_has_a_checksum() -> None:
    lines = [line for path in RECORDS.glob("*.jsonl") for line in path.read_bytes().splitlines(keepends=True)]
    assert lines
    for line in lines:
        content = json.loads(line)
        del content["checksum"]
        read = to_record(content)
        assert read.id == content["id"]
        assert format_line(read.id, asdict(read)) == line


WRONG_VALUES = [None, {}, [], "1.5", "", True, [1.0], {"value": 1.0}, float("nan"), float("inf"), -float("inf")]


@pytest.mark.parametrize("value", WRONG_VALUES, ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_is_of_its_kind(tmp_path: Path, examples: dict[str, Record], kind: str, value: Any) -> None:
    if kind == "architecture" and value == {}:
        return  # a table of which nothing is built
    wrong = replace(examples[kind], value=value)
    with pytest.raises(InputError, match=rf"^not recorded: {kind} of {re.escape(wrong.subject)}, .*: (value|Out of range)"):
        append_records([examples[kind], wrong], tmp_path)
    assert not list(tmp_path.iterdir())
    write_lines(tmp_path, json.dumps(unsealed(wrong) | {"value": value}) + "\n", kind=kind)
    with pytest.raises(InputError, match=rf"{kind}\.jsonl:1: not a record: (value|.* at character)"):
        load_records(tmp_path)


def _changes(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """Return fields in which one thing is wrong that holds for all kinds."""
    wrong: list[dict[str, Any]] = [{"versions": {"cost": 1.5}}, {"versions": {"cost": "1"}}, {"versions": []}, {"subject": 1}]
    wrong += [
        {"seed": 0.5},
        {"seed": "0"},
        {"n": -1},
        {"n": "3"},
        {"interval": [1.0]},
        {"interval": [1.0, "2"]},
        {"command": None},
    ]
    wrong += [{"setting": []}, {"setting": {}}, {"environment": "x86"}]
    for name, value in fields["setting"].items():
        wrong.append({"setting": {**fields["setting"], name: [None]}})
        if isinstance(value, str) and "x" in value and value.replace("x", "").isdigit():
            sizes = ("256", "0x5", "256x256x3", "256 x 256", "-1x1", "1e3x1e3", "x")
            wrong += [{"setting": {**fields["setting"], name: size}} for size in sizes]
    samples = fields.get("samples")
    wrong += [{"samples": "text"}]
    if isinstance(samples, dict):
        known = (
            "digest",
            "replicates",
            "parts",
            "parts_ci95",
            "figures",
            "estimates",
            "seconds",
            "curves",
            "pairs",
            "tried",
            "cost",
        )
        wrong += [{"samples": {**samples, name: "text" if name != "digest" else 1}} for name in known if name in samples]
    if isinstance(samples, dict) and "replicates" in samples:
        packed = samples["replicates"]
        wrong += [
            {"samples": {**samples, "replicates": packed | change}}
            for change in ({"int16": "é"}, {"places": 99}, {"center": 0.5})
        ]
    return wrong


@pytest.mark.parametrize("kind", KINDS)
def test_fields_are_of_their_kind(tmp_path: Path, examples: dict[str, Record], kind: str) -> None:
    fields = unsealed(examples[kind])
    for change in _changes(fields):
        write_lines(tmp_path, json.dumps(fields | change) + "\n", kind=kind)
        with pytest.raises(InputError, match=rf"{kind}\.jsonl:1: not a record: {next(iter(change))}"):
            load_records(tmp_path)
    for name in set(fields) - {"seed", "device", "n", "interval", "samples", "schema"}:
        write_lines(tmp_path, json.dumps({key: value for key, value in fields.items() if key != name}) + "\n", kind=kind)
        with pytest.raises(InputError, match=rf"{kind}\.jsonl:1: not a record: {name}: [Ff]ield required"):
            load_records(tmp_path)


def test_a_record_of_no_kind_is_not_written_and_one_of_a_later_kind_is_read(tmp_path: Path) -> None:
    later = record(kind="weather", value=1.0)
    with pytest.raises(InputError, match=r"^not recorded: weather of package/net, counts: kind: 'weather' is unknown$"):
        append_record(later, tmp_path)
    write_lines(tmp_path, format_line(later.id, asdict(later)), kind="weather")
    assert load_records(tmp_path) == {later.id: later}


# --- the schema without checksums --------------------------------------------------------------------------------------------


def test_lines_without_checksum_that_are_appended_later_are_read(tmp_path: Path, examples: dict[str, Record]) -> None:
    """As by a copy of the project from before checksums."""
    for kind, example in examples.items():
        later, fields = replace(example, subject=f"{example.subject}-later"), {}
        if "replicates" in (example.samples or {}):
            replicates = unpack_replicates(example.samples["replicates"]).tolist()
            fields = {"samples": {**example.samples, "replicates": replicates}}
        append_record(example, tmp_path)
        with open(tmp_path / f"{kind}.jsonl", "a") as file:
            file.write(json.dumps({**unsealed(later), **fields}) + "\n")
        assert select(load_records(tmp_path), kind=kind) == [example, later]
        assert not append_record(later, tmp_path)
    other = tmp_path / "other"
    assert append_records(load_records(tmp_path).values(), other) == list(load_records(tmp_path))
    assert load_records(other) == load_records(tmp_path)
    assert b'"schema": 2' not in b"".join(path.read_bytes() for path in other.glob("*.jsonl"))


def test_a_line_without_checksum_has_the_id_of_its_content(tmp_path: Path) -> None:
    write_lines(tmp_path, json.dumps(unsealed(record()) | {"subject": "other/net"}) + "\n")
    with pytest.raises(InputError, match=r"cost\.jsonl:1: not a record: id \w+ does not belong to this content"):
        load_records(tmp_path)


# --- replicates --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "replicates",
    [
        np.random.default_rng(0).normal(70, 0.7, 1000).round(3),
        np.random.default_rng(1).normal(0.6, 0.01, 1000).round(4),
        np.array([0.0, 100.0, 50.001]).round(2),
        np.full(5, 88.4),
        np.array([1.5]),
        np.array([1.25, np.nan, 1.5]),
        np.full(3, np.nan),
        np.array([-12.5, 12.5]),
    ],
    ids=range(8),
)
def test_packed_replicates_are_those_that_were_measured(replicates: np.ndarray) -> None:
    packed = json.loads(json.dumps(pack_replicates(replicates)))
    assert np.array_equal(unpack_replicates(packed), replicates, equal_nan=True)


def test_packed_replicates_are_small_and_rounded_by_little() -> None:
    replicates = np.random.default_rng(0).normal(70, 0.7, 1000)
    packed = pack_replicates(replicates)
    assert len(json.dumps(packed)) < 2750
    assert np.abs(unpack_replicates(packed) - replicates).max() < np.ptp(replicates) / 64_000 * 10
