"""Test that jobs in several processes end in time, and that the most uncertain comparisons come first."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmark.ablate import ablate_command
from benchmark.ablation import engines
from benchmark.ablation.arguments import parse_budget
from benchmark.ablation.engines import order_jobs, run_in_processes
from benchmark.ablation.jobs import Job
from benchmark.config.ablations import find_ablation
from benchmark.core.errors import InputError
from benchmark.core.records import load_records
from benchmark.data.synthetic.write import write_datasets
from tests.ablation.test_ablate import accuracy, arguments

SIC, WIDTHS, RCE = (find_ablation(name) for name in ("sic", "head_widths", "rce"))


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("28m", 1680), ("1.5h", 5400), (None, float("inf"))])
def test_a_budget_has_a_unit(text: str | None, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["28", "m", "0m", "-3h", "3 days", "nanm"])
def test_another_budget_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=f"--budget {text}: give a number and a unit, as in 90s, 28m or 3h"):
        parse_budget(text)


def test_several_processes_run_each_job_once(root: Path, tmp_path: Path) -> None:
    ablate_command(arguments(root, tmp_path / "work", seeds=2, jobs=2), tmp_path / "records")
    trainings = [record for record in load_records(tmp_path / "records").values() if record.kind == "training"]
    names = [f"efficientpose_nas/A{switch} {seed}" for switch in ("", "+sic=off") for seed in (0, 1)]
    assert sorted(f"{record.subject} {record.seed}" for record in trainings) == names


def test_within_a_budget_only_what_ends_in_time_is_started(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run with the correction would take an hour here, one without a second."""
    monkeypatch.setattr(engines, "estimate_seconds", lambda job, *rest: 3600.0 if job.variant == "on" else 1.0)
    started = time.monotonic()
    ablate_command(arguments(root, tmp_path / "work", budget="10m"), tmp_path / "records")
    assert time.monotonic() - started < 300
    trained = {record.subject for record in load_records(tmp_path / "records").values() if record.kind == "training"}
    assert trained == {"efficientpose_nas/A+sic=off"}
    assert "on over off" in capsys.readouterr().out


def test_the_message_of_a_job_that_fails_is_the_commands(tmp_path: Path) -> None:
    write_datasets(tmp_path, 16, seed=3, validation=8, size=96)
    image = sorted((tmp_path / "mpii" / "images").iterdir())[-1]
    image.write_bytes(b"no image")
    with pytest.raises(InputError, match=image.name):
        run_in_processes([SIC], arguments(tmp_path, tmp_path / "work"), tmp_path / "records", lambda job: None)
    assert not load_records(tmp_path / "records")


def test_the_most_uncertain_ablation_comes_first_and_of_equal_ones_the_shortest(root: Path, tmp_path: Path) -> None:
    options = arguments(root, tmp_path, names=("all",), protocol="lsp", seeds=2)
    ordered = order_jobs([RCE, WIDTHS, SIC], options, {})
    assert [job.ablation for job in ordered] == ["head_widths"] * 3 + ["sic"] * 3 + ["rce"] * 6
    assert all(job.trial == "rate" for job in ordered)

    # When the rate is known, trainings follow the trial of the length.
    records = {}
    for rate, value in ((0.3, 50.0), (1.0, 60.0), (3.0, 55.0)):
        record = accuracy(Job("sic", "on", "lsp", 0, rate, "rate"), value)
        records[record.id] = record
    ordered = order_jobs([SIC], options, records)
    assert [(job.trial, job.variant, job.seed) for job in ordered] == [
        ("length", "on", 0),
        *(("", variant, seed) for seed in (0, 1) for variant in ("on", "off")),
    ]
