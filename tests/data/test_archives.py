"""Nothing is written outside the folder that an archive is unpacked into, and nothing into it that is not whole."""

from __future__ import annotations

import gzip
import io
import os
import random
import shutil
import stat
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from benchmark.core.errors import InputError
from benchmark.data.archives import extract_archive


def make_zip(path: Path, *names: str, content: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def make_tar(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size) if member.isreg() else None)
    return path


def regular(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = 1
    return member


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_zip_and_tar_are_unpacked_whole(tmp_path):
    extract_archive(make_zip(tmp_path / "a.zip", "images/1.jpg", "joints.mat"), tmp_path / "zip")
    extract_archive(make_tar(tmp_path / "a.tar.gz", regular("images/1.jpg"), regular("joints.mat")), tmp_path / "tar")
    assert everything(tmp_path / "zip") == everything(tmp_path / "tar") == ["images", "images/1.jpg", "joints.mat"]
    assert not list(tmp_path.glob(".*"))


def test_what_is_there_already_stays(tmp_path):
    (tmp_path / "into" / "images").mkdir(parents=True)
    (tmp_path / "into" / "images" / "mine.jpg").touch()
    extract_archive(make_zip(tmp_path / "a.zip", "images/1.jpg"), tmp_path / "into")
    assert everything(tmp_path / "into") == ["images", "images/1.jpg", "images/mine.jpg"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "a\\..\\evil", "C:/evil"])
def test_a_zip_member_that_leads_out_is_refused_and_nothing_unpacked(tmp_path, name):
    archive = tmp_path / "in" / "a.zip"
    archive.parent.mkdir()
    make_zip(archive, "good", name)
    with pytest.raises(InputError, match="points outside the archive; nothing was unpacked"):
        extract_archive(archive, tmp_path / "in" / "data")
    assert everything(tmp_path) == ["in", "in/a.zip"]


@pytest.mark.parametrize(
    ("mode", "problem"),
    [(stat.S_IFLNK | 0o777, "is a link"), (stat.S_IFIFO | 0o600, "is a device"), (stat.S_IFREG | 0o4755, "set-uid")],
)
def test_a_zip_member_that_is_no_plain_file_is_refused(tmp_path, mode, problem):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        member = zipfile.ZipInfo("odd")
        member.external_attr = mode << 16
        archive.writestr(member, "/etc")
    with pytest.raises(InputError, match=f"'odd' .*{problem}"):
        extract_archive(tmp_path / "a.zip", tmp_path / "data")
    assert everything(tmp_path) == ["a.zip"]


def set_uid(name: str, mode: int) -> tarfile.TarInfo:
    member = regular(name)
    member.mode = mode
    return member


def sparse(name: str) -> tarfile.TarInfo:
    member = regular(name)
    member.type = tarfile.GNUTYPE_SPARSE
    return member


def pax_name(name: str) -> tarfile.TarInfo:
    member = regular("plain")
    member.pax_headers = {"path": name}
    return member


LONG = "d" * 200
# Members of one archive each, the first of which are harmless or prepare the way for the last.
TAR_TRICKS = {
    "a parent": [regular("../evil")],
    "an absolute name": [regular("/../evil")],
    "no name": [regular("")],
    "a name with NUL": [pax_name("a\0/../../evil")],
    "an absolute extended name": [pax_name("/tmp/evil")],
    "a link out": [link("out", "../../etc")],
    "a link to a file": [link("out", "/etc/passwd")],
    "a hard link": [link("out", "../evil", tarfile.LNKTYPE)],
    "a hard link to nothing": [link("out", "nothing", tarfile.LNKTYPE)],
    "a pipe": [link("pipe", "", tarfile.FIFOTYPE)],
    "a device": [link("device", "", tarfile.CHRTYPE)],
    "a sparse file": [sparse("holes")],
    "set-uid": [set_uid("tool", 0o4755)],
    "set-gid": [set_uid("tool", 0o2755)],
    "a file through a link": [link("here", "."), link("here/up", ".."), regular("here/up/evil")],
    "a link through a folder that replaces it": [link("a", "b"), link("b", "../.."), regular("a/evil")],
    # CVE-2025-4517: realpath gives up on long names, so that the last links are taken for harmless.
    "links too long to follow": [
        *(link(f"{LONG}{'/' + LONG if depth else ''}{depth}", LONG) for depth in range(2)),
        link("way", f"{LONG}/../../.."),
        regular("way/evil"),
    ],
    # CVE-2025-4330 and CVE-2024-12718: a hard link to a symbolic link, whose target and times are then changed.
    "a hard link to a link": [link("s", "../evil"), link("h", "s", tarfile.LNKTYPE), regular("h")],
}


@pytest.mark.parametrize("members", TAR_TRICKS.values(), ids=TAR_TRICKS)
def test_a_tar_member_that_is_no_plain_file_inside_is_refused_and_nothing_touched(tmp_path, members):
    (tmp_path / "in").mkdir()
    (tmp_path / "evil").write_text("before")
    os.utime(tmp_path / "evil", (1, 1))
    archive = make_tar(tmp_path / "in" / "a.tar.gz", regular("good"), *members)
    with pytest.raises(InputError, match="nothing was unpacked") as refusal:
        extract_archive(archive, tmp_path / "in" / "data")
    assert str(refusal.value).isprintable()
    assert everything(tmp_path) == ["evil", "in", "in/a.tar.gz"]
    status = (tmp_path / "evil").stat()
    assert (status.st_nlink, status.st_mtime, (tmp_path / "evil").read_text()) == (1, 1, "before")


