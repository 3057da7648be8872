"""``python -m benchmark.search``: search an architecture, retrain it, and do as much work at random for comparison."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import tyro

from benchmark.core.errors import run_command
from benchmark.core.records import RECORDS
from benchmark.nas.lookup_command import LookupCommand
from benchmark.nas.records import format_search, search_report
from benchmark.nas.run import SearchArguments, search_and_train

DESCRIPTION = """Search an architecture, train what was found, and by the same recipe the best of as costly a random search.

Says what it will do and how long that takes here, then does it. Killed at any moment, the same command goes on where the last
checkpoint left it. The architectures end as files, which every other command takes in the place of a model's id.

example:
  python -m benchmark.search efficientpose_nas --dataset lsp --scale small --cost flops
  python -m benchmark.search autopose --dataset lsp --scale small --cost flops
  python -m benchmark.search lookup efficientpose_nas --cost cpu --validate 20
"""


def search_command(arguments: SearchArguments, folder: Path = RECORDS) -> None:
    """Say, search, train, keep and show.

    Raises:
        InputError: see :func:`found`.
    """
    known = search_and_train(arguments, folder)
    if known:
        print(json.dumps(search_report(known), allow_nan=False) if arguments.as_json else format_search(known))


def main(args: Sequence[str] | None = None) -> None:
    given = list(sys.argv[1:] if args is None else args)
    if given[:1] == ["lookup"]:
        command = tyro.cli(LookupCommand, args=given[1:], prog="python -m benchmark.search lookup")
        run_command(command)
    else:
        arguments = tyro.cli(SearchArguments, args=given, description=DESCRIPTION, prog="python -m benchmark.search")
        run_command(lambda: search_command(arguments))


if __name__ == "__main__":
    main()
