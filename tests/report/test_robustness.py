"""The page on robustness counts what its files count, and names each fault that was not survived or not noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.core.errors import InputError
from benchmark.report.robustness import robustness_page


def test_faults_are_added_up_and_those_not_noticed_are_named(tmp_path: Path) -> None:
    disturbed = {"task": "records", "fault": "SIGKILL", "runs": 20, "hits": 15, "failures": ["run 3: a line is lost"]}
    planted = [
        {"module": "a.py", "commit": "0123", "planted": 9, "caught": 9, "survivors": []},
        {"module": "b.py", "commit": "0123", "planted": 11, "caught": 10, "survivors": ["line 3: 1 -> 2"]},
    ]
    for name, results in (("torture-1", [disturbed]), ("mutants", planted)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"commit": "0123456789ab", "seconds": 120, "results": results}))
    page = robustness_page(tmp_path)
    assert "| records | SIGKILL | 20 | 15 | 1: run 3: a line is lost |" in page
    assert "| **all** |  | 20 | 19 (95 %) |" in page
    assert "- `b.py`, `line 3: 1 -> 2`" in page


def test_without_counts_the_page_says_how_to_get_them(tmp_path: Path) -> None:
    page = robustness_page(tmp_path)
    assert "Not run yet: `python -m tests.torture --times 50`." in page
    assert "Not run yet: `python -m tests.mutants --count 9`." in page


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "torture.json").write_text("{")
    with pytest.raises(InputError, match=r"torture\.json"):
        robustness_page(tmp_path)
