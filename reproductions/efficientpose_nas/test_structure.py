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


def test_the_figures_follow_the_operations_and_the_skeletons(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third, fourth = LARGE.stages
    skeleton = replace(LARGE, stages=(first, second, third, fourth._replace(stride=2)), deconvs=(96, 48))
    monkeypatch.setitem(ARCHITECTURES, "B", replace(B, skeleton=skeleton))  # with the stride that Table 1 prints
    monkeypatch.setattr(structure, "OPERATIONS", ("k3e6", "k9e6", "skip"))
    assert list(structure.describe_structure("text_structure").values()) == ["{3, 9}", "{6}", "4 or 5", "64 or 96", "32 or 48"]
