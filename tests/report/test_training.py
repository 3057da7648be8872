"""Check the page of training results: current records only, the mean pose for comparison, and learning rates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.config.identities import (
    accuracy_identity,
    current_records,
    learning_rate_identity,
    mean_pose_identity,
    training_identity,
    training_setting,
)
from benchmark.config.recipes import GENERAL_RECIPES, Recipe
from benchmark.core.records import Record
from benchmark.core.versions import VERSIONS
from benchmark.report.training import training_figure, training_page

MODEL = "paper/net"
LSP = GENERAL_RECIPES["lsp"]


def curves(model: str = MODEL, recipe: Recipe = LSP) -> Record:
    """Return the curves of a training from scratch."""
    samples = {"loss": [0.3, 0.1], "figures": [[2, {"pck@0.2": 50.0}]], "images per second": 46.0, "seconds": 1500}
    identity = training_identity(model, recipe, training_setting(recipe, "scratch", {}), 0)
    return Record(**identity, value=0.1, samples=samples, n=10, command="")


def accuracy(metric: str, value: float, model: str = MODEL, recipe: Recipe = LSP) -> Record:
    """Return a metric of the same training, with an interval of two points on either side."""
    identity = accuracy_identity(model, recipe, training_setting(recipe, "scratch", {}), metric, 0)
    return Record(**identity, value=value, interval=(value - 2, value + 2), n=10, command="")


def page_of(*records: Record) -> str:
    return training_page(current_records({r.id: r for r in records}))


CURVE = curves()


def test_without_records_the_page_says_so() -> None:
    assert "No training run is on record." in page_of()


def test_a_run_stands_beside_the_mean_pose_of_its_data() -> None:
    page = page_of(
        CURVE,
        accuracy("pck@0.2", 50.0),
        accuracy("pck@0.2 (longer torso)", 55.0),
        Record(**mean_pose_identity(LSP, 10, "pck@0.2"), value=12.0, interval=(11.0, 13.0), n=10, command=""),
    )
    assert "| `paper/net` | lsp 1 from scratch | 0 | 50.00 [48.00, 52.00] | 46, ? threads | 25 min |" in page
    assert "| mean pose | of 10 people; recipe lsp 1 |  | 12.00 [11.00, 13.00] |  |  |" in page
    assert "longer torso" not in page


def test_what_was_trained_for_an_ablation_stands_elsewhere() -> None:
    runs = [CURVE, accuracy("pck@0.2", 50.0)]
    recipe = replace(LSP, name="lsp-short")
    short = [curves("paper/variant", recipe), accuracy("pck@0.2", 50.0, "paper/variant", recipe)]
    page = page_of(*runs, *short)
    assert "paper/net" in page
    assert "paper/variant" not in page


def test_of_two_versions_the_latest_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    old = accuracy("pck@0.2", 40.0)
    monkeypatch.setitem(VERSIONS, "pck", 2)
    page = page_of(CURVE, old, accuracy("pck@0.2", 50.0))
    assert "50.00" in page
    assert "40.00" not in page


def test_rates_that_were_tried_are_listed() -> None:
    tried = [{"rate": 2.0, "diverges": True}, {"rate": 1.0, "diverges": False}]
    page = page_of(
        CURVE,
        accuracy("pck@0.2", 50.0),
        Record(**learning_rate_identity(MODEL, LSP, 0), value=1.0, samples={"tried": tried}, command=""),
    )
    assert "| `paper/net` | lsp 1 | 1 | 2 diverges, 1 is stable |" in page


def test_the_figure_is_the_same_bytes_twice() -> None:
    records = {CURVE.id: CURVE}
    assert training_figure(records) == training_figure(records)
