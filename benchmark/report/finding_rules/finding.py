"""Findings of a rule, and the evidence that it may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.analysis.effects import Effects
from benchmark.core.records import Record
from benchmark.ledger.verdicts import Verdict
from benchmark.papers.tables import Cell, Paper


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that rules may use."""

    papers: Mapping[str, Paper]
    records: Mapping[str, Record]
    verdicts: Sequence[Verdict]
    effects: Effects


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One sentence, with the values that it states.

    Attributes:
        sentence: The finding, with its numbers.
        strength: By which the findings of one rule are ordered; described with the rule.
        page: Page of the report, with anchor, where the values stand among others of their kind; empty if there is none.
        cells: Printed cells whose numbers the sentence states or compares.
        records: Measurements whose values the sentence states or compares.
        details: What the sentence counts, as Markdown, where no page lists it.
    """

    sentence: str
    strength: float
    page: str
    cells: tuple[Cell, ...] = ()
    records: tuple[Record, ...] = ()
    details: str = ""

    @property
    def basis(self) -> str:
        """Say where the numbers come from."""
        if not self.records:
            return "printed"
        return "measured, against printed" if self.cells else "measured"


def join_words(words: Sequence[str]) -> str:
    """Join words with commas and a final "and"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
