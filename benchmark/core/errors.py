"""Report a user's mistake as one clear line and exit status 2, and a stop as one line, never as a traceback."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn, TextIO

from benchmark.core.text import printable

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)  # no space, a file-size limit, a quota


class InputError(ValueError):
    """Wrong input from the user; the message is one line that names the offending value."""


def exit_with_error(message: str) -> NoReturn:
    """Print ``message`` as one line on stderr and exit with status 2."""
    print_note("error: " + message)
    raise SystemExit(2)


def report_failures(failures: Sequence[InputError]) -> None:
    """Name what failed once all else is done: print each failure as one line, but raise the last; do nothing if there is none.

    Raises:
        InputError: the last failure.
    """
    for failure in failures[:-1]:
        print_note(f"error: {failure}")
    if failures:
        raise failures[-1]


def print_warning(message: str) -> None:
    """Print ``message`` as one line on stderr."""
    print_note("warning: " + message)


def print_note(message: str) -> None:
    """Print ``message`` as one line on stderr."""
    print(printable(" ".join(message.split())), file=sys.stderr, flush=True)


class _TextOutput:
    """Standard output, on which names from files and options are only text: none of them moves the cursor or sets colours."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(printable(text, keep="\n\t"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class StopError(KeyboardInterrupt):
    """SIGTERM has reached the process, which stops as it does after Ctrl-C: locks are released, temporary files removed."""


@contextlib.contextmanager
def _stopping_on_sigterm() -> Iterator[None]:
    """Raise :class:`StopError` on SIGTERM; on a second one the process ends at once."""
    is_stopped = False

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal is_stopped
        is_stopped = True
        signal.signal(number, signal.SIG_DFL)
        raise StopError

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except Exception:
        if is_stopped:  # compiled code may turn what is raised within it into an error of its own
            raise StopError from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def run_command(command: Callable[[], object]) -> None:
    """Run a command, its reading of arguments included, which prints help.

    An :class:`InputError`, or a file that cannot be used, becomes one line and exit status 2; Ctrl-C and SIGTERM become one
    line and the statuses by which a shell knows them.
    """
    try:
        with _stopping_on_sigterm(), contextlib.redirect_stdout(_TextOutput(sys.stdout)):
            try:
                command()
            finally:  # also after --help, which exits
                sys.stdout.flush()
    except InputError as error:
        exit_with_error(str(error))
    except BrokenPipeError:  # the reader closed the pipe: `... | head`
        sys.stderr.close()
        raise SystemExit(0) from None
    except OSError as error:
        if error.filename is None and error.errno not in FULL:
            raise
        if error.filename is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left would fail again at exit
        exit_with_error(f"{error.filename or 'standard output'}: {error.strerror}")
    except KeyboardInterrupt as stop:
        number = signal.SIGTERM if isinstance(stop, StopError) else signal.SIGINT
        print_note(f"stopped by {number.name}: what was finished is kept; the same command resumes")
        raise SystemExit(128 + number) from None
