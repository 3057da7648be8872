"""Synthetic people that the tests of ablations train on."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.data.synthetic.write import write_datasets


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with Synthetic people."""
    folder = tmp_path_factory.mktemp("people")
    write_datasets(folder, 72, seed=3, validation=8, size=96)
    return folder
