"""Find real data for tests; a test whose data is missing is skipped with the reason."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pose_data() -> Path:
    """Return the data root named by POSE_DATA."""
    return _folder("POSE_DATA", "real annotations, images, predictions and weights")


@pytest.fixture(scope="session")
def pose_papers() -> Path:
    """Return the folder of the papers' texts, named by POSE_PAPERS."""
    return _folder("POSE_PAPERS", "the papers' texts")


def _folder(variable: str, content: str) -> Path:
    path = Path(os.environ.get(variable, ""))
    if not os.environ.get(variable) or not path.is_dir():
        pytest.skip(f"{variable} does not name a folder with {content}")
    return path
