"""Download datasets and published weights: resumed after an interruption, checked, and put in place in one step.

What a publisher states no digest of is only taken over https, and the digest of the first download holds for any later one.
"""

from __future__ import annotations

import http.client
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from tqdm import tqdm

from benchmark.core.errors import FULL, InputError
from benchmark.core.file_content import misplaced_content
from benchmark.core.files import atomic_write, lock_file, remove_partials, sha256_of_file, write_file, writing
from benchmark.core.text import printable
from benchmark.data.archives import extract_archive
from benchmark.data.sources import Source

CHUNK = 1 << 20
ATTEMPTS = 4  # each resumes where the last one ended
TIMEOUT = 60  # seconds without a byte


def fetch_source(source: Source, root: Path) -> str | None:
    """Download, check and unpack a source; return its SHA-256, or None when everything that it provides exists already.

    A file that is there already is compared with the published digest, too, or else with that of the first download.

    Raises:
        InputError: another file has the source's name, the source has no address, or the archive lacks what the source should
            provide; see also :func:`download_file` and :func:`benchmark.data.archives.extract_archive`.
    """
    target = root / source.file
    if not source.missing_parts(root):
        if target.is_file() and expected_digest(target, source.sha256):
            _check_file(target, source.sha256)
        return None
    if not source.url and not target.exists():
        raise InputError(f"{source.name} has no address to download from: get it from {source.home} and put it at {target}")
    if target.exists():
        digest = _check_file(target, source.sha256)
    else:
        digest = download_file(source.url, target, sha256=source.sha256, size=source.bytes)
    if source.into is not None:
        _unpack(source, target, root)
    if missing := source.missing_parts(root):
        raise InputError(f"{source.url or source.name}: it was fetched, but {'; '.join(missing)}")
    return digest


def _unpack(source: Source, archive: Path, root: Path) -> None:
    """Unpack the archive of a source, and remove it."""
    into = str(source.into)

    def check(sizes: Mapping[str, int]) -> None:
        below_root = {f"{into}/{path}": size for path, size in sizes.items()}
        if missing := [problem for part in source.provides if (problem := part.missing_from_archive(below_root))]:
            raise InputError(f"{archive}: not the published archive: {'; '.join(missing)}; nothing was unpacked")

    try:
        extract_archive(archive, root / into, check)
    except InputError as error:
        digest_file(archive).unlink(missing_ok=True)  # the next download may have another digest than this broken one
        raise InputError(f"{error}; remove the file to download it again") from None
    archive.unlink()


def _check_file(path: Path, sha256: str | None) -> str:
    """Return the digest of a file that is there, which must be the expected one; the first one is recorded."""
    expected = expected_digest(path, sha256)
    digest = sha256_of_file(path, progress=True)
    if expected and not digest.startswith(expected):
        raise InputError(f"{path}: SHA-256 is {digest}, expected {expected}; remove the file to download it again")
    if not expected:
        _record_digest(path, digest)
    return digest


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
    if sha256 is None and not is_protected(url):
        raise InputError(f"{url}: neither https nor a known digest: anybody on the way could have changed it; get it by hand")
    expected = expected_digest(target, sha256)
    with writing(target):
        origin = "" if sha256 else f", as {digest_file(target)} has it from an earlier download"
        digest = _download(url, target, expected, size, origin)
        if not expected:
            _record_digest(target, digest)
    return digest


def is_protected(url: str) -> bool:
    """Return whether nobody between a server and this machine can change what the server sends."""
    address = urllib.parse.urlsplit(url)
    return address.scheme == "https" or address.hostname in ("127.0.0.1", "::1", "localhost")


class _ProtectedRedirects(urllib.request.HTTPRedirectHandler):
    """Follow no redirect from https to anything else."""

    def redirect_request(self, request: Any, file: Any, code: int, message: str, headers: Any, url: str) -> Any:
        allowed = is_protected(url) if is_protected(request.full_url) else url.startswith(("http:", "https:"))
        if not allowed:
            raise InputError(f"{request.full_url}: the server redirects to {url}, which is not https")
        return super().redirect_request(request, file, code, message, headers, url)


def digest_file(target: Path) -> Path:
    """Return the file beside a download that holds the digest of the first one, where the publisher states none."""
    return target.with_name(target.name + ".sha256")


def expected_digest(target: Path, sha256: str | None) -> str | None:
    """Return the published digest, or its beginning; else that of the first download; None if there was none.

    Raises:
        InputError: the file that should hold it holds something else.
    """
    recorded = digest_file(target)
    if sha256 or not recorded.is_file():
        return sha256
    digest = recorded.read_text(errors="replace")[:64]
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise InputError(f"{recorded}: holds no SHA-256; remove it to accept the next download")
    return digest


def _record_digest(target: Path, digest: str) -> None:
    write_file(digest_file(target), os.fsencode(f"{digest}  {target.name}\n"))


def _download(url: str, target: Path, expected: str | None, size: int | None, origin: str) -> str:
    part = target.with_name(target.name + ".part")
    with lock_file(part, wait=False) as locked:
        if not locked:
            raise InputError(f"{target}: another process is downloading it")
        remove_partials(part.parent, _tag_file(part).name)
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
        digest = sha256_of_file(part, progress=True)
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
        opener = urllib.request.build_opener(_ProtectedRedirects)
        response = opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
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
    with tqdm(total=total, initial=received, unit="B", unit_scale=True, desc=printable(name)) as bar:
        while chunk := response.read(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    file.flush()
