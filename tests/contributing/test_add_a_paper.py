"""A sixth paper is a folder of tables and a package, and no other edit."""

from __future__ import annotations

import csv
from itertools import islice

import pytest

from benchmark.report.plots import SERIES_STYLES, series_styles
from tests.contributing.conftest import Copy, read_recipe


def test_a_paper_added_as_written_is_judged_and_shown(extended: Copy) -> None:
    with open(extended.root / "reports" / "verdicts.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["paper"] == "small_pose"]
    verdicts = {(row["row_id"], row["column"]): row["measured"] for row in rows}
    assert verdicts == {
        ("small", "params"): "reproduced",
        ("small", "gflops"): "reproduced",
        ("small", "pckh"): "not_run",
        ("hrnet_w32", "params"): "reproduced",
        ("hrnet_w32", "gflops"): "reproduced",
        ("hrnet_w32", "pckh"): "not_run",
        ("fewer_flops", "printed"): "explained",  # from the printed 9.5 and 0.050; from our counts it is 189
    }
    page = extended.read("reports/small_pose.md")
    assert "**0.011M**<br>✓ 0.010736" in page
    assert "`small_pose/small` | author code | github.com/a-author/small-pose" in page
    assert "[SmallPose](small_pose.md)" in extended.read("reports/README.md")
    assert "`small_pose/small`" in extended.read("reports/models.md")
    assert "`small_pose/small`" in extended.read("reports/ranking.md")
    assert "SmallPose" in extended.read("reports/claims.md")
    assert "`python -m benchmark.train small_pose/small --dataset mpii --recipe mpii`" in extended.read("reports/recipes.md")
    for figure in ("verdicts.svg", "mpii.svg", "schedules.svg"):
        assert "SmallPose" in extended.read(f"reports/figures/{figure}"), figure


def test_the_remedy_beside_a_new_papers_figure_works_as_printed(project: Copy) -> None:
    project.follow(read_recipe("Add a paper"))
    project.run("python -m benchmark.report --paper small_pose")
    before = project.read("reports/small_pose.md")
    assert "**0.050**<br>○" in before
    remedies = {line.split(" | ")[1] for line in before.splitlines() if "| python -m benchmark.measure cost small_pose" in line}
    assert len(remedies) == 1
    project.run(remedies.pop())
    project.run("python -m benchmark.report --paper small_pose")
    assert "**0.050**<br>✓ 0.050293" in project.read("reports/small_pose.md")


def test_a_paper_that_only_quotes_known_networks_needs_no_package(project: Copy) -> None:
    for path, text in read_recipe("Add a paper").files.items():
        if path.startswith("paper_tables/"):
            project.write(path, text.replace('"small_pose/small"', '"fasterpose/r50"'))
    project.run("python -m benchmark.report --paper small_pose")
    assert "`fasterpose/r50`" in project.read("reports/small_pose.md")
    project.run("python -c 'from benchmark.report.ablation_plots import schedules_figure; schedules_figure()'")


def test_there_is_a_colour_for_every_paper() -> None:
    styles = list(islice(series_styles(), 50))
    assert styles[: len(SERIES_STYLES)] == list(SERIES_STYLES)
    assert len({style.colour for style in styles}) == 50


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ('dataset = "mpii"', 'dataset = "aic"'),
            "[small, params]: no joints are known for dataset 'aic'; known: mpii, coco, lsp",
        ),
        (('input = "256x256"', ""), "[small, params]: neither the row nor the table states an input size"),
        (('"hrnet" }\npckh', '"hrnett" }\npckh'), "[hrnet_w32, gflops]: unknown counting convention 'hrnett'; known: hrnet, "),
        (('"small_pose/small"', '"small_pose/smal"'), "[small, params]: unknown model 'small_pose/smal'; did you mean "),
    ],
)
def test_a_slip_in_a_table_is_one_line(project: Copy, change: tuple[str, str], message: str) -> None:
    recipe = read_recipe("Add a paper")
    project.follow(recipe)
    toml = "paper_tables/small_pose/paper.toml"
    assert change[0] in recipe.files[toml]
    project.write(toml, recipe.files[toml].replace(*change))
    done = project.attempt("python -m benchmark.report --paper small_pose")
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: small_pose/table1{message}")
    assert done.stderr.count("\n") == 1
