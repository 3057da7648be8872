"""Check what the commands print with ``--json`` against the types that their functions declare."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter


def check_report(report_type: Any, text: str) -> Any:
    """Return the parsed JSON text if it has exactly the fields and the types of a ``TypedDict``.

    Raises:
        ValueError: a field is missing, unknown or of another type.
    """
    adapter = TypeAdapter(report_type)
    report = json.loads(text)
    known = json.loads(adapter.dump_json(adapter.validate_json(text, strict=True)))  # without unknown fields
    if known != report:
        raise ValueError(f"unknown fields: {known} is not {report}")
    return report
