"""A way to count operations, or to define PCK, is one entry."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmark.config import conventions
from benchmark.config.conventions import FLOPS, FlopsConvention
from benchmark.core.errors import InputError
from benchmark.cost.counters import load_counters
from tests.contributing.conftest import ROOT, Copy, read_recipe


def check_pages(project: Copy, model: str) -> None:
    """Check that the pages show the conventions of the recipe, and the network counted under the new one."""
    page = project.read("reports/models.md")
    assert "| `conv_macs` | true MACs of convolutions alone, over 1e9 |" in page
    header = next(line for line in page.splitlines() if line.startswith("| network |")).split(" | ")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{model}` |")).split(" | ")
    assert header[-1] == "conv_macs |"
    assert row[-1].removesuffix(" |") == row[header.index("macs")]  # the network has no linear layer
    decoding = project.read("reports/decoding.md")
    assert "| `pck@0.2` (from the neck) | torso from the neck to the right hip |" in decoding
    assert "| `pck@0.2` (longer torso) | torso is the longer of its two diagonals | " in decoding


def test_a_convention_added_as_written_is_in_the_report(project: Copy) -> None:
    """One network instead of all, which the slow test below counts."""
    recipe = read_recipe("Add a metric or counting convention")
    project.follow(recipe)
    assert recipe.commands == ["python -m benchmark.measure cost --all", "python -m benchmark.report"]
    project.run("python -m benchmark.measure cost efficientpose_nas/A --keep")
    project.run("python -m benchmark.report")
    check_pages(project, "efficientpose_nas/A")


@pytest.mark.slow
def test_all_networks_are_counted_under_a_new_convention(project: Copy) -> None:
    recipe = read_recipe("Add a metric or counting convention")
    unchanged = [
        "reports/ablations.md",
        *(f"reports/figures/{path.name}" for path in project.root.glob("reports/figures/*.svg")),
    ]
    before = {path: project.read(path) for path in ["reports/verdicts.csv", *unchanged]}
    project.follow(recipe)
    for command in recipe.commands:
        project.run(command)
    check_pages(project, "efficientpose_nas/A")
    assert all(project.read(path) == before[path] for path in unchanged), "no count went missing"
    verdicts, others = before["reports/verdicts.csv"].splitlines(), project.read("reports/verdicts.csv").splitlines()
    for one, other in zip(verdicts, others, strict=True):
        assert one.rpartition(",")[0] == other.rpartition(",")[0], "only the records' ids change"


def test_a_metric_that_nothing_computes_is_a_column_with_a_kind(project: Copy) -> None:
    recipe = read_recipe("Add a paper")
    column = 'auc = { header = "AUC", metric = "auc", kind = "accuracy" }'
    assert f"`{column}`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = dict(recipe.files)
    toml, table = "paper_tables/small_pose/paper.toml", "paper_tables/small_pose/table1.csv"
    files[toml] = files[toml].replace("[tables.table1.rows]", f"{column}\n[tables.table1.rows]")
    files[table] = "".join(
        f"{line},{last}\n" for line, last in zip(files[table].splitlines(), ("auc", "60.1", ""), strict=True)
    )
    for path, text in files.items():
        project.write(path, text)
    project.run("python -m benchmark.report --paper small_pose")
    assert "**60.1**<br>○" in project.read("reports/small_pose.md")


def test_every_convention_names_a_counter_that_exists() -> None:
    assert load_counters().keys() == FLOPS.keys()


@pytest.mark.parametrize(
    "counter", ["benchmark.cost.counters:count_hrmet", "benchmark.cost.cuonters:count_hrnet", "count_hrnet"]
)
def test_a_convention_without_its_counter_is_one_clear_line(counter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(conventions.FLOPS, "mine", FlopsConvention(1e9, "mine", counter=counter, version=1))  # type: ignore[index]
    load: Callable[[], object] = load_counters.__wrapped__  # not from the cache
    with pytest.raises(InputError, match=f"convention 'mine': counter '{counter}' cannot be imported: .*"):
        load()
