"""The built networks have the structure that the paper's text prints."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.papers.tables import load_papers
from reproductions.efficientpose_nas import structure
from reproductions.efficientpose_nas.architectures import ARCHITECTURES, LARGE, B


def printed() -> dict[str, str]:
    """Return the cells of this package's networks; one row is SimpleBaseline's, one is of no network."""
    cells = load_papers()["efficientpose_nas"].tables["text_structure"].cells()
    return {f"{c.row.id}/{c.column.name}": c.printed for c in cells if c.row.model.startswith("efficientpose_nas/")}


def test_the_networks_are_made_of_what_the_text_says() -> None:
    assert structure.describe_structure("text_structure") == printed()
    assert structure.describe_structure("table2") == {}


def test_the_figures_follow_the_skeletons(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third, fourth = LARGE.stages
    skeleton = replace(LARGE, stages=(first, second, third, fourth._replace(stride=2)), deconvs=(96, 48))
    monkeypatch.setitem(ARCHITECTURES, "B", replace(B, skeleton=skeleton))  # with the stride that Table 1 prints
    for name in ("A", "C"):
        monkeypatch.setitem(ARCHITECTURES, name, replace(B, stages=tuple(("k5e6",) * stage.depth for stage in LARGE.stages)))
    counted = structure.describe_structure("text_structure")
    assert list(counted.values()) == ["{3, 5, 7}", "{3, 6}", "4 or 5", "64 or 96", "32 or 48"]


def test_table_1_is_built_but_for_three_rows() -> None:
    cells = load_papers()["efficientpose_nas"].tables["table1"].cells()
    rows = {f"{cell.row.id}/{cell.column.name}": cell.printed for cell in cells}
    counted = structure.describe_structure("table1")
    assert set(rows) <= set(counted)
    assert {key: (rows[key], counted[key]) for key in rows if rows[key].replace(" ", "") != counted[key].replace(" ", "")} == {
        "stage1_rest/large": ("[32, s1]×5", "[32, s1]×5 or [32, s1]×4"),
        "stage3_rest/small": ("[64, s1]×9", "[64, s1]×7"),
        "stage4/large": ("[160, s2]×10", "[160, s1]×9 or [160, s1]×10"),
    }
