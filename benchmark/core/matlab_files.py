"""Read variables of a MATLAB file (before version 7.3), after a check that none is larger than the file's size explains.

scipy runs no code of such a file, but it allocates what the file announces, and unpacks what is packed without a bound.
"""

from __future__ import annotations

import io
import math
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from benchmark.core.file_content import unpacked_limit

HEADER = 128  # bytes; the last two say in which order bytes stand
COMPRESSED = 15  # type of an element that is packed
CELL, STRUCT, OBJECT, TEXT = range(1, 5)  # classes of arrays for whose elements memory is taken at once
# The tag of an array, 8 bytes; its flags, 16, of which the ninth is the class (the lowest of four); the tag of its dimensions.
_ARRAYS = {
    "<": re.compile(rb"\x0e\0\0\0.{12}([\x01-\x04]).{7}([\x05\x06]\0(?:\0\0|.\0))", re.DOTALL),
    ">": re.compile(rb"\0\0\0\x0e.{15}([\x01-\x04]).{4}((?:\0\0|\0.)\0[\x05\x06])", re.DOTALL),
}


def read_variables(content: bytes, names: Sequence[str] = (), **options: Any) -> dict[str, Any]:
    """Return variables of a MATLAB file: those of these names or, if it has none of them, all.

    Args:
        options: passed to ``scipy.io.loadmat``.

    Raises:
        ValueError: the file is packed or announces arrays out of proportion to its size. scipy raises errors of many types for
            damaged files.
    """
    from scipy.io import loadmat, whosmat

    if content[124:128].strip(b"\0") and content[HEADER - 2 : HEADER] in (b"IM", b"MI"):
        order = "<" if content[HEADER - 2 : HEADER] == b"IM" else ">"
        content = content[:HEADER] + b"".join(_unpacked_elements(content, order))
        _check_arrays(content, order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of several lines, with names from the file
        present = {name for name, *_ in whosmat(io.BytesIO(content))}
        wanted = [name for name in names if name in present] or None
        return dict(loadmat(io.BytesIO(content), variable_names=wanted, **options))


def _unpacked_elements(content: bytes, order: str) -> Iterator[bytes]:
    """Yield the elements of a file, each unpacked if it is packed."""
    position, remaining = HEADER, unpacked_limit(len(content))
    while position + 8 <= len(content):
        kind, size = struct.unpack_from(order + "II", content, position)
        element = content[position : position + 8 + size]
        position += 8 + size
        if kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            element = unpacker.decompress(element[8:], remaining)
            if unpacker.unconsumed_tail:
                raise ValueError("it unpacks to more than the size of the file explains")
            if not unpacker.eof:
                raise ValueError("a variable has no end")
        remaining = max(1, remaining - len(element))
        yield element
    if content[position:].strip(b"\0"):
        raise ValueError("its last variable has no end")


def _check_arrays(content: bytes, order: str) -> None:
    """Check that each array of cells, structs, objects or characters has no more elements than bytes follow."""
    for match in _ARRAYS[order].finditer(content):
        start, size, after = _element(content, order, match.start(2))
        count = min(size, len(content) - start) // 4
        elements = abs(math.prod(struct.unpack_from(f"{order}{count}i", content, start)))
        if match[1][0] in (STRUCT, OBJECT):  # an element has a place for each field
            for _ in range(match[1][0] - CELL):  # the array's name, and the object's class
                *_, after = _element(content, order, after)
            start, _, after = _element(content, order, after)
            (length,) = struct.unpack_from(order + "i", content, start)
            elements *= max(1, _element(content, order, after)[1] // max(1, length))
        if elements > len(content) - start:
            raise ValueError(f"it announces an array of {elements:,} elements, more than bytes follow")


def _element(content: bytes, order: str, position: int) -> tuple[int, int, int]:
    """Return where the content of an element begins, its bytes, and where the next element begins."""
    (tag,) = struct.unpack_from(order + "I", content, position)
    if tag >> 16:  # few bytes stand within the tag itself
        return position + 4, tag >> 16, position + 8
    (size,) = struct.unpack_from(order + "I", content, position + 4)
    return position + 8, size, position + 8 + size + -size % 8
