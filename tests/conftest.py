"""Find real data for tests, which are skipped with the reason where it is missing; and run tests on one thread."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# Networks of a few pixels give a second thread nothing to do, and sums in another order would not be the same to the last bit.
# The variable is for the commands that tests start.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

# The same commit gives the same answer: examples are drawn from a fixed seed, unless others are asked for by
# ``pytest --hypothesis-profile fuzz``.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("fuzz", derandomize=False, max_examples=2000, print_blob=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def pose_data() -> Path:
    """Return the data root named by POSE_DATA."""
    return _folder("POSE_DATA", "real annotations, images, predictions and weights")


@pytest.fixture(scope="session")
def pose_papers() -> Path:
    """Return the folder of the papers' texts, named by POSE_PAPERS."""
    return _folder("POSE_PAPERS", "the papers' texts")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Go back to one thread after a test that took more."""
    torch.set_num_threads(1)


@pytest.fixture
def same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count and test users' networks in this process; tests of their isolation do without this."""
    from tests.same_process import SameProcess

    for module in ("benchmark.compare.accuracy", "benchmark.cost.records"):
        monkeypatch.setattr(f"{module}.NetworkProcess", SameProcess)


def _folder(variable: str, content: str) -> Path:
    path = Path(os.environ.get(variable, ""))
    if not os.environ.get(variable) or not path.is_dir():
        pytest.skip(f"{variable} does not name a folder with {content}")
    return path
