"""Permanent records of measurements: one JSON object per line under :func:`records_folder`, one file per kind.

A record's id is a hash of what was measured, not of the result, so that a measurement that is already on record can be
found and skipped. :mod:`benchmark.config.identities` defines the identifying fields of each kind. Files are append-only: lines
are written under a lock and synced. The remains of a line that a kill cut off have no newline, and the next writer drops them.
"""

from __future__ import annotations

import fcntl
import gc
import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson
from tqdm import tqdm

from benchmark.core.errors import InputError, print_note, print_warning
from benchmark.core.files import check_output_folder, checkout, lock_file, user_folder, writing
from benchmark.core.record_ids import find_recorded, remember_recorded
from benchmark.core.record_lines import UNSEALED_SCHEMA, escape_surrogates, format_line, is_whole, parse_identity, parse_line
from benchmark.core.record_types import KINDS, check_fields


def records_folder() -> Path:
    """Return the folder of the records: that of POSE_RECORDS, which keeps a user's own apart from the committed ones.

    By default it is ``reports/records`` of the checkout, or the user's own folder where the suite was installed from a wheel.
    """
    if named := os.environ.get("POSE_RECORDS"):
        return Path(named)
    project = checkout()
    return project / "reports" / "records" if project else user_folder(".local/share") / "records"


RECORDS = records_folder()
NOT_APPLICABLE = "-"
_BLOCK = 65536
PLACES = ("--work", "--cache", "--out")  # options that no command on record has


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Header:
    """Fields of an identity that many records of different subjects have in common."""

    kind: str
    dataset: str
    split: str
    protocol: str
    metric: str
    versions: Mapping[str, int]
    device: str | None


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
        value: A number, or an object of counts or descriptions; see :mod:`benchmark.core.record_types`.
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
    def header(self) -> Record:
        """The record itself: only those in files share a :class:`Header`."""
        return self

    @property
    def id(self) -> str:
        """The content hash of what was measured."""
        return record_id({name: getattr(self, name) for name in IDENTITY})


IDENTITY = ("kind", "subject", "dataset", "split", "protocol", "metric", "setting", "versions", "seed", "device")
_DEFAULTS = {"dataset": NOT_APPLICABLE, "split": NOT_APPLICABLE, "protocol": NOT_APPLICABLE, "setting": {}}


def record_id(identity: Mapping[str, Any]) -> str:
    """Return the id of the record with this identity: a hash of 12 hexadecimal digits."""
    complete = dict.fromkeys(IDENTITY) | _DEFAULTS | dict(identity)
    text = json.dumps(complete, sort_keys=True)
    if "\\ud" in text:
        text = json.dumps(escape_surrogates(complete), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Records(Mapping[str, Record]):
    """Records by id. Those of a file are read again whenever they are asked for, so that a million fit into memory."""

    def __init__(self, entries: Mapping[str, Record | StoredRecord]) -> None:
        self.entries = entries

    def __getitem__(self, id_: str) -> Record:
        entry = self.entries[id_]
        return entry if isinstance(entry, Record) else entry.read(id_)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, id_: object) -> bool:
        return id_ in self.entries

    @cached_property
    def groups(self) -> Mapping[str, Mapping[str, Mapping[int, _Group]]]:
        """The records by kind, subject and header."""
        groups: dict[str, dict[str, dict[int, _Group]]] = {}
        for id_, entry in self.entries.items():
            of_subject = groups.setdefault(entry.kind, {}).setdefault(entry.subject, {})
            group = of_subject.get(id(entry.header)) or of_subject.setdefault(id(entry.header), _Group(entry.header, {}))
            group.by_seed.setdefault(entry.seed, []).append(id_)
        return groups

    def where(self, condition: Callable[[Record | StoredRecord], bool]) -> Records:
        """Return the records that fulfil a condition, which only looks at subject and header."""
        examples = {(entry.subject, id(entry.header)): entry for entry in self.entries.values()}
        chosen = {key for key, entry in examples.items() if condition(entry)}
        return Records({id_: entry for id_, entry in self.entries.items() if (entry.subject, id(entry.header)) in chosen})


class _Group(NamedTuple):
    """The ids of the records of a header, by seed."""

    header: Record | Header
    by_seed: dict[int | None, list[str]]


