"""Compare the transcribed tables with the papers' own texts, number by number and in printed order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from benchmark.papers.tables import PAPER_TABLES, Paper, Table, load_papers
from tests.papers.printed_numbers import (
    Margins,
    Segment,
    Transcribed,
    bare,
    difference,
    margins,
    numbers,
    running_text,
    spelled,
    transcribed,
)

PRINTED = [pytest.param(p, t, id=f"{p.id}/{t.id}") for p in load_papers().values() for t in p.tables.values() if not t.pseudo]
PSEUDO = [pytest.param(p, t, id=f"{p.id}/{t.id}") for p in load_papers().values() for t in p.tables.values() if t.pseudo]
EACH = [pytest.param(p, id=p.id) for p in load_papers().values()]


@cache
def _margins(paper: str) -> Margins:
    return margins(PAPER_TABLES / paper)


def _text(folder: Path, paper: Paper) -> str:
    path = folder / paper.text
    if not path.exists():
        pytest.skip(f"{path.name} is not in POSE_PAPERS")
    return path.read_text(encoding="utf-8")


def _printed(folder: Path, paper: Paper, table: Table, *, exceptions: bool = True) -> list[str]:
    """Return the numbers of a table's segment of the text, without those that are excepted by name."""
    paper_margins = _margins(paper.id)
    text_numbers = numbers(paper_margins.segments[table.id].body(_text(folder, paper)))
    return [number for number in text_numbers if not (exceptions and (table.id, number) in paper_margins.exceptions)]


def _cells(paper: Paper, table: Table) -> list[Transcribed]:
    return list(transcribed(table, _margins(paper.id).segments[table.id]))


@pytest.mark.parametrize(("paper", "table"), PRINTED)
def test_table_and_text_have_the_same_numbers_in_the_same_order(pose_papers: Path, paper: Paper, table: Table) -> None:
    assert difference(_cells(paper, table), _printed(pose_papers, paper, table)) is None


@pytest.mark.parametrize("paper", EACH)
def test_each_exception_is_still_needed(pose_papers: Path, paper: Paper) -> None:
    for table, number in _margins(paper.id).exceptions:
        assert table in paper.tables, f"exception for an unknown table {table}"
        printed = _printed(pose_papers, paper, paper.tables[table], exceptions=False)
        without = [n for n in printed if n == number or (table, n) not in _margins(paper.id).exceptions]
        cells = _cells(paper, paper.tables[table])
        assert difference(cells, without) is not None, f"{table} agrees with the text without the exception for {number}"


@pytest.mark.parametrize("paper", EACH)
def test_each_printed_table_has_its_place_in_the_text(paper: Paper) -> None:
    assert set(_margins(paper.id).segments) == {table.id for table in paper.tables.values() if not table.pseudo}


@pytest.mark.parametrize(("paper", "table"), PSEUDO)
def test_figures_of_the_running_text_stand_in_it(pose_papers: Path, paper: Paper, table: Table) -> None:
    text = running_text(_text(pose_papers, paper))
    text_numbers, text_words = {bare(number) for number in numbers(text)}, set(re.findall(r"[a-z]+", text.lower()))
    for (row, column), printed in table.printed.items():
        if table.columns[column].metric == "text" or column in table.rows[row].restored:
            continue
        cell_numbers = [bare(number) for number in numbers(printed)]
        cell_words = [] if cell_numbers else printed.lower().split()
        missing = [n for n in cell_numbers if n not in text_numbers] or [w for w in cell_words if w not in text_words]
        assert not missing, f"{table.id}[{row}, {column}]: {printed} is not in the text"


@pytest.mark.parametrize("paper", EACH)
def test_figures_of_claims_stand_in_the_text(pose_papers: Path, paper: Paper) -> None:
    text = running_text(_text(pose_papers, paper))
    text_numbers = {bare(number) for number in numbers(text)} | spelled(text)
    missing = [claim.id for claim in paper.claims if claim.printed != "true" and claim.printed not in text_numbers]
    assert not missing


