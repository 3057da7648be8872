"""Downloading what may be downloaded: resumable, checked, and put in place in one step."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from tqdm import tqdm

from benchmark.core.errors import InputError
from benchmark.core.files import sha256_of_file
from benchmark.data.archives import extract_archive
from benchmark.models import registry

TABLE = Path(__file__).with_name("sources.toml")
CHUNK = 1 << 20
ATTEMPTS = 4  # each goes on where the one before ended
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file to download. Paths are relative to the data root."""

    name: str
    url: str
    file: str  # where the download goes; an archive is removed once it is unpacked
    provides: tuple[str, ...]  # what is there afterwards
    sha256: str | None = None  # None: no digest is publicly known
    bytes: int | None = None
    into: str | None = None  # where an archive is unpacked
    home: str = ""
    licence: str = ""


def list_sources(table: Path = TABLE, packages: Mapping[str, Path] | None = None) -> dict[str, tuple[Source, ...]]:
    """Everything that can be fetched, by name: the table's rows, and ``weights/<package>`` for each ``released_weights.toml``.

    Args:
        packages: the folder of each package of models; by default those that :mod:`benchmark.models.registry` finds.

    Raises:
        InputError: a table is malformed.
    """
    found: dict[str, tuple[Source, ...]] = {}
    for name, row in _toml(table).items():
        file = row.pop("file", None) or f"downloads/{PurePosixPath(row['url']).name}"
        provides = tuple(row.pop("provides", (file,)))
        found[name] = (_source(table, name=name, file=file, provides=provides, **row),)
    if packages is None:
        packages = {name: Path(module.__file__).parent for name, module in registry.packages().items() if module.__file__}
    for package, folder in packages.items():
        name, listing = f"weights/{package}", folder / "released_weights.toml"
        if not listing.is_file():
            continue
        files = []
        for key, row in _toml(listing).items():
            place = f"{name}/{row.pop('file')}"
            files.append(_source(listing, name=f"{name}/{key}", file=place, provides=(place,), **row))
        found[name] = tuple(files)
    return found