def indexed(records: Mapping[str, Record]) -> Records:
    """Return the records in a form that :func:`select` searches by kind and subject, instead of one by one."""
    return records if isinstance(records, Records) else Records(records)


def select(records: Mapping[str, Record] | Iterable[Record], **fields: Any) -> list[Record]:
    """Return the records that have these values in all ``fields``: identifying fields, or keys of the setting."""

    def matches(entry: Record | StoredRecord, names: Iterable[str]) -> bool:
        return all((getattr(entry, name) if name in IDENTITY else entry.setting.get(name)) == fields[name] for name in names)

    if not isinstance(records, Records):
        return [record for record in (records.values() if isinstance(records, Mapping) else records) if matches(record, fields)]

    # Leave out whole groups first, as most records are in others.
    groups: list[Any] = [records.groups]
    for name in ("kind", "subject"):
        if name in fields:
            groups = [group[fields[name]] for group in groups if fields[name] in group]
        else:
            groups = [inner for group in groups for inner in group.values()]
    in_header = [name for name in fields if name in Header.__slots__]
    others = [name for name in fields if name not in Header.__slots__]
    ids: list[str] = []
    for group in (group for of_subject in groups for group in of_subject.values()):
        if all(getattr(group.header, name) == fields[name] for name in in_header):
            seeds = group.by_seed.values() if "seed" not in fields else [group.by_seed.get(fields["seed"], [])]
            ids += (id_ for of_seed in seeds for id_ in of_seed if not others or matches(records.entries[id_], others))
    return [records[id_] for id_ in ids]


# --- reading -----------------------------------------------------------------------------------------------------------------


class StoredRecord:
    """A line of a file of records: where it stands, and what identifies it."""

    __slots__ = ("header", "path", "seed", "setting", "size", "start", "subject")

    def __init__(self, path: Path, start: int, size: int, fields: Mapping[str, Any], shared: _Shared) -> None:
        self.path, self.start, self.size = path, start, size
        self.subject: str = shared.value(fields["subject"])
        self.setting: Mapping[str, Any] = shared.value(fields["setting"])
        self.seed: int | None = fields.get("seed")
        self.header = shared.header(fields)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.header, name)

    @lru_cache(maxsize=4096)  # noqa: B019 - one that many pages show is read once
    def read(self, id_: str) -> Record:
        """Read the record.

        Raises:
            InputError: a field is not of its type, or the file was replaced since it was loaded.
        """
        try:
            data = parse_line(_read_bytes(self.path, self.start, self.size))
            if data["id"] != id_:
                raise ValueError("the file was replaced while it was used")
            # What it has in common with others is kept once.
            return to_record(data | {"setting": self.setting, "versions": self.header.versions})
        except (ValueError, KeyError) as problem:
            number = _read_bytes(self.path, 0, self.start).count(b"\n") + 1
            raise InputError(f"{self.path}:{number}: not a record: {problem}") from None


def _read_bytes(path: Path, start: int, size: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, size, start)
    finally:
        os.close(descriptor)


class _Shared:
    """Values that many records have in common, once."""

    def __init__(self) -> None:
        self.values: dict[Any, Any] = {}

    def header(self, fields: Mapping[str, Any]) -> Header:
        """Return the header of a record's fields."""
        kind, dataset, split, protocol, metric = (fields[name] for name in Header.__slots__[:5])
        device, versions = fields.get("device"), self.value(fields["versions"])
        key = kind, dataset, split, protocol, metric, device, id(versions)
        if key not in self.values:
            names = {"kind": kind, "dataset": dataset, "split": split, "protocol": protocol, "metric": metric}
            self.values[key] = Header(**names, device=device, versions=versions)
        return self.values[key]

    def value(self, value: Any) -> Any:
        """Return an equal value that was seen before, or else this one."""
        return self.values.setdefault(value if isinstance(value, str) else orjson.dumps(value), value)


