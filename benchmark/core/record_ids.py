"""Find out whether a record is on record without reading its file: the ids in an SQLite file beside it.

It is a cache: it holds nothing that the file of records does not hold, version control leaves it out, and it is built again
whenever the file is not as the last append left it, as after a merge. Whoever calls this holds the lock of the file of records.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tqdm import tqdm

_ID = re.compile(rb'\{"id": "([0-9a-f]{12})"')  # begins every line


def ids_path(path: Path) -> Path:
    """Return where the ids of a file of records are kept."""
    return path.with_name(f".{path.stem}.ids.sqlite")


def find_recorded(ids: Sequence[str], path: Path) -> set[str]:
    """Return those of ``ids`` that a file of records holds."""
    try:
        with _open(path) as index:
            if index.execute("SELECT * FROM file").fetchall() != [_stamp(path)]:
                _rebuild(index, path)
            return {id_ for id_ in ids if index.execute("SELECT 1 FROM ids WHERE id = ?", (id_,)).fetchone()}
    except sqlite3.Error:  # damaged, or a full disk: without it, the file itself is read
        ids_path(path).unlink(missing_ok=True)
        return set(ids).intersection(_read_ids(path))


def remember_recorded(ids: Iterable[str], path: Path) -> None:
    """Add ids whose records were just appended to a file."""
    try:
        with _open(path) as index:
            _add(index, ids, path)
    except sqlite3.Error:
        ids_path(path).unlink(missing_ok=True)


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(ids_path(path))) as index, index:
        index.execute("CREATE TABLE IF NOT EXISTS ids (id TEXT PRIMARY KEY) WITHOUT ROWID")
        index.execute("CREATE TABLE IF NOT EXISTS file (bytes, modified, inode)")
        yield index


def _rebuild(index: sqlite3.Connection, path: Path) -> None:
    index.execute("DELETE FROM ids")
    _add(index, _read_ids(path), path)


def _add(index: sqlite3.Connection, ids: Iterable[str], path: Path) -> None:
    index.executemany("INSERT OR IGNORE INTO ids VALUES (?)", ((id_,) for id_ in ids))
    index.execute("DELETE FROM file")
    index.execute("INSERT INTO file VALUES (?, ?, ?)", _stamp(path))


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _read_ids(path: Path) -> Iterator[str]:
    with open(path, "rb") as file:
        for line in tqdm(file, desc=f"ids of {path.name}", unit=" records", delay=2, leave=False, disable=None):
            if match := _ID.match(line):  # other lines are named when the records are loaded
                yield match[1].decode()
