"""Unpack a downloaded archive so that nothing is written outside its folder, and no part of it is missing or damaged.

An archive of data holds files and folders. What else may stand in one, such as a link, is refused by this module's own check
of all members, before the first is unpacked; Python's own filters differ by version, and some could be led outside by links.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, NamedTuple

from tqdm import tqdm

from benchmark.core.errors import InputError
from benchmark.core.file_content import GZIP, ZIP, ZIP_METHODS, unpacked_limit
from benchmark.core.files import hold_folder
from benchmark.core.text import printable

CHUNK = 1 << 20
CENTRAL_ENTRY = b"PK\x01\x02"  # begins each member's entry in the list at the end of a zip archive
COMPRESSIONS: Mapping[bytes, Callable[[BinaryIO], Any]] = {GZIP: gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, NotImplementedError, RuntimeError, ValueError, OverflowError),
)


class Member(NamedTuple):
    """A member of an archive.

    Attributes:
        name: As the archive has it.
        size: Bytes when unpacked.
        mode: Permissions, and the kind of file where a zip archive states it.
        kind: ``file``, ``folder``, or what else it is.
    """

    name: str
    size: int
    mode: int
    kind: str


def extract_archive(archive: Path, into: Path, check: Callable[[Mapping[str, int]], None] = lambda sizes: None) -> None:
    """Unpack a zip or tar file beside ``into``; once it is whole, move its entries there.

    Args:
        check: Called with the bytes of each file, by its path inside ``into``, before anything is unpacked.

    Raises:
        InputError: the archive is cut off, damaged or too large for the disk, a member is no file or folder inside it, or see
            ``check``.
    """
    staging = into.with_name(f".{into.name}.unpacking")
    if staging.is_symlink():
        raise InputError(f"{staging}: is a link; remove it")
    with hold_folder(staging):
        try:
            _clear(staging)  # of an earlier attempt that was interrupted
            with _refusing(archive), _opened(archive) as (members, open_member):
                _check_members(archive, members)
                check({str(PurePosixPath(member.name)): member.size for member in members if member.kind == "file"})
                _check_space(archive, staging, sum(member.size for member in members))
                bar = tqdm(members, desc=f"unpacking {printable(archive.name)}", disable=len(members) < 1000)
                for index, member in enumerate(bar):
                    _unpack(staging / member.name, member, index, open_member)
            into.mkdir(parents=True, exist_ok=True)
            _move(staging, into)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _refusing(archive: Path) -> Iterator[None]:
    """Turn what the libraries raise of damaged archives into one line."""
    try:
        yield
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(f"{archive}: cannot be unpacked: {error or type(error).__name__}; nothing was unpacked") from None


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[Member], Callable[[int], Any]]]:
    """Open an archive; yield its members, and a function that opens the content of one of them.

    The list of members is known to be complete, and the checksum of a compressed tar archive to be right.
    """
    with ExitStack() as stack:
        file = stack.enter_context(open(archive, "rb"))
        start = file.read(8)
        file.seek(0)
        if start.startswith(ZIP[:2]):
            content = stack.enter_context(zipfile.ZipFile(file))
            yield _list_zip(file, content), lambda index: content.open(content.infolist()[index])
            return
        size, title = archive.stat().st_size, f"checking {printable(archive.name)}"
        unpack = next((unpack for magic, unpack in COMPRESSIONS.items() if start.startswith(magic)), nullcontext)
        stream = _BoundedReader(stack.enter_context(unpack(file)), unpacked_limit(size))
        try:
            tar = stack.enter_context(tarfile.TarFile(fileobj=stream))  # type: ignore[arg-type]
        except tarfile.ReadError as error:
            raise InputError(f"{archive}: neither a zip nor a tar archive, or damaged: {error}") from None
        infos = []
        with tqdm(total=size, unit="B", unit_scale=True, desc=title, delay=2) as bar:
            for info in tar:
                infos.append(info)
                bar.update(file.tell() - bar.n)
            _check_end(stream, tar.offset)
        yield [_tar_member(info) for info in infos], lambda index: tar.extractfile(infos[index])


def _list_zip(file: BinaryIO, content: zipfile.ZipFile) -> list[Member]:
    """List the members of a zip archive, whose contents are compared with their checksums when they are read."""
    file.seek(content.start_dir)
    if file.read().count(CENTRAL_ENTRY) != len(content.infolist()):
        raise zipfile.BadZipFile("its list of members is damaged")
    members = []
    for info in content.infolist():
        mode = info.external_attr >> 16
        kind = "folder" if info.is_dir() else "file"
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            kind = "a link" if stat.S_ISLNK(mode) else "a device or the like"
        if info.compress_type not in ZIP_METHODS:
            raise NotImplementedError(f"compression method {info.compress_type}")
        # orig_filename: zipfile drops what follows a NUL
        members.append(Member(info.orig_filename, info.file_size, mode, kind))
    return members


def _tar_member(info: tarfile.TarInfo) -> Member:
    plain = info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not info.issparse()
    other = "a link" if info.issym() or info.islnk() else "a device or the like"
    return Member(info.name, info.size, info.mode, "file" if plain else "folder" if info.isdir() else other)


def _check_end(stream: _BoundedReader, offset: int) -> None:
    """Check that a tar archive ends after its last member, and read the end of its compression, where the checksum is."""
    stream.seek(offset)
    seen = 0
    while chunk := stream.read(CHUNK):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError(f"damaged after {offset} bytes of its content")
        seen += len(chunk)
    if seen < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("truncated: its end is missing")


class _BoundedReader:
    """The content of an archive, of which nothing beyond a limit is unpacked, and never much into memory at once."""

    def __init__(self, file: IO[bytes], limit: int) -> None:
        self.file, self.limit, self.tell = file, limit, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= CHUNK:  # a header, or a piece of a file, is smaller
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self.file.read(size)

    def seek(self, position: int) -> int:
        if position > self.limit:
            raise tarfile.ReadError(f"it unpacks to more than {self.limit / 1e9:.1f} GB, out of proportion to its size")
        return self.file.seek(position)


def _check_members(archive: Path, members: list[Member]) -> None:
    for member in members:
        problem = _problem_of(member)
        if problem:
            raise InputError(f"{archive}: member {member.name!r} {problem}; nothing was unpacked")


def _problem_of(member: Member) -> str:
    """Say why a member is not unpacked; an empty string if it is."""
    path = PurePosixPath(member.name)
    if "\0" in member.name or (member.kind == "file" and not path.name):
        return "has no usable name"
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in next(iter(path.parts), ""):
        return "points outside the archive"
    if member.kind not in ("file", "folder"):
        return f"is {member.kind}"
    if member.kind == "file" and member.mode & (stat.S_ISUID | stat.S_ISGID):
        return "would run with its owner's rights (set-uid)"
    return ""


def _check_space(archive: Path, staging: Path, needed: int) -> None:
    free, limit = shutil.disk_usage(staging).free, unpacked_limit(archive.stat().st_size)
    if needed > limit:
        raise InputError(f"{archive}: unpacks to {needed / 1e9:.1f} GB, out of proportion to its size; nothing was unpacked")
    if needed > free:
        raise InputError(f"{archive}: needs {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free on {staging.parent}")


def _unpack(target: Path, member: Member, index: int, open_member: Callable[[int], Any]) -> None:
    """Write a file or a folder, with the usual permissions; a file's checksum, where the archive has one, is compared."""
    if member.kind == "folder":
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with open_member(index) as content, open(target, "wb") as file:
        while chunk := content.read(CHUNK):
            size += file.write(chunk)
    if size != member.size:
        raise EOFError(f"{member.name!r} has {size} of {member.size} bytes")


def _clear(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _move(source: Path, target: Path) -> None:
    """Move the entries of ``source`` into ``target``; a folder that exists in both is merged."""
    for entry in sorted(source.iterdir()):
        destination = target / entry.name
        if entry.is_dir() and destination.is_dir():
            _move(entry, destination)
        else:
            os.replace(entry, destination)
