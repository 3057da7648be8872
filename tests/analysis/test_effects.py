"""Effects of ablations: differences with intervals over people and seeds, and the judgement of their directions."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.analysis.convergence import convergence, epochs_to
from benchmark.analysis.effects import Effect, Plan, detectable_difference, judged_plans, measure_effects
from benchmark.analysis.runs import published_protocol, variant_results, variant_runs
from benchmark.config.ablations import (
    BUDGETS,
    Ablation,
    Comparison,
    Trial,
    Variant,
    find_ablation,
    known_ablations,
    variant_model,
    variant_recipe,
)
from benchmark.config.identities import (
    accuracy_identity,
    describe_training,
    load_current,
    mean_pose_identity,
    training_identity,
    training_setting,
)
from benchmark.config.packages import find_protocol
from benchmark.core.errors import InputError
from benchmark.core.records import Record
from benchmark.core.statistics import pack_replicates
from benchmark.core.versions import VERSIONS
from benchmark.models.registry import find_entry
from benchmark.papers.tables import load_papers

SIC = find_ablation("sic")
FLOOR = Record(**mean_pose_identity(variant_recipe(SIC, SIC.variant("on"), "lsp")[0], 4000, "pck@0.2"), value=8.85, command="")


def run(variant: str, seed: int, value: float, rate: float = 1.0, people: int = 1000) -> Record:
    """Return a run whose replicates spread by one point around its value, alike for every run."""
    recipe, overrides = variant_recipe(SIC, SIC.variant(variant), "lsp", rate)
    setting = training_setting(recipe, recipe.start, overrides, rate)
    replicates = pack_replicates(value + np.random.default_rng(0).normal(size=1000))
    return Record(
        **accuracy_identity(SIC.variant(variant).model, recipe, setting, "pck@0.2", seed),
        value=value,
        n=people,
        samples={"replicates": replicates},
        command="",
    )


def runs(on: float, off: float, step: float = 0.01) -> list[Record]:
    """Return three runs of each variant; from seed to seed, the difference rises by ``step``, and both by a point more."""
    values = [("on", seed, on + (1 + step) * seed) for seed in range(3)] + [("off", seed, off + seed) for seed in range(3)]
    return [run(*each) for each in values]


def trial(accuracy: float, rate: float, kind: Trial = "rate") -> Record:
    """Return a trial of the family of both variants."""
    recipe, overrides = variant_recipe(SIC, SIC.variant("on"), "lsp", rate, kind)
    setting = training_setting(recipe, recipe.start, overrides, rate)
    identity = accuracy_identity("efficientpose_nas/A", recipe, setting, "pck@0.2", 0)
    return Record(**identity, value=accuracy, command="")


RATES = [trial(40.0, 0.3), trial(45.0, 1.0), trial(43.0, 3.0)]
TRIALS = [*RATES, trial(45.9, 1.0, "length")]


def effects_of(*records: Record) -> list[Effect]:
    return list(measure_effects([Plan(SIC, "lsp")], {r.id: r for r in records})["sic", "lsp"])


def effect_of(*records: Record) -> Effect:
    return effects_of(*records)[0]


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
                if protocol.startswith(("lsp", "smoke")):
                    start = variant.overrides.get("start", ablation.start)
                    assert recipe.start == start, "a misspelt start would be a start from scratch"
                    assert start in ("scratch", *recipe.starts)
        for comparison in ablation.comparisons:
            ablation.variant(comparison.better), ablation.variant(comparison.worse)
        effects = measure_effects([Plan(ablation, ablation.protocols[0])], {})[name, ablation.protocols[0]]
        assert [effect.judgement.word for effect in effects] == ["not run"] * len(ablation.comparisons)


def test_printed_differences_are_read_from_the_tables() -> None:
    assert effect_of().printed == pytest.approx(0.48)
    assert effect_of().printed_metric == "PCKh@0.5 on mpii"
    weights = measure_effects([Plan(find_ablation("weight_functions"), "lsp")], {})
    assert weights["weight_functions", "lsp"][0].printed == pytest.approx(0.27)


def test_the_same_network_is_trained_once_for_all_ablations_that_have_it() -> None:
    plain = [
        describe_training(training_setting(recipe, recipe.start, overrides))
        for name, variant in (("sic", "on"), ("head_widths", "64, 32"), ("transposed_convolutions", "plain"), ("rce", "MSE"))
        for recipe, overrides in [variant_recipe(find_ablation(name), find_ablation(name).variant(variant), "lsp")]
    ]
    assert set(plain) == {"lsp-ablation 1 from fna-lite0-empty"}
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
    effect = effect_of(*RATES, *runs(on=50, off=49, step=0.1))
    assert effect.difference == pytest.approx(1.1)
    assert effect.seeds == (3, 3)
    assert effect.estimate
    half = 4.3027 * np.sqrt(np.var([0, 0.1, 0.2], ddof=1) / 3)  # Student's t, two degrees of freedom
    assert effect.estimate.interval() == pytest.approx((1.1 - half, 1.1 + half), abs=1e-3)


def test_what_both_runs_of_a_pair_share_does_not_widen_the_interval() -> None:
    """From seed to seed both variants rise by a point, their difference by 0.1."""
    effect = effect_of(*RATES, *runs(on=50, off=49, step=0.1))
    assert effect.estimate
    assert effect.unpaired
    assert effect.estimate.value == pytest.approx(effect.unpaired.value)
    assert effect.unpaired.error > 10 * effect.estimate.error
    alone = effect_of(*RATES, *runs(on=50, off=49, step=0.1), run("on", 3, 90.0))
    assert alone.difference == pytest.approx(1.1), "a run without a partner is in no pair"


# --- what a judgement needs --------------------------------------------------------------------------------------------------

COMPLETE = [FLOOR, *TRIALS, *runs(on=50, off=49)]


def test_with_all_that_it_needs_a_direction_is_judged() -> None:
    assert effect_of(*COMPLETE).judgement.word == "agrees"
    assert effect_of(FLOOR, *TRIALS, *runs(on=48, off=49)).judgement.word == "opposite"


@pytest.mark.parametrize(
    ("records", "reasons"),
    [
        (COMPLETE[1:], ("no mean pose on record",)),
        ([FLOOR, *TRIALS, *runs(on=50, off=7)], ("off has not learned in every run",)),
        ([FLOOR, *RATES, *runs(on=50, off=49)], ("the training length of `efficientpose_nas/A` was not checked",)),
        (
            [FLOOR, *RATES, trial(46.0, 1.0, "length"), *runs(on=50, off=49)],
            ("a third more epochs gain `efficientpose_nas/A` 1.0 points",),
        ),
        (
            [FLOOR, *TRIALS, *runs(on=50, off=49, step=0.9)],  # 0.48 points are printed
            ("power below 50 %", "not significant"),
        ),
        ([FLOOR, *TRIALS, run("on", 0, 50), run("off", 0, 49)], ("one seed",)),
        (
            [FLOOR, *TRIALS, *runs(on=50, off=49)[:5], run("off", 2, 49.02, people=999)],
            ("the runs have no replicates over the same people",),
        ),
    ],
)
def test_without_any_of_it_none_is(records: list[Record], reasons: tuple[str, ...]) -> None:
    judgement = effect_of(*records).judgement
    assert (judgement.word, judgement.reasons) == ("not judged", reasons)


def test_without_the_best_rate_no_run_counts() -> None:
    """Which of the runs on record is at the best rate is then unknown."""
    at_the_edge = [trial(40.0, 0.3), trial(43.0, 1.0), trial(45.0, 3.0)]
    assert effect_of(FLOOR, *at_the_edge, *runs(on=50, off=49)).judgement.word == "not run"
    assert effect_of(FLOOR, *runs(on=50, off=49)).judgement.word == "not run"


def test_of_a_protocol_that_shows_that_it_runs_no_direction_is_judged() -> None:
    records = {}
    for variant, value in (("on", 50.0), ("off", 40.0)):
        for seed in range(3):
            recipe, overrides = variant_recipe(SIC, SIC.variant(variant), "smoke")
            setting = training_setting(recipe, recipe.start, overrides)
            identity = accuracy_identity(SIC.variant(variant).model, recipe, setting, "pck@0.2", seed)
            samples = {"replicates": pack_replicates(value + 0.1 * seed + np.random.default_rng(0).normal(size=1000))}
            record = Record(**identity, value=value + 0.1 * seed, n=1000, samples=samples, command="")
            records[record.id] = record
    effect = measure_effects([Plan(SIC, "smoke")], records)["sic", "smoke"][0]
    assert effect.estimate
    assert effect.judgement.word == "not judged"
    assert "the protocol only shows that the ablation runs" in effect.judgement.reasons


def test_of_variants_below_the_mean_pose_no_direction_is_judged() -> None:
    judgement = effect_of(FLOOR, *TRIALS, *runs(on=3, off=2)).judgement
    assert judgement.reasons == ("on has not learned in every run", "off has not learned in every run")


def test_one_seed_has_no_interval() -> None:
    effect = effect_of(*RATES, run("on", 0, 50), run("off", 0, 49))
    assert (effect.difference, effect.estimate) == (1.0, None)


def test_comparisons_that_share_a_network_are_known() -> None:
    passes = find_ablation("detection_passes")
    shared = [
        Record(
            **accuracy_identity(
                variant_model(passes, passes.variant(name), "smoke"),
                recipe,
                training_setting(recipe, recipe.start, overrides),
                metric,
                0,
            ),
            value=40,
            n=9,
            command="",
        )
        for name in ("one", "two", "three")
        for recipe, overrides in [variant_recipe(passes, passes.variant(name), "smoke")]
        for metric in ("pck@0.2", "pck@0.05")
    ]
    effects = measure_effects([Plan(passes, "smoke")], {r.id: r for r in shared})["detection_passes", "smoke"]
    assert all(a.trainings & b.trainings for a in effects for b in effects), "two passes are in every comparison"
    assert not effects[0].trainings & effect_of(*RATES, run("on", 0, 50), run("off", 0, 49)).trainings


def test_what_stands_in_is_named() -> None:
    notes = {
        name: measure_effects([Plan(find_ablation(name), protocol)], {})[name, protocol][0].stand_in
        for name, protocol in (("sic", "lsp"), ("skeleton", "lsp"), ("skeleton", "mpii"), ("upscaling", "lsp"))
        if (name, protocol) != ("skeleton", "mpii")
    }
    assert notes == {
        "sic": "",
        "skeleton": "`efficientpose/RT` stands in for `efficientpose/I`",
        "upscaling": "published weights stand in for the printed trainings",
    }
    own = measure_effects([Plan(find_ablation("skeleton"), "mpii")], {})["skeleton", "mpii"][0]
    assert own.stand_in == "", "the paper's own network"
    other = measure_effects([Plan(find_ablation("rce"), "lsp")], {})["rce", "lsp"][0]
    assert other.stand_in == "`efficientpose_nas/A` stands in for a network of FasterPose"
    built = measure_effects([Plan(find_ablation("resolution"), "lsp")], {})["resolution", "lsp"][0]
    assert built.stand_in == "`fasterpose/r50` is a reconstruction"


def test_under_the_papers_own_recipe_the_printed_metric_is_compared() -> None:
    upper, lower = measure_effects([Plan(find_ablation("skeleton"), "mpii")], {})["skeleton", "mpii"]
    assert (upper.metric, lower.metric) == ("pckh@0.5 (mpii_official)", "pckh@0.1 (mpii_official)")


def test_published_weights_are_compared_over_people_and_never_judged() -> None:
    """Neither side was trained for the comparison: it is one at test time."""
    effects = measure_effects([Plan(find_ablation("upscaling"), "lsp")], load_current())["upscaling", "lsp"]
    for effect in effects:
        assert effect.estimate
        assert effect.population == "one training, people alone"
        assert effect.judgement.reasons == ("both sides are the weights of one training",)
        assert effect.estimate.value == pytest.approx(effect.difference)


def test_the_best_decoder_is_the_one_of_training_images() -> None:
    """DARK is better on test images, and does not count for it."""
    upscaling = find_ablation("upscaling")
    off = upscaling.variant("off, best decoder")

    def evaluation(name: str, split: str, value: float) -> Record:
        fields = {"over": "", "input": "", "weights": "", "boxes": ""}
        return Record(
            kind="evaluation", subject="efficientpose/I", dataset="lsp", split=split, protocol=f"efficientpose-raw-{name}",
            metric="pck@0.05", setting=fields, versions={}, value=value, n=1000, command="",
        )  # fmt: skip

    values = {"argmax": 20.0, "filtered": 19.0, "quarter": 26.0, "dark": 25.0}
    evaluations = [evaluation(name, "train", value) for name, value in values.items()]
    tests = [evaluation(name, "test", value) for name, value in {**values, "dark": 30.0}.items()]
    found = {record.id: record for record in [*evaluations, *tests]}
    assert published_protocol(upscaling, off, "lsp", "pck@0.05", found) == "efficientpose-raw-quarter"
    assert [r.value for r in variant_results(upscaling, off, "lsp", "pck@0.05", found)] == [26.0]
    del found[evaluations[0].id]
    assert published_protocol(upscaling, off, "lsp", "pck@0.05", found) == ""
    assert not variant_results(upscaling, off, "lsp", "pck@0.05", found)


def test_a_trained_variant_is_not_compared_with_published_weights() -> None:
    variants = (Variant(name="a", model="efficientpose/I", weights="file.h5"), Variant(name="b", model="efficientpose/I"))
    with pytest.raises(InputError, match="ablation x: 'a' and 'b' are not of the same training: "):
        Ablation(
            name="x", title="X", description="", variants=variants, comparisons=(Comparison(better="a", worse="b", printed=""),)
        )


def test_the_same_family_is_judged_on_the_page_and_by_the_command() -> None:
    plans = judged_plans()
    assert {plan.protocol for plan in plans} == {"lsp", "lsp-gpu", "mpii", "coco"}
    assert [comparison.better for plan in plans for comparison in plan.ablation.comparisons].count("two") == 6, (
        "two metrics each"
    )


# --- runs --------------------------------------------------------------------------------------------------------------------


def test_runs_of_an_older_version_do_not_mix_with_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    old = [run("on", seed, 10.0) for seed in range(3)]
    monkeypatch.setitem(VERSIONS, "pck", 2)
    new, rates = [run("on", 0, 50.0)], [trial(40.0, 0.3), trial(45.0, 1.0), trial(43.0, 3.0)]
    found = variant_runs(SIC, SIC.variant("on"), "lsp", "pck@0.2", {r.id: r for r in [*old, *new, *rates]})
    assert [record.value for record in found] == [50.0]


def test_runs_at_another_learning_rate_stand_apart() -> None:
    records = {r.id: r for r in (*RATES, run("on", 0, 50.0), run("on", 0, 40.0, rate=0.3))}
    assert [r.value for r in variant_runs(SIC, SIC.variant("on"), "lsp", "pck@0.2", records)] == [50.0]


def test_what_could_be_seen_follows_from_the_spread_on_record() -> None:
    assert "unknown" in detectable_difference(SIC, "lsp", 3, {})
    records = {r.id: r for r in (*RATES, *runs(on=50, off=50, step=1.0))}
    # A power of 80 % with two degrees of freedom needs 5.65 standard errors, which are sqrt(1 / 3).
    assert "smallest difference that 3 seeds detect: 3.26" in detectable_difference(SIC, "lsp", 3, records)
    assert "smallest difference that 12 seeds detect: 0.8" in detectable_difference(SIC, "lsp", 12, records)


def test_epochs_to_a_threshold_are_read_off_straight_lines() -> None:
    curve = {1: 10.0, 2: 30.0, 3: 40.0}
    assert epochs_to(5.0, curve) == pytest.approx(0.5)
    assert epochs_to(20.0, curve) == pytest.approx(1.5)
    assert epochs_to(40.0, curve) == pytest.approx(3.0)
    assert epochs_to(41.0, curve) is None


def test_convergence_is_measured_against_what_the_worse_variant_ends_with() -> None:
    rce = find_ablation("rce")
    records = []
    for name, values in (("RCE", (40.0, 60.0)), ("MSE", (25.0, 50.0))):
        recipe, overrides = variant_recipe(rce, rce.variant(name), "smoke")
        setting = training_setting(recipe, recipe.start, overrides)
        accuracy = accuracy_identity("efficientpose_nas/A", recipe, setting, "pck@0.2", 0)
        training = training_identity("efficientpose_nas/A", recipe, setting, 0)
        curve = [[epoch, {"pck@0.2": value}] for epoch, value in enumerate(values, 1)]
        records += [
            Record(**accuracy, value=values[-1], command=""),
            Record(**training, value=0.1, samples={"figures": curve}, command=""),
        ]
    converged = convergence(rce, rce.comparisons[0], "smoke", {r.id: r for r in records})
    assert converged == (50.0, {"RCE": [1.5], "MSE": [2.0]})


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="no ablation 'nonsense'; known: "):
        find_ablation("nonsense")
    with pytest.raises(InputError, match="ablation upscaling has no protocol 'coco'"):
        variant_recipe(find_ablation("upscaling"), find_ablation("upscaling").variants[0], "coco")
    assert isinstance(SIC.comparisons[0], Comparison)
    assert set(SIC.protocols) <= set(BUDGETS)
