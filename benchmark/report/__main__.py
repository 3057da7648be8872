"""Regenerate the report: every table of the papers, each printed figure beside ours with a verdict.

Examples:
    python -m benchmark.report
    python -m benchmark.report --paper efficientpose_nas --out out/report
    python -m benchmark.report --check
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import astuple
from pathlib import Path

import tyro

from benchmark.config.identities import load_current
from benchmark.core.errors import InputError, run_command
from benchmark.core.files import atomic_write
from benchmark.ledger.verdicts import VERDICT_COLUMNS, Verdict, judge_all
from benchmark.papers.tables import load_papers
from benchmark.report.ablations import ablations_page, pictures
from benchmark.report.claims import claims_page
from benchmark.report.decoding import decoding_page
from benchmark.report.index import front, index_page
from benchmark.report.latency import latency_page
from benchmark.report.models import models_page
from benchmark.report.papers import paper_page
from benchmark.report.pipeline import pipeline_page
from benchmark.report.plots import accuracy_figure, verdicts_figure
from benchmark.report.ranking import ranking_page
from benchmark.report.recipes import recipes_page
from benchmark.report.search import search_figures, search_page
from benchmark.report.training import training_figure, training_page

REPORTS = Path(__file__).parent.parent.parent / "reports"
FRONT = re.compile(r"(?<=<!-- report: begin -->\n).*(?=<!-- report: end -->)", re.DOTALL)


def build(paper: str | None = None) -> dict[str, bytes]:
    """Every file of the report by its path below ``reports/``; with ``paper``, that paper's page alone."""
    known, records = load_papers(), load_current()
    verdicts = judge_all(records)
    if paper is not None and paper not in known:
        raise InputError(f"--paper {paper!r} is not one of {', '.join(known)}")
    pages = {f"{p.id}.md": paper_page(p, verdicts, records) for p in known.values() if paper in (None, p.id)}
    if paper is not None:
        return {name: text.encode() for name, text in pages.items()}
    pages |= {
        "README.md": index_page(known, verdicts),
        "models.md": models_page(records),
        "ranking.md": ranking_page(known, records),
        "decoding.md": decoding_page(records),
        "pipeline.md": pipeline_page(records),
        "recipes.md": recipes_page(),
        "training.md": training_page(records),
        "latency.md": latency_page(records),
        "search.md": search_page(records),
        "ablations.md": ablations_page(records),
        "claims.md": claims_page(known, verdicts),
        "verdicts.csv": verdicts_csv(verdicts),
    }
    return {name: text.encode() for name, text in pages.items()} | {
        "figures/verdicts.svg": verdicts_figure(known, verdicts),
        "figures/mpii.svg": accuracy_figure(known, records, "mpii", "pckh", "PCKh@0.5, MPII validation"),
        "figures/coco.svg": accuracy_figure(known, records, "coco", "ap", "AP, COCO validation"),
        "figures/training.svg": training_figure(records),
        **{f"figures/{name}": content for name, content in (pictures(records) | search_figures(records)).items()},
        "../README.md": _front(front(known, verdicts)),
    }


def _front(block: str) -> bytes:
    """The project's README with ``block`` between its markers."""
    text = (REPORTS.parent / "README.md").read_text(encoding="utf-8")
    return FRONT.sub(lambda _: f"\n{block}\n\n", text).encode()


def verdicts_csv(verdicts: list[Verdict]) -> str:
    """One row a figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(VERDICT_COLUMNS)
    writer.writerows(astuple(v) for v in verdicts)
    return out.getvalue()


def write(files: dict[str, bytes], folder: Path) -> None:
    """Write each file whole or not at all."""
    for name, content in files.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(content)


def main(paper: str | None = None, out: Path = REPORTS, check: bool = False) -> None:
    """Write the report.

    Args:
        paper: Only this paper's page, as in efficientpose_nas.
        out: The folder to write to.
        check: Write nothing; leave with status 1 when a committed file is not what would be written.
    """
    files = build(paper)
    if out.resolve() != REPORTS:
        files.pop("../README.md", None)  # belongs to the committed reports alone
    if not check:
        write(files, out)
        print(f"{len(files)} files written to {out}")
        return
    stale = [name for name, content in files.items() if not (out / name).is_file() or (out / name).read_bytes() != content]
    for name in stale:
        print(f"{out / name} is not what python -m benchmark.report writes")
    if stale:
        raise SystemExit(1)
    print(f"{len(files)} files are what python -m benchmark.report writes")


if __name__ == "__main__":
    run_command(lambda: tyro.cli(main, prog="python -m benchmark.report", description=__doc__))
