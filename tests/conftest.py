"""Where tests find real data; what is absent is skipped by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pose_data() -> Path:
    """The data root named by POSE_DATA."""
    return _folder("POSE_DATA", "real annotations, images, predictions and weights")


@pytest.fixture(scope="session")
def pose_papers() -> Path:
    """The papers' texts, in the folder named by POSE_PAPERS."""
    return _folder("POSE_PAPERS", "the papers' texts")


def _folder(variable: str, what: str) -> Path:
    path = Path(os.environ.get(variable, ""))
    if not os.environ.get(variable) or not path.is_dir():
        pytest.skip(f"{variable} does not point at {what}")
    return path
