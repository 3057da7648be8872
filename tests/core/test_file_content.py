"""A file that stands in another one's place is told apart in words; gzip is unpacked whatever the name."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from benchmark.core.errors import InputError
from benchmark.core.file_content import read_content


def pack(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def test_content_is_returned_and_gzip_is_unpacked(tmp_path: Path) -> None:
    for name, content in {"plain": b"abc", "packed": gzip.compress(b"abc"), "misnamed.json": gzip.compress(b"abc")}.items():
        (tmp_path / name).write_bytes(content)
        assert read_content(tmp_path / name) == b"abc"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (pack(b""), "the file is empty"),
        (POINTER, "a Git-LFS pointer stands in the file's place"),
        (b"<!DOCTYPE html><html>", r"a web page \(HTML\) stands in the file's place"),
        (b"\n  <html lang='en'>", r"a web page \(HTML\) stands in the file's place"),
        (pack(b"a" * 1000)[:-9], "truncated: its gzip stream has no end"),
        (b"\x1f\x8bnothing of the kind", "damaged gzip file"),
        (pack(b"a" * 1000)[:-8] + bytes(8), "damaged gzip file"),
    ],
    ids=["absent", "empty", "empty-gzip", "git-lfs", "html", "html-later", "truncated-gzip", "no-gzip", "wrong-checksum"],
)
def test_what_is_not_the_file_is_one_line_of_its_own(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "predictions.mat"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_content(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
