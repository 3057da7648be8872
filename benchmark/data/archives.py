"""Unpack a downloaded archive so that nothing is written outside its folder."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from benchmark.core.errors import InputError


def extract_archive(archive: Path, into: Path) -> None:
    """Unpack a zip or tar file: first beside ``into``, then move its top-level entries into it.

    Raises:
        InputError: the archive is broken or too large for the disk, or a member's name or link points outside the archive.
    """
    staging = into.with_name(f".{into.name}.unpacking")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, staging)
        elif tarfile.is_tarfile(archive):
            _unpack_tar(archive, staging)
        else:
            raise InputError(f"{archive}: neither a zip nor a tar archive")
        into.mkdir(parents=True, exist_ok=True)
        _move(staging, into)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _unpack_zip(archive: Path, staging: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            for member in members:
                _check_member(archive, member)
            _check_space(archive, staging, sum(member.file_size for member in members))
            for member in tqdm(members, desc=f"unpacking {archive.name}", disable=len(members) < 1000):
                content.extract(member, staging)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise InputError(f"{archive}: cannot be unpacked: {error}") from None


def _check_member(archive: Path, member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    # zipfile would silently drop the dangerous part of a name; an archive with such names is not the published one.
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in path.parts[0] or "\0" in member.filename:
        raise InputError(f"{archive}: member {member.filename!r} points outside the archive; nothing was unpacked")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InputError(f"{archive}: member {member.filename!r} is a link; nothing was unpacked")


def _unpack_tar(archive: Path, staging: Path) -> None:
    try:
        with tarfile.open(archive) as content:
            members = content.getmembers()
            for member in members:  # all are checked before the first is written
                tarfile.data_filter(member, str(staging))
            _check_space(archive, staging, sum(member.size for member in members))
            for member in tqdm(members, desc=f"unpacking {archive.name}", disable=len(members) < 1000):
                content.extract(member, staging, filter="data")
    except tarfile.FilterError as error:
        raise InputError(f"{archive}: {error}; nothing was unpacked") from None
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"{archive}: cannot be unpacked: {error}") from None


def _check_space(archive: Path, staging: Path, needed: int) -> None:
    free = shutil.disk_usage(staging).free
    if needed > free:
        raise InputError(f"{archive}: needs {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free on {staging.parent}")


def _move(source: Path, target: Path) -> None:
    """Move the entries of ``source`` into ``target``; a folder that exists in both is merged."""
    for entry in sorted(source.iterdir()):
        destination = target / entry.name
        if entry.is_dir() and destination.is_dir():
            _move(entry, destination)
        else:
            os.replace(entry, destination)
