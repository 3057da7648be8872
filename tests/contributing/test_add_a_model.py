"""A network of one's own joins from another distribution, or as a folder under ``reproductions/``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contributing.conftest import Copy, read_recipe


@pytest.mark.parametrize("place", [pytest.param("distribution", marks=pytest.mark.slow), "folder"])
def test_a_model_added_as_written_is_in_the_report(project: Copy, place: str) -> None:
    recipe = read_recipe("Add a model")
    if place == "folder":  # as the recipe says in brackets: the two Python files, and nothing to install
        files = {path: text for path, text in recipe.files.items() if path.endswith(".py")}
        moved = {path.replace("my_nets/my_nets/", "reproductions/my_nets/"): text for path, text in files.items()}
        recipe = replace(recipe, files=moved, commands=[line for line in recipe.commands if "pip install" not in line])
    project.follow(recipe)
    for command in recipe.commands:
        project.run(command)
    page = project.read("reports/models.md")
    assert "| `my_nets/tiny` | author code | 0.003 |" in page
    assert "| `my_nets/tiny+width=32` | author code | 0.011 |" in page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("PACKAGE = ", "package = "), "error: package reproductions.my_nets declares nothing: it needs PACKAGE ="),
        (('id="my_nets/', 'id="nets/'), "error: my_nets: entry 'nets/tiny' does not begin with the package's name"),
        (("benchmark.models import", "benchmark.modles import"), "error: package reproductions.my_nets cannot be imported"),
    ],
)
def test_a_slip_in_a_package_is_one_line(project: Copy, change: tuple[str, str], message: str) -> None:
    text = read_recipe("Add a model").files["my_nets/my_nets/__init__.py"]
    project.write("reproductions/my_nets/__init__.py", text.replace(*change))
    done = project.attempt("python -m benchmark.report --paper fasterpose")
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
