"""Nothing is written outside the folder that an archive is unpacked into."""

from __future__ import annotations

import io
import stat
import tarfile
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


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        member = zipfile.ZipInfo("link")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc")
    with pytest.raises(InputError, match="'link' is a link"):
        extract_archive(tmp_path / "a.zip", tmp_path / "data")


@pytest.mark.parametrize(
    "member",
    [
        regular("../evil"),
        regular("/../evil"),
        link("out", "../../etc"),
        link("out", "/etc/passwd"),
        link("out", "../evil", tarfile.LNKTYPE),
        link("pipe", "", tarfile.FIFOTYPE),
        link("device", "", tarfile.CHRTYPE),
    ],
    ids=lambda member: f"{member.name}-{member.linkname}",
)
def test_a_tar_member_that_leads_out_is_refused_and_nothing_unpacked(tmp_path, member):
    archive = tmp_path / "in" / "a.tar.gz"
    archive.parent.mkdir()
    make_tar(archive, regular("good"), member)
    with pytest.raises(InputError, match="nothing was unpacked"):
        extract_archive(archive, tmp_path / "in" / "data")
    assert everything(tmp_path) == ["in", "in/a.tar.gz"]


def test_a_file_cannot_be_written_through_a_link_of_the_same_archive(tmp_path):
    archive = make_tar(tmp_path / "a.tar.gz", link("here", "."), link("here/up", ".."), regular("here/up/evil"))
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError):
        extract_archive(archive, tmp_path / "in" / "data")
    assert everything(tmp_path / "in") == []


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