@pytest.mark.parametrize(("paper", "table"), PRINTED)
def test_one_wrong_cell_is_found(pose_papers: Path, paper: Paper, table: Table) -> None:
    printed = _printed(pose_papers, paper, table)
    for damaged in _with_one_wrong_cell(table):
        assert difference(_cells(paper, damaged), printed) is not None


@pytest.mark.parametrize(("paper", "table"), PRINTED)
def test_two_exchanged_cells_are_found(pose_papers: Path, paper: Paper, table: Table) -> None:
    printed = _printed(pose_papers, paper, table)
    for damaged in _with_two_exchanged_cells(table):
        assert difference(_cells(paper, damaged), printed) is not None


@pytest.mark.parametrize(("paper", "table"), PRINTED)
def test_a_missing_row_is_found(pose_papers: Path, paper: Paper, table: Table) -> None:
    printed = _printed(pose_papers, paper, table)
    for row in table.rows:
        damaged = replace(table, rows={key: value for key, value in table.rows.items() if key != row})
        if any(cell_row == row for cell_row, _ in _certain(table)):
            assert difference(_cells(paper, damaged), printed) is not None, f"{row} is not missed"


@pytest.mark.parametrize(("paper", "table"), PRINTED)
def test_a_number_that_only_the_text_has_is_found(pose_papers: Path, paper: Paper, table: Table) -> None:
    printed = _printed(pose_papers, paper, table)
    assert difference(_cells(paper, table), [*printed, "12.34"]) is not None
    assert difference(_cells(paper, table), ["12.34", *printed]) is not None


def _certain(table: Table) -> list[tuple[str, str]]:
    """Return the (row, column) of the cells whose numbers the text must have: numeric and not restored."""
    return [key for key, value in table.printed.items() if numbers(value) and key[1] not in table.rows[key[0]].restored]


def _with_one_wrong_cell(table: Table) -> Iterator[Table]:
    for key in _certain(table):
        printed = table.printed[key]
        last = max(position for position, character in enumerate(printed) if character.isdigit())
        wrong = f"{printed[:last]}{(int(printed[last]) + 1) % 10}{printed[last + 1 :]}"
        yield replace(table, printed={**table.printed, key: wrong})


def _with_two_exchanged_cells(table: Table) -> Iterator[Table]:
    cells = _certain(table)
    for first, second in pairwise(cells):
        if numbers(table.printed[first]) != numbers(table.printed[second]):
            yield replace(table, printed={**table.printed, first: table.printed[second], second: table.printed[first]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("EfficientPose RT 0.46M0.46𝑀0.46M 56×56\\times 82.8882.8882.88", ["0.46M", "56", "82.88"]),
        ("SimpleBaseline[6] MobileNetV2 256×192256192256\\times 192 9.6M 1.59", ["2", "256", "192", "9.6M", "1.59"]),
        ("1.20=1.0superscript1.201.01.2^{0}=1.0", ["1.2", "0", "1.0"]),
        ("2.2184×2.2-184\\times reduction, 0.812.9%0.8percent12.90.8-12.9\\% gain", ["2.2", "184", "0.8", "12.9"]),
        ("[MD(56)]×2delimited-[]𝑀𝐷562[MD(56)]\\times 2", ["56", "2"]),
        ("Zhang et al., CVPR’19 zhang2019fast 3M3𝑀3M 404040", ["19", "3M", "40"]),
        ("| PNFS [40] | - | 2.0 | 87.3 | PCKh@0.5 1e-4", ["2.0", "87.3", "1e-4"]),
    ],
)
def test_numbers_are_read_once_and_as_printed(text: str, expected: list[str]) -> None:
    assert numbers(text) == expected


def test_a_segment_must_be_unambiguous() -> None:
    assert Segment("Model Epochs").body("Model Epochs\nA 100\n\nB 200") == "\nA 100"
    with pytest.raises(ValueError, match="2 times"):
        Segment("Model").body("Model A, Model B")
