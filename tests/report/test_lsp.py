"""The pages of published predictions show every file, rank nothing, and say what the committed records say."""

from __future__ import annotations

import re

from benchmark.config.identities import load_current, predictions_identity
from benchmark.config.predictions import published_on
from benchmark.core.records import record_id, select
from benchmark.papers.tables import load_papers
from benchmark.report.lsp import METRICS, lsp_page
from benchmark.report.predictions import predictions_page


def section(text: str, title: str) -> list[list[str]]:
    """Return the rows of the table below a heading, header first."""
    body = re.split(rf"^## {re.escape(title)}.*$", text, flags=re.MULTILINE)[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in body.splitlines() if line.startswith("| ")]
    return [row for row in rows if set(row[0]) != {"-"}]


def test_every_published_method_has_a_row_in_the_order_of_years() -> None:
    header, *rows = section(lsp_page(load_current()), "Published predictions")
    assert [row[0] for row in rows] == [published.method for published in published_on("lsp")]
    years = [published.year for published in published_on("lsp")]
    assert years == sorted(years)
    assert header[2 : 2 + len(METRICS)] == list(METRICS)
    for row in rows:
        assert all(re.fullmatch(r"\d+\.\d\d \[\d+\.\d\d, \d+\.\d\d\]", value) for value in row[2 : 2 + len(METRICS)])
        assert row[-1] == "8 of 8"


def test_networks_evaluated_here_stand_in_a_table_of_their_own_under_the_same_metrics() -> None:
    header, *rows = section(lsp_page(load_current()), "Networks evaluated here from released weights")
    assert [row[0] for row in rows] == ["`efficientpose/I`", "`efficientpose/II`", "`efficientpose/RT`"]
    assert header[3:] == list(METRICS)
    assert all(re.fullmatch(r"\d+\.\d\d \[\d+\.\d\d, \d+\.\d\d\]", value) for row in rows for value in row[3:])
    assert {row[1] for row in rows} == {"not stated with the file"}, (
        "what our own recipes train on says nothing of these weights"
    )


def test_published_files_count_pixels_as_the_annotations_do_and_networks_from_zero() -> None:
    """Claim of the page on the origin: the former lose if annotations are taken to begin at one, the latter gain."""
    records = load_current()
    for published in published_on("lsp"):
        default, from_one = (
            records[record_id(predictions_identity(published, metric))].value for metric in ("pck@0.05", "pck@0.05 (from one)")
        )
        assert from_one < default
    evaluated = select(records, kind="evaluation", dataset="lsp", split="test", protocol="efficientpose", over="", weights="")
    values = {(record.subject, record.metric): record.value for record in evaluated}
    for subject in {subject for subject, _ in values}:
        assert values[subject, "pck@0.05 (from one)"] > values[subject, "pck@0.05"]


def test_paired_differences_are_bold_exactly_where_their_interval_excludes_zero() -> None:
    _, *rows = section(lsp_page(load_current()), "Paired differences of the published methods")
    cells = [cell for row in rows for cell in row[1:] if cell.strip()]
    assert len(cells) == 9 * 8 / 2
    for cell in cells:
        low, high = map(float, re.search(r"\[(.+), (.+)\]", cell).groups())  # type: ignore[union-attr]
        assert cell.startswith("**") == (low > 0 or high < 0)


def test_nine_printed_cells_stand_beside_each_file_of_their_network() -> None:
    _, *rows = section(predictions_page(load_papers(), load_current()), "Printed values of the same networks")
    assert len({tuple(row[:3]) for row in rows}) == 9
    assert len(rows) == 27
    for row in rows:
        printed = float(row[3])
        low, high = map(float, re.search(r"\[(.+), (.+)\]", row[6]).groups())  # type: ignore[union-attr]
        assert row[7] == ("above" if printed - 0.05 > high else "below" if printed + 0.05 < low else "inside")


def test_without_records_the_pages_are_written_all_the_same() -> None:
    assert "# Leeds Sports Pose" in lsp_page({})
    assert "# Published predictions" in predictions_page(load_papers(), {})