def test_permissions_in_an_archive_are_not_taken_over(tmp_path):
    extract_archive(make_tar(tmp_path / "a.tar", set_uid("open", 0o666), set_uid("closed", 0)), tmp_path / "data")
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()} == {0o666 & ~_umask()}


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_folder_that_is_a_link_is_not_unpacked_through(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").touch()
    (tmp_path / ".data.unpacking").symlink_to("elsewhere")
    with pytest.raises(InputError, match="is a link"):
        extract_archive(make_zip(tmp_path / "a.zip", "a"), tmp_path / "data")
    assert everything(tmp_path / "elsewhere") == ["mine"]


@pytest.fixture(scope="module", params=["zip", "tgz", "txz", "tbz"])
def archive(request, tmp_path_factory) -> Path:
    """Write an archive of eight files, with checksums."""
    files = {f"images/{number}.jpg": random.Random(number).randbytes(50) for number in range(8)}
    path = tmp_path_factory.mktemp("whole") / f"a.{request.param}"
    if request.param == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as content:
            for name, data in files.items():
                content.writestr(name, data)
        return path
    with tarfile.open(path, {"tgz": "w:gz", "txz": "w:xz", "tbz": "w:bz2"}[request.param]) as content:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            content.addfile(member, io.BytesIO(data))
    return path


def test_a_cut_or_flipped_archive_is_refused_or_gives_the_same_files(archive, tmp_path):
    def read(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.rglob("*.jpg")}

    content, random_bits = archive.read_bytes(), random.Random(1)
    extract_archive(archive, tmp_path / "whole")
    expected, damaged = read(tmp_path / "whole"), tmp_path / archive.name
    assert len(expected) == 8
    positions = sorted({*random_bits.sample(range(len(content)), 60), 0, len(content) - 1})
    flipped = [content[:at] + bytes([content[at] ^ 1 << random_bits.randrange(8)]) + content[at + 1 :] for at in positions]
    refused = 0
    for changed in [*flipped, *(content[:at] for at in positions)]:
        damaged.write_bytes(changed)
        try:
            extract_archive(damaged, tmp_path / "data")
        except InputError:
            assert not (tmp_path / "data").exists()
            refused += 1
        else:
            assert read(tmp_path / "data") == expected
            shutil.rmtree(tmp_path / "data")
    assert refused >= 1.5 * len(positions)  # what has no effect is few bytes: times, padding, permissions
    assert everything(tmp_path) == sorted(
        [archive.name, *(f"whole/{name}" for name in everything(tmp_path / "whole")), "whole"]
    )


def test_a_plain_tar_that_ends_early_is_refused(tmp_path):
    content = make_tar(tmp_path / "a.tar.gz", *(regular(str(number)) for number in range(9)))
    plain = gzip.decompress(content.read_bytes())
    for length in (512, 1024, 1025, 4096, 9 * 1024):
        (tmp_path / "a.tar").write_bytes(plain[:length])
        with pytest.raises(InputError, match=r"a\.tar: "):
            extract_archive(tmp_path / "a.tar", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def huge_header() -> bytes:
    """Return a tar archive whose first header announces names of eight gigabytes, all zeros."""
    member = tarfile.TarInfo("name")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    return member.tobuf(tarfile.GNU_FORMAT)


def many_zeros(path: Path, kind: str) -> Path:
    """Write an archive of a few MB at most that unpacks to over 256 MB."""
    size, chunk = (1 << 28) + (1 << 20), bytes(1 << 20)
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as content, content.open("zeros", "w") as file:
            for _ in range(size // len(chunk)):
                file.write(chunk)
        return path
    member = tarfile.TarInfo("zeros")
    member.size = size
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(huge_header() if kind == "header" else member.tobuf())
        for _ in range(size // len(chunk) if kind == "tar" else 2):
            file.write(chunk)
    return path


@pytest.mark.parametrize("kind", ["zip", "tar", "header"])
def test_an_archive_out_of_proportion_is_refused_before_it_is_unpacked(tmp_path, kind):
    archive = many_zeros(tmp_path / "a.archive", kind)
    begin = time.process_time()
    with pytest.raises(InputError, match=r"out of proportion|neither a zip nor a tar"):
        extract_archive(archive, tmp_path / "data")
    assert time.process_time() - begin < 2  # unpacking it takes longer
    assert not (tmp_path / "data").exists()


def test_compression_that_python_unpacks_without_a_bound_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_BZIP2) as content:
        content.writestr("a", "x")
    with pytest.raises(InputError, match="compression method 12"):
        extract_archive(tmp_path / "a.zip", tmp_path / "data")


def test_a_broken_archive_is_named(tmp_path):
    whole = make_zip(tmp_path / "a.zip", "a", content=b"abc" * 100)
    broken = bytearray(whole.read_bytes())
    broken[40] ^= 0xFF  # within the stored bytes: the checksum fails
    whole.write_bytes(broken)
    with pytest.raises(InputError, match=r"a\.zip: cannot be unpacked"):
        extract_archive(whole, tmp_path / "data")
    (tmp_path / "b.zip").write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"b\.zip: neither a zip nor a tar archive"):
        extract_archive(tmp_path / "b.zip", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_an_archive_larger_than_the_disk_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})())
    with pytest.raises(InputError, match="GB are free"):
        extract_archive(make_zip(tmp_path / "a.zip", "a", content=b"x" * 100), tmp_path / "data")
    assert not (tmp_path / "data").exists()
