"""Write files atomically, lock them, hash them, and find the folders of the project and of its user."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import secrets
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

from benchmark.core.errors import InputError
from benchmark.core.text import printable

_CHUNK = 1 << 20  # bytes read at once
_BLOCK = 4096  # bytes that a check writes: a full disk still takes an empty file
_PROJECT = Path(__file__).parents[2]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failure to write ``path``, or what lies in it, into one line that names it: a full disk, a file for a folder, ...

    Raises:
        InputError: the body failed to write. An error of the system about another file is passed on.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None and not _concerns(error.filename, path):
            raise
        in_the_way = _obstacle(Path(error.filename)) if isinstance(error, FileExistsError | NotADirectoryError) else ""
        raise InputError(f"{path}: cannot be written: {in_the_way or error.strerror or error}") from None


def _concerns(filename: str | bytes, path: Path) -> bool:
    """Return whether a file lies beside or below ``path``, or is a folder above it."""
    named, target = Path(os.fsdecode(filename)).absolute(), path.absolute()
    return named.is_relative_to(target.parent) or target.is_relative_to(named)


def _obstacle(folder: Path) -> str:
    """Return what stands in the place of a folder, or of one above it; an empty string if nothing does."""
    folders = (folder.absolute(), *folder.absolute().parents)
    obstacle = next((path for path in folders if os.path.lexists(path) and not path.is_dir()), None)
    return f"{obstacle} is a file, not a folder" if obstacle else ""


def check_output_folder(folder: Path, size: int = 0) -> None:
    """Check that results can be written to a folder, before anything long is done; nothing is left there.

    Args:
        folder: Folder, which need not exist.
        size: Bytes of the longest file there that grows: a file-size limit may be near.

    Raises:
        InputError: the folder cannot be made or written to, or its disk is full.
    """
    try:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=existing) as file:
            file.seek(size)
            file.write(bytes(_BLOCK))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {_obstacle(folder) or error.strerror}") from None


def check_output_file(path: Path) -> None:
    """Check that a file can be written, before anything long is done; it stays as it is.

    Raises:
        InputError: something other than a file has its name, or see :func:`check_output_folder`.
    """
    with writing(path):
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: cannot be written: it is {'a folder' if path.is_dir() else 'a device'}, not a file")
    check_output_folder(path.parent)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; the file that the body writes there replaces ``path`` in one step.

    A reader always sees the complete old or the complete new file, even after a crash, because the bytes are synced before the
    file is renamed. If the body raises, the old file stays and the temporary one is removed. Processes that write the same file
    at the same time use separate temporary files; the last one to finish wins. Folders above ``path`` are created.

    Raises:
        InputError: the file cannot be written.
        FileNotFoundError: the body did not write one.
    """
    with writing(path):
        if path.exists() and not path.is_file():  # a device would be replaced
            raise InputError(f"{path}: cannot be written: it is {'a folder' if path.is_dir() else 'a device'}, not a file")
        path.parent.mkdir(parents=True, exist_ok=True)
    # Not from tempfile, whose files only their owner can read; the body creates this one with the usual permissions.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with writing(path):
            yield temporary
        with open(temporary, "rb") as file, writing(path):
            os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_partials(folder: Path, name: str = "") -> None:
    """Remove what processes that were killed in :func:`atomic_write` left of a file, or of all files in a folder.

    The caller holds the folder, or the file, against other writers, whose files these could be.
    """
    for partial in folder.glob(f".{glob.escape(name) or '*'}.*.part"):
        partial.unlink(missing_ok=True)


def write_file(path: Path, content: bytes) -> Path:
    """Write a file as a whole or not at all, and return its path; see :func:`atomic_write`."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return path


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Create a folder for results, and hold it against other processes until the end of the block; nothing is left there.

    Raises:
        InputError: the folder cannot be made, or another process writes to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {_obstacle(folder) or error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InputError(f"{folder}: another process is writing to this folder; wait for it, or choose another") from None
    except OSError:  # some network file systems do not lock folders
        pass
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def lock_file(path: Path, *, wait: bool) -> Iterator[bool]:
    """Lock ``path`` for this process; yield True, or False if another process holds the lock.

    The lock is released at the end of the block, or when the process ends for any reason. It is advisory: it only stops callers
    of this function. The file and the folders above it are created if necessary; the file's content does not change.

    Args:
        wait: Wait until the other process releases the lock, so that the result is always True.

    Raises:
        InputError: the file cannot be written.
    """
    while True:
        with ExitStack() as stack:
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(open(path, "ab"))
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


def checkout() -> Path | None:
    """Return the folder of the repository that this code belongs to; None where it was installed from a wheel."""
    return _PROJECT if all((_PROJECT / name).is_file() for name in ("pyproject.toml", "README.md")) else None


def data_root() -> Path:
    """Return the data root: the folder that POSE_DATA names, or ``~/.cache/pose-benchmark``; it need not exist."""
    return Path(os.environ.get("POSE_DATA") or user_folder(".cache")).expanduser()


def user_folder(parent: str) -> Path:
    """Return the suite's folder in one of the user's home; where the system knows of no home, one in ``out``."""
    try:
        return Path.home() / parent / "pose-benchmark"
    except RuntimeError:
        return Path("out/pose-benchmark")


def sha256_of_file(path: Path, *, progress: bool = False) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Args:
        progress: Show a bar where it takes more than two seconds.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    bar = tqdm(unit="B", unit_scale=True, desc=f"checking {printable(path.name)}", delay=2, disable=not progress)
    with open(path, "rb") as file, bar:
        bar.total = os.fstat(file.fileno()).st_size
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def file_stamp(path: Path) -> tuple[str, int, int] | str:
    """Return a file's name, bytes and time of modification, which tell it from a file that replaces it; else its name alone."""
    if not path.is_file():
        return path.name
    status = path.stat()
    return path.name, status.st_size, status.st_mtime_ns


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: the file cannot be read, or is not TOML in UTF-8.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise InputError(f"{path}: {problem}") from None
