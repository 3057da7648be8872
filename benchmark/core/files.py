"""Write files atomically, lock them, hash them, and find the data root."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from benchmark.core.errors import InputError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; the file that the body writes there replaces ``path`` in one step.

    A reader always sees the complete old or the complete new file, even after a crash, because the bytes are synced before the
    file is renamed. If the body raises, the old file stays and the temporary one is removed. Processes that write the same file
    at the same time use separate temporary files; the last one to finish wins. Folders above ``path`` are created.

    Raises:
        OSError: the file cannot be written, or the body did not write one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not from tempfile, whose files only their owner can read; the body creates this one with the usual permissions.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def lock_file(path: Path, *, wait: bool) -> Iterator[bool]:
    """Lock ``path`` for this process; yield True, or False if another process holds the lock.

    The lock is released at the end of the block, or when the process ends for any reason. It is advisory: it only stops callers
    of this function. The file and the folders above it are created if necessary; the file's content does not change.

    Args:
        wait: Wait until the other process releases the lock, so that the result is always True.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(path, "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            # The previous owner may have renamed or removed the opened file; a lock on that file no longer guards this path.
            if _is_open_at(file, path):
                yield True
                return


def _is_open_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def data_root() -> Path:
    """Return the data root: the folder that POSE_DATA names, or ``~/.cache/pose-benchmark``; it need not exist."""
    return Path(os.environ.get("POSE_DATA") or Path.home() / ".cache" / "pose-benchmark").expanduser()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: the file cannot be read, or is not TOML in UTF-8.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise InputError(f"{path}: {problem}") from None
