"""Effects of ablations: differences with intervals over people and seeds, and the judgement of their directions."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.analysis.effects import Effect, convergence, detectable_difference, epochs_to, measure_effects, variant_runs
from benchmark.config.ablations import BUDGETS, Comparison, find_ablation, known_ablations, variant_model, variant_recipe
from benchmark.config.identities import (
    accuracy_identity,
    describe_training,
    mean_pose_identity,
    training_identity,
    training_setting,
)
from benchmark.config.packages import find_protocol
from benchmark.core.errors import InputError
from benchmark.core.records import Record
from benchmark.core.versions import VERSIONS
from benchmark.models.registry import find_entry
from benchmark.papers.tables import load_papers

SIC = find_ablation("sic")


def run(variant: str, seed: int, value: float, shift: float = 0.0, rate: float = 1.0) -> Record:
    """Return a run whose replicates spread by one point around its value."""
    recipe, overrides = variant_recipe(SIC, SIC.variant(variant), "lsp", rate)
    setting = training_setting(recipe, recipe.start, overrides, rate)
    replicates = (value + shift + np.random.default_rng(0).normal(size=1000)).tolist()
    return Record(
        **accuracy_identity(SIC.variant(variant).model, recipe, setting, "pck@0.2", seed),
        value=value,
        samples={"replicates": replicates},
        command="",
    )


def effect_of(*runs: Record) -> Effect:
    return measure_effects(SIC, "lsp", {r.id: r for r in runs})[0]


def test_every_ablation_names_what_exists() -> None:
    for name, ablation in known_ablations().items():
        if ablation.paper:
            assert ablation.table in load_papers()[ablation.paper].tables, name
        assert len({variant.name for variant in ablation.variants}) == len(ablation.variants), name
        for variant in ablation.variants:
            for protocol in ablation.protocols:
                model = variant_model(ablation, variant, protocol)
                find_entry(model)
                recipe, _ = variant_recipe(ablation, variant, protocol)
                find_protocol(model, recipe.protocol)
                if protocol.startswith("lsp"):
                    start = variant.overrides.get("start", ablation.start)
                    assert recipe.start == start, "a misspelt start would be a start from scratch"
                    assert start in ("scratch", *recipe.starts)
        for comparison in ablation.comparisons:
            ablation.variant(comparison.better), ablation.variant(comparison.worse)
        judged = [effect.judged for effect in measure_effects(ablation, ablation.protocols[0], {})]
        assert judged == ["not_run"] * len(ablation.comparisons)


def test_printed_differences_are_read_from_the_tables() -> None:
    assert effect_of().printed == pytest.approx(0.48)
    weights = measure_effects(find_ablation("weight_functions"), "lsp", {})
    assert weights[0].printed == pytest.approx(0.27)


def test_the_same_network_is_trained_once_for_all_ablations_that_have_it() -> None:
    plain = [
        describe_training(training_setting(recipe, recipe.start, overrides))
        for name, variant in (("sic", "on"), ("head_widths", "64, 32"), ("transposed_convolutions", "plain"), ("rce", "MSE"))
        for recipe, overrides in [variant_recipe(find_ablation(name), find_ablation(name).variant(variant), "lsp")]
    ]
    assert set(plain) == {"lsp-short 1 from fna-lite0"}
    recipe, overrides = variant_recipe(find_ablation("rce"), find_ablation("rce").variant("RCE"), "lsp")
    assert overrides
    assert recipe.loss.endswith("regressive")


def test_a_small_protocol_trains_a_stand_in_and_the_papers_own_its_network_by_its_recipe() -> None:
    passes = find_ablation("detection_passes")
    three = passes.variant("three")
    assert variant_model(passes, three, "lsp") == "efficientpose/RT+passes=3"
    assert variant_model(passes, three, "mpii") == "efficientpose/I+passes=3"
    assert variant_recipe(passes, three, "mpii")[0].epochs == 100  # appendix A


def test_persons_that_are_hard_for_both_cancel() -> None:
    """The replicates of both variants move together, so that only the variance over seeds remains."""
    effect = effect_of(
        *(run("on", seed, 50 + 0.1 * seed) for seed in range(3)), *(run("off", seed, 49 + 0.1 * seed) for seed in range(3))
    )
    assert effect.difference == pytest.approx(1.0)
    assert effect.seeds == (3, 3)
    seed_variance = 2 * np.var([0, 0.1, 0.2], ddof=1) / 3
    half = 2.7764 * np.sqrt(seed_variance)  # Student's t, four degrees of freedom
    assert effect.interval == pytest.approx((1 - half, 1 + half), abs=1e-3)
    assert effect.judged == "agrees"


def test_a_difference_inside_its_interval_is_noise_and_the_other_way_is_opposite() -> None:
    spread = [run("on", seed, 50 + seed) for seed in range(3)] + [run("off", seed, 49.5 + seed) for seed in range(3)]
    assert effect_of(*spread).judged == "within noise"
    reversed_ = [run("on", seed, 48 + 0.1 * seed) for seed in range(3)] + [
        run("off", seed, 49 + 0.1 * seed) for seed in range(3)
    ]
    assert effect_of(*reversed_).judged == "opposite"


def test_of_variants_below_the_mean_pose_no_direction_is_judged() -> None:
    recipe, _ = variant_recipe(SIC, SIC.variant("on"), "lsp")
    floor = Record(**mean_pose_identity(recipe, 4000, "pck@0.2"), value=8.85, command="")
    poor = [run("on", seed, 3.0) for seed in range(3)] + [run("off", seed, 2.0) for seed in range(3)]
    assert effect_of(floor, *poor).judged == "nothing learned"
    assert effect_of(floor, *poor[:3], *(run("off", seed, 9.0) for seed in range(3))).judged == "opposite"


def test_one_seed_has_no_interval() -> None:
    effect = effect_of(run("on", 0, 50), run("off", 0, 49))
    assert (effect.difference, effect.interval, effect.judged) == (1.0, None, "one seed")


def test_runs_of_an_older_version_do_not_mix_with_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    old = [run("on", seed, 10.0) for seed in range(3)]
    monkeypatch.setitem(VERSIONS, "pck", 2)
    new = [run("on", 0, 50.0)]
    runs = variant_runs(SIC, SIC.variant("on"), "lsp", "pck@0.2", {r.id: r for r in old + new})
    assert [record.value for record in runs] == [50.0]


def test_runs_at_another_learning_rate_stand_apart() -> None:
    records = {r.id: r for r in (run("on", 0, 50.0), run("on", 0, 40.0, rate=0.5))}
    runs_by_rate = {rate: variant_runs(SIC, SIC.variant("on"), "lsp", "pck@0.2", records, rate) for rate in (1.0, 0.5, 2.0)}
    assert {rate: [r.value for r in runs] for rate, runs in runs_by_rate.items()} == {1.0: [50.0], 0.5: [40.0], 2.0: []}


def test_what_could_be_seen_follows_from_the_spread_on_record() -> None:
    assert "unknown" in detectable_difference(SIC, "lsp", 3, {})
    runs = [run(variant, seed, 50 + seed) for variant in ("on", "off") for seed in range(3)]
    text = detectable_difference(SIC, "lsp", 3, {r.id: r for r in runs})
    assert "smallest difference that 3 seeds detect: 2.9" in text  # (2.776 + 0.842) sqrt(2 x 1 / 3)


def test_epochs_to_a_threshold_are_read_off_straight_lines() -> None:
    curve = {1: 10.0, 2: 30.0, 3: 40.0}
    assert epochs_to(5.0, curve) == pytest.approx(0.5)
    assert epochs_to(20.0, curve) == pytest.approx(1.5)
    assert epochs_to(40.0, curve) == pytest.approx(3.0)
    assert epochs_to(41.0, curve) is None


def test_convergence_is_measured_against_what_the_worse_variant_ends_with() -> None:
    rce = find_ablation("rce")
    runs = []
    for name, values in (("RCE", (40.0, 60.0)), ("MSE", (25.0, 50.0))):
        recipe, overrides = variant_recipe(rce, rce.variant(name), "lsp")
        setting = training_setting(recipe, recipe.start, overrides)
        accuracy = accuracy_identity("efficientpose_nas/A", recipe, setting, "pck@0.2", 0)
        training = training_identity("efficientpose_nas/A", recipe, setting, 0)
        curve = [[epoch, {"pck@0.2": value}] for epoch, value in enumerate(values, 1)]
        runs += [
            Record(**accuracy, value=values[-1], command=""),
            Record(**training, value=0.1, samples={"figures": curve}, command=""),
        ]
    converged = convergence(rce, rce.comparisons[0], "lsp", {r.id: r for r in runs})
    assert converged == (50.0, {"RCE": [1.5], "MSE": [2.0]})


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="no ablation 'nonsense'; known: "):
        find_ablation("nonsense")
    with pytest.raises(InputError, match="ablation upscaling has no protocol 'coco'"):
        variant_recipe(find_ablation("upscaling"), find_ablation("upscaling").variants[0], "coco")
    assert isinstance(SIC.comparisons[0], Comparison)
    assert set(SIC.protocols) <= set(BUDGETS)
