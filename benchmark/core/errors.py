"""A user's mistake is one clear line and exit status 2, never a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn


class InputError(ValueError):
    """Something the user gave is wrong; the message is one line that names the offender."""


def exit_with_error(message: str) -> NoReturn:
    """Print ``message`` as one line on stderr and leave with status 2."""
    print("error: " + " ".join(message.split()), file=sys.stderr)
    raise SystemExit(2)


def run_command(command: Callable[[], object]) -> None:
    """Run a command's body; turn :class:`InputError` into one line and exit status 2."""
    try:
        command()
    except InputError as mistake:
        exit_with_error(str(mistake))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # the reader went away: `... | head`
        sys.stderr.close()
        raise SystemExit(0) from None
