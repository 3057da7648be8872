"""Regenerate the report: the tables of the papers, each printed value with our value and a verdict.

Examples:
    python -m benchmark.report
    python -m benchmark.report --paper efficientpose_nas --out out/report
    python -m benchmark.report --check
"""

from __future__ import annotations

from pathlib import Path

import tyro

from benchmark.core.errors import run_command
from benchmark.core.files import check_output_folder
from benchmark.core.text import printable
from benchmark.report.names import README, REPORTS


def main(paper: str | None = None, out: Path = REPORTS, check: bool = False) -> None:
    """Write the report.

    Args:
        paper: Write only the page of this paper, such as efficientpose_nas.
        out: The folder to write to.
        check: Write nothing; exit with status 1 if a file differs from what would be written.
    """
    run_command(lambda: write_report(paper, out, check))


def write_report(paper: str | None, out: Path, check: bool) -> None:
    """Write the report, or check it, as :func:`main` says.

    Raises:
        InputError: the folder cannot be written to, or the tables or the records are malformed.
    """
    # Imported here, because matplotlib is slow.
    from benchmark.report.build import build_report, leftover_files, stale_files, write_files

    if not check:
        check_output_folder(out)
    files = build_report(paper)
    is_committed = out.resolve() == REPORTS
    if not is_committed:
        files.pop(README, None)  # the project's README belongs to the committed report only
    # In another folder, a page that the report does not have may be anybody's.
    leftovers = leftover_files(files, out) if is_committed and paper is None else []
    if not check:
        write_files(files, out)
        for name in leftovers:
            (out / name).unlink()
        print(f"wrote {len(files)} files to {printable(out)}")
        return
    stale = [*stale_files(files, out), *leftovers]
    for name in stale:
        print(f"{printable(out / name)} is out of date: run python -m benchmark.report")
    if stale:
        raise SystemExit(1)
    print(f"{len(files)} files are up to date")


if __name__ == "__main__":
    tyro.cli(main, prog="python -m benchmark.report", description=__doc__)
