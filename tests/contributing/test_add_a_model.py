"""A network of one's own joins from another distribution, or as a folder under ``reproductions/``."""

from __future__ import annotations

import pytest

from tests.contributing.conftest import Copy, read_recipe


def check_page(project: Copy) -> None:
    """Check that both networks of the recipe are on the page of models, with their parameters."""
    page = project.read("reports/models.md")
    assert "| `my_nets/tiny` | author code | 0.003 |" in page
    assert "| `my_nets/tiny+width=32` | author code | 0.011 |" in page


def test_a_model_added_as_a_folder_is_in_the_report(extended: Copy) -> None:
    check_page(extended)


@pytest.mark.slow
def test_a_model_added_as_a_distribution_is_in_the_report(project: Copy) -> None:
    recipe = read_recipe("Add a model")
    project.follow(recipe)
    for command in recipe.commands:
        project.run(command)
    check_page(project)


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
