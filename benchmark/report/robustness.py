"""Show what the suite survived: commands that were disturbed, and faults planted in its instruments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.core.errors import InputError
from benchmark.core.text import escape_markdown
from benchmark.report.markdown import code, grid, page
from benchmark.report.names import REPORTS

COUNTS = "robustness"  # folder of the reports with what ``make torture`` and ``make mutants`` wrote, one file a run


def robustness_page(folder: Path = REPORTS / COUNTS) -> str:
    """Return ``reports/robustness.md``, from the files of ``make torture`` and ``make mutants``.

    Raises:
        InputError: A file cannot be read.
    """
    torture, mutants = list(_read(folder, "torture")), list(_read(folder, "mutants"))
    return page(
        "# Robustness",
        f"What is counted here was meant to go wrong. The counts are those of the files in `reports/{COUNTS}`.",
        "## Disturbed commands",
        "Each task is disturbed at a random moment, and the same command is run again. Nothing that was on record may be lost "
        "or doubled, no file may be half-written, and the figures have to be those of an undisturbed run. A fault *hits* "
        "where the command has not ended before. *full disk* is a limit on the size of files, *clock* a clock that is wrong.",
        grid(("task", "fault", "runs", "hit", "not survived"), _disturbed(torture)),
        _commands(torture, "python -m tests.torture --times 50"),
        "## Faults planted in the instruments",
        "A fault is one changed comparison, sign, number or function of an instrument, drawn at random. It is caught where a "
        "test of this instrument fails. Faults that no test noticed are listed; some of them change nothing that can be seen.",
        grid(("instrument", "commit", "planted", "caught"), _planted(mutants)),
        "\n".join(
            f"- {code(module['module'])}, {code(survivor)}"
            for report in mutants
            for module in report["results"]
            for survivor in module["survivors"]
        ),
        "Counted by `python -m tests.mutants --count 9`." if mutants else "Not run yet: `python -m tests.mutants --count 9`.",
    )


def _read(folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(f"{kind}*.json")):
        try:
            yield json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise InputError(f"{path}: {problem}") from None


def _disturbed(reports: list[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    for report in reports:
        for result in report["results"]:
            failures = "; ".join(map(escape_markdown, result["failures"]))
            count = f"{len(result['failures'])}: {failures}" if failures else 0
            yield result["task"], result["fault"], result["runs"], result["hits"], count


def _planted(reports: list[dict[str, Any]]) -> Iterator[tuple[object, ...]]:
    modules = [module for report in reports for module in report["results"]]
    for module in modules:
        yield code(module["module"]), code(module["commit"]), module["planted"], module["caught"]
    planted, caught = (sum(module[key] for module in modules) for key in ("planted", "caught"))
    if planted:
        yield "**all**", "", planted, f"{caught} ({100 * caught / planted:.0f} %)"


def _commands(reports: list[dict[str, Any]], command: str) -> str:
    if not reports:
        return f"Not run yet: {code(command)}."
    runs = ", ".join(f"{code(report['commit'])} in {report['seconds'] / 60:.0f} min" for report in reports)
    return f"By {code(command)}, or a part of it: of commit {runs}."
