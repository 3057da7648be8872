"""Format the Markdown that the pages consist of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from benchmark.core.text import escape_markdown, printable
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
    "as_released": "≡",
    "unlike_release": "≢",
    "release_unclear": "≡?",
    "not_measured": "○",
    "not_run": "○",
    "hidden_labels": "◌",
    "no_definition": "–",
}
INTERNAL_MARKS: Mapping[Internal, str] = {"consistent": "", "rounding": "(=)", "inconsistent": "(≠)", "-": ""}


def grid(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format a table; vertical bars inside cells are escaped, and a cell is one line."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(printable(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: object) -> str:
    """Format a name or a command as code, whatever characters it has."""
    shown = printable(text)
    if "\\|" in shown:  # within a table, no code can hold these two
        return escape_markdown(text)
    fence = "`" * (1 + max((len(ticks) for ticks in re.findall("`+", shown)), default=0))
    space = " " if shown.strip("`") != shown or not shown else ""
    return f"{fence}{space}{shown}{space}{fence}"


def legend(tokens: Iterable[Measured] = tuple(MARKS)) -> str:
    """Explain the marks of both judgements, in a line each; of the first, those of ``tokens``."""
    wanted = set(tokens)
    shown = [token for token in MARKS if token in wanted]
    measured = " · ".join(f"{MARKS[token]} `{token}`: {MEASURED_MEANING[token]}" for token in shown)
    internal = " · ".join(f"{mark} `{token}`: {INTERNAL_MEANING[token]}" for token, mark in INTERNAL_MARKS.items() if mark)
    return f"Against our measurement: {measured}.\n\nAgainst the paper's other printed values: {internal}."


def heading_anchor(heading: str) -> str:
    """Return the anchor that code hosts give to a heading: ``Table 1: the rows`` -> ``table-1-the-rows``."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def folded(title: str, body: str) -> str:
    """Format a block that the reader opens."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def page(*blocks: str) -> str:
    """Join blocks with empty lines, below a comment that names the generating command; empty blocks are left out."""
    note = "<!-- Written by python -m benchmark.report; edit the tables or the records instead. -->"
    return "\n\n".join([note, *(block.strip("\n") for block in blocks if block)]) + "\n"


# What code hosts may take for an e-mail address or for the name of a user, such as the name of a metric with its threshold;
# and, before it, the parts of a page in which they do not look for one.
_ADDRESSES = re.compile(
    r"""
    ^(?P<fence>```+|~~~+).*?^(?P=fence)                   # a block of code
    | ^</?(?:details|summary|div|table|p)\b.*?(?=\n\n|\Z)  # a block of HTML, which ends at an empty line
    | (?P<ticks>(?<!`)`+(?!`))(?:(?!\n\n).)+?(?<!`)(?P=ticks)(?!`)
    | <[^<>\n]*>                                          # a tag, comment or explicit link
    | !\[[^\]\n]*\]\([^()\n]*\)                           # an image
    | \]\([^()\n]*\)                                      # the destination of a link
    | https?://\S+
    | (?P<address>[\w.+-]*@[\w-]+(?:\.[\w-]+)+)
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)


def without_address_links(text: str) -> str:
    """Return a Markdown text with ``PCKh@0.5`` and the like as code, so that no host turns them into an e-mail link."""
    return _ADDRESSES.sub(lambda match: f"`{match['address']}`" if match["address"] else match[0], text)
