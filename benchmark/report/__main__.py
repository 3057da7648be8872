"""Regenerate the report: the tables of the papers, each printed value with our value and a verdict.

Examples:
    python -m benchmark.report
    python -m benchmark.report --paper efficientpose_nas --out out/report
    python -m benchmark.report --check
    python -m benchmark.report --html --out out/site
"""

from __future__ import annotations

from pathlib import Path

import tyro

from benchmark.core.errors import InputError, run_command
from benchmark.core.files import check_output_folder, checkout
from benchmark.report.names import REPORTS, SITE


def main(paper: str | None = None, out: Path | None = None, check: bool = False, html: bool = False) -> None:
    """Write the report.

    Args:
        paper: Write only the page of this paper, such as efficientpose_nas.
        out: The folder to write to: by default reports/ of the repository, or out/report where the suite was installed without
            one, and out/site for the static site.
        check: Write nothing; exit with status 1 if a file differs from what would be written.
        html: Write the report as a static site, which opens from disk.
    """
    # These import matplotlib, which is slow.
    from benchmark.report.build import build_report, leftover_files, stale_files, write_files
    from benchmark.report.site.build import build_site

    if html:
        if paper is not None or check:
            raise InputError("--html writes the whole site: leave out --paper and --check")
        out = out or SITE
        check_output_folder(out)
        files = build_site()
        write_files(files, out)
        print(f"wrote {len(files)} files to {out}: open {out / 'index.html'}")
        return
    out = out or REPORTS
    if not check:
        check_output_folder(out)
    files = build_report(paper)
    is_committed = checkout() is not None and out.resolve() == REPORTS.resolve()
    if not is_committed:
        # The README and docs/ of the project belong to the committed report only.
        files = {name: content for name, content in files.items() if not name.startswith("../")}
    # In another folder, a page that the report does not have may be anybody's.
    leftovers = leftover_files(files, out) if is_committed and paper is None else []
    if not check:
        write_files(files, out)
        for name in leftovers:
            (out / name).unlink()
        print(f"wrote {len(files)} files to {out}")
        return
    stale = [*stale_files(files, out), *leftovers]
    for name in stale:
        print(f"{out / name} is out of date: run python -m benchmark.report")
    if stale:
        raise SystemExit(1)
    print(f"{len(files)} files are up to date")


if __name__ == "__main__":
    run_command(lambda: tyro.cli(main, prog="python -m benchmark.report", description=__doc__))
