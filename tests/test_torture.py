"""Commands survive what ``make torture`` does to them, and it notices one that does not."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter

pytestmark = pytest.mark.slow


def test_every_command_survives_every_fault(tmp_path: Path) -> None:
    from tests.torture import FAULTS, Report

    command = [sys.executable, "-m", "tests.torture", "--times", "2", "--out", str(tmp_path / "torture.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "torture.json").read_text())
    assert TypeAdapter(Report).validate_python(report, strict=True) == report
    assert len(report["results"]) == 7 * len(FAULTS)
    assert sum(result["hits"] for result in report["results"]) > 35


def test_a_command_that_writes_in_two_steps_does_not_survive(tmp_path: Path) -> None:
    from tests.torture import Task, survive

    def write_slowly(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        with open(folder / "table.json", "w") as file:
            for part in ('{"a": ', "1}"):
                file.write(part)
                file.flush()
                time.sleep(0.2)

    result = survive(Task("slow", write_slowly), "SIGKILL", 8, random.Random(0), tmp_path, lambda: None)
    assert 0 < len(result["failures"]) <= result["hits"]
