"""Downloads are resumed where they ended, checked, and put in place in one step; against a local server."""

from __future__ import annotations

import fcntl
import hashlib
import io
import shutil
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmark.core.errors import InputError
from benchmark.core.files import sha256_of_file
from benchmark.data import download, fetch, sources
from benchmark.data.download import ATTEMPTS, download_file, fetch_source, is_protected
from benchmark.data.sources import Part, Source, list_sources
from benchmark.models.checkpoints import checkpoints

BODY = np.random.default_rng(0).bytes(300_000)
DIGEST = hashlib.sha256(BODY).hexdigest()
CHECKPOINT = (
    "id,model,evidence,dataset,input,file,sha256,bytes,url,page,reported\n"
    f"sixth/big,sixth/net,authors' weights,mpii,256x256,big.h5,{DIGEST},3,https://example.org/big.h5,https://example.org,\n"
)


class Server(ThreadingHTTPServer):
    """A server of ``body`` at any path, with faults that a test can ask for."""

    body = BODY
    etag: str | None = '"v1"'
    ranges = True
    status = 200
    redirect = ""
    break_after: list[int]  # number of bytes after which the connection ends, for each request
    requests: list[str | None]  # the Range header of each request

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.break_after, self.requests = [], []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, requested = self.server, self.headers.get("Range")
        server.requests.append(requested)
        if server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.end_headers()
            return
        if server.status != 200:
            self.send_error(server.status)
            return
        start, unchanged = 0, self.headers.get("If-Range") in (None, server.etag)
        if requested and server.ranges and unchanged:
            start = int(requested.removeprefix("bytes=").rstrip("-"))
            if start >= len(server.body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.body)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        else:
            self.send_response(200)
        if server.etag:
            self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(server.body) - start))
        self.end_headers()
        sent = server.body[start:]
        self.wfile.write(sent[: server.break_after.pop(0)] if server.break_after else sent)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get(server: Server, target: Path, **options) -> str:
    return download_file(server.url, target, **options)


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(server, tmp_path):
    assert get(server, tmp_path / "a" / "file", sha256=DIGEST, size=len(BODY)) == DIGEST
    assert (tmp_path / "a" / "file").read_bytes() == BODY
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


def test_a_connection_that_breaks_is_taken_up_where_it_ended(server, tmp_path):
    server.break_after = [100_000, 50_000]
    get(server, tmp_path / "file", sha256=DIGEST)
    assert (tmp_path / "file").read_bytes() == BODY
    assert server.requests == [None, "bytes=100000-", "bytes=150000-"]


