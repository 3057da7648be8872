"""Read the bytes of a file that a user gives, unpacked if it is packed, and say in words if it is not what it should be."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path

from benchmark.core.errors import InputError

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others are unpacked by Python without a bound
PACKED = (".gz", ".zip")  # suffixes, of which one may follow that of the format
_LFS = b"version https://git-lfs"
_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")
# Data of this field pack to a half, text to a tenth. What declares more than a hundred times a file's size is no data.
LARGEST_RATIO, SMALLEST_LIMIT = 100, 1 << 28


def unpacked_limit(size: int) -> int:
    """Return the bytes to which a file of ``size`` bytes may unpack, or which arrays in it may take."""
    return max(LARGEST_RATIO * size, SMALLEST_LIMIT)


def is_lfs_pointer(content: bytes) -> bool:
    """Check whether a file's beginning is that of a Git-LFS pointer."""
    return content.startswith(_LFS)


def is_web_page(content: bytes) -> bool:
    """Check whether a file's beginning is that of a web page."""
    return content[:512].lstrip().lower().startswith(_PAGES)


def misplaced_content(content: bytes) -> str:
    """Describe a file that stands in another one's place: an empty file, a Git-LFS pointer or a web page; else return ``""``.

    Args:
        content: The file's beginning, of 100 bytes or more.
    """
    if not content:
        return "the file is empty"
    if is_lfs_pointer(content):
        return "a Git-LFS pointer stands in the file's place; get the file itself by git lfs pull"
    if is_web_page(content):
        return "a web page (HTML) stands in the file's place; download the file itself"
    return ""


def file_format(path: Path) -> str:
    """Return the suffix that names the format, in lower case; a final ``.gz`` or ``.zip`` does not count."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in PACKED), "")


def missing_reason(path: Path) -> str:
    """Say why there is no file of this name."""
    return "it is a folder; name a file in it" if path.is_dir() else "no such file"


def read_content(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if it is gzipped or the only file in a zip archive, whatever its name.

    Raises:
        InputError: the file is missing, unreadable, empty, a Git-LFS pointer, a web page, or a truncated or damaged gzip or zip
            file; an archive holds another number of files; or it unpacks to more than :func:`unpacked_limit`.
    """
    if not path.is_file():
        raise InputError(f"{path}: {missing_reason(path)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if content.startswith(GZIP):
        content = _gunzip(path, content)
    elif content.startswith(ZIP):
        content = _unzip(path, content)
    if problem := misplaced_content(content):
        raise InputError(f"{path}: {problem}")
    return content


def _gunzip(path: Path, content: bytes) -> bytes:
    limit = unpacked_limit(len(content))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            unpacked = file.read(limit + 1)
    except EOFError:
        raise InputError(f"{path}: truncated: its gzip stream has no end") from None
    except (OSError, zlib.error) as error:
        raise InputError(f"{path}: damaged gzip file: {error}") from None
    if len(unpacked) > limit:
        raise InputError(f"{path}: unpacks to more than {limit:,} bytes, out of proportion to its size")
    return unpacked


def _unzip(path: Path, content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # macOS adds a file of its own attributes for each file.
            members = [member for member in archive.infolist() if not member.is_dir() and "__MACOSX" not in member.filename]
            if len(members) != 1:
                raise InputError(f"{path}: the zip archive holds {len(members)} files, expected one")
            if members[0].compress_type not in ZIP_METHODS:
                raise NotImplementedError(f"compression method {members[0].compress_type}")
            if members[0].file_size > (limit := unpacked_limit(len(content))):  # zipfile never reads more than is stated
                raise InputError(f"{path}: unpacks to more than {limit:,} bytes, out of proportion to its size")
            return archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path}: truncated or damaged zip file: {error}") from None
