"""A printed accuracy is judged by a test of equivalence with what was measured on its own dataset, in its own metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmark.analysis.runs import metric_of_cell
from benchmark.config.ablations import find_ablation, variant_recipe
from benchmark.config.identities import accuracy_identity, evaluation_identity, load_current, training_setting
from benchmark.config.packages import find_recipe
from benchmark.config.recipes import Recipe
from benchmark.core.records import Record
from benchmark.core.statistics import pack_replicates
from benchmark.ledger import accuracy
from benchmark.ledger.accuracy import ablation_rows, judge_accuracy
from benchmark.ledger.verdicts import remedy_command
from benchmark.models.checkpoints import RETRAINING
from benchmark.models.registry import canonical_id
from benchmark.papers.tables import Cell, load_papers


def cell(table: str, row: str, column: str = "pckh", paper: str = "efficientpose_nas") -> Cell:
    cells = load_papers()[paper].tables[table].cells()
    return next(cell for cell in cells if (cell.row.id, cell.column.name) == (row, column))


PEOPLE = 2958
NOISE = 0.3  # standard error over MPII's validation people


def run(
    model: str, recipe: Recipe, setting: Mapping[str, Any], metric: str, value: float, seed: int = 0, noise: float = NOISE
) -> Record:
    replicates = pack_replicates(value + noise * np.random.default_rng(0).normal(size=1000))  # the same people for every seed
    return Record(
        **accuracy_identity(model, recipe, setting, metric, seed),
        value=value,
        n=PEOPLE,
        interval=(value - 2 * noise, value + 2 * noise),
        samples={"replicates": replicates},
        command="",
    )


def on_mpii(value: float, seeds: int = 3, spread: float = 0.1, noise: float = NOISE, **overrides: Any) -> dict[str, Record]:
    """Return the records of EfficientPose-A, trained by the paper's recipe, around a mean value."""
    recipe = find_recipe("efficientpose_nas/A", "mpii")
    setting = training_setting(recipe, recipe.start, overrides)
    values = value + spread * (np.arange(seeds) - (seeds - 1) / 2)
    records = [
        run("efficientpose_nas/A", recipe, setting, "pckh@0.5 (hrnet)", float(seed_value), seed, noise)
        for seed, seed_value in enumerate(values)
    ]
    return {record.id: record for record in records}


def published(value: float, **fields: Any) -> dict[str, Record]:
    """Return the record of EfficientPose-RT's published weights on MPII's validation split."""
    identity = evaluation_identity("efficientpose/RT", "mpii", "val", "efficientpose", "pckh@0.5 (mpii_official)")
    record = Record(**identity | fields, value=value, n=PEOPLE, interval=(value - 0.6, value + 0.6), command="")
    return {record.id: record}


def test_every_row_that_an_ablation_names_stands_in_its_table_with_its_network_in_one_of_them() -> None:
    for (paper, table, row), variants in ablation_rows().items():
        printed = load_papers()[paper].tables[table].rows[row]
        networks = [canonical_id(variant.model) for _, variant in variants]
        assert canonical_id(printed.model) in networks, (paper, table, row)