class _RecordFile:
    """A file of records, as far as it was read."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise InputError(f"{path}: not a file")
        self.path, self.kind = path, path.stem
        self.entries: dict[str, StoredRecord] = {}
        self.end = self.lines = 0
        self.status = os.stat(path)
        self.last_line = b""

    def is_continued(self) -> bool:
        """Return whether the file at the path is the one that was read, with nothing but new lines since."""
        status = os.stat(self.path)
        if not os.path.samestat(status, self.status) or not self.last_line.endswith(b"\n"):
            return False
        if status.st_size <= self.end:
            return (status.st_size, status.st_mtime_ns) == (self.end, self.status.st_mtime_ns)
        return _read_bytes(self.path, self.end - len(self.last_line), len(self.last_line)) == self.last_line

    def read_new_lines(self, shared: _Shared, bar: tqdm) -> None:
        """Read the lines that were added since the last call.

        Args:
            shared: What the records read so far have in common.

        Raises:
            InputError: a line is not a record, or is the second one of its id; file and line are named.
        """
        with open(self.path, "rb") as file:
            self.status = os.fstat(file.fileno())
            file.seek(self.end)
            for line in file:
                if not line.endswith(b"\n") and not (line := self._last_line(file)):
                    return
                try:
                    data = self._check(line)
                    if data["id"] in self.entries:
                        raise ValueError(f"duplicate record {data['id']}")
                    self.entries[data["id"]] = StoredRecord(self.path, self.end, len(line), data, shared)
                except KeyError as missing:
                    raise InputError(f"{self._place}: not a record: {missing.args[0]}: field required") from None
                except (ValueError, TypeError, AttributeError) as problem:
                    raise InputError(f"{self._place}: not a record: {problem}") from None
                self.last_line, self.end, self.lines = line, self.end + len(line), self.lines + 1
                bar.update(len(line))

    @property
    def _place(self) -> str:
        return f"{self.path}:{self.lines + 1}"

    def _last_line(self, file: BinaryIO) -> bytes:
        """Return a last line without newline if it is whole, and nothing if writing was cut off; either is printed."""
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(file, fcntl.LOCK_SH)  # another process may be writing it
        file.seek(self.end)
        line = file.readline()
        if line.endswith(b"\n"):
            return line
        if is_whole(line):
            print_warning(f"{self._place}: the last line has no newline; the next record adds it")
            return line
        print_warning(f"{self._place}: writing was cut off in this line, which is ignored; the next record replaces it")
        return b""

    def _check(self, line: bytes) -> dict[str, Any]:
        data = parse_identity(line)
        if data["kind"] != self.kind:
            raise ValueError(f"kind: {data['kind']!r} belongs into another file")
        # What has a checksum was checked before it was written.
        if data["schema"] == UNSEALED_SCHEMA and to_record(data).id != data["id"]:
            raise ValueError(f"id {data['id']} does not belong to this content")
        return data


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep Python from searching ever more records for cycles; there are none."""
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_enabled:
            gc.enable()


_files: dict[Path, _RecordFile] = {}  # of the folder that was read last


def load_records(folder: Path = RECORDS) -> Records:
    """Load all records, by id; a folder that does not exist has none. Only what is new since the last call is read.

    Raises:
        InputError: A line is not a record; the message names file and line.
    """
    paths = sorted(folder.glob("*.jsonl"))
    known = {path: file for path in paths if (file := _files.get(path)) and file.is_continued()}
    files = {path: known.get(path) or _RecordFile(path) for path in paths}
    _files.clear()
    size = sum(path.stat().st_size - file.end for path, file in files.items())
    shared = _Shared()
    bar = tqdm(total=size, desc="records", unit="B", unit_scale=True, delay=2, leave=False, disable=None)
    with bar, _without_collection():
        for file in files.values():
            file.read_new_lines(shared, bar)
    _files.update(files)
    return Records({id_: entry for file in files.values() for id_, entry in file.entries.items()})


def to_record(data: dict[str, Any]) -> Record:
    """Return the record of a line's content.

    Raises:
        ValueError: a field is missing, unknown or not of its type; the message is one line that names it.
    """
    fields = {name: value for name, value in data.items() if name not in ("id", "schema")}
    check_fields(fields)
    if "interval" in fields:
        fields["interval"] = tuple(fields["interval"])
    return Record(**fields)


# --- writing -----------------------------------------------------------------------------------------------------------------


