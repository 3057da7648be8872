"""Put the files of the report together, and write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

from benchmark.config.identities import load_current
from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write
from benchmark.ledger.verdicts import VERDICT_COLUMNS, Verdict, judge_all
from benchmark.papers.tables import load_papers
from benchmark.report.ablations import ablation_figures, ablations_page
from benchmark.report.claims import claims_page
from benchmark.report.decoding import decoding_page
from benchmark.report.index import index_page, readme_block
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
README = "../README.md"  # the project's, relative to the report
README_BLOCK = re.compile(r"(?<=<!-- report: begin -->\n).*(?=<!-- report: end -->)", re.DOTALL)


def build_report(paper: str | None = None) -> dict[str, bytes]:
    """Return the files of the report by their paths relative to ``reports/``.

    Args:
        paper: Build only the page of this paper.

    Raises:
        InputError: The paper is unknown, or a table or record is malformed.
    """
    papers, records = load_papers(), load_current()
    verdicts = judge_all(records)
    if paper is not None:
        if paper not in papers:
            raise InputError(f"--paper {paper!r} is not one of {', '.join(papers)}")
        return {f"{paper}.md": paper_page(papers[paper], verdicts, records).encode()}
    pages = {f"{p.id}.md": paper_page(p, verdicts, records) for p in papers.values()} | {
        "README.md": index_page(papers, verdicts, records),
        "models.md": models_page(papers, records),
        "ranking.md": ranking_page(papers, records),
        "decoding.md": decoding_page(records),
        "pipeline.md": pipeline_page(records),
        "recipes.md": recipes_page(),
        "training.md": training_page(records),
        "latency.md": latency_page(records),
        "search.md": search_page(records),
        "ablations.md": ablations_page(records),
        "claims.md": claims_page(papers, verdicts),
        "verdicts.csv": format_verdicts(verdicts),
        README: _insert_into_readme(readme_block(papers, verdicts)),
    }
    figures = {
        "verdicts.svg": verdicts_figure(papers, verdicts),
        "mpii.svg": accuracy_figure(papers, records, "mpii", "pckh", "PCKh@0.5, MPII validation"),
        "coco.svg": accuracy_figure(papers, records, "coco", "ap", "AP, COCO validation"),
        "training.svg": training_figure(records),
        **ablation_figures(records),
        **search_figures(records),
    }
    return {name: text.encode() for name, text in pages.items()} | {
        f"figures/{name}": content for name, content in figures.items()
    }


def _insert_into_readme(block: str) -> str:
    """Return the project's README with ``block`` between its markers."""
    text = (REPORTS / README).read_text(encoding="utf-8")
    return README_BLOCK.sub(lambda _: f"\n{block}\n\n", text)


def format_verdicts(verdicts: Sequence[Verdict]) -> str:
    """Format the verdicts as CSV, one row per printed value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(VERDICT_COLUMNS)
    writer.writerows(astuple(verdict) for verdict in verdicts)
    return out.getvalue()


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write each file completely or not at all."""
    for name, content in files.items():
        with atomic_write(folder / name) as temporary:
            temporary.write_bytes(content)


def stale_files(files: Mapping[str, bytes], folder: Path) -> list[str]:
    """Return the names of the files that are missing from the folder or differ."""
    return [name for name, content in files.items() if not (folder / name).is_file() or (folder / name).read_bytes() != content]
