"""Download datasets and published weights: resumed after an interruption, checked, and put in place in one step."""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from tqdm import tqdm

from benchmark.core.errors import FULL, InputError
from benchmark.core.file_content import misplaced_content
from benchmark.core.files import atomic_write, lock_file, read_toml, sha256_of_file, writing
from benchmark.data.archives import extract_archive
from benchmark.models.checkpoints import checkpoints
from benchmark.models.registry import packages

TABLE = Path(__file__).with_name("sources.toml")
CHUNK = 1 << 20
ATTEMPTS = 4  # each resumes where the last one ended
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file to download.

    Attributes:
        name: as ``python -m benchmark.data fetch`` lists it.
        file: path of the download below the data root; an archive is removed once it is unpacked.
        provides: paths below the data root that exist afterwards.
        url: empty where the file can only be had by hand, from its page.
        sha256: the digest or its beginning; None where none is publicly known.
        bytes: size of the download.
        into: folder below the data root into which an archive is unpacked.
        home: the page that publishes the file.
    """

    name: str
    url: str
    file: str
    provides: tuple[str, ...]
    sha256: str | None = None
    bytes: int | None = None
    into: str | None = None
    home: str = ""
    licence: str = ""


def list_sources() -> dict[str, tuple[Source, ...]]:
    """Return all sources by name.

    These are the table's rows, ``weights/<id>`` for each published checkpoint that has a file, and ``predictions/<dataset>``
    for published predictions.

    Raises:
        InputError: a table is malformed.
    """
    sources: dict[str, tuple[Source, ...]] = {}
    for name, row in read_toml(TABLE).items():
        file = row.pop("file", None) or f"downloads/{PurePosixPath(row['url']).name}"
        provides = tuple(row.pop("provides", (file,)))
        sources[name] = (_source(TABLE, name=name, file=file, provides=provides, **row),)
    for checkpoint in checkpoints().values():
        if checkpoint.file:
            file, name = str(checkpoint.path), f"weights/{checkpoint.id}"
            source = Source(
                name=name,
                url=checkpoint.url,
                file=file,
                provides=(file,),
                sha256=checkpoint.sha256 or None,
                bytes=checkpoint.bytes or None,
                home=checkpoint.page,
            )
            sources[name] = (source,)
    for listing in _listings("published_predictions.toml"):
        for key, row in read_toml(listing).items():
            name = f"predictions/{row.get('dataset')}"
            columns = {column: row.get(column) for column in ("file", "sha256", "url")}
            source = _source(listing, name=f"{name}/{key}", provides=(row.get("file"),), home=row.get("source"), **columns)
            sources[name] = (*sources.get(name, ()), source)
    return sources


def _listings(file: str) -> Iterator[Path]:
    """Yield the listing of this name of each package that has one."""
    for module in packages().values():
        if module.__file__ and (listing := Path(module.__file__).with_name(file)).is_file():
            yield listing


def _source(path: Path, **columns: Any) -> Source:
    try:
        return Source(**columns)
    except TypeError as error:
        raise InputError(f"{path}: {columns['name']}: {error}") from None


def fetch_source(source: Source, root: Path) -> bool:
    """Download, check and unpack a source; return False when everything that it provides exists already.

    A file that is there already is compared with the published digest, too.

    Raises:
        InputError: another file has the source's name, the source has no address, or the archive lacks what the source should
            provide; see also :func:`download_file` and :func:`benchmark.data.archives.extract_archive`.
    """
    target = root / source.file
    if all((root / path).exists() for path in source.provides):
        if source.sha256 and target.is_file() and not (digest := sha256_of_file(target)).startswith(source.sha256):
            raise InputError(f"{target}: SHA-256 is {digest}, expected {source.sha256}; remove the file to download it again")
        return False
    if not source.url and not target.exists():
        raise InputError(f"{source.name} has no address to download from: get it from {source.home} and put it at {target}")
    if not target.exists():
        download_file(source.url, target, sha256=source.sha256, size=source.bytes)
    if source.into is not None:
        try:
            extract_archive(target, root / source.into)
        except InputError as error:
            _digest_file(target).unlink(missing_ok=True)  # the next download may have another digest than this broken one
            raise InputError(f"{error}; remove the file to download it again") from None
        target.unlink()
        missing = [path for path in source.provides if not (root / path).exists()]
        if missing:
            raise InputError(f"{source.url}: the archive was unpacked but lacks {', '.join(missing)}")
    return True


def download_file(url: str, target: Path, *, sha256: str | None = None, size: int | None = None) -> str:
    """Download ``url`` to ``target``, which appears only when it is complete and correct; return its SHA-256.

    The bytes received so far are in ``<target>.part``. A later call resumes from there by a Range request, unless the
    server's file has changed since or the server does not support ranges.

    Args:
        sha256: the expected digest, or the beginning of it. Without one, the digest of the first download is written to
            ``<target>.sha256`` and expected from then on.
        size: the expected number of bytes.

    Raises:
        InputError: the URL is not http(s), another process is downloading the same file, the server refuses, the connection
            breaks, the size or digest is wrong, or the file cannot be written.
    """
    if not re.match(r"https?://", url):
        raise InputError(f"{url}: only http and https URLs can be downloaded")
    recorded = _digest_file(target)
    expected = sha256 or (recorded.read_text().split()[0] if recorded.is_file() else None)
    with writing(target):
        origin = "" if sha256 else f", as {recorded} has it from an earlier download"
        digest = _download(url, target, expected, size, origin)
        if not expected:
            with atomic_write(recorded) as temporary:
                temporary.write_text(f"{digest}  {target.name}\n")
    return digest


def _download(url: str, target: Path, expected: str | None, size: int | None, origin: str) -> str:
    part = target.with_name(target.name + ".part")
    with lock_file(part, wait=False) as locked:
        if not locked:
            raise InputError(f"{target}: another process is downloading it")
        # Not atomic_write: what has arrived must outlive a failure, so that the next call can resume.
        with open(part, "ab") as file:
            try:
                _transfer(url, file, part, size, expected is not None)
            except InputError:
                if file.seek(0, os.SEEK_END) == 0:
                    _remove_partial(part)
                raise
            file.flush()
            os.fsync(file.fileno())
        digest = sha256_of_file(part)
        if expected and not digest.startswith(expected):
            _remove_partial(part)
            raise InputError(f"{url}: SHA-256 is {digest}, expected {expected}{origin}; the download was deleted")
        with open(part, "rb") as file:
            problem = misplaced_content(file.read(512))
        if problem:  # nothing may be expected from then on that never was the file
            _remove_partial(part)
            raise InputError(f"{url}: {problem}; the download was deleted")
        os.replace(part, target)
        _tag_file(part).unlink(missing_ok=True)
    return digest


def _tag_file(part: Path) -> Path:
    """Return the file beside a partial one that holds the server's tag of its version (ETag, else Last-Modified)."""
    return part.with_name(part.name + ".tag")