def check_store(folder: Path = RECORDS) -> None:
    """Check that records can be read from a folder and added to it, before anything long is done.

    Outside a checkout the folder is named, as nobody looks for it there.

    Raises:
        InputError: a line is not a record, or the folder or a file cannot be written.
    """
    load_records(folder)
    paths = list(folder.glob("*.jsonl"))
    for path in paths:
        with lock_file(path, wait=True):
            pass
    check_output_folder(folder, max((path.stat().st_size for path in paths), default=0))
    if not checkout():
        print_note(f"records are kept in {folder.absolute()}")


def append_record(record: Record, folder: Path = RECORDS) -> bool:
    """Append a record to ``<kind>.jsonl``; return False if its id is there already. See :func:`append_records`."""
    return bool(append_records([record], folder))


def append_records(records: Iterable[Record], folder: Path = RECORDS) -> list[str]:
    """Append the records whose ids are not on record, and return these ids.

    Safe under several writers (a lock) and under ``kill -9`` (one synced write of all lines of a kind, in the order of the
    records). The files are not read.

    Raises:
        InputError: a record is malformed, and none is written; or a file cannot be written, and it stays as it was.
    """
    lines: dict[str, dict[str, bytes]] = {}
    for record in records:
        lines.setdefault(record.kind, {}).setdefault(record.id, _line(record))
    return [id_ for kind, of_kind in lines.items() for id_ in _append_lines(of_kind, folder / f"{kind}.jsonl")]


def _line(record: Record) -> bytes:
    """Format a record as a line that can be read again."""
    try:
        if record.kind not in KINDS:
            raise ValueError(f"kind: {record.kind!r} is unknown")
        line = format_line(record.id, asdict(record))
        to_record(parse_line(line))
    except (ValueError, TypeError, RecursionError) as problem:
        raise InputError(f"not recorded: {record.kind} of {record.subject}, {record.metric}: {problem}") from None
    return line


def _append_lines(lines: Mapping[str, bytes], path: Path) -> list[str]:
    with lock_file(path, wait=True), writing(path), open(path, "a+b", buffering=0) as file:
        end = _mend_end(file)
        recorded = find_recorded(list(lines), path)
        new = [id_ for id_ in lines if id_ not in recorded]
        if not new:
            return []
        content = b"".join(lines[id_] for id_ in new)
        try:
            while content:  # a full disk takes a part first
                content = content[file.write(content) :]
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(end)
            raise
        if not end:
            _sync_folder(path.parent)
        remember_recorded(new, path)
    return new


def _mend_end(file: BinaryIO) -> int:
    """Complete a last line that lacks its newline, or drop the remains of one that was cut off; return the file's size."""
    size = start = file.seek(0, os.SEEK_END)
    tail = b""
    while start and b"\n" not in tail:
        start, block = max(0, start - _BLOCK), min(start, _BLOCK)
        tail = os.pread(file.fileno(), block, start) + tail
    last_line = tail[tail.rfind(b"\n") + 1 :]
    if not last_line:
        return size
    return size + file.write(b"\n") if is_whole(last_line) else file.truncate(size - len(last_line))


def _sync_folder(folder: Path) -> None:
    """Sync the entry of a new file in its folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- origin ------------------------------------------------------------------------------------------------------------------


def provenance(command: str | None = None) -> dict[str, Any]:
    """Return a new record's origin: environment, commit, command and time (UTC)."""
    return {
        "environment": _environment(),
        "commit": _commit(checkout()),
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


def _environment() -> dict[str, Any]:
    environment: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    if torch := sys.modules.get("torch"):
        environment |= {"torch": torch.__version__, "threads": torch.get_num_threads()}
        if torch.cuda.is_initialized():
            environment["gpu"] = torch.cuda.get_device_name()
    return environment


@cache
def _commit(root: Path | None) -> str:
    """Return the commit of the code, and "-dirty" if the code differs from it; what runs write, records and pages, may differ.

    ``POSE_COMMIT`` says it where the code was copied to a machine without its repository, or with an older one.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    if stated := os.environ.get("POSE_COMMIT"):
        return stated
    if root is None:  # a repository around an installed copy is another project's
        return ""
    try:
        commit = git("describe", "--always", "--abbrev=12")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)reports", ":(exclude)*.md")
        return f"{commit}-dirty" if changed else commit
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        return ""
