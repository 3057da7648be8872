"""Identities of records are defined once; a raised version retires exactly the records that rest on that instrument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmark.config.conventions import FLOPS, LOOKUP_CONVENTION
from benchmark.config.identities import (
    Identity,
    accuracy_identity,
    agreement_identity,
    convention_versions,
    cost_identity,
    current_records,
    describe_setting,
    description_identity,
    evaluation_identity,
    feature_map_identity,
    is_current,
    latency_identity,
    learning_rate_identity,
    lookup_identity,
    mean_pose_identity,
    predictions_identity,
    reference_identity,
    runs_of,
    search_identity,
    training_identity,
    training_setting,
)
from benchmark.config.latency import Setting
from benchmark.config.packages import find_recipe, find_search
from benchmark.config.predictions import published_predictions
from benchmark.config.recipes import GENERAL_RECIPES
from benchmark.core.records import Record, load_records, record_id
from benchmark.core.versions import VERSIONS, versions_of
from benchmark.models.registry import entries

MODEL = "efficientpose_nas/A"
LSP = GENERAL_RECIPES["lsp"]
OPTIONAL = {"model", "initial_weights", "pck", "pckh", "oks", "oks_nms"}  # by dataset, or of networks of this project
SETTING = training_setting(LSP, "scratch", {"epochs": 3}, 0.5)
KINDS: dict[str, Callable[[], Identity]] = {
    "cost": lambda: cost_identity(MODEL, "mpii", "256x256"),
    "architecture": lambda: description_identity("efficientpose_nas", "table1", "structure"),
    "architecture by readings": lambda: description_identity("fasterpose", "abstract", "readings"),
    "evaluation": lambda: evaluation_identity(MODEL, "lsp", "test", "lsp", "pck@0.2"),
    "evaluation of MPII": lambda: evaluation_identity(MODEL, "mpii", "val", "hrnet", "pckh@0.5 (hrnet)"),
    "evaluation of COCO": lambda: evaluation_identity(MODEL, "coco", "val", "hrnet", "AP"),
    "predictions": lambda: predictions_identity(published_predictions()["hourglass_s8_newell"], "pckh@0.5 (hrnet)"),
    "predictions on LSP": lambda: predictions_identity(published_predictions()["WeiCVPR16"], "pck@0.2", "FanCVPR15"),
    "accuracy": lambda: accuracy_identity(MODEL, LSP, SETTING, "pck@0.2", 0),
    "training": lambda: training_identity(MODEL, LSP, SETTING, 0),
    "learning_rate": lambda: learning_rate_identity(MODEL, LSP, 0),
    "mean_pose": lambda: mean_pose_identity(LSP, 4000, "pck@0.2"),
    "feature_maps": lambda: feature_map_identity(MODEL, LSP, SETTING, "peak", "heatmaps", 3, 0),
    "latency": lambda: latency_identity(Setting(model=MODEL), "a processor", together=[MODEL], run=1),
    "latency of the pipeline": lambda: latency_identity(
        Setting(model=MODEL, part="pipeline"), "a processor", together=[MODEL], run=1
    ),
    "agreement": lambda: agreement_identity("cached", "psnr", "hrnet_mpii", "256x256", 2.0, 0),
    "agreement with a publisher's network": lambda: reference_identity(MODEL, "authors", "lab/net@0123456", "256x256", 16, 0),
    "search": lambda: search_identity(
        "efficientpose_nas", find_search("efficientpose_nas", "small"), "flops", "searched", "pck@0.2", "", 0
    ),
    "search on times": lambda: search_identity(
        "efficientpose_nas", find_search("efficientpose_nas", "small"), "cpu", "searched", "pck@0.2", "a processor", 0
    ),
    "lookup": lambda: lookup_identity("efficientpose_nas", "small", "256x256", 14, "flops", ""),
    "lookup of times": lambda: lookup_identity("efficientpose_nas", "small", "256x256", 14, "cpu", "a processor"),
    "evaluation of Synthetic people": lambda: evaluation_identity(MODEL, "synthetic-mpii", "val", "hrnet", "pckh@0.5 (hrnet)"),
}


@pytest.mark.parametrize("instrument", VERSIONS)
def test_raising_a_version_retires_the_records_that_rest_on_it_and_no_others(
    instrument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: identity() for name, identity in KINDS.items()}
    records = {name: Record(**identity, value=1.0, command="") for name, identity in before.items()}
    resting = {name for name, identity in before.items() if instrument in identity["versions"]}
    assert resting, "an instrument that no record rests on retires nothing"
    monkeypatch.setitem(VERSIONS, instrument, VERSIONS[instrument] + 1)
    assert {name for name, record in records.items() if not is_current(record)} == resting
    assert {name for name, identity in KINDS.items() if record_id(identity()) != record_id(before[name])} == resting


def test_what_a_record_rests_on_is_named() -> None:
    for name, instruments in {
        "architecture by readings": ("cost",),
        "evaluation of Synthetic people": ("pckh", "synthetic_people"),
        "feature_maps": ("feature_maps", "protocols", "training"),
        "latency of the pipeline": ("latency", "latency_runs", "crops", "decoding"),
        "search": ("search", "lookup_table", "cost", "pck"),
        "search on times": ("search", "lookup_table", "latency", "pck"),
        "lookup": ("lookup_table", "cost"),
        "lookup of times": ("lookup_table", "latency"),
        "evaluation": ("pck", "decoding"),
        "evaluation of MPII": ("pckh", "decoding"),
        "evaluation of COCO": ("oks", "oks_nms", "decoding"),
        "accuracy": ("pck", "decoding", "augmentation", "targets", "training"),
    }.items():
        assert versions_of(*instruments).items() <= KINDS[name]()["versions"].items(), name


@pytest.mark.parametrize("name", KINDS)
def test_each_setting_is_described_without_the_words_of_python(name: str) -> None:
    text = describe_setting(Record(**KINDS[name](), value=1.0, command=""))
    assert not set("{}[]'") & set(text)
    assert text or name.startswith("evaluation")


def test_a_record_is_found_by_the_identity_that_wrote_it_and_by_its_seeds() -> None:
    runs = [Record(**accuracy_identity(MODEL, LSP, SETTING, "pck@0.2", seed), value=seed, command="") for seed in (2, 0, 1)]
    other = Record(**accuracy_identity(MODEL, LSP, training_setting(LSP, "scratch", {}), "pck@0.2", 0), value=9, command="")
    records = {record.id: record for record in (*runs, other)}
    assert records[record_id(accuracy_identity(MODEL, LSP, SETTING, "pck@0.2", 1))].value == 1
    assert [record.value for record in runs_of(records, accuracy_identity(MODEL, LSP, SETTING, "pck@0.2"))] == [0, 1, 2]


def test_committed_records_state_the_versions_that_their_identities_ask_for() -> None:
    optional = OPTIONAL | set(convention_versions())  # a convention may have joined later
    known: dict[str, list[set[str]]] = {}
    for identity in (identity() for identity in KINDS.values()):
        known.setdefault(identity["kind"], []).append(set(identity["versions"]) - optional)
    records = load_records()
    assert current_records(records)
    for record in records.values():
        assert set(record.versions) - optional in known[record.kind], record.id


def test_a_recipe_of_a_package_identifies_its_network() -> None:
    recipe = find_recipe(MODEL, "mpii")
    mine = accuracy_identity(MODEL, recipe, training_setting(recipe, recipe.start, {}), "pckh@0.5 (hrnet)", 0)
    theirs = accuracy_identity("efficientpose_nas/B", recipe, training_setting(recipe, recipe.start, {}), "pckh@0.5 (hrnet)", 0)
    assert record_id(mine) != record_id(theirs)
    assert (mine["dataset"], mine["split"], mine["protocol"]) == ("mpii", "val", recipe.protocol)


def test_another_counting_convention_retires_counts_but_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: record_id(identity()) for name, identity in KINDS.items()}
    monkeypatch.setitem(FLOPS, "macs", replace(FLOPS["macs"], version=7))  # type: ignore[arg-type]
    changed = {name for name, identity in KINDS.items() if record_id(identity()) != before[name]}
    assert changed == {"cost", "architecture by readings"}
    monkeypatch.setitem(FLOPS, LOOKUP_CONVENTION, replace(FLOPS[LOOKUP_CONVENTION], version=7))  # type: ignore[arg-type]
    changed = {name for name, identity in KINDS.items() if record_id(identity()) != before[name]}
    assert changed == {"cost", "architecture by readings", "search", "search on times", "lookup"}


def test_other_initial_weights_retire_trainings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    records = {name: Record(**identity(), value=1.0, command="") for name, identity in KINDS.items()}
    entry = entries()[MODEL]
    monkeypatch.setitem(entries(), MODEL, replace(entry, init_version=entry.init_version + 1))  # type: ignore[arg-type]
    retired = {name for name, record in records.items() if not is_current(record)}
    assert retired == {"accuracy", "training", "learning_rate", "feature_maps"}