def test_a_download_given_up_is_taken_up_by_the_next(server, tmp_path):
    server.break_after = [100_000, 0, 0, 0]
    with pytest.raises(
        InputError, match=r"ended at 100000 of 300000 bytes; 100000 bytes are kept, run the command again to resume"
    ):
        get(server, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    server.requests.clear()
    assert get(server, tmp_path / "file") == DIGEST
    assert server.requests == ["bytes=100000-"]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges = False
    server.break_after = [100_000]
    assert get(server, tmp_path / "file") == DIGEST
    assert server.requests == [None, "bytes=100000-"]


def test_a_file_that_changed_on_the_server_is_not_glued_to_the_old_one(server, tmp_path):
    server.break_after = [100_000, 0, 0, 0]
    with pytest.raises(InputError):
        get(server, tmp_path / "file")
    server.body, server.etag = BODY[::-1], '"v2"'
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY[::-1]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_tag_a_file_is_continued_only_where_a_digest_is_checked(server, tmp_path, etag):
    server.etag = etag
    server.break_after = [100_000]
    assert get(server, tmp_path / "a") == DIGEST
    assert server.requests == [None, None]
    server.requests.clear()
    server.break_after = [100_000]
    assert get(server, tmp_path / "b", sha256=DIGEST) == DIGEST
    assert server.requests == [None, "bytes=100000-"]


def test_a_partial_file_that_is_already_whole_is_recognised(server, tmp_path):
    (tmp_path / "file.part").write_bytes(BODY)
    (tmp_path / "file.part.tag").write_text('"v1"')
    assert get(server, tmp_path / "file") == DIGEST
    assert server.requests == [f"bytes={len(BODY)}-"]


def test_a_partial_file_longer_than_the_server_s_is_started_again(server, tmp_path):
    (tmp_path / "file.part").write_bytes(BODY + b"more")
    (tmp_path / "file.part.tag").write_text('"v1"')
    assert get(server, tmp_path / "file") == DIGEST


def test_a_wrong_digest_is_refused_and_the_download_thrown_away(server, tmp_path):
    with pytest.raises(InputError, match=f"SHA-256 is {DIGEST}, expected {'0' * 64}; the download was deleted"):
        get(server, tmp_path / "file", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_size_is_refused_before_anything_is_transferred(server, tmp_path):
    with pytest.raises(InputError, match="the server offers 300000 bytes, expected 5"):
        get(server, tmp_path / "file", size=5)
    assert list(tmp_path.iterdir()) == []


def test_a_digest_may_be_given_by_its_beginning(server, tmp_path):
    assert get(server, tmp_path / "file", sha256=DIGEST[:8]) == DIGEST
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(InputError, match=f"SHA-256 is {DIGEST}, expected 00000000"):
        get(server, tmp_path / "other", sha256="0" * 8)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_unknown_digest_is_recorded_once_and_asked_for_ever_after(server, tmp_path):
    get(server, tmp_path / "file")
    assert (tmp_path / "file.sha256").read_text() == f"{DIGEST}  file\n"
    (tmp_path / "file").unlink()
    server.body = b"something else"
    with pytest.raises(InputError, match=f"expected {DIGEST}"):
        get(server, tmp_path / "file")


def test_an_answer_that_is_no_file_is_told(server, tmp_path):
    server.status = 404
    with pytest.raises(InputError, match="the server answered 404"):
        get(server, tmp_path / "file")
    assert len(server.requests) == 1
    server.status = 503  # may be temporary, so the request is repeated
    with pytest.raises(InputError, match="the server answered 503"):
        get(server, tmp_path / "file")
    assert len(server.requests) == 1 + ATTEMPTS


def test_a_server_that_is_not_there_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    with pytest.raises(InputError, match="refused"):
        download_file("http://127.0.0.1:1/file", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "folder").touch()
    with pytest.raises(InputError, match=r"folder/file.part: cannot be written: .*folder is a file, not a folder"):
        get(server, tmp_path / "folder" / "file")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/file"])
def test_only_http_and_https_are_fetched(tmp_path, url):
    with pytest.raises(InputError, match="only http and https"):
        download_file(url, tmp_path / "file")


@pytest.mark.parametrize(
    "url", ["http://example.org/data.zip", "http://localhost.example.org/a", "http://127.0.0.1.example.org/a"]
)
def test_without_https_a_digest_must_be_known(tmp_path, url):
    with pytest.raises(InputError, match="neither https nor a known digest"):
        download_file(url, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["http://example.org/other", "ftp://example.org/other", "file:///etc/passwd"])
def test_a_redirect_to_where_others_could_change_the_file_is_not_followed(server, tmp_path, target):
    server.redirect = target
    with pytest.raises(InputError, match=r"redirects to|answered 302"):
        get(server, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_two_downloads_of_one_file_do_not_meet(server, tmp_path):
    with open(tmp_path / "file.part", "ab") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is downloading it"):
            get(server, tmp_path / "file")
    assert get(server, tmp_path / "file") == DIGEST


class TestSources:
    def archive(self, *names: str) -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name in names:
                archive.writestr(name, "x")
        return content.getvalue()

    def source(self, server: Server, **changes) -> Source:
        columns = {
            "name": "lsp",
            "url": server.url,
            "file": "downloads/lsp.zip",
            "into": "lsp",
            "provides": (Part(path="lsp/joints.mat"),),
        }
        return Source(**columns | changes)

    def test_an_archive_is_unpacked_and_removed_and_not_fetched_again(self, server, tmp_path):
        server.body = self.archive("joints.mat")
        assert fetch_source(self.source(server), tmp_path)
        assert (tmp_path / "lsp" / "joints.mat").read_text() == "x"
        assert not (tmp_path / "downloads" / "lsp.zip").exists()
        assert not fetch_source(self.source(server), tmp_path)
        assert len(server.requests) == 1

    def test_an_archive_that_leads_out_is_refused(self, server, tmp_path):
        server.body = self.archive("../joints.mat")
        with pytest.raises(InputError, match="remove the file to download it again"):
            fetch_source(self.source(server), tmp_path)
        assert not (tmp_path / "lsp").exists()
        assert not (tmp_path / "joints.mat").exists()

    @pytest.mark.parametrize(
        ("part", "problem"),
        [
            (Part(path="lsp/joints.mat", bytes=7), "lsp/joints.mat has 1 bytes, not 7"),
            (Part(path="lsp/images", files=3), "lsp/images has 2 of 3 files"),
            (Part(path="lsp/readme"), "lsp/readme is missing"),
        ],
    )
    def test_an_archive_without_what_it_should_hold_is_told_and_not_unpacked(self, server, tmp_path, part, problem):
        server.body = self.archive("joints.mat", "images/1.jpg", "images/2.jpg")
        with pytest.raises(InputError, match=f"not the published archive: {problem}; nothing was unpacked"):
            fetch_source(self.source(server, provides=(part,)), tmp_path)
        assert not (tmp_path / "lsp").exists()

    @pytest.mark.parametrize("lost", ["images/2.jpg", "joints.mat", "images"])
    def test_what_is_there_is_complete_or_fetched_again(self, server, tmp_path, lost):
        server.body = self.archive("joints.mat", "images/1.jpg", "images/2.jpg")
        parts = (Part(path="lsp/joints.mat", bytes=1), Part(path="lsp/images", files=2))
        source = self.source(server, provides=parts)
        assert fetch_source(source, tmp_path)
        path = tmp_path / "lsp" / lost
        shutil.rmtree(path) if path.is_dir() else path.write_bytes(b"") if lost == "joints.mat" else path.unlink()
        assert len(source.missing_parts(tmp_path)) == 1
        assert fetch_source(source, tmp_path)
        assert fetch_source(source, tmp_path) is None
        assert len(server.requests) == 2

    def test_an_archive_that_lies_there_is_compared_with_the_digest_before_it_is_unpacked(self, server, tmp_path):
        (tmp_path / "downloads").mkdir()
        archive = tmp_path / "downloads" / "lsp.zip"
        archive.write_bytes(self.archive("joints.mat"))
        digest = sha256_of_file(archive)
        with pytest.raises(InputError, match=f"SHA-256 is {digest}, expected 0000"):
            fetch_source(self.source(server, sha256="0" * 64), tmp_path)
        assert fetch_source(self.source(server), tmp_path) == digest
        assert (tmp_path / "downloads" / "lsp.zip.sha256").read_text() == f"{digest}  lsp.zip\n"
        archive.write_bytes(self.archive("joints.mat", "more"))
        (tmp_path / "lsp" / "joints.mat").unlink()
        with pytest.raises(InputError, match=f"expected {digest}"):
            fetch_source(self.source(server), tmp_path)
        assert not (tmp_path / "lsp" / "more").exists()

    def test_a_digest_taken_at_the_first_download_is_said_and_holds_for_the_file(self, server, tmp_path, monkeypatch):
        source = self.source(server, file="file.bin", into=None, provides=(Part(path="file.bin"),))
        monkeypatch.setattr(fetch, "list_sources", lambda: {"lsp": (source,)})
        lines = list(fetch.fetch_all("lsp", tmp_path))
        assert (
            lines[1]
            == f"  no digest is published; SHA-256 {DIGEST} is now in {tmp_path / 'file.bin.sha256'}, and expected later"
        )
        (tmp_path / "file.bin").write_bytes(BODY[::-1])
        with pytest.raises(InputError, match=f"expected {DIGEST}"):
            list(fetch.fetch_all("lsp", tmp_path))
        (tmp_path / "file.bin.sha256").write_text("\n")
        with pytest.raises(InputError, match="holds no SHA-256"):
            list(fetch.fetch_all("lsp", tmp_path))

    def test_the_table_is_sound(self):
        for name, files in list_sources().items():
            for source in files:
                assert (source.url or source.home).startswith("http"), name
                assert source.sha256 or not source.url or is_protected(source.url), name
                assert source.sha256 is None or len(bytes.fromhex(source.sha256)) in (4, 32), name  # or its beginning
                assert source.provides
                for path in (source.file, *(part.path for part in source.provides)):
                    assert not Path(path).is_absolute()
                    assert ".." not in Path(path).parts

    def test_weights_are_found_in_any_package_that_lists_some(self, tmp_path, monkeypatch):
        (tmp_path / "checkpoints.csv").write_text(CHECKPOINT)
        empty = tmp_path / "none"
        empty.mkdir()
        packages = {"sixth_paper": tmp_path, "other": empty}
        modules = {name: SimpleNamespace(__file__=str(folder / "__init__.py")) for name, folder in packages.items()}
        monkeypatch.setattr("benchmark.models.checkpoints.packages", lambda: modules)
        monkeypatch.setattr(sources, "checkpoints", checkpoints.__wrapped__)  # not those that this process has read already
        listed = list_sources()
        (weights,) = listed["weights/sixth/big"]
        assert weights.file == "weights/sixth/big.h5"
        assert weights.sha256 == DIGEST
        assert [name for name in listed if name.startswith("weights/")] == ["weights/sixth/big"]

    def test_a_malformed_table_is_named(self, tmp_path, monkeypatch):
        table = tmp_path / "sources.toml"
        monkeypatch.setattr("benchmark.data.sources.TABLE", table)
        table.write_text('[a]\nurl = "https://example.org/a"\ncolour = "red"\n')
        with pytest.raises(InputError, match=r"sources\.toml: a: .*colour"):
            list_sources()
        for text, problem in (("bytes = true", "bytes: "), ("url = 1", "url: "), ('provides = "a"', "provides: ")):
            table.write_text(f"[a]\n{text}\n" + ("" if "url" in text else 'url = "https://example.org/a"\n'))
            with pytest.raises(InputError, match=rf"sources\.toml: a: {problem}"):
                list_sources()
        table.write_text("a = 1")
        with pytest.raises(InputError, match=r"sources\.toml: a: "):
            list_sources()
        table.write_bytes(b"\xff")
        with pytest.raises(InputError, match=r"sources\.toml: "):
            list_sources()
        table.write_text("[a")
        with pytest.raises(InputError, match=r"sources\.toml: "):
            list_sources()

    def test_released_weights_are_those_of_the_data_root(self, pose_data):
        for name, files in list_sources().items():
            if name.startswith("weights/") and all((pose_data / source.file).is_file() for source in files):
                for source in files:
                    assert sha256_of_file(pose_data / source.file).startswith(source.sha256)
                    assert not fetch_source(source, pose_data)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>Sign in</title>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git-LFS"),
    ],
)
def test_what_stands_in_a_files_place_is_not_taken_for_it_and_leaves_no_digest(
    server: Server, tmp_path: Path, body: bytes, problem: str
) -> None:
    server.body = body
    with pytest.raises(InputError, match=problem):
        download_file(server.url, tmp_path / "net.pth")
    assert list(tmp_path.iterdir()) == []
    server.body = BODY
    assert download_file(server.url, tmp_path / "net.pth") == DIGEST


def test_a_digest_that_an_earlier_download_left_is_named_where_it_differs(server: Server, tmp_path: Path) -> None:
    download_file(server.url, tmp_path / "net.pth")
    (tmp_path / "net.pth").unlink()
    server.body = BODY[::-1]
    with pytest.raises(InputError, match=r"as .*net\.pth\.sha256 has it from an earlier download"):
        download_file(server.url, tmp_path / "net.pth")
