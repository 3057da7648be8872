"""How the papers write what a network is made of; shared by the packages' counts of their own structure."""

from __future__ import annotations

from collections.abc import Iterable

WORDS = ("zero", "one", "two", "three", "four", "five", "six")


def agreed(values: Iterable[object]) -> str:
    """The one string that all values give; all of them where they differ."""
    return " or ".join(dict.fromkeys(map(str, values)))
