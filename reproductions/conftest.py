"""Serve published weights from this machine, so that no test downloads any."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.conftest import one_thread as one_thread
from tests.served import serve_folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that downloads go to, which belongs to this test alone."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def server(tmp_path: Path, cache: Path) -> Iterator[tuple[str, Path]]:
    """Start a server and yield its address and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    with serve_folder(folder) as address:
        yield address, folder
