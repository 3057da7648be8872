"""Reader of images, which reports a broken file instead of returning a partly decoded image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, overload

import cv2
import numpy as np

from benchmark.core.errors import InputError, print_note

JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
# JPEG's markers of segments, and that of its end. In pixel data, 0xff is followed by 0 or by one of the restart markers.
MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
END = b"\xff\xd9"

cv2.utils.logging.setLogLevel(
    cv2.utils.logging.LOG_LEVEL_SILENT
)  # a broken file is one line of ours, without OpenCV's own beside it


@overload
def read_image(path: Path, on_error: Literal["raise"] = ...) -> np.ndarray: ...
@overload
def read_image(path: Path, on_error: Literal["raise", "skip"]) -> np.ndarray | None: ...
def read_image(path: Path, on_error: Literal["raise", "skip"] = "raise") -> np.ndarray | None:
    """Read an image as its pixels are stored, uint8 ``[H, W, 3]`` RGB.

    The orientation tag of a camera is ignored, as in HRNet.

    Args:
        on_error: with ``skip``, a broken file gives None and one line on stderr that names it.

    Raises:
        InputError: the file is missing, empty, truncated or not an image, and ``on_error`` is ``raise``.
    """
    image, problem = _decode(Path(path))
    if problem and on_error == "raise":
        raise InputError(problem)
    if problem:
        print_note(f"skipped: {problem}")
    return image


def _decode(path: Path) -> tuple[np.ndarray | None, str | None]:
    """Return the image and None, or None and the problem."""
    try:
        encoded = path.read_bytes()
    except OSError as error:
        return None, f"{path}: {error.strerror}"
    if not encoded:
        return None, f"{path}: the file is empty"
    if is_truncated(encoded):  # OpenCV would fill the missing part with grey without an error
        return None, f"{path}: the image is truncated"
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    if image is None:
        return None, f"{path}: not a readable image"
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image), None


def is_truncated(encoded: bytes) -> bool:
    """Return whether a JPEG or PNG ends before its end marker; data behind the marker, such as a video, do not matter."""
    if encoded.startswith(JPEG):
        return _jpeg_is_truncated(encoded)
    return encoded.startswith(PNG) and _png_is_truncated(encoded)


def _jpeg_is_truncated(encoded: bytes) -> bool:
    """Go from segment to segment until the end marker; an embedded thumbnail, with its own end marker, is within a segment."""
    position = len(JPEG)
    while marker := MARKER.search(encoded, position):
        if marker[0] == END:
            return False
        length = int.from_bytes(encoded[marker.end() : marker.end() + 2], "big")
        position = marker.end() + length
    return True


def _png_is_truncated(encoded: bytes) -> bool:
    """Go from chunk to chunk (length, name, content and checksum) until the last."""
    position = len(PNG)
    while position + 12 <= len(encoded):
        length, name = int.from_bytes(encoded[position : position + 4], "big"), encoded[position + 4 : position + 8]
        position += 12 + length
        if name == b"IEND":
            return position > len(encoded)
    return True
