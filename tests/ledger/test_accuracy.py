"""A trained network's accuracy is judged by its interval; that under a smaller protocol is only a proxy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark.config.ablations import find_ablation, variant_recipe
from benchmark.config.identities import accuracy_identity, evaluation_identity, training_setting
from benchmark.config.packages import find_recipe
from benchmark.config.recipes import Recipe
from benchmark.core.records import Record
from benchmark.ledger.accuracy import ablation_rows, judge_accuracy
from benchmark.ledger.verdicts import remedy_command
from benchmark.models.checkpoints import RETRAINING
from benchmark.papers.tables import Cell, load_papers


def cell(table: str, row: str, column: str = "pckh", paper: str = "efficientpose_nas") -> Cell:
    cells = load_papers()[paper].tables[table].cells()
    return next(cell for cell in cells if (cell.row.id, cell.column.name) == (row, column))


def run(
    model: str, recipe: Recipe, setting: Mapping[str, Any], metric: str, value: float, seed: int = 0, spread: float = 0.1
) -> Record:
    replicates = (value + spread * np.random.default_rng(seed).normal(size=1000)).tolist()
    return Record(
        **accuracy_identity(model, recipe, setting, metric, seed),
        value=value,
        interval=(value - 2 * spread, value + 2 * spread),
        samples={"replicates": replicates},
        command="",
    )


def on_mpii(value: float, seed: int = 0, spread: float = 0.1, **overrides: Any) -> dict[str, Record]:
    """Return the record of EfficientPose-A, trained by the paper's recipe."""
    recipe = find_recipe("efficientpose_nas/A", "mpii")
    setting = training_setting(recipe, recipe.start, overrides)
    record = run("efficientpose_nas/A", recipe, setting, "pckh@0.5 (hrnet)", value, seed, spread)
    return {record.id: record}


def test_every_row_that_an_ablation_names_stands_in_its_table_with_its_network() -> None:
    for (paper, table, row), (_, variant) in ablation_rows().items():
        printed = load_papers()[paper].tables[table].rows[row]
        as_by_default = [variant.model + switch for switch in ("", "+outputs=final", "+attention=ours")]
        assert printed.model in as_by_default, (paper, table, row)


def test_without_records_nothing_is_said() -> None:
    assert judge_accuracy(cell("table2", "efficientpose_a"), {}) is None


@pytest.mark.parametrize(
    ("value", "spread", "verdict"),
    [(88.2, 0.1, "reproduced"), (87.0, 0.1, "contradicted"), (88.2, 0.4, "inconclusive")],
)
def test_a_network_trained_by_the_papers_recipe_is_judged_by_its_interval(value: float, spread: float, verdict: str) -> None:
    judged = judge_accuracy(cell("table2", "efficientpose_a"), on_mpii(value, spread=spread))  # printed: 88.1
    assert judged is not None
    assert (judged.verdict, judged.value) == (verdict, value)


def test_several_seeds_are_judged_by_their_mean_and_spread() -> None:
    runs = {key: record for seed, value in enumerate((88.0, 88.2)) for key, record in on_mpii(value, seed=seed).items()}
    judged = judge_accuracy(cell("table2", "efficientpose_a"), runs)
    assert judged is not None
    assert judged.verdict == "inconclusive", "Student's factor of 12.7 for two seeds"
    assert judged.value == pytest.approx(88.1)
    assert "2 seeds" in judged.how


def test_another_recipe_another_joint_or_another_network_says_nothing() -> None:
    (record,) = on_mpii(88.1).values()
    for other in (
        *on_mpii(88.1, batch=64).values(),
        replace(record, subject="efficientpose_nas/B"),
        replace(record, metric="pckh@0.5 (mmpose)"),
    ):
        assert judge_accuracy(cell("table2", "efficientpose_a"), {other.id: other}) is None