def _digest_file(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _remove_partial(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _transfer(url: str, file: BinaryIO, part: Path, size: int | None, checked: bool) -> None:
    """Append to ``file`` until it is complete, resuming after a connection that broke."""
    for attempt in range(1, ATTEMPTS + 1):
        before = file.seek(0, os.SEEK_END)
        try:
            _request(url, file, part, size, checked)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == ATTEMPTS:
                raise InputError(f"{url}: the server answered {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            if getattr(error, "errno", None) in FULL:
                raise  # what has arrived is kept, and no further attempt would help
            if attempt == ATTEMPTS:
                received = file.seek(0, os.SEEK_END)
                advice = f"; {received} bytes are kept, run the command again to resume" if received else ""
                raise InputError(f"{url}: {getattr(error, 'reason', None) or error}{advice}") from None
        if file.seek(0, os.SEEK_END) == before:
            time.sleep(0.2 * 2**attempt)  # nothing was received: give the server time


def _request(url: str, file: BinaryIO, part: Path, size: int | None, checked: bool) -> None:
    """Make one request for the bytes after the end of ``file``; start over where the server sends the whole file.

    Args:
        checked: a digest is compared at the end, so that the pieces may be joined without the server's tag.
    """
    received = file.tell()
    if size is not None and received > size:
        file.truncate(0)
        received = 0
    headers = {"User-Agent": "pose-reproducibility-benchmark", "Accept-Encoding": "identity"}
    tag = _tag_file(part)
    if received and tag.is_file():
        headers |= {"Range": f"bytes={received}-", "If-Range": tag.read_text()}
    elif received and checked:
        headers["Range"] = f"bytes={received}-"
    elif received:  # without its tag, nothing says which version of the server's file these bytes are from
        file.truncate(0)
        received = 0
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and received:  # the server's file ends here, or earlier
            if error.headers.get("Content-Range") == f"bytes */{received}":
                return
            file.truncate(0)
            tag.unlink(missing_ok=True)
            raise OSError("the partial file did not fit the server's file") from None
        raise
    with response:
        if response.status == 206 and not str(response.headers.get("Content-Range")).startswith(f"bytes {received}-"):
            raise OSError("the server sent another range than the requested one")
        if response.status != 206:
            file.truncate(0)
            received = 0
        etag = response.headers.get("ETag", "W/")  # a weak tag does not promise identical bytes
        if current := response.headers.get("Last-Modified") if etag.startswith("W/") else etag:
            with atomic_write(tag) as temporary:
                temporary.write_text(current)
        else:
            tag.unlink(missing_ok=True)
        length = response.headers.get("Content-Length")
        total = received + int(length) if length else size
        if size is not None and total != size:
            raise InputError(f"{url}: the server offers {total} bytes, expected {size}")
        file.seek(0, os.SEEK_END)
        _copy(response, file, received, total, part.name.removesuffix(".part"))
    if total is not None and file.tell() != total:
        raise OSError(f"the connection ended at {file.tell()} of {total} bytes")


def _copy(response: Any, file: BinaryIO, received: int, total: int | None, name: str) -> None:
    with tqdm(total=total, initial=received, unit="B", unit_scale=True, desc=name) as bar:
        while chunk := response.read(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    file.flush()
