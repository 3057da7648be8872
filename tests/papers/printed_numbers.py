"""Reading printed numbers back from a paper's text and from its transcription, to set them side by side.

The texts are conversions of typeset pages, so before a number is compared

* a formula that stands several times in a row, as drawn, as spelled out and as its source, counts once:
  ``25.94M25.94𝑀25.94M``, ``256×192256192256\\times 192``, ``1.20=1.0superscript1.201.01.2^{0}=1.0``. The last copy is kept,
  because only the source separates what stands close together on the page;
* markers of references (``[38]``, ``[6, 8]``) and citation keys (``cao2018openpose``) go;
* notations of a metric (``PCKh@0.5``) go.

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
    """Where a table's body stands in the text: after ``start``, a few words of its header, and before ``end``.

    ``order`` is ``columns`` for a table that is transcribed with rows and columns exchanged; a printed cell that spans
    several rows of the transcription is repeated there, in the columns named by ``spans``.
    """

    start: str
    end: str = "\n\n"
    order: str = "rows"
    spans: tuple[str, ...] = ()

    def body(self, text: str) -> str:
        """The part of ``text`` that is the table. Raises ``ValueError`` where the header is missing or not unique."""
        if text.count(self.start) != 1:
            raise ValueError(f"{self.start!r} stands {text.count(self.start)} times in the text")
        begin = text.index(self.start) + len(self.start)
        return text[begin : text.index(self.end, begin)]


@dataclass(frozen=True)
class Margins:
    """A paper's ``exceptions.toml``: where each table stands, and which numbers in it are no cells (number -> why)."""

    segments: dict[str, Segment] = field(default_factory=dict)
    exceptions: dict[tuple[str, str], str] = field(default_factory=dict)


def margins(folder: Path) -> Margins:
    """Read ``exceptions.toml``; a paper without printed tables needs none."""
    path = folder / "exceptions.toml"
    data = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    segments = {
        name: Segment(**{**spec, "spans": tuple(spec.get("spans", ()))}) for name, spec in data.get("segments", {}).items()
    }
    return Margins(segments, {(e["table"], e["number"]): e["why"] for e in data.get("exceptions", [])})


def numbers(text: str) -> list[str]:
    """The numbers of ``text`` in order, as printed, each once (see the module's docstring)."""
    return [number for token in _tokens(text) if "@" not in token for number in NUMBER.findall(_once(token))]


def _tokens(text: str) -> Iterator[str]:
    """The words of ``text``; a formula whose source has a space after a sign is one word, as it is on the page."""
    words = iter(REFERENCE.sub(" ", text).split())
    for token in words:
        while token.endswith((r"\times", r"\\")) and _copies(token) == 1:
            token += next(words, " ")
        yield token


def _once(token: str) -> str:
    """The last copy of a formula printed two or three times over; any other token as it is."""
    places = [place for place, character in enumerate(token) if character in "0123456789"]
    copies = _copies(token)
    return token[places[-len(places) // copies] :] if copies > 1 else token


def _copies(token: str) -> int:
    """How many times over the same numbers stand in ``token``: three or one, or two where it has a formula's source."""
    digits = re.sub(r"[^0-9.]|(?<![0-9])\.|\.(?![0-9])", "", token)
    for copies in (3, 2) if "\\" in token else (3,):
        if digits and digits[: len(digits) // copies] * copies == digits:
            return copies
    return 1


@dataclass(frozen=True)
class Transcribed:
    """One number of the transcription. A number of a ``restored`` cell may be missing in the text."""

    number: str
    where: str
    restored: bool


def transcribed(table: Table, segment: Segment) -> Iterator[Transcribed]:
    """The numbers of a transcribed table in the order in which they are printed."""
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


def difference(cells: Sequence[Transcribed], found: Sequence[str]) -> str | None:
    """The first place where transcription and text part, or ``None``: neither may have a number more, less or elsewhere."""
    place = 0
    for cell in cells:
        if place < len(found) and found[place] == cell.number:
            place += 1
        elif not cell.restored:
            return f"{cell.where} has {cell.number}, the text " + (f"{found[place]}" if place < len(found) else "nothing more")
    return f"the text goes on with {', '.join(found[place : place + 5])}" if place < len(found) else None


def running_text(text: str) -> str:
    """``text`` without its bibliography, whose years and pages are no figures of the paper."""
    return BIBLIOGRAPHY.sub("", text)


def bare(number: str) -> str:
    """A number without its suffix: the running text writes ``500 MFLOPs`` where a cell says ``500M``."""
    return number.rstrip("KMG%")


def spelled(text: str) -> set[str]:
    """The numbers up to ten that ``text`` writes as words, as digits."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    return {str(value) for value, word in enumerate(WORDS) if word in words}