def test_an_ablations_row_has_its_variant_under_the_small_protocol_as_proxy() -> None:
    sic = find_ablation("sic")
    recipe, overrides = variant_recipe(sic, sic.variant("off"), "lsp")
    setting = training_setting(recipe, recipe.start, overrides)
    runs = [run("efficientpose_nas/A+sic=off", recipe, setting, "pck@0.2", 50.0 + seed, seed) for seed in range(3)]
    judged = judge_accuracy(cell("table6", "efficientpose_a_off"), {r.id: r for r in runs})
    assert judged is not None
    assert (judged.verdict, judged.value) == ("proxy", 51.0)
    assert "51.00 ± 1.00 (3 seeds" in judged.how
    assert judge_accuracy(cell("table6", "efficientpose_b_off"), {r.id: r for r in runs}) is None


# --- published weights on the table's own people ------------------------------------------------------------------------------


def evaluated(value: float, half_width: float, model: str = "baselines/hrnet-w32", **options: str) -> dict[str, Record]:
    """Return the record of published weights, evaluated on MPII, or on COCO with a detector's boxes."""
    dataset, protocol, metric = ("coco", "hrnet", "AP") if "boxes" in options else ("mpii", "hrnet", "pckh@0.5 (hrnet)")
    record = Record(
        **evaluation_identity(model, dataset, "val", protocol, metric, **options),
        value=value,
        interval=(value - half_width, value + half_width),
        n=2958,
        samples={"published": {"id": "lab/net", "evidence": "..."}},
        command="",
    )
    return {record.id: record}


@pytest.mark.parametrize(
    ("value", "half_width", "verdict"),
    [(90.1, 0.5, "reproduced"), (88.0, 0.5, "contradicted"), (90.1, 0.7, "inconclusive")],
)
def test_authors_weights_on_the_tables_people_decide_by_their_interval(value: float, half_width: float, verdict: str) -> None:
    judged = judge_accuracy(cell("table2", "hrnet_w32"), evaluated(value, half_width))
    assert judged
    assert (judged.verdict, judged.value) == (verdict, value)
    assert judged.how.startswith("authors' weights (lab/net) under hrnet, n = 2958, 95 % [")


def test_somebody_elses_retraining_never_counts_as_a_match() -> None:
    records = evaluated(90.3, 0.5, weights="00112233", evidence=RETRAINING)
    judged = judge_accuracy(cell("table2", "hrnet_w32"), records)
    assert judged
    assert judged.verdict == "proxy"
    assert judged.how.startswith("another publisher's retraining (lab/net)")


def test_authors_weights_come_before_a_retraining() -> None:
    records = evaluated(90.3, 0.5, weights="00112233", evidence=RETRAINING) | evaluated(90.2, 0.5)
    judged = judge_accuracy(cell("table2", "hrnet_w32"), records)
    assert judged
    assert judged.verdict == "reproduced"


def test_a_users_own_weights_judge_nothing() -> None:
    assert judge_accuracy(cell("table2", "hrnet_w32"), evaluated(90.3, 0.5, weights="00112233")) is None


def test_coco_is_judged_with_a_detectors_boxes_alone() -> None:
    options = {"size": "256x192", "model": "baselines/simple_baseline-r50"}
    printed = cell("table4", "simple_baseline_r50", "ap")
    detected, annotated = (evaluated(0.704, 0.005, boxes=boxes, **options) for boxes in ("aabbccdd", ""))
    judged = judge_accuracy(printed, detected)
    assert judged
    assert (judged.verdict, round(judged.value, 1)) == ("reproduced", 70.4)
    assert judge_accuracy(printed, annotated) is None


def test_weights_that_began_from_imagenet_do_not_judge_a_row_that_did_not() -> None:
    printed = cell("table4", "hrnet_w32", "ap")
    assert judge_accuracy(printed, evaluated(0.744, 0.005, size="256x192", boxes="aabbccdd")) is None
    assert remedy_command(printed).startswith("python -m benchmark.evaluate baselines/hrnet-w32 --weights FILE")


def test_a_row_with_published_weights_names_the_commands_that_get_and_evaluate_them() -> None:
    remedy = remedy_command(cell("table2", "hrnet_w32"))
    assert "authors' weights: python -m benchmark.data fetch weights/hrnet/w32_mpii_256x256 (by hand), then python -m" in remedy
    assert (
        "or another publisher's retraining: python -m benchmark.data fetch weights/mmpose/hrnet-w32_mpii_256x256, then"
        in remedy
    )
    assert remedy.endswith("; needs MPII images and annotations")
