"""The page of ablations and the papers' pages show pairs, with their power first, and nothing beside a printed accuracy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from benchmark.analysis.effects import Effects, judged_plans, measure_effects
from benchmark.config.ablations import (
    Ablation,
    Trial,
    family_variant,
    find_ablation,
    known_ablations,
    variant_model,
    variant_recipe,
)
from benchmark.config.identities import (
    COMMON_TERMS,
    accuracy_identity,
    cost_record_id,
    load_current,
    mean_pose_identity,
    training_setting,
)
from benchmark.core.records import Record
from benchmark.core.statistics import pack_replicates
from benchmark.ledger.verdicts import judge_all
from benchmark.papers.tables import load_papers
from benchmark.report.ablation_plots import ablation_figure, forest_figure
from benchmark.report.ablations import EFFECT_HEADER, ablation_pairs_grid, ablations_page
from benchmark.report.papers import paper_page


@pytest.fixture(scope="module")
def records() -> dict[str, Record]:
    return load_current()


@pytest.fixture(scope="module")
def effects(records: dict[str, Record]) -> Effects:
    return measure_effects(judged_plans(), records)


def test_the_figure_names_what_a_variants_count_leaves_out(records: dict[str, Record]) -> None:
    ablation = find_ablation("sic")
    variant = ablation.variants[0]
    protocol = "lsp"
    assert "not counted" not in ablation_figure(ablation, protocol, records).decode()
    id_ = cost_record_id(variant_model(ablation, variant, protocol), *COMMON_TERMS)
    incomplete = replace(records[id_], value=records[id_].value | {"not_counted": {"torchvision::nms": 2}})
    figure = ablation_figure(ablation, protocol, {**records, id_: incomplete}).decode()
    assert f"{variant.name}: not counted: torchvision::nms ×2" in figure


def test_power_is_the_first_column_of_every_table_of_effects(records: dict[str, Record], effects: Effects) -> None:
    assert EFFECT_HEADER[0] == "power"
    verdicts = judge_all(records)
    pages = [ablations_page(records, effects)]
    pages += [paper_page(paper, verdicts, records, effects) for paper in load_papers().values()]
    headers = [line for page in pages for line in page.splitlines() if line.startswith("| ") and "| direction |" in line]
    assert headers
    assert all(header.startswith("| power | ") for header in headers)


def test_a_pair_names_what_stands_in_for_network_dataset_and_metric() -> None:
    records = small_runs("detection_passes", {"one": 60.0, "two": 62.0})
    effects = measure_effects(judged_plans(), records)
    passes = ablation_pairs_grid("efficientpose", load_papers()["efficientpose"].tables["table8"], effects)
    first = passes.splitlines()[2]
    assert "two over one<br>`efficientpose/RT` stands in for `efficientpose/I`" in first
    assert "| pck@0.2 on lsp, protocol `lsp` |" in first
    assert "| +1.71 of PCKh@50 on mpii |" in first


def test_no_printed_accuracy_stands_beside_a_figure_of_another_protocol(records: dict[str, Record], effects: Effects) -> None:
    """Three epochs of RT beside "100 epochs" and released weights beside "200" look like a gain that nobody measured."""
    assert ablation_pairs_grid("efficientpose", load_papers()["efficientpose"].tables["table5"], effects) == ""
    accuracies = [verdict for verdict in judge_all(records) if verdict.kind == "accuracy"]
    assert accuracies
    assert not [verdict for verdict in accuracies if verdict.measured == "proxy"]


def test_the_page_says_how_its_comparisons_depend_on_each_other(records: dict[str, Record], effects: Effects) -> None:
    with_interval = [effect for compared in effects.values() for effect in compared if effect.estimate]
    family = [effect for effect in with_interval if effect.judgement.p_value is not None]
    assert 0 < len(family) < len(with_interval)  # weights of one training at two tests are no test of a training
    page = ablations_page(records, effects)
    assert f"Of {len(family)} comparisons that are tested, " in page
    assert "correlated, because they share trained networks with another one, as a common baseline" in page
    assert f"a test at 5 % / {len(family)}." in page


@pytest.mark.parametrize("name", ["detection_passes", "skeleton", "training_length"])
def test_an_ablation_that_was_not_run_shows_the_networks_of_each_protocol(name: str) -> None:
    ablation = find_ablation(name)
    (paper_network, substitute), *_ = ablation.substitutes.items()
    page = ablations_page({}, measure_effects(judged_plans(), {}))
    section = page.partition(f"\n## {ablation.title}\n")[2].partition("\n## ")[0]
    _, small, papers_own = re.split(r"^Networks under .*:$", section, flags=re.MULTILINE)
    for part, model, other in ((small, substitute, paper_network), (papers_own, paper_network, substitute)):
        rows = [line for line in part.splitlines() if f"| `{model}" in line]
        assert len(rows) == len(ablation.variants)
        assert f"| `{other}`" not in part


def runs_on_mpii(ablation: Ablation, accuracies: Mapping[str, float], metrics: Sequence[str]) -> dict[str, Record]:
    """Return three runs of each variant by the paper's own recipe, and the mean pose."""
    records = {}
    for name, value in accuracies.items():
        recipe, overrides = variant_recipe(ablation, ablation.variant(name), "mpii")
        model = variant_model(ablation, ablation.variant(name), "mpii")
        setting = training_setting(recipe, recipe.start, overrides)
        for seed in range(3):
            for metric in metrics:
                record = Record(
                    **accuracy_identity(model, recipe, setting, metric, seed),
                    value=value + 0.05 * seed,
                    n=2958,
                    samples={"replicates": pack_replicates(value + 0.3 * np.random.default_rng(0).normal(size=1000))},
                    command="",
                )
                floor = Record(**mean_pose_identity(recipe, 22246, metric), value=10.0, command="")
                records |= {record.id: record, floor.id: floor}
    return records


