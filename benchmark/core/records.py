"""Permanent records of measurements: one JSON object per line under ``reports/records``, one file per kind.

A record's id is a hash of what was measured, not of the result, so that a measurement that is already on record can be
found and skipped. :mod:`benchmark.config.identities` defines the identifying fields of each kind. Files are append-only: a line
is written under a lock and synced. A line that a crash cut off has no newline, and the next writer drops it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from benchmark.core.errors import InputError
from benchmark.core.files import lock_file, writing

# POSE_RECORDS keeps a user's own measurements apart from the committed ones.
RECORDS = Path(os.environ.get("POSE_RECORDS") or Path(__file__).parents[2] / "reports" / "records")
RECORD_SCHEMA = 2
NOT_APPLICABLE = "-"
PLACES = ("--work", "--cache", "--out")  # options that no command on record has


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, kw_only=True)
class Record:
    """One measurement.

    Attributes:
        kind: Kind of measurement, which is also the name of the file.
        subject: A model's id, a package, a part of the suite, or ``mean pose``.
        protocol: Test protocol, if there is one.
        setting: Everything else that identifies the measurement, by name; see :mod:`benchmark.config.identities`.
        versions: Instruments, and the model, that the value depends on, with their versions at the time.
        device: Name of the processor, for timed values only.
        value: A number, or an object of whole-number counts.
        n: Number of people, images or samples that the value is computed from.
        interval: 95 % interval.
        samples: Raw samples and details, which are not part of the identity.
    """

    kind: str
    subject: str
    dataset: str = NOT_APPLICABLE
    split: str = NOT_APPLICABLE
    protocol: str = NOT_APPLICABLE
    metric: str
    setting: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, int]
    seed: int | None = None
    device: str | None = None
    value: Any
    n: int | None = None
    interval: tuple[float, float] | None = None
    samples: Any = None
    command: str
    environment: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
    time: str = ""

    @property
    def id(self) -> str:
        """The content hash of what was measured."""
        return record_id({name: getattr(self, name) for name in IDENTITY})


IDENTITY = ("kind", "subject", "dataset", "split", "protocol", "metric", "setting", "versions", "seed", "device")
_DEFAULTS = {"dataset": NOT_APPLICABLE, "split": NOT_APPLICABLE, "protocol": NOT_APPLICABLE, "setting": {}}


def record_id(identity: Mapping[str, Any]) -> str:
    """Return the id of the record with this identity: a hash of 12 hexadecimal digits."""
    complete = dict.fromkeys(IDENTITY) | _DEFAULTS | dict(identity)
    return hashlib.sha256(json.dumps(complete, sort_keys=True).encode()).hexdigest()[:12]


class Records(dict[str, Record]):
    """Records by id that are not changed any more, so that :func:`select` can find them by kind and subject."""

    @cached_property
    def by_kind(self) -> Mapping[str, list[Record]]:
        """The records of each kind."""
        groups: dict[str, list[Record]] = {}
        for record in self.values():
            groups.setdefault(record.kind, []).append(record)
        return groups

    @cached_property
    def by_subject(self) -> Mapping[tuple[str, str], list[Record]]:
        """The records of each kind and subject."""
        groups: dict[tuple[str, str], list[Record]] = {}
        for record in self.values():
            groups.setdefault((record.kind, record.subject), []).append(record)
        return groups


def select(records: Mapping[str, Record] | Iterable[Record], **fields: Any) -> list[Record]:
    """Return the records that have these values in all ``fields``: identifying fields, or keys of the setting."""
    chosen: Iterable[Record] = records.values() if isinstance(records, Mapping) else records
    if isinstance(records, Records) and "kind" in fields:
        if "subject" in fields:
            chosen = records.by_subject.get((fields.pop("kind"), fields.pop("subject")), ())
        else:
            chosen = records.by_kind.get(fields.pop("kind"), ())
    chosen = list(chosen)
    for name, value in fields.items():  # one field after another, as most records drop out at the first
        if name in IDENTITY:
            chosen = [record for record in chosen if getattr(record, name) == value]
        else:
            chosen = [record for record in chosen if record.setting.get(name) == value]
    return chosen


def load_records(folder: Path = RECORDS) -> dict[str, Record]:
    """Load all records, by id; a folder that does not exist has none.

    Raises:
        InputError: A line is not a record; the message names file and line.
    """
    records: dict[str, Record] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for number, record in _lines(path):
            if record.id in records:
                raise InputError(f"{path}:{number}: duplicate record {record.id}")
            records[record.id] = record
    return records


@cache
def _record_type() -> TypeAdapter[Record]:
    return TypeAdapter(Record)


def _lines(path: Path) -> Iterator[tuple[int, Record]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    complete = text[: text.rfind("\n") + 1]  # a crash cut off any text after the last newline
    for number, line in enumerate(complete.splitlines(), 1):
        try:
            data = json.loads(line)
            stored_id = data.pop("id")
            if data.pop("schema") != RECORD_SCHEMA:
                raise ValueError(f"schema {RECORD_SCHEMA} expected")
            record = _record_type().validate_python(data)
            if not isinstance(record.value, int | float | dict):
                raise ValueError(f"value: {record.value!r} is neither a number nor an object")
            if record.id != stored_id:
                raise ValueError(f"id {stored_id} does not belong to this content")
        except ValidationError as problem:
            field_name, message = problem.errors()[0]["loc"][0], problem.errors()[0]["msg"]
            raise InputError(f"{path}:{number}: not a record: {field_name}: {message}") from None
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise InputError(f"{path}:{number}: not a record: {problem}") from None
        yield number, record


def append_record(record: Record, folder: Path = RECORDS) -> bool:
    """Append a record to ``<kind>.jsonl``; return False if its id is there already.

    Safe under several writers (a lock) and under ``kill -9`` (one synced write of one line).

    Raises:
        InputError: the line cannot be written as a whole; nothing is left of it.
    """
    path = folder / f"{record.kind}.jsonl"
    with lock_file(path, wait=True), writing(path), open(path, "a+b", buffering=0) as file:
        file.seek(0)
        content = file.read()
        end = content.rfind(b"\n") + 1
        if end != len(content):
            file.truncate(end)
        if f'{{"id": "{record.id}"'.encode() in content[:end]:
            return False
        line = format_line(record).encode()
        try:
            while line:  # a full disk takes a part first
                line = line[file.write(line) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise
    return True


def format_line(record: Record) -> str:
    """Format a record as a line of its file; fields that are None are left out."""
    fields = {name: value for name, value in asdict(record).items() if value is not None}
    return json.dumps({"id": record.id, "schema": RECORD_SCHEMA, **fields}, ensure_ascii=False, allow_nan=False) + "\n"


def provenance(command: str | None = None) -> dict[str, Any]:
    """Return a new record's origin: environment, commit, command and time (UTC)."""
    return {
        "environment": _environment(),
        "commit": _commit(),
        "command": command or shlex.join(["python", "-m", *_module(), *_without_places(sys.argv[1:])]),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _without_places(arguments: Sequence[str]) -> list[str]:
    """Leave out the folders of this machine that decide only where a run keeps its files."""
    repeated: list[str] = []
    words = iter(arguments)
    for word in words:
        if word in PLACES:
            next(words, None)
        elif not word.startswith(tuple(f"{option}=" for option in PLACES)):
            repeated.append(word)
    return repeated


def _module() -> list[str]:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return [spec.name.removesuffix(".__main__")] if spec else []


@cache
def _environment() -> dict[str, Any]:
    environment: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    if torch := sys.modules.get("torch"):
        environment |= {"torch": torch.__version__, "threads": torch.get_num_threads()}
    return environment


@cache
def _commit() -> str:
    completed = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True)
    return completed.stdout.strip()
