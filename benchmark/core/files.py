"""Find the data root, hash files and lock them."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def try_lock(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether this process now holds the lock, which the system takes back however the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def data_root() -> Path:
    """The data root: what POSE_DATA names, by default ``~/.cache/pose-benchmark``. It need not exist."""
    return Path(os.environ.get("POSE_DATA") or Path.home() / ".cache" / "pose-benchmark").expanduser()


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
