"""Put the files of the report together, and write them."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

from benchmark.analysis.effects import judged_plans, measure_effects
from benchmark.config.identities import current_records, is_removed
from benchmark.core.errors import InputError, print_warning
from benchmark.core.files import checkout, hold_folder, remove_partials, write_file
from benchmark.core.records import load_records
from benchmark.core.text import format_csv
from benchmark.ledger.tokens import VERDICT_COLUMNS, VERDICT_SCHEMA, Verdict
from benchmark.ledger.verdicts import judge_all
from benchmark.papers.tables import load_papers
from benchmark.report.ablations import ablation_figures, ablations_page
from benchmark.report.claims import claims_page
from benchmark.report.decoding import decoding_page
from benchmark.report.docs import docs_blocks
from benchmark.report.finding_rules.finding import Evidence
from benchmark.report.findings import Findings, find_all, findings_page
from benchmark.report.index import index_page, readme_blocks
from benchmark.report.latency import latency_page
from benchmark.report.lsp import lsp_page
from benchmark.report.markdown import without_address_links
from benchmark.report.models import models_page
from benchmark.report.names import README, REPORTS
from benchmark.report.papers import DrawTable, paper_page, printed_grid
from benchmark.report.pipeline import pipeline_page
from benchmark.report.plots import accuracy_figure, verdicts_figure
from benchmark.report.predictions import predictions_page
from benchmark.report.ranking import ranking_page
from benchmark.report.recipes import recipes_page
from benchmark.report.robustness import robustness_page
from benchmark.report.search import search_figures, search_page
from benchmark.report.training import training_figure, training_page


def gather_evidence() -> Evidence:
    """Judge all printed values and ablations by the current records.

    Records of models that no longer exist are counted in a warning.

    Raises:
        InputError: A table or record is malformed.
    """
    stored = load_records()
    gc.freeze()  # a million records are not searched for cycles again and again
    records, removed = current_records(stored), stored.where(is_removed)
    if removed:
        example = next(iter(removed.entries.values())).subject
        print_warning(f"{len(removed):,} records of models that no longer exist are ignored, such as those of {example}")
    return Evidence(
        papers=load_papers(),
        records=records,
        verdicts=judge_all(records),
        effects=measure_effects(judged_plans(), records),
    )


def build_report(paper: str | None = None) -> dict[str, bytes]:
    """Return the files of the report by their paths relative to ``reports/``.

    Args:
        paper: Build only the page of this paper.

    Raises:
        InputError: The paper is unknown, or a table or record is malformed.
    """
    evidence = gather_evidence()
    papers = evidence.papers
    if paper is not None:
        if paper not in papers:
            raise InputError(f"--paper {paper!r} is not one of {', '.join(papers)}")
        return {f"{paper}.md": _encode_page(paper_page(papers[paper], evidence.verdicts, evidence.records, evidence.effects))}
    findings = find_all(evidence)
    pages = report_pages(evidence, findings)
    if checkout():
        inserted = {README: readme_blocks(papers, evidence.verdicts, evidence.records, findings), **docs_blocks()}
        pages |= {name: _insert_blocks(name, blocks) for name, blocks in inserted.items()}
    return (
        {name: _encode_page(text) for name, text in pages.items()}
        | {"verdicts.csv": format_verdicts(evidence.verdicts).encode()}
        | {f"figures/{name}": content for name, content in report_figures(evidence).items()}
    )


def report_pages(evidence: Evidence, findings: Findings, draw_table: DrawTable = printed_grid) -> dict[str, str]:
    """Return the pages as Markdown, by their names; ``draw_table`` formats a printed table with its verdicts."""
    papers, records, verdicts, effects = evidence.papers, evidence.records, evidence.verdicts, evidence.effects
    return {f"{p.id}.md": paper_page(p, verdicts, records, effects, draw_table) for p in papers.values()} | {
        "README.md": index_page(papers, verdicts, records, findings),
        "findings.md": findings_page(findings),
        "models.md": models_page(papers, records),
        "ranking.md": ranking_page(papers, records),
        "decoding.md": decoding_page(records),
        "pipeline.md": pipeline_page(records),
        "recipes.md": recipes_page(),
        "training.md": training_page(records),
        "latency.md": latency_page(records),
        "lsp.md": lsp_page(records),
        "predictions.md": predictions_page(papers, records),
        "search.md": search_page(records),
        "ablations.md": ablations_page(records, effects),
        "claims.md": claims_page(papers, verdicts),
        "robustness.md": robustness_page(),
    }


def report_figures(evidence: Evidence) -> dict[str, bytes]:
    """Return the figures as SVG, by their names."""
    papers, records = evidence.papers, evidence.records
    return {
        "verdicts.svg": verdicts_figure(papers, evidence.verdicts),
        "mpii.svg": accuracy_figure(papers, records, "mpii", "pckh", "PCKh@0.5, MPII validation"),
        "coco.svg": accuracy_figure(papers, records, "coco", "ap", "AP, COCO validation"),
        "training.svg": training_figure(records),
        **ablation_figures(records, evidence.effects),
        **search_figures(records),
    }


def _encode_page(text: str) -> bytes:
    return without_address_links(text).encode()


def _insert_blocks(name: str, blocks: Mapping[str, str]) -> str:
    """Return a page that people write, such as the project's README, with each block between the markers of its name."""
    text = (REPORTS / name).read_text(encoding="utf-8")
    for name, block in blocks.items():
        before, begin, rest = text.partition(f"<!-- {name}: begin -->\n")
        _, end, after = rest.partition(f"<!-- {name}: end -->")
        text = f"{before}{begin}\n{block}\n\n{end}{after}"
    return text


def format_verdicts(verdicts: Sequence[Verdict]) -> str:
    """Format the verdicts as CSV, one row per printed value; the first column is the version of the columns."""
    rows = [(VERDICT_SCHEMA, *astuple(verdict)) for verdict in verdicts]
    return format_csv([("schema", *VERDICT_COLUMNS), *rows])


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write each file completely or not at all; what a report that was killed left half-written is removed.

    Raises:
        InputError: a file cannot be written, or another process writes to the folder.
    """
    with hold_folder(folder):
        for name, content in files.items():
            path = folder / name
            remove_partials(path.parent, path.name)
            write_file(path, content)


def stale_files(files: Mapping[str, bytes], folder: Path) -> list[str]:
    """Return the names of the files that are missing from the folder or differ."""
    return [name for name, content in files.items() if not (folder / name).is_file() or (folder / name).read_bytes() != content]


def leftover_files(files: Mapping[str, bytes], folder: Path) -> list[str]:
    """Return the names of the pages and figures in the folder that the whole report no longer has."""
    present = [path.relative_to(folder).as_posix() for path in (*folder.glob("*.md"), *folder.glob("figures/*.svg"))]
    return sorted(set(present) - files.keys())
