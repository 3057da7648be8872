"""Write files atomically, lock them, hash them, and find the data root."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; what the body writes there replaces ``path`` in one step.

    A reader sees the old file or the new one, never a part of it, and so does the machine after a crash: the bytes are
    synced before the file is renamed. When the body raises, the old file stays and the temporary one is removed. Processes
    that write the same file at once use temporary files of their own; the last one to finish wins. Folders above ``path``
    are created.

    Raises:
        OSError: the file cannot be written, or the body wrote none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile's: its files are readable by their owner alone, and the body decides how to create this one.
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
    """Lock ``path`` for this process; yield False when another process holds the lock.

    The lock ends with the block, or with the process however that ends. It binds only those who ask for it here. The file
    is created where there is none, with the folders above it, and its content is left alone.

    Args:
        wait: until the other process releases the lock, so that True is yielded in any case.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(path, "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            # The previous owner may have renamed or removed the file that was opened; its lock no longer guards this path.
            if _is_open_at(file, path):
                yield True
                return


def _is_open_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def data_root() -> Path:
    """Return the data root: the folder that POSE_DATA names, by default ``~/.cache/pose-benchmark``. It need not exist."""
    return Path(os.environ.get("POSE_DATA") or Path.home() / ".cache" / "pose-benchmark").expanduser()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
