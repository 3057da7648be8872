"""Write names from files and options so that they stay text: one escape for each format in which they are written.

On a terminal a name could move the cursor or forge a line, in Markdown be a tag or a table's border, in CSV a formula.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence

_UNUSUAL = re.compile(r"[^ -~]")
# What begins markup anywhere, and what does so at the edge of a word, in an address, or at the beginning.
_MARKDOWN = re.compile(
    r"[\\`*\[\]<>|~$]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.|^[#+\-=](?!\.?\d|$)|(?:(?<=^\d)|(?<=^\d\d))[.)](?=\s|$)"
)
_FORMULA = re.compile(r"[=+\-@＝＋－＠](?!\d*\.?\d+(?:e[+-]?\d+)?%?$)(?=.)")
_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)


def printable(text: object, keep: str = "") -> str:
    r"""Return text with what is no visible character as an escape: ``\x1b``, ``\n``, ``\u2028``.

    These are control characters, those that reorder or hide others, separators of lines, and halves of characters.

    Args:
        keep: Characters that stay as they are.
    """

    def escape(match: re.Match[str]) -> str:
        char = match[0]
        if char.isprintable() or char in keep or unicodedata.category(char) == "Zs":
            return char
        return char.encode("unicode_escape", "surrogatepass").decode()

    return _UNUSUAL.sub(escape, str(text))


def escape_markdown(text: object) -> str:
    """Return text that Markdown shows as it is, also within a table's cell: one line, no markup, no link."""
    # A bar by its number: whether a table's cell ends at a bar after a backslash differs between readers.
    return _MARKDOWN.sub(lambda match: "&#124;" if match[0] == "|" else f"\\{match[0]}", printable(text))


def escape_latex(text: object) -> str:
    """Return text that LaTeX prints as it is."""
    return printable(text).translate(_LATEX)


def escape_plot(text: object) -> str:
    """Return text that matplotlib draws as it is: dollar signs begin no formula."""
    return printable(text).replace("$", r"\$")


def format_csv(rows: Iterable[Sequence[object]]) -> str:
    """Format rows as CSV; text that a spreadsheet would compute, and that is no number, begins with an apostrophe."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_csv_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def _csv_cell(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    return f"'{printable(cell)}" if _FORMULA.match(cell) else printable(cell)
