"""Read the entries of a list in a COCO file column by column; an entry that cannot be read is an error that names it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from benchmark.core.errors import InputError, print_warning

AS_PYCOCOTOOLS = "as in pycocotools"


class EntryTable(NamedTuple):
    """Entries of a list in a file.

    Attributes:
        entries: N of them, which should be objects.
        numbers_in_file: [N] index of each entry in the file.
        source: name of the file.
        row: what an entry is.
    """

    entries: list[Any]
    numbers_in_file: np.ndarray
    source: str
    row: str

    @classmethod
    def of(cls, entries: list[Any], source: str, row: str) -> EntryTable:
        """Return the table of all entries of a list."""
        return cls(entries, np.arange(len(entries)), source, row)

    def select(self, indices: np.ndarray) -> EntryTable:
        """Return the table of the entries with these indices."""
        entries = [self.entries[index] for index in indices.tolist()]
        return self._replace(entries=entries, numbers_in_file=self.numbers_in_file[indices])

    def error(self, index: int, problem: str) -> InputError:
        """Return an error that names the entry."""
        return InputError(f"{self.source}: {self.row} {self.numbers_in_file[index]}: {problem}")

    def warn(self, indices: Sequence[int] | np.ndarray, deviation: str, treatment: str) -> None:
        """Print one line that says how often a deviation occurs, where first, and how it is treated; none if it does not."""
        if len(indices):
            first = self.numbers_in_file[indices[0]]
            times = f"{len(indices)} of {len(self.entries)}"
            print_warning(f"{self.source}: {self.row} {first}: {deviation} ({times} {self.row}s): {treatment}")

    def warn_of_types(self, key: str, values: list[Any], *types: type) -> None:
        """Warn of values [N] of these types, which are read as the numbers that they stand for."""
        words = {str: "text", float: "a number with a decimal point", bool: "true or false", type(None): "null"}
        kinds = set(map(type, values))
        for unusual in (kind for kind in types if kind in kinds):
            indices = [index for index, value in enumerate(values) if type(value) is unusual]
            self.warn(indices, f"{key} is {words[unusual]}, {shorten_json(values[indices[0]])}", f"accepted, {AS_PYCOCOTOOLS}")

    def values(self, key: str, types: tuple[type, ...] = (), expected: str = "a number or text") -> list[Any]:
        """Return a field of all entries, which has one of these types if any are given.

        Raises:
            InputError: an entry lacks the field, or it has another type or is not finite.
        """
        try:
            values = [entry[key] for entry in self.entries]
        except (KeyError, TypeError):
            for index, entry in enumerate(self.entries):
                if not isinstance(entry, dict):
                    raise self.error(index, "not an object") from None
                if key not in entry:
                    raise self.error(index, f"{key} is missing") from None
            raise
        if types and not set(map(type, values)) <= {int}:
            for index, value in enumerate(values):
                if not isinstance(value, types):
                    raise self.error(index, f"{key} must be {expected}, not {shorten_json(value)}")
                if isinstance(value, float) and not np.isfinite(value):
                    raise self.error(index, f"{key} is {value:g}, must be finite")
        return values

    def numbers(self, key: str, length: int = 0) -> np.ndarray:
        """Return a field of all entries as float64: a number, [N], or a list of ``length`` numbers, [N, length].

        Raises:
            InputError: an entry lacks the field, or it has another type or length; true and false are no numbers.
        """
        values = self.values(key)
        shape = (len(values), length) if length else (len(values),)
        try:
            array = np.array(values)
            kinds = set(map(type, chain.from_iterable(values) if length else values))
            if array.shape == shape and array.dtype.kind in "iuf" and bool not in kinds:  # numpy takes true for 1
                return array.astype(np.float64, copy=False)
        except (ValueError, OverflowError, TypeError):
            pass

        # Something is wrong: find the first wrong entry.
        expected = f"a list of {length} numbers" if length else "a number"
        for index, value in enumerate(values):
            if length and isinstance(value, list) and len(value) != length:
                raise self.error(index, f"{key} has {len(value)} numbers, expected {length}")
            members = value if length and isinstance(value, list) else [value]
            if bool(length) != isinstance(value, list) or not all(type(member) in (int, float) for member in members):
                raise self.error(index, f"{key} must be {expected}, not {shorten_json(value)}")
        try:
            return np.array(values, np.float64)  # whole numbers beyond 64 bits
        except OverflowError:
            raise InputError(f"{self.source}: the {key} of each {self.row} must be {expected} below 1e308") from None

    def ids(self, key: str) -> np.ndarray:
        """Return ids [N]: int64 where all are whole numbers, in any notation; else float64 or, where all are text, str.

        Whole numbers beyond 64 bits are Python's.

        Raises:
            InputError: an entry lacks the field, or it is neither a number nor text; or some are numbers and some are text.
        """
        values = self.values(key, (int, float, str))
        types = set(map(type, values))
        self.warn_of_types(key, values, str, float, bool)
        if types == {str}:
            return np.array(values, dtype=np.str_)
        if str in types:
            text = [isinstance(value, str) for value in values]
            index = text.index(not text[0])
            other = f"while that of {self.row} {self.numbers_in_file[0]} is {shorten_json(values[0])}"
            raise self.error(index, f"{key} is {shorten_json(values[index])}, {other}; give numbers or text")
        try:
            if types <= {int}:
                return np.array(values, np.int64)
            if all(value == int(value) for value in set(values)):
                return np.array([int(value) for value in values], np.int64)
            return np.array(values, np.float64)
        except OverflowError:
            if np.array(values).dtype.kind == "f":  # as pycocotools would round them, too, and lose their images
                raise InputError(f"{self.source}: the {key} of each {self.row} must be a whole number within 64 bits") from None
            return np.array(values, dtype=object)


def shorten_json(value: Any) -> str:
    """Return the beginning of a value as JSON."""
    return json.dumps(value)[:60]