def test_printed_variants_by_the_papers_own_recipe_need_no_check_of_their_rates() -> None:
    """Nor can there be one: this recipe only states how to find its rate."""
    metrics = ("pckh@0.5 (mpii_official)", "pckh@0.5 (hrnet)")
    records = runs_on_mpii(find_ablation("skeleton"), {"on": 84.0, "off": 81.0}, metrics)
    effects = measure_effects(judged_plans(), records)
    effect = effects["skeleton", "mpii"][0]
    assert (effect.metric, effect.judgement.word) == ("pckh@0.5 (mpii_official)", "agrees")
    assert "| +3.00 [" in ablations_page(records, effects)


def test_every_ablation_has_its_section(records: dict[str, Record], effects: Effects) -> None:
    page = ablations_page(records, effects)
    assert all(f"\n## {ablation.title}\n" in page for ablation in known_ablations().values())


# --- conclusions -------------------------------------------------------------------------------------------------------------


def small_runs(name: str, accuracies: Mapping[str, float], spread: float = 0.1) -> dict[str, Record]:
    """Return trials with their optimum at the recipe's rate, the mean pose, and five pairs of runs under the small protocol."""
    ablation, records = find_ablation(name), []
    for variant_name, accuracy in accuracies.items():
        variant = ablation.variant(variant_name)
        family = family_variant(variant)
        trials: list[tuple[float, Trial, float]] = [(0.3, "rate", 50.0), (1.0, "rate", 60.0), (3.0, "rate", 55.0)]
        for rate, trial, value in (*trials, (1.0, "length", 60.5)):
            recipe, overrides = variant_recipe(ablation, family, "lsp", rate, trial)
            setting = training_setting(recipe, recipe.start, overrides, rate)
            model = variant_model(ablation, family, "lsp")
            records.append(Record(**accuracy_identity(model, recipe, setting, "pck@0.2", 0), value=value, command=""))
        recipe, overrides = variant_recipe(ablation, variant, "lsp")
        records.append(Record(**mean_pose_identity(recipe, 4000, "pck@0.2"), value=8.0, command=""))
        for seed in range(5):
            value = accuracy + spread * np.random.default_rng([seed, len(variant_name)]).normal()
            records.append(
                Record(
                    **accuracy_identity(
                        variant_model(ablation, variant, "lsp"),
                        recipe,
                        training_setting(recipe, recipe.start, overrides),
                        "pck@0.2",
                        seed,
                    ),
                    value=value,
                    n=1000,
                    samples={"replicates": pack_replicates(value + np.random.default_rng(0).normal(size=1000))},
                    command="",
                )
            )
    return {record.id: record for record in records}


@pytest.mark.parametrize(
    ("accuracies", "spread", "expected"),
    [
        (
            {"on": 62.0, "off": 61.0},
            0.05,
            r"\*on\* over \*off\* \(5 and 5 seeds\) gives \+.* points of `pck@0.2`, as the paper prints \(\+0.48\)",
        ),
        ({"on": 61.0, "off": 62.0}, 0.05, r" gives -.*, contrary to what the paper prints \(\+0.48\)"),
        (
            {"on": 61.0, "off": 61.0},
            0.05,
            r", less than 0.\d either way \(the printed \+0.48 would probably have been seen, power",
        ),
        ({"on": 61.0, "off": 61.0}, 3.0, r", less than \d.\d either way \(the printed \+0.48 could not have been seen"),
    ],
)
def test_an_ablation_is_concluded_in_one_sentence(accuracies: dict[str, float], spread: float, expected: str) -> None:
    records = small_runs("sic", accuracies, spread)
    page = ablations_page(records, measure_effects(judged_plans(), records))
    conclusions = page.partition("## Conclusions")[2].partition("##")[0]
    assert re.search(expected, conclusions), conclusions
    assert conclusions.count("\n- ") == 1, "the others were not run"
    sentence = conclusions.partition("): ")[2].strip()
    assert f"**{sentence}**" in page, "and again in its section"


def test_a_conclusion_has_both_thresholds_and_their_common_reason_once() -> None:
    page = ablations_page(load_current(), measure_effects(judged_plans(), load_current()))
    sentence = next(line for line in page.splitlines() if line.startswith("- [Up-scaling]"))
    assert sentence.count("points of `pck@0.2` (the paper prints +1.14)") == 2, "by the paper's decoder, and by the best ones"
    assert sentence.count("points of `pck@0.05` (the paper prints +12.33)") == 2
    assert sentence.count("not judged, as both sides are the weights of one training") == 2


def test_what_was_not_tried_is_the_reason_in_the_conclusion() -> None:
    records = small_runs("sic", {"on": 62.0, "off": 61.0}, 0.05)
    length = variant_recipe(find_ablation("sic"), find_ablation("sic").variant("on"), "lsp", 1.0, "length")[0]
    kept = {id_: r for id_, r in records.items() if r.setting.get("overrides", {}).get("epochs") != str(length.epochs)}
    assert len(kept) == len(records) - 1
    page = ablations_page(kept, measure_effects(judged_plans(), kept))
    assert "; not judged, as the training length of `efficientpose_nas/A` was not checked" in page


def test_every_comparison_that_was_run_is_in_the_forest_plot() -> None:
    records = small_runs("head_widths", {"64, 32": 60.0, "64, 64": 61.0, "96, 96": 61.0})
    drawn = forest_figure(measure_effects(judged_plans(), records)).decode()
    assert drawn.count("<!-- Widths of the head: ") == 2
    assert forest_figure(measure_effects(judged_plans(), {})), "nothing was run"
