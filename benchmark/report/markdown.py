"""Format the Markdown that the pages consist of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmark.ledger.verdicts import TOKEN_MEANING, Token

MARKS: Mapping[Token, str] = {
    "reproduced": "✓",
    "explained": "≈",
    "ambiguous": "?",
    "contradicted": "✗",
    "inconclusive": "~",
    "proxy": "◐",
    "not_run": "○",
    "hidden_labels": "◌",
    "no_definition": "–",
}


def grid(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format a table; vertical bars inside cells are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def folded(title: str, body: str) -> str:
    """Format a block that the reader opens."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def legend() -> str:
    """Explain the marks of the verdicts in one line."""
    return " · ".join(f"{MARKS[token]} `{token}`: {meaning}" for token, meaning in TOKEN_MEANING.items())


def page(*blocks: str) -> str:
    """Join blocks with empty lines, below a comment that names the generating command; empty blocks are left out."""
    note = "<!-- Written by python -m benchmark.report; edit the tables or the records instead. -->"
    return "\n\n".join([note, *(block.strip("\n") for block in blocks if block)]) + "\n"
