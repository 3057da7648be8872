"""Installed from a wheel, the commands run from any folder, and write nothing beside the code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.core import files
from benchmark.core import records as store
from benchmark.core.files import checkout, data_root
from benchmark.core.records import check_store, records_folder
from benchmark.report.names import reports_folder

ROOT = Path(__file__).parents[1]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the code stand where neither pyproject.toml nor README.md is."""
    monkeypatch.setattr(files, "_PROJECT", tmp_path / "site-packages")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("POSE_RECORDS", "POSE_DATA"):
        monkeypatch.delenv(name, raising=False)


def test_a_checkout_keeps_records_and_report_in_its_own_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSE_RECORDS", raising=False)
    assert checkout() == ROOT
    assert (records_folder(), reports_folder()) == (ROOT / "reports/records", ROOT / "reports")


@pytest.mark.usefixtures("installed")
def test_outside_a_checkout_records_go_to_the_users_folder_which_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "home/.local/share/pose-benchmark/records"
    assert (records_folder(), reports_folder()) == (folder, Path("out/report"))
    check_store(records_folder())
    assert capsys.readouterr().err == f"records are kept in {folder}\n"
    assert not (tmp_path / "home").exists()


@pytest.mark.usefixtures("installed")
def test_a_named_folder_is_taken_and_a_user_without_home_has_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert (records_folder(), data_root()) == (Path("out/pose-benchmark/records"), Path("out/pose-benchmark"))
    monkeypatch.setenv("POSE_RECORDS", "mine")
    assert records_folder() == Path("mine")


@pytest.mark.usefixtures("installed")
def test_the_repository_around_an_installed_copy_is_not_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("POSE_COMMIT", "of a wheel")
    assert store.provenance("a command")["commit"] == "of a wheel"


@pytest.mark.slow
def test_commands_of_a_wheel_run_from_a_folder_with_spaces_and_umlauts_without_home_and_locale(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    site, folder = tmp_path / "site", tmp_path / "ein leerer Ördner"
    source = tmp_path / "source"  # setuptools builds beside the code
    for path in subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).rstrip("\0").split("\0"):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).symlink_to(ROOT / path)
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)], check=True)
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), *map(str, tmp_path.glob("*.whl"))], check=True)
    before = sorted(path for path in site.rglob("*") if path.suffix != ".pyc" and path.name != "__pycache__")
    folder.mkdir()
    kept = {
        name: value for name, value in os.environ.items() if name not in ("HOME", "PYTHONPATH", "POSE_DATA", "POSE_RECORDS")
    }
    variables = kept | {"PYTHONPATH": str(site), "LC_ALL": "C", "POSE_DATA": "people"}

    def run(*arguments: str, **others: str) -> str:
        command = [sys.executable, "-m", "benchmark", *arguments]
        done = subprocess.run(command, cwd=folder, env=variables | others, capture_output=True, text=True)
        assert done.returncode == 0, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    run("data", "synthetic", "--out", "people", "--people", "24", "--size", "96")
    run("data", "check", "mpii")
    records = {"POSE_RECORDS": "meine Messungen"}
    said = run("measure", "cost", "efficientpose_nas/A", "--keep", **records)
    assert f"records are kept in {folder / 'meine Messungen'}" in said
    training = ("train", "efficientpose_nas/A", "--dataset", "synthetic-mpii", "--root", "people", "--device", "cpu")
    assert "pose-benchmark/records" in run(*training, "--dry-run")
    assert "meine Messungen" in run(*training, **records)
    compared = run("compare", "benchmark.compare.example_net:build", "--input", "64x64", "--no-latency", **records)
    assert "wrote out/compare/pareto.svg" in compared
    assert "Warning" not in compared
    files_ = ("--annotations", "people/mpii/absent.mat", "--predictions", "absent.mat")
    refused = subprocess.run(
        [sys.executable, "-m", "benchmark", "score", "--dataset", "mpii", *files_],
        cwd=folder,
        env=variables,
        capture_output=True,
    )
    assert (refused.returncode, refused.stderr.count(b"\n")) == (2, 1)
    assert "out/report" in run("report", **records)
    assert "files are up to date" in run("report", "--check", **records)
    assert "own report" in run("report", "--out", "own report", **records)
    assert (folder / "own report/README.md").read_bytes() == (folder / "out/report/README.md").read_bytes()
    assert sorted(path for path in site.rglob("*") if path.suffix != ".pyc" and path.name != "__pycache__") == before
