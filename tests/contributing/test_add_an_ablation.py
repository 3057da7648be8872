"""An ablation of one's own is one file, of a paper or of none."""

from __future__ import annotations

import pytest

from tests.contributing.conftest import Copy, read_recipe

PLAN = "ablations/second_stack.py"


def section(project: Copy, title: str) -> str:
    """Return the section of an ablation on the page of ablations."""
    return project.read("reports/ablations.md").partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_an_ablation_added_as_written_is_in_the_report(extended: Copy) -> None:
    assert "[A second stack](#a-second-stack)" in extended.read("reports/ablations.md")
    text = section(extended, "A second stack")
    assert "From no paper: two stacks are more accurate than one. Plan: `ablations/second_stack.py`." in text
    for protocol in ("lsp", "lsp-gpu", "mpii"):
        assert f"| `python -m benchmark.ablate second_stack --protocol {protocol}` | " in text
    assert "Cannot be run" not in text


def test_an_ablation_of_a_network_of_ones_own_is_in_the_report(extended: Copy) -> None:
    """No package of a paper has a recipe for it, so it is trained by the general ones, which MPII has none of."""
    text = section(extended, "A width")
    assert "| `python -m benchmark.ablate own_width --protocol lsp` | 10 | 0.1 M |" in text
    assert "Cannot be run under `mpii`: no recipe for my_nets/tiny+width=32 on mpii; known: lsp, synthetic." in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('title="A', 'paper="smallpose", title="A'), "error: ablations/second_stack.py: unknown paper 'smallpose'; known: "),
        (
            ('title="A', 'start="nowhere", title="A'),
            "error: ablations/second_stack.py: unknown start 'nowhere'; known: scratch, ",
        ),
        (('better="two stacks"', 'better="two"'), "error: ablation second_stack: a comparison names 'two'; its variants are "),
        (('printed=""', 'printed="table2[a, pckh]"'), "error: ablation second_stack: 'table2[a, pckh]' is of no paper; "),
        (
            ("hourglass-2", "hourglas-2"),
            "error: ablations/second_stack.py: unknown model 'baselines/hourglas-2'; did you mean ",
        ),
        (("ABLATION = ", "PLAN = "), "error: ablations/second_stack.py has no ABLATION = Ablation(...)"),
        (('name="second_stack"', 'name="stacks"'), "error: ablations/second_stack.py: "),
    ],
)
def test_a_slip_in_an_ablation_is_one_line(project: Copy, change: tuple[str, str], message: str) -> None:
    project.write(PLAN, read_recipe("Add an ablation").files[PLAN].replace(*change))
    done = project.attempt(
        "python -c 'from benchmark.core.errors import run_command; "
        "from benchmark.analysis.effects import judged_plans; run_command(judged_plans)'"
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
