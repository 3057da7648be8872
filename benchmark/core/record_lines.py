"""Lines of a file of records: JSON that ends in a checksum of everything before it.

The checksum shows that a line is as it was written. Records are measured, not edited: nothing seals a line again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

SCHEMA = 3
UNSEALED_SCHEMA = 2  # without checksum, and with replicates as a list of numbers; still read, as runs elsewhere may write it
_SEAL = b', "checksum": "%s"}'
_SEAL_SIZE = len(_SEAL % bytes(16))
_SURROGATE = re.compile("[\ud800-\udfff]")


def format_line(id_: str, fields: Mapping[str, Any]) -> bytes:
    """Format a record's fields as a line; those that are None are left out.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    present = {name: value for name, value in escape_surrogates(fields).items() if value is not None}
    content = json.dumps({"id": id_, "schema": SCHEMA, **present}, ensure_ascii=False, allow_nan=False).encode()[:-1]
    return content + _seal(content) + b"\n"


def parse_line(line: bytes) -> dict[str, Any]:
    """Return what a line holds: id, schema and fields.

    Raises:
        ValueError: it is not JSON in UTF-8, is of another schema, or was changed after it was written; the message is one line.
    """
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError as problem:
        raise ValueError(f"{problem.msg} at character {problem.colno}") from None
    if not isinstance(data, dict):
        raise ValueError("an object expected")
    if data.get("schema") == SCHEMA:
        if not _is_sealed(line):
            raise ValueError("its checksum does not belong to this content: it was changed after it was written")
        del data["checksum"]
    elif data.get("schema") == UNSEALED_SCHEMA:
        _pack_samples(data.get("samples"))
    else:
        raise ValueError(f"schema {SCHEMA} expected")
    return data


def parse_identity(line: bytes) -> dict[str, Any]:
    """Return at least id, schema and what identifies a record; the rest is not parsed if its checksum is right.

    Raises:
        ValueError: see :func:`parse_line`.
    """
    if _is_sealed(line):
        with suppress(orjson.JSONDecodeError):
            data = orjson.loads(line[: line.find(b', "value": ', line.find(b', "versions": {'))] + b"}")
            if data.get("schema") == SCHEMA:
                return data
    return parse_line(line)


def is_whole(line: bytes) -> bool:
    """Return whether a last line lacks nothing but its newline: a part of an object is never JSON."""
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def escape_surrogates(value: Any) -> Any:
    r"""Return a value in whose texts each byte of a name that is not UTF-8 is a visible ``\udcff``, as JSON cannot hold it."""
    if isinstance(value, str):
        return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):x}", value)
    if isinstance(value, Mapping):
        return {escape_surrogates(key): escape_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [escape_surrogates(item) for item in value]
    return value


def _is_sealed(line: bytes) -> bool:
    end = len(line) - line.endswith(b"\n")
    return line[end - _SEAL_SIZE : end] == _seal(line[: end - _SEAL_SIZE])


def _seal(content: bytes) -> bytes:
    return _SEAL % hashlib.sha256(content).hexdigest()[:16].encode()


def _pack_samples(samples: Any) -> None:
    """Store replicates as schema 3 does."""
    from benchmark.core.statistics import pack_replicates  # imports numpy

    if isinstance(samples, dict) and isinstance(replicates := samples.get("replicates"), list):
        samples["replicates"] = pack_replicates(replicates)
