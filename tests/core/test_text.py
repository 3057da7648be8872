"""Names from files and options stay text wherever they are written: terminal, Markdown, CSV, plots."""

from __future__ import annotations

import csv
import io
import sys

import matplotlib as mpl
import pytest
from hypothesis import given
from hypothesis.strategies import characters, text
from markdown_it import MarkdownIt

from benchmark.core.errors import InputError, print_note, print_warning, run_command
from benchmark.core.text import escape_markdown, escape_plot, format_csv, printable
from benchmark.report.markdown import code, grid

NAMES = [
    "<img src=x onerror=alert(1)>",
    "<!-- begin",
    "a\\|b",
    "a|b|c",
    "a\nb | c |\n# heading",
    "[text](https://example.org)",
    "![image](https://example.org/a.png)",
    "https://example.org/a_b_c",
    "www.example.org",
    "`code` and ``more``",
    "`",
    "*bold* _slanted_ __both__ ~~struck~~",
    "&lt;tag&gt; &#60; $x$",
    "# heading",
    "- item",
    "1. item",
    "12) item",
    '=HYPERLINK("https://example.org")',
    "\x1b[31mred\x1b]0;title\x07",
    "a\rb\x9b2J\x08",
    "\u202eright to left\u2066\u200b\u2028\ufeff",
    "half \udcff",
    "tab\tand\x00null",
    "",
]
ORDINARY = ["EfficientPose-A", "my_net.py:build", "HRNet-W32 (ours), 100 % & more", "Größe 5×", "-0.5", "+1.2%", "34.0M", "-"]


def rendered(page: str) -> list[tuple[str, str]]:
    """Return types and texts of all that a page shows but for the structure of its tables."""
    parser = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    inline = [child for token in parser.parse(page) for child in token.children or () if child.type != "inline"]
    block = [
        (token.type, token.content) for token in parser.parse(page) if token.type in ("html_block", "heading_open", "fence")
    ]
    return block + [(child.type, child.content) for child in inline]


@pytest.mark.parametrize("name", [*NAMES, *ORDINARY])
def test_a_name_in_a_table_is_the_text_of_one_cell(name: str) -> None:
    page = grid(("name", "value"), [(escape_markdown(name), 1)])
    assert page.count("\n") == 2
    shown = rendered(page)
    assert {kind for kind, _ in shown} <= {"text", "text_special"}
    assert "".join(content for _, content in shown[2:]) == printable(name).strip() + "1"


@pytest.mark.parametrize("name", [name for name in [*NAMES, *ORDINARY] if name])
def test_a_name_as_code_is_the_code_of_one_cell(name: str) -> None:
    shown = rendered(grid(("name", "value"), [(code(name), 1)]))
    assert {kind for kind, _ in shown} <= {"text", "text_special", "code_inline"}
    assert "".join(content for _, content in shown[2:]) == printable(name) + "1"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_a_list_is_its_text(name: str) -> None:
    assert {kind for kind, _ in rendered(f"- {escape_markdown(name)}\n")} <= {"text", "text_special"}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert escape_markdown(name) == printable(name) == name
    assert format_csv([[name]]).strip('"\n') == name


@given(text(characters()))
def test_what_is_printable_is_one_line_without_control(name: str) -> None:
    assert all(char.isprintable() or char.isspace() for char in printable(name))
    assert len(printable(name).splitlines()) <= 1
    assert printable(printable(name)) == printable(name)


@pytest.mark.parametrize(
    "name", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "-", '=1,2"']
)
def test_no_cell_of_csv_is_a_formula(name: str) -> None:
    (row,) = csv.reader(io.StringIO(format_csv([[name, "-0.5", "+1.2%", "-1e-5", 3]])))
    assert row[1:] == ["-0.5", "+1.2%", "-1e-5", "3"]
    assert name == "-" or row[0][0] in "'\\"
    assert row[0].removeprefix("'") == printable(name)


@pytest.mark.parametrize("name", ["$x_{$", "a$b$c", r"\$5$ $", "$\\frac{$"])
def test_a_plot_draws_dollar_signs(name: str) -> None:
    assert not mpl.cbook.is_math_text(escape_plot(name))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.isprintable()])
def test_commands_print_no_control_characters(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(lambda: print(f"{name}\nsecond"))
    print_warning(name)
    print_note(name)

    def fail() -> None:
        raise InputError(name)

    with pytest.raises(SystemExit):
        run_command(fail)
    output = capsys.readouterr()
    assert output.err.count("\n") == 3
    assert all(line.isprintable() for line in output.err.split("\n"))
    assert all(char.isprintable() or char in "\n\t" for char in output.out)
    assert sys.stdout.write  # put back
