r"""Read the printed numbers of a paper's text and of its transcription, to compare them.

The texts are conversions of typeset pages, so before a number is compared

* a formula that is repeated in a row, as drawn, as spelled out and as its source, counts once: ``25.94M25.94𝑀25.94M``,
  ``256×192256192256\times 192``, ``1.20=1.0superscript1.201.01.2^{0}=1.0``. The last copy is kept, because only the source
  separates numbers that are close together on the page;
* markers of references (``[38]``, ``[6, 8]``) and citation keys (``cao2018openpose``) are removed;
* notations of a metric (``PCKh@0.5``) are removed.

Nothing is rounded: ``25.0`` is not ``25.00``, and ``0.72M`` is not ``0.72``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.papers.tables import Table

NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?(?:[KMG](?![A-Za-z])|%)?")
REFERENCE = re.compile(r"\[[0-9]+(?:, [0-9]+)*\]|\b[A-Za-z:/]+(?:19|20)[0-9]{2}[a-z]+\b")
BIBLIOGRAPHY = re.compile(r"^\s*(?:[•-]\s*)?[\[(][0-9]+[\])]\s.*$", re.MULTILINE)
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Segment:
    """Position of a table's body in the text.

    Attributes:
        start: A few words of the table's header, after which the body starts.
        end: The text before which it ends.
        order: ``rows``, or ``columns`` for a table that is transcribed with rows and columns exchanged.
        spans: Columns in which a printed cell spans several rows of the transcription, and is repeated there.
    """

    start: str
    end: str = "\n\n"
    order: str = "rows"
    spans: tuple[str, ...] = ()

    def body(self, text: str) -> str:
        """Return the part of ``text`` that is the table.

        Raises:
            ValueError: the header is missing or not unique.
        """
        if text.count(self.start) != 1:
            raise ValueError(f"{self.start!r} appears {text.count(self.start)} times in the text")
        begin = text.index(self.start) + len(self.start)
        return text[begin : text.index(self.end, begin)]


@dataclass(frozen=True)
class Margins:
    """Content of a paper's ``exceptions.toml``.

    Attributes:
        segments: By table, its position in the text.
        exceptions: By (table, number), why a number of the segment is not a cell.
    """

    segments: dict[str, Segment] = field(default_factory=dict)
    exceptions: dict[tuple[str, str], str] = field(default_factory=dict)


def margins(folder: Path) -> Margins:
    """Load ``exceptions.toml``; a paper without printed tables needs none."""
    path = folder / "exceptions.toml"
    data = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    segments = {
        name: Segment(**{**spec, "spans": tuple(spec.get("spans", ()))}) for name, spec in data.get("segments", {}).items()
    }
    return Margins(segments, {(e["table"], e["number"]): e["why"] for e in data.get("exceptions", [])})


def numbers(text: str) -> list[str]:
    """Return the numbers of ``text`` in order, as printed, each once (see the module's docstring)."""
    return [number for token in _tokens(text) if "@" not in token for number in NUMBER.findall(_once(token))]


def _tokens(text: str) -> Iterator[str]:
    """Iterate over the words of ``text``; a formula whose source has a space after a sign is one word, as on the page."""
    words = iter(REFERENCE.sub(" ", text).split())
    for token in words:
        while token.endswith((r"\times", r"\\")) and _copies(token) == 1:
            token += next(words, " ")
        yield token


def _once(token: str) -> str:
    """Return the last copy of a formula that is repeated two or three times, and any other token unchanged."""
    positions = [position for position, character in enumerate(token) if character in "0123456789"]
    copies = _copies(token)
    return token[positions[-len(positions) // copies] :] if copies > 1 else token


def _copies(token: str) -> int:
    """Count how often ``token`` repeats the same numbers: three times or once, or twice where it has a formula's source."""
    digits = re.sub(r"[^0-9.]|(?<![0-9])\.|\.(?![0-9])", "", token)
    for copies in (3, 2) if "\\" in token else (3,):
        if digits and digits[: len(digits) // copies] * copies == digits:
            return copies
    return 1


@dataclass(frozen=True)
class Transcribed:
    """One number of the transcription; a number of a ``restored`` cell may be missing in the text."""

    number: str
    where: str
    restored: bool


def transcribed(table: Table, segment: Segment) -> Iterator[Transcribed]:
    """Iterate over the numbers of a transcribed table in printed order."""
    if segment.order == "rows":
        for row in table.rows:
            for name in table.columns:
                yield from _cell(table, row, name)
        return
    for column in table.columns.values():
        yield from (Transcribed(number, f"header {column.header}", False) for number in numbers(column.header))
        above = None
        for row in table.rows:
            printed = table.printed.get((row, column.name))
            if column.name not in segment.spans or printed != above:
                yield from _cell(table, row, column.name)
            above = printed


def _cell(table: Table, row: str, column: str) -> Iterator[Transcribed]:
    for number in NUMBER.findall(table.printed.get((row, column), "")):
        yield Transcribed(number, f"[{row}, {column}]", column in table.rows[row].restored)


def difference(cells: Sequence[Transcribed], printed: Sequence[str]) -> str | None:
    """Describe the first difference between transcription and text in numbers or order; None if there is none."""
    position = 0
    for cell in cells:
        if position < len(printed) and printed[position] == cell.number:
            position += 1
        elif not cell.restored:
            return f"{cell.where} has {cell.number}, the text {printed[position] if position < len(printed) else 'ends'}"
    return f"the text continues with {', '.join(printed[position : position + 5])}" if position < len(printed) else None


def running_text(text: str) -> str:
    """Remove the bibliography, whose years and page numbers are not results of the paper."""
    return BIBLIOGRAPHY.sub("", text)


def bare(number: str) -> str:
    """Remove a number's suffix: the running text writes ``500 MFLOPs`` where a cell has ``500M``."""
    return number.rstrip("KMG%")


def spelled(text: str) -> set[str]:
    """Return the numbers up to ten that ``text`` writes as words, as digits."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    return {str(value) for value, word in enumerate(WORDS) if word in words}
