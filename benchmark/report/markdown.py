"""Format the Markdown that the pages consist of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmark.ledger.tokens import INTERNAL_MEANING, MEASURED_MEANING, Internal, Measured

MARKS: Mapping[Measured, str] = {
    "reproduced": "✓",
    "matches_release": "✓ᵣ",
    "explained": "≈",
    "ambiguous": "≈?",
    "contradicted": "✗",
    "inconclusive": "~",
    "proxy": "◐",
    "as_built": "▫",
    "fitted": "▫",
    "given": "·",
    "not_measured": "○",
    "not_run": "○",
    "hidden_labels": "◌",
    "no_definition": "–",
}
INTERNAL_MARKS: Mapping[Internal, str] = {"consistent": "", "rounding": "(=)", "inconsistent": "(≠)", "-": ""}


def grid(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format a table; vertical bars inside cells are escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def legend(tokens: Iterable[Measured] = tuple(MARKS)) -> str:
    """Explain the marks of both judgements, in a line each; of the first, those of ``tokens``."""
    shown = [token for token in MARKS if token in set(tokens)]
    measured = " · ".join(f"{MARKS[token]} `{token}`: {MEASURED_MEANING[token]}" for token in shown)
    internal = " · ".join(f"{mark} `{token}`: {INTERNAL_MEANING[token]}" for token, mark in INTERNAL_MARKS.items() if mark)
    return f"Against our measurement: {measured}.\n\nAgainst the paper's other printed values: {internal}."


def page(*blocks: str) -> str:
    """Join blocks with empty lines, below a comment that names the generating command; empty blocks are left out."""
    note = "<!-- Written by python -m benchmark.report; edit the tables or the records instead. -->"
    return "\n\n".join([note, *(block.strip("\n") for block in blocks if block)]) + "\n"
