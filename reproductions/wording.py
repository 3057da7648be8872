"""Describe the structure of a built network in the words that the papers use."""

from __future__ import annotations

from collections.abc import Iterable

WORDS = ("zero", "one", "two", "three", "four", "five", "six")


def agreed(values: Iterable[object]) -> str:
    """Return the string that all values share; where they differ, all distinct strings joined by "or"."""
    return " or ".join(dict.fromkeys(map(str, values)))
