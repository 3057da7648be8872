"""Files are replaced in one step, and one process at a time holds a lock."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchmark.core.files import atomic_write, lock_file, sha256_of_file

SIZE = 200_000  # larger than the buffer of an open file, so that a direct write would arrive in pieces


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestAtomicWrite:
    def test_the_new_content_appears_only_when_complete(self, tmp_path: Path) -> None:
        path = tmp_path / "folder" / "file"
        with atomic_write(path) as temporary:
            temporary.write_text("new")
            assert not path.exists()
        assert path.read_text() == "new"
        assert names(path.parent) == ["file"]

    def test_a_reader_never_sees_a_part_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"0" * SIZE)

        def write() -> None:
            for number in range(200):
                with atomic_write(path) as temporary, open(temporary, "wb") as file:
                    for _ in range(SIZE // 1000):
                        file.write(str(number % 10).encode() * 1000)

        writer = threading.Thread(target=write)
        writer.start()
        while writer.is_alive():
            content = path.read_bytes()
            assert content == content[:1] * SIZE
        writer.join()

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_an_exception_leaves_the_old_file_and_nothing_else(self, tmp_path: Path, error: type[BaseException]) -> None:
        path = tmp_path / "file"
        path.write_text("old")

        def fail() -> None:
            with atomic_write(path) as temporary:
                temporary.write_text("half")
                raise error

        with pytest.raises(error):
            fail()
        assert path.read_text() == "old"
        assert names(tmp_path) == ["file"]

    def test_a_body_that_writes_nothing_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "file"):
            pass
        assert names(tmp_path) == []

    def test_two_processes_that_write_the_same_file_do_not_meet(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        writers = [multiprocessing.get_context("fork").Process(target=_write_often, args=(path, text)) for text in "ab"]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert [writer.exitcode for writer in writers] == [0, 0]
        assert path.read_text() in ("a" * SIZE, "b" * SIZE)
        assert names(tmp_path) == ["file"]

    def test_writers_that_overlap_each_write_their_own(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        with atomic_write(path) as first:
            first.write_text("first")
            with atomic_write(path) as second:
                second.write_text("second")
            assert path.read_text() == "second"
        assert path.read_text() == "first"
        assert names(tmp_path) == ["file"]

    def test_the_file_has_the_usual_permissions(self, tmp_path: Path) -> None:
        (tmp_path / "usual").touch()
        with atomic_write(tmp_path / "file") as temporary:
            temporary.touch()
        modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "file")}
        assert len(modes) == 1

    def test_the_bytes_are_synced_before_the_rename(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        synced: list[str] = []

        def fsync(descriptor: int) -> None:
            assert not (tmp_path / "file").exists()
            synced.append(Path(f"/proc/self/fd/{descriptor}").read_text())

        monkeypatch.setattr(os, "fsync", fsync)
        with atomic_write(tmp_path / "file") as temporary:
            temporary.write_text("new")
        assert synced == ["new"]


def _write_often(path: Path, text: str) -> None:
    for _ in range(50):
        with atomic_write(path) as temporary:
            temporary.write_text(text * SIZE)


HOLDER = """
import sys, time
from pathlib import Path
from benchmark.core.files import lock_file
with lock_file(Path(sys.argv[1]), wait=True) as locked:
    print(locked, flush=True)
    time.sleep(600)
"""


def hold(path: Path) -> subprocess.Popen[str]:
    """Start a process that holds the lock until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "True\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


class TestLockFile:
    def test_the_lock_is_refused_while_held_and_free_afterwards(self, tmp_path: Path) -> None:
        path = tmp_path / "folder" / "lock"
        with lock_file(path, wait=False) as first:
            with lock_file(path, wait=False) as second:
                assert (first, second) == (True, False)
            with lock_file(path, wait=False) as third:
                assert not third
        with lock_file(path, wait=False) as locked:
            assert locked

    def test_the_lock_is_released_when_the_body_raises(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="body"), lock_file(tmp_path / "lock", wait=False):
            raise ValueError("body")
        with lock_file(tmp_path / "lock", wait=False) as locked:
            assert locked

    def test_the_lock_is_released_when_the_process_is_killed(self, tmp_path: Path) -> None:
        holder = hold(tmp_path / "lock")
        try:
            with lock_file(tmp_path / "lock", wait=False) as locked:
                assert not locked
        finally:
            kill(holder)
        with lock_file(tmp_path / "lock", wait=False) as locked:
            assert locked

    def test_waiting_ends_when_the_holder_does(self, tmp_path: Path) -> None:
        holder = hold(tmp_path / "lock")
        timer = threading.Timer(0.3, kill, [holder])
        timer.start()
        with lock_file(tmp_path / "lock", wait=True) as locked:
            assert locked
            assert holder.wait() == -signal.SIGKILL
        timer.join()

    def test_one_process_at_a_time_counts(self, tmp_path: Path) -> None:
        (tmp_path / "count.json").write_text("0")
        counters = [multiprocessing.get_context("fork").Process(target=_count, args=(tmp_path,)) for _ in range(3)]
        for counter in counters:
            counter.start()
        for counter in counters:
            counter.join()
        assert json.loads((tmp_path / "count.json").read_text()) == 3 * 100

    def test_the_content_of_the_locked_file_stays(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("content")
        with lock_file(tmp_path / "file", wait=False):
            assert (tmp_path / "file").read_text() == "content"

    def test_waiting_locks_the_path_and_not_a_file_renamed_meanwhile(self, tmp_path: Path) -> None:
        path, renamed = tmp_path / "file.part", tmp_path / "file"
        locks: list[tuple[bool, bool]] = []

        def wait() -> None:
            with lock_file(path, wait=True) as locked, lock_file(renamed, wait=False) as free:
                locks.append((locked, free))

        with lock_file(path, wait=True):
            waiting = threading.Thread(target=wait)
            waiting.start()
            waiting.join(0.2)
            assert waiting.is_alive()
            path.rename(renamed)
        waiting.join()
        assert locks == [(True, True)]
        assert path.exists()


def _count(folder: Path) -> None:
    for _ in range(100):
        with lock_file(folder / "lock", wait=True):
            path = folder / "count.json"
            path.write_text(str(json.loads(path.read_text()) + 1))


def test_the_digest_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of_file(tmp_path / "file") == digest
