"""A file that stands in another one's place is told apart in words; gzip and zip are unpacked whatever the name."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.core.errors import InputError
from benchmark.core.file_content import read_content
from benchmark.metrics.array_files import read_arrays
from benchmark.models.external import resolve_model
from benchmark.models.weights import locate_weights


def pack(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def archive(compression: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def test_content_is_returned_and_gzip_is_unpacked(tmp_path: Path) -> None:
    for name, content in {"plain": b"abc", "packed": gzip.compress(b"abc"), "misnamed.json": gzip.compress(b"abc")}.items():
        (tmp_path / name).write_bytes(content)
        assert read_content(tmp_path / name) == b"abc"


@pytest.mark.parametrize(
    "members",
    [
        {"results.json": b"abc"},
        {"results.json": b"abc", "compression": zipfile.ZIP_STORED},
        {"folder/": b"", "folder/results.json": b"abc"},
        {"results.json": b"abc", "__MACOSX/._results.json": b"attributes"},
    ],
    ids=["deflated", "stored", "in a folder", "from macOS"],
)
def test_the_only_file_of_a_zip_archive_is_unpacked(tmp_path: Path, members: dict) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(archive(**members))
    assert read_content(path) == b"abc"


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_zip_archive_cut_short_anywhere_is_refused(tmp_path: Path, compression: int) -> None:
    whole = archive(compression, results=bytes(range(256)) * 4)
    path = tmp_path / "results.zip"
    for length in range(4, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"results\.zip: truncated or damaged zip file: "):
            read_content(path)


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
        (archive(a=b"1", b=b"2"), "the zip archive holds 2 files, expected one"),
        (archive(a=b"abcdef", compression=zipfile.ZIP_STORED).replace(b"abcdef", b"abcdeg", 1), "damaged zip file: Bad CRC"),
        (archive(a=POINTER), "a Git-LFS pointer stands in the file's place"),
    ],
    ids=[
        *("absent", "empty", "empty-gzip", "git-lfs", "html", "html-later", "truncated-gzip", "no-gzip", "wrong-checksum"),
        *("two-files", "wrong-checksum-in-zip", "git-lfs-in-zip"),
    ],
)
def test_what_is_not_the_file_is_one_line_of_its_own(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "predictions.mat"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_content(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_folder_in_a_files_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").mkdir()
    calls: list[Callable[[], object]] = [
        lambda: read_content(tmp_path),
        lambda: read_arrays(tmp_path),
        lambda: locate_weights(tmp_path),
        lambda: resolve_model(f"{tmp_path / 'mine.py'}:build"),
    ]
    for call in calls:
        with pytest.raises(InputError, match=rf"{tmp_path}.*: it is a folder; name a file in it$"):
            call()
