"""A mistake of the user's is one line and exit status 2."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from benchmark.core.errors import InputError, run_command
from benchmark.core.files import atomic_write


def test_wrong_input_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise InputError("--size 0:\n  at least 1")

    with pytest.raises(SystemExit) as status:
        run_command(command)
    assert status.value.code == 2
    assert capsys.readouterr().err == "error: --size 0: at least 1\n"


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")

    def command() -> None:
        with atomic_write(tmp_path / "file" / "page.md") as temporary:
            temporary.write_text("")

    with pytest.raises(SystemExit) as status:
        run_command(command)
    assert status.value.code == 2
    assert (
        capsys.readouterr().err
        == f"error: {tmp_path / 'file' / 'page.md'}: cannot be written: {tmp_path / 'file'} is a file, not a folder\n"
    )


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(OSError, match="no file is named"):
        run_command(lambda: (_ for _ in ()).throw(OSError("no file is named")))


def test_sigterm_is_one_line_and_its_status_even_where_other_code_turns_it_into_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ValueError("could not determine the shape") from None

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as status:
        run_command(command)
    assert status.value.code == 143
    assert capsys.readouterr().err == "stopped by SIGTERM: what was finished is kept; the same command resumes\n"
    assert signal.getsignal(signal.SIGTERM) == before
