"""Read the bytes of a file that a user gives, unpacked if it is gzipped, and say in words if it is not what it should be."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from benchmark.core.errors import InputError

GZIP = b"\x1f\x8b"
_LFS = b"version https://git-lfs"
_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")


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


def read_content(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if it is gzipped, whatever its name.

    Raises:
        InputError: the file is missing, unreadable, empty, a Git-LFS pointer, a web page, or a truncated or damaged gzip file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if content.startswith(GZIP):
        try:
            content = gzip.decompress(content)
        except EOFError:
            raise InputError(f"{path}: truncated: its gzip stream has no end") from None
        except (OSError, zlib.error) as error:
            raise InputError(f"{path}: damaged gzip file: {error}") from None
    if problem := misplaced_content(content):
        raise InputError(f"{path}: {problem}")
    return content
