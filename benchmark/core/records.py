"""Measurements, kept for ever: one JSON object a line under ``reports/records``.

A record's id is a hash of what was measured (not of what came out), so the same measurement is found again and skipped.
Files are append-only: a line is written whole under a lock and synced; a line torn by a crash has no newline and is
dropped by the next writer.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.core.errors import InputError
from benchmark.core.files import lock_file

# POSE_RECORDS keeps a user's own measurements apart from the committed ones.
RECORDS = Path(os.environ.get("POSE_RECORDS") or Path(__file__).parents[2] / "reports" / "records")
RECORD_SCHEMA = 1
# Words that the records of trainings are found by.
TRAINED = "trained by "  # how the protocol of a trained network's figures begins
MEAN_POSE = "mean pose"  # the subject that never looks at the picture
LARGEST_RATE = "largest learning rate"
OVER = " over "  # in a metric, between the figure and the protocol from which it is the paired difference


@dataclass(frozen=True, kw_only=True)
class Record:
    """One measurement. ``value`` is a number, or an object of integer counts for a cost record.

    ``version`` is the sum of what the instrument and the model file declare; ``device`` is set for timed figures only.
    ``interval`` is the 95 % interval, ``n`` how many persons or images stand behind the value.
    """

    kind: str  # cost, architecture, accuracy, latency, agreement, training, maps, search
    subject: str  # a model id, a prediction file's sha256, or a part of the suite
    dataset: str
    split: str
    protocol: str
    metric: str
    value: Any
    version: int
    seed: int | None = None
    device: str | None = None
    n: int | None = None
    interval: tuple[float, float] | None = None
    seeds: tuple[int, ...] | None = None
    samples: Any = None
    command: str
    environment: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
    time: str = ""

    @property
    def id(self) -> str:
        return record_id(**{key: getattr(self, key) for key in IDENTITY})


IDENTITY = ("kind", "subject", "dataset", "split", "protocol", "metric", "version", "seed", "device")


def record_id(**identity: Any) -> str:
    """The content hash of what is measured: 12 hexadecimal digits."""
    missing = dict.fromkeys(IDENTITY) | identity
    return hashlib.sha256(json.dumps(missing, sort_keys=True).encode()).hexdigest()[:12]


def load_records(folder: Path = RECORDS) -> dict[str, Record]:
    """All records by id, the latest of each; an absent folder holds none.

    Raises:
        InputError: a line is no record; file and line are named.
    """
    found: dict[str, Record] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for number, record in _lines(path):
            if record.id in found:
                raise InputError(f"{path}:{number}: record {record.id} stands here a second time")
            found[record.id] = record
    return found


def _lines(path: Path) -> Iterator[tuple[int, Record]]:
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]  # what follows the last newline was torn by a crash
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            data = json.loads(line)
            given = data.pop("id")
            if data.pop("schema") != RECORD_SCHEMA:
                raise ValueError(f"schema {RECORD_SCHEMA} expected")
            for key in ("interval", "seeds"):
                data[key] = tuple(data[key]) if data[key] is not None else None
            record = Record(**data)
            if record.id != given:
                raise ValueError(f"id {given} does not belong to this content")
        except (ValueError, KeyError, TypeError) as problem:
            raise InputError(f"{path}:{number}: not a record: {problem}") from None
        yield number, record


def append_record(record: Record, folder: Path = RECORDS) -> bool:
    """Add a record to ``<kind>.jsonl``; False when it is there already.

    Safe under several writers (a lock) and under ``kill -9`` (one synced write of one line).
    """
    path = folder / f"{record.kind}.jsonl"
    with lock_file(path, wait=True), open(path, "a+b") as file:
        file.seek(0)
        content = file.read()
        end = content.rfind(b"\n") + 1
        if end != len(content):
            file.truncate(end)
        if f'{{"id": "{record.id}"'.encode() in content[:end]:
            return False
        line = json.dumps({"id": record.id, "schema": RECORD_SCHEMA, **asdict(record)}, ensure_ascii=False, allow_nan=False)
        os.write(file.fileno(), line.encode() + b"\n")
        os.fsync(file.fileno())
    return True


def provenance(command: str | None = None) -> dict[str, Any]:
    """What a new record says of its origin: environment, commit, command and time (UTC)."""
    return {
        "environment": _environment(),
        "commit": _commit(),
        "command": command or shlex.join(["python", "-m", *_module(), *sys.argv[1:]]),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


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
    done = subprocess.run(["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True)
    return done.stdout.strip()
