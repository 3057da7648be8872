"""The page of ablations and the papers' pages show pairs, with their power first, and nothing beside a printed accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from benchmark.analysis.effects import Effects, Plan, measure_effects, plans_on_real_images
from benchmark.config.ablations import Ablation, find_ablation, known_ablations, variant_model, variant_recipe
from benchmark.config.identities import accuracy_identity, load_current, mean_pose_identity, training_setting
from benchmark.core.records import Record
from benchmark.ledger.verdicts import judge_all
from benchmark.papers.tables import load_papers
from benchmark.report.ablations import EFFECT_HEADER, ablation_pairs_grid, ablations_page
from benchmark.report.papers import paper_page


@pytest.fixture(scope="module")
def records() -> dict[str, Record]:
    return load_current()


@pytest.fixture(scope="module")
def effects(records: dict[str, Record]) -> Effects:
    return measure_effects(plans_on_real_images(), records)


def test_power_is_the_first_column_of_every_table_of_effects(records: dict[str, Record], effects: Effects) -> None:
    assert EFFECT_HEADER[0] == "power"
    verdicts = judge_all(records)
    pages = [ablations_page(records, effects)]
    pages += [paper_page(paper, verdicts, records, effects) for paper in load_papers().values()]
    headers = [line for page in pages for line in page.splitlines() if line.startswith("| ") and "| direction |" in line]
    assert len(headers) > 5
    assert all(header.startswith("| power | ") for header in headers)


def test_a_pair_names_what_stands_in_for_network_dataset_and_metric(effects: Effects) -> None:
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
    family = [effect for compared in effects.values() for effect in compared if effect.estimate]
    page = ablations_page(records, effects)
    assert f"Of {len(family)} comparisons with an interval, " in page
    assert "correlated, because they share trained networks with another one, as a common baseline" in page
    assert f"a test at 5 % / {len(family)}." in page


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
                    samples={"replicates": (value + 0.3 * np.random.default_rng(0).normal(size=1000)).tolist()},
                    command="",
                )
                floor = Record(**mean_pose_identity(recipe, 22246, metric), value=10.0, command="")
                records |= {record.id: record, floor.id: floor}
    return records


def test_printed_variants_by_the_papers_own_recipe_need_no_check_of_their_rates() -> None:
    """Nor can there be one: this recipe only states how to find its rate."""
    metrics = ("pckh@0.5 (mpii_official)", "pckh@0.5 (hrnet)")
    records = runs_on_mpii(find_ablation("skeleton"), {"on": 84.0, "off": 81.0}, metrics)
    effects = measure_effects(plans_on_real_images(), records)
    effect = effects["skeleton", "mpii"][0]
    assert (effect.metric, effect.judgement.word) == ("pckh@0.5 (mpii_official)", "agrees")
    assert "| +3.00 [" in ablations_page(records, effects)


def test_variants_that_the_paper_does_not_print_need_it_under_its_recipe_too() -> None:
    names = ("on", "off", "on, SimpleBaseline's start", "off, SimpleBaseline's start")
    accuracies = dict(zip(names, (88.0, 85.0, 88.0, 85.0), strict=True))
    records = runs_on_mpii(find_ablation("sic"), accuracies, ("pckh@0.5 (hrnet)",))
    printed, other = measure_effects([Plan(find_ablation("sic"), "mpii")], records)["sic", "mpii"]
    assert "no learning-rate check" not in str(printed.judgement)
    assert f"no learning-rate check of {names[2]} and {names[3]}" in other.judgement.reasons


def test_every_ablation_has_its_section(records: dict[str, Record], effects: Effects) -> None:
    page = ablations_page(records, effects)
    assert all(f"\n## {ablation.title}\n" in page for ablation in known_ablations().values())
