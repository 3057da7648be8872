"""Parse input sizes as users and tables write them."""

from __future__ import annotations

import re

from benchmark.core.errors import InputError


def parse_size(text: str) -> tuple[int, int]:
    """Return height and width in pixels: ``'256x192' -> (256, 192)``.

    Raises:
        InputError: the text is not two positive whole numbers joined by ``x``.
    """
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not match:
        raise InputError(f"{text!r} is not an input size; write height x width in pixels, as in 256x192")
    return int(match[1]), int(match[2])
