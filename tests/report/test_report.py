"""Check that the report is deterministic, complete, quick, and independent of torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.config.identities import load_current
from benchmark.core.errors import InputError
from benchmark.core.records import select
from benchmark.ledger import verdicts
from benchmark.ledger.tokens import SETTINGS, counted
from benchmark.ledger.verdicts import judge_all
from benchmark.papers.tables import PAPER_TABLES, load_papers
from benchmark.report.__main__ import main
from benchmark.report.build import REPORTS, leftover_files
from benchmark.report.index import describe_basis, round_up
from tests.processor_time import processor_seconds, torch_seconds

ROOT = REPORTS.parent


def report(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmark.report", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)


def test_the_committed_reports_are_written_without_torch_and_within_seven_times_its_import() -> None:
    """It takes four seconds where importing torch takes 1.3, and up to twice as many on a busy machine.

    The bytes are the same whatever the seed of hashes.
    """
    script = """
import sys
from benchmark.report.__main__ import main
main(check=True)
sys.exit(sum(name in sys.modules for name in ("torch", "torchvision")))
"""
    assert processor_seconds("-c", script) < 7 * torch_seconds()


def test_an_edited_report_is_noticed(built_report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("benchmark.report.build.build_report", lambda paper: built_report.files)
    shutil.copytree(REPORTS, tmp_path, ignore=shutil.ignore_patterns("records"), dirs_exist_ok=True)
    page = tmp_path / "README.md"
    page.write_text(page.read_text().replace("values", "figures", 1))
    with pytest.raises(SystemExit) as status:
        main(check=True, out=tmp_path)
    assert status.value.code == 1
    assert capsys.readouterr().out == f"{page} is out of date: run python -m benchmark.report\n"


def test_pages_and_figures_that_the_report_no_longer_has_are_noticed(tmp_path: Path) -> None:
    for name in ("kept.md", "gone.md", "figures/kept.svg", "figures/gone.svg", "records/cost.jsonl", "verdicts.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert leftover_files({"kept.md": b"", "figures/kept.svg": b""}, tmp_path) == ["figures/gone.svg", "gone.md"]


def test_every_table_and_every_cell_stands_on_its_papers_page(built_report) -> None:
    taken_over = {verdict.name for verdict in judge_all() if verdict.measured == "given"}
    for paper in load_papers().values():
        page = built_report.pages[f"{paper.id}.md"]
        for table in paper.tables.values():
            assert f"## {table.where}" in page
            for cell in table.cells():
                printed = cell.printed.replace("|", chr(92) + "|")
                assert (f" {printed} " if cell.name in taken_over else f"**{printed}**<br>") in page


def test_the_first_page_says_how_many_agreeing_costs_are_of_networks_that_were_compared_with_public_code(built_report) -> None:
    records, page = load_current(), built_report.pages["README.md"]
    costs = [verdict for verdict in counted(judge_all()) if (verdict.group, verdict.kind) == ("agrees", "cost")]
    compared = {record.subject for record in select(records, kind="agreement", metric="largest difference")}
    tested = [verdict for verdict in costs if records[verdict.record].subject in compared]
    assert 0 < len(tested) < len(costs)
    assert f"the {len(costs)} that agree are" in page
    assert f" {len(tested)} of these {len(costs)} are of networks whose outputs we compared with those of the" in page
    assert "run through wrappers that are not included" in page
    largest = max(
        r.value
        for r in select(records, kind="agreement", metric="largest difference")
        if r.subject in {records[v.record].subject for v in tested}
    )
    stated = float(re.search(r"they differ by ([\d.e-]+) or less", page)[1])
    assert largest <= stated < 2 * largest


def test_nothing_is_called_proved_by_a_comparison_that_needs_code_that_is_not_included(built_report) -> None:
    texts = [*built_report.pages.values(), *((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))]
    assert [text for text in texts if re.search(r"\bprove[ds]?\b", text)] == []
    assert "needs a wrapper of the publisher's code; ours are not included" in (ROOT / "README.md").read_text()


def test_one_parameter_count_is_one_value_whatever_the_input() -> None:
    verdict = next(v for v in judge_all() if (v.kind, v.metric, v.group) == ("cost", "params", "agrees"))
    records = {size: replace(load_current()[verdict.record], setting={"input": size}) for size in ("256x192", "384x288")}
    costs = {metric: [replace(verdict, metric=metric, record=size) for size in records] for metric in ("params", "flops")}
    assert "the 2 that agree are 1 different values" in describe_basis(costs["params"], records)
    assert "the 2 that agree are 2 different values" in describe_basis(costs["flops"], records)


def test_settings_stand_in_a_table_of_their_own_and_in_no_other(built_report) -> None:
    settings = [verdict for verdict in counted(judge_all()) if verdict.kind == "setting"]
    compared = [verdict for verdict in settings if verdict.group == SETTINGS]
    first, readme = built_report.pages["README.md"], built_report.pages["../README.md"]
    own = first.partition("### Settings beside the release")[2].partition("\n### ")[0]
    rows = [[cell.strip() for cell in line.split("|")[2:-2]] for line in own.splitlines() if line.startswith("| [")]
    numbers = [[int(number) for number in row] for row in rows]
    assert sum(row[0] for row in numbers) == len(settings)
    assert sum(sum(row[1:4]) for row in numbers) == len(compared) > 0
    assert all(sum(row[1:]) == row[0] for row in numbers)
    for page in (first.replace(own, ""), readme):
        assert "| setting |" not in page
    others = [verdict for verdict in counted(judge_all()) if verdict.kind != "setting" and verdict.group == "agrees"]
    assert f"Of the {len(others)} values that agree, by what our value rests on" in first
    assert b": setting" not in built_report.files["figures/verdicts.svg"]


def test_a_bound_is_rounded_up() -> None:
    assert [round_up(value) for value in (3.47e-07, 3e-07, 0.0021, 9.5e-08)] == ["4e-07", "3e-07", "3e-03", "1e-07"]


def test_the_first_page_and_the_readme_count_costs_by_what_speaks_for_the_way_of_counting(built_report) -> None:
    costs = [verdict for verdict in counted(judge_all()) if (verdict.group, verdict.kind) == ("agrees", "cost")]
    by_fit = [v for v in costs if v.metric == "flops" and v.paper == "efficientpose_nas"]
    assert 0 < len(by_fit) < len(costs)
    for name in ("README.md", "../README.md"):
        page = built_report.pages[name]
        assert f"For {len(costs) - len(by_fit)} of the {len(costs)} costs that agree, something other than the printed" in page
        assert f"For {len(by_fit)}, the way was chosen because it fits: `hrnet` of EfficientPose-NAS, one of 2, gives " in page
    page = built_report.pages["efficientpose.md"]
    assert "| `outputs=final` | `outputs=all` | source | github.com/DeepInMotion/Markerless" in page


def test_one_paper_alone_can_be_written(tmp_path: Path) -> None:
    assert report("--paper", "fasterpose", "--out", str(tmp_path)).returncode == 0
    assert [p.name for p in tmp_path.iterdir()] == ["fasterpose.md"]


def test_an_unknown_paper_is_one_line_and_status_2(tmp_path: Path) -> None:
    done = report("--paper", "fastpose", "--out", str(tmp_path / "out"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "fastpose" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_malformed_table_stops_the_report_by_file_and_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "paper_tables"
    shutil.copytree(PAPER_TABLES, copy)
    table = copy / "efficientpose_nas" / "table8.csv"
    table.write_text(table.read_text().replace("469", "4b9"))
    monkeypatch.setattr(verdicts, "load_papers", lambda: load_papers(copy))
    with pytest.raises(InputError, match=r"table8\.csv:3, row mbv1, column mflops: '4b9'"):
        judge_all()