def test_a_variant_that_is_another_network_judges_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIC is also trained from another initial head; wherever that stands, the row is judged by its own network alone."""
    key = ("efficientpose_nas", "table6", "efficientpose_a_on")
    own, other = sorted(ablation_rows()[key], key=lambda pair: "head_init" in pair[1].model)
    assert "head_init" in other[1].model
    wide = (replace(other[0], protocols=("mpii",)), other[1])
    of_own, of_other = on_mpii(88.1), on_mpii(88.1)
    of_other = {i: replace(record, subject=other[1].model) for i, record in of_other.items()}
    for variants in ([own, other], [other, own], [own, wide], [wide, own], [wide]):
        monkeypatch.setattr(accuracy, "ablation_rows", lambda variants=variants: {key: variants})
        judged = judge_accuracy(cell("table6", "efficientpose_a_on"), of_own)
        assert judged is not None
        assert (judged.verdict, judged.basis) == ("reproduced", "training")
        assert judge_accuracy(cell("table6", "efficientpose_a_on"), of_other) is None


def test_without_records_nothing_is_said() -> None:
    assert judge_accuracy(cell("table2", "efficientpose_a"), {}) is None


@pytest.mark.parametrize(
    ("value", "verdict"),
    # The margin is 0.9 and the standard error about 0.31: equivalent up to a difference of about 0.4, different from about 1.5.
    [(88.1, "reproduced"), (88.4, "reproduced"), (87.5, "inconclusive"), (89.2, "inconclusive"), (86.5, "contradicted")],
)
def test_a_network_trained_by_the_papers_recipe_is_judged_by_equivalence(value: float, verdict: str) -> None:
    judged = judge_accuracy(cell("table2", "efficientpose_a"), on_mpii(value))  # printed: 88.1
    assert judged is not None
    assert judged.verdict == verdict
    assert judged.value == pytest.approx(value)
    assert "3 seeds, over people and seeds: 95 % [" in judged.how
    assert "printed 88.1 ± 0.9, equivalence p = " in judged.how


def test_a_wide_interval_around_the_printed_value_reproduces_nothing() -> None:
    judged = judge_accuracy(cell("table2", "efficientpose_a"), on_mpii(88.1, spread=1.5))
    assert judged is not None
    assert judged.verdict == "inconclusive", "the seeds differ by three points"


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_decide_nothing(seeds: int) -> None:
    judged = judge_accuracy(cell("table2", "efficientpose_a"), on_mpii(88.1, seeds, spread=0))
    assert judged is not None
    assert judged.verdict == "inconclusive"
    assert judged.how.endswith(": 3 seeds are needed")


def test_three_seeds_are_enough_and_forty_are_not_needed() -> None:
    """With Student's factor of the seeds on people's noise, not even an exact match could be judged."""
    verdicts = [judge_accuracy(cell("table2", "efficientpose_a"), on_mpii(88.1, seeds)) for seeds in (3, 5, 10, 40)]
    assert [judged.verdict for judged in verdicts if judged] == ["reproduced"] * 4


def test_runs_without_replicates_decide_nothing() -> None:
    records = {key: replace(record, samples={}) for key, record in on_mpii(88.1).items()}
    judged = judge_accuracy(cell("table2", "efficientpose_a"), records)
    assert judged is not None
    assert judged.how.endswith("the runs have no replicates over the same people")


def test_another_recipe_another_joint_or_another_network_says_nothing() -> None:
    record = next(iter(on_mpii(88.1).values()))
    for other in (
        *on_mpii(88.1, batch=64).values(),
        replace(record, subject="efficientpose_nas/B"),
        replace(record, metric="pckh@0.5 (mmpose)"),
    ):
        assert judge_accuracy(cell("table2", "efficientpose_a"), {other.id: other}) is None


def test_a_training_at_another_input_size_says_nothing_about_a_row() -> None:
    rows = [cell("table1", f"simple_baseline_mobilenet_v2_{size}", "ap", "heatmap_weighting") for size in (256, 384)]
    recipe = find_recipe(rows[0].row.model, "coco")
    assert recipe.input == rows[0].input != rows[1].input
    runs = [run(rows[0].row.model, recipe, training_setting(recipe, recipe.start, {}), "AP", 0.646, seed) for seed in range(3)]
    small, large = (judge_accuracy(row, {r.id: r for r in runs}) for row in rows)
    assert small is not None
    assert small.verdict == "inconclusive", "the printed figure is with a detector's boxes"
    assert small.how.endswith("tested with annotated boxes, not a detector's")
    assert small.value == pytest.approx(64.6), "in percentage points"
    assert large is None


@pytest.mark.parametrize(("value", "verdict"), [(82.9, "reproduced"), (82.3, "inconclusive"), (80.0, "contradicted")])
def test_published_weights_are_judged_on_the_printed_dataset(value: float, verdict: str) -> None:
    judged = judge_accuracy(cell("table3", "efficientpose_rt", "pckh50", "efficientpose"), published(value))  # printed: 82.88
    assert judged is not None
    assert judged.verdict == verdict
    assert judged.how.startswith("authors' weights under efficientpose, n = 2958, over people: 95 % [")


@pytest.mark.parametrize(
    "fields",
    [
        {"dataset": "lsp", "split": "test"},
        {"split": "val[:100]"},
        {"metric": "pckh@0.5 (hrnet)"},
        {"protocol": "efficientpose-flip"},
        {"setting": {"over": "", "input": "", "weights": "0123abcd", "boxes": ""}},
        {"setting": {"over": "", "input": "256x256", "weights": "", "boxes": ""}},
        {"setting": {"over": "efficientpose-flip", "input": "", "weights": "", "boxes": ""}},
    ],
)
def test_published_weights_in_any_other_test_say_nothing(fields: dict[str, Any]) -> None:
    row = cell("table3", "efficientpose_rt", "pckh50", "efficientpose")
    assert judge_accuracy(row, published(82.9)) is not None
    assert judge_accuracy(row, published(82.9, **fields)) is None


def test_a_small_protocol_says_nothing_about_a_printed_figure() -> None:
    """Pairs are judged, on the page of ablations; a cell has no figure of another metric, dataset or length of training."""
    sic = find_ablation("sic")
    recipe, overrides = variant_recipe(sic, sic.variant("off"), "lsp")
    setting = training_setting(recipe, recipe.start, overrides)
    runs = [run("efficientpose_nas/A+sic=off", recipe, setting, "pck@0.2", 50.0 + seed, seed) for seed in range(3)]
    assert judge_accuracy(cell("table6", "efficientpose_a_off"), {r.id: r for r in runs}) is None


def test_every_verdict_rests_on_the_printed_dataset_and_metric() -> None:
    records = load_current()
    lsp = [record for record in records.values() if record.kind == "accuracy" and record.dataset == "lsp"]
    assert lsp, "there are runs that could be mistaken"
    cells = [c for paper in load_papers().values() for table in paper.tables.values() for c in table.cells()]
    for printed in cells:
        if printed.column.kind == "accuracy" and printed.row.model and (judged := judge_accuracy(printed, records)):
            record = records[judged.record]
            assert (record.dataset, record.metric) == (printed.dataset, metric_of_cell(printed)), printed.name


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
    [(90.1, 0.5, "reproduced"), (88.0, 0.5, "contradicted"), (90.1, 1.2, "inconclusive")],
)
def test_authors_weights_on_the_tables_people_decide_by_equivalence(value: float, half_width: float, verdict: str) -> None:
    judged = judge_accuracy(cell("table2", "hrnet_w32"), evaluated(value, half_width))
    assert judged
    assert (judged.verdict, judged.value) == (verdict, value)
    assert judged.how.startswith("authors' weights (lab/net) under hrnet, n = 2958, over people: 95 % [")


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


def test_weights_of_another_network_than_the_rows_do_not_judge_it() -> None:
    printed = cell("table2", "hrnet_w32")
    assert judge_accuracy(printed, evaluated(90.1, 0.5))
    stand_in = replace(printed, row=replace(printed.row, stand_in="another network of the same authors"))
    assert judge_accuracy(stand_in, evaluated(90.1, 0.5)) is None


def test_a_row_with_published_weights_names_the_commands_that_get_and_evaluate_them() -> None:
    remedy = remedy_command(cell("table2", "hrnet_w32"))
    assert "authors' weights: python -m benchmark.data fetch weights/hrnet/w32_mpii_256x256 (by hand), then python -m" in remedy
    assert (
        "or another publisher's retraining: python -m benchmark.data fetch weights/mmpose/hrnet-w32_mpii_256x256, then"
        in remedy
    )
    assert remedy.endswith("; needs MPII images and annotations")


# --- published predictions ----------------------------------------------------------------------------------------------------


def test_hourglass_rows_are_judged_by_the_authors_own_predictions() -> None:
    """Nine cells; each names its file, its interval and its margin."""
    hourglass = [cell("table2", "hourglass")]
    hourglass += [c for c in load_papers()["autopose"].tables["table3"].cells() if c.row.id == "hourglass"]
    judged = {printed.column.name: judge_accuracy(printed, load_current()) for printed in hourglass}
    assert len(hourglass) == 9
    for verdict in judged.values():
        assert verdict is not None
        assert verdict.basis == "predictions"
        assert "hourglass_s8_newell" in verdict.how
    # The printed mean lies 0.8 points above: neither equivalent within 0.9 points nor clearly different on 2,958 people.
    assert {verdict.verdict for verdict in judged.values() if verdict} == {"inconclusive"}


def test_another_groups_predictions_are_no_match() -> None:
    records = {id_: r for id_, r in load_current().items() if r.setting.get("evidence") != "authors"}
    judged = judge_accuracy(cell("table2", "hourglass"), records)
    assert judged is not None
    assert (judged.verdict, judged.basis) == ("proxy", "retraining")
