"""Search an architecture, train it, and compare with a random search: ``python -m benchmark.search``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from benchmark.config.packages import find_search
from benchmark.core.errors import run_command
from benchmark.core.records import RECORDS
from benchmark.nas.arguments import LookupArguments, SearchArguments

DESCRIPTION = """Search an architecture and train it; by the same recipe, train the best of a random search at equal cost.

Prints the plan and how long it takes on this machine, then searches. If the search is interrupted, the same command resumes it
from the last checkpoint. The architectures are written as files, which every other command takes in place of a model's id.

examples:
  python -m benchmark.search efficientpose_nas --dataset lsp --scale small --cost flops
  python -m benchmark.search autopose --dataset lsp --scale small --cost flops
  python -m benchmark.search lookup efficientpose_nas --cost cpu --validate 20
"""


def search_command(arguments: SearchArguments, folder: Path = RECORDS) -> None:
    """Plan, search, train, record and print.

    Args:
        folder: Folder of the records.

    Raises:
        InputError: see :func:`benchmark.nas.run.search_and_train`.
    """
    find_search(arguments.package, arguments.scale, arguments.dataset)  # an unknown one is refused before torch is imported

    from benchmark.nas.records import format_search, search_report
    from benchmark.nas.run import search_and_train

    records = search_and_train(arguments, folder)
    if records:
        print(json.dumps(search_report(records), allow_nan=False) if arguments.as_json else format_search(records))


def lookup_command(arguments: LookupArguments, folder: Path = RECORDS) -> None:
    """Measure or load a lookup table, validate it if that is asked for, and print.

    Args:
        folder: Folder of the records.

    Raises:
        InputError: see :func:`benchmark.nas.lookup_command.look_up`.
    """
    from benchmark.nas.lookup_command import look_up

    look_up(arguments, folder)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command with the given arguments, or with those of the command line."""
    args = list(sys.argv[1:] if args is None else args)
    if args[:1] == ["lookup"]:
        run_command(lambda: lookup_command(tyro.cli(LookupArguments, args=args[1:], prog="python -m benchmark.search lookup")))
    else:
        run_command(
            lambda: search_command(
                tyro.cli(SearchArguments, args=args, description=DESCRIPTION, prog="python -m benchmark.search")
            )
        )


if __name__ == "__main__":
    main()