def _toml(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: {error}") from None


def _source(path: Path, **columns: Any) -> Source:
    try:
        return Source(**columns)
    except TypeError as error:
        raise InputError(f"{path}: {columns['name']}: {error}") from None


def fetch_source(source: Source, root: Path, *, quiet: bool = False) -> bool:
    """Download, check and unpack; False when everything that the source provides is there already.

    Raises:
        InputError: the server refuses or breaks off, the size or digest is wrong, or the archive is unsafe or broken.
    """
    if all((root / path).exists() for path in source.provides):
        return False
    target = root / source.file
    if not target.exists():
        download_file(source.url, target, sha256=source.sha256, size=source.bytes, quiet=quiet)
    if source.into is not None:
        try:
            extract_archive(target, root / source.into)
        except InputError as error:
            _recorded(target).unlink(missing_ok=True)  # the digest of what is no good
            raise InputError(f"{error}; remove the file to download it again") from None
        target.unlink()
        missing = [path for path in source.provides if not (root / path).exists()]
        if missing:
            raise InputError(f"{source.url}: unpacked, but without {', '.join(missing)}")
    return True


def download_file(url: str, target: Path, *, sha256: str | None = None, size: int | None = None, quiet: bool = False) -> str:
    """Bring ``url`` to ``target``, which appears only when it is whole and right; return its SHA-256.

    What has arrived lies in ``<target>.part`` and is continued by a Range request, unless the server's file has changed since
    or the server knows no ranges. Without ``sha256`` the digest is kept in ``<target>.sha256`` the first time and asked for
    from then on.

    Raises:
        InputError: not http(s), another download of it is running, the server refuses or breaks off, size or digest is wrong.
    """
    if not re.match(r"https?://", url):
        raise InputError(f"{url}: only http and https are fetched")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    recorded = _recorded(target)
    expected = sha256 or (recorded.read_text().split()[0] if recorded.is_file() else None)
    with open(part, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{target}: another process is downloading it") from None
        _transfer(url, file, part, size, expected is not None, quiet)
        file.flush()
        os.fsync(file.fileno())
        digest = sha256_of_file(part)
        if expected and digest != expected:
            _forget(part)
            raise InputError(f"{url}: SHA-256 is {digest}, expected {expected}; the download was thrown away")
        os.replace(part, target)
        _validator(part).unlink(missing_ok=True)
    if not expected:
        recorded.write_text(f"{digest}  {target.name}\n")
    return digest


def _validator(part: Path) -> Path:
    """Beside a partial file: what the server called this state of its file (ETag, else Last-Modified)."""
    return part.with_name(part.name + ".tag")


def _recorded(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator(part).unlink(missing_ok=True)


def _transfer(url: str, file: BinaryIO, part: Path, size: int | None, checked: bool, quiet: bool) -> None:
    """Fill ``file`` to the end, going on after a connection that broke."""
    for attempt in range(1, ATTEMPTS + 1):
        before = file.seek(0, os.SEEK_END)
        try:
            _request(url, file, part, size, checked, quiet)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == ATTEMPTS:
                raise InputError(f"{url}: the server answers {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            if attempt == ATTEMPTS:
                have = file.seek(0, os.SEEK_END)
                reason = getattr(error, "reason", None) or error
                raise InputError(f"{url}: {reason}; {have} bytes are kept, run again to go on from there") from None
        if file.seek(0, os.SEEK_END) == before:
            time.sleep(0.2 * 2**attempt)  # nothing came: give the server time


def _request(url: str, file: BinaryIO, part: Path, size: int | None, checked: bool, quiet: bool) -> None:
    """One request from where the file ends. A file that the server sends from the start again is started again here too.

    ``checked``: a digest is asked for at the end, so that the parts need not be vouched for by the server's tag.
    """
    have = file.tell()
    if size is not None and have > size:
        file.truncate(0)
        have = 0
    headers = {"User-Agent": "pose-reproducibility-benchmark", "Accept-Encoding": "identity"}
    tag = _validator(part)
    if have and tag.is_file():
        headers |= {"Range": f"bytes={have}-", "If-Range": tag.read_text()}
    elif have and checked:
        headers["Range"] = f"bytes={have}-"
    elif have:  # without its tag nobody can say which state of the server's file this is
        file.truncate(0)
        have = 0
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # the file ends where we are, or before
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return
            file.truncate(0)
            tag.unlink(missing_ok=True)
            raise OSError("the partial file did not fit the server's") from None
        raise
    with response:
        if response.status == 206 and not str(response.headers.get("Content-Range")).startswith(f"bytes {have}-"):
            raise OSError("the server sent another range than was asked for")
        if response.status != 206:
            file.truncate(0)
            have = 0
        etag = response.headers.get("ETag", "W/")  # a weak one does not vouch for bytes
        if fresh := response.headers.get("Last-Modified") if etag.startswith("W/") else etag:
            tag.write_text(fresh)
        else:
            tag.unlink(missing_ok=True)
        length = response.headers.get("Content-Length")
        whole = have + int(length) if length else size
        if size is not None and whole != size:
            raise InputError(f"{url}: the server offers {whole} bytes, expected {size}")
        file.seek(0, os.SEEK_END)
        _copy(response, file, have, whole, part.name.removesuffix(".part"), quiet)
    if whole is not None and file.tell() != whole:
        raise OSError(f"the connection ended at {file.tell()} of {whole} bytes")


def _copy(response: Any, file: BinaryIO, have: int, whole: int | None, name: str, quiet: bool) -> None:
    with tqdm(total=whole, initial=have, unit="B", unit_scale=True, desc=name, disable=quiet) as bar:
        while chunk := response.read(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    file.flush()
