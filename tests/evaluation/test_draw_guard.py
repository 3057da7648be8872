"""Drawings of people are only written where git ignores them, whatever way leads there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from benchmark.core.errors import InputError
from benchmark.evaluation.visualize import check_ignored_folder

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout that ignores out/ and tracks reports/, with links from one to the other."""
    folder = tmp_path / "checkout"
    for name in ("out/plain", "reports/deep"):
        (folder / name).mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / ".gitignore").write_text("out/\n")
    (folder / "out" / "link").symlink_to("../reports")
    (folder / "out" / "far").symlink_to(folder / "reports" / "deep")
    (folder / "reports" / "ignored").symlink_to("../out")
    return folder


@pytest.mark.parametrize("name", ["out", "out/new/deep", "reports/ignored", "reports/ignored/new", "out/link/../out"])
def test_an_ignored_folder_is_taken(checkout: Path, name: str) -> None:
    check_ignored_folder("--draw", checkout / name)


@pytest.mark.parametrize(
    "name", ["reports", "new", "out/link", "out/link/deep", "out/link/new", "out/far", "out/far/new", "out/.."]
)
def test_a_tracked_folder_is_refused_also_through_a_link(checkout: Path, name: str) -> None:
    with pytest.raises(InputError, match="git does not ignore this folder"):
        check_ignored_folder("--draw", checkout / name)


def test_outside_a_checkout_any_folder_is_taken_unless_a_link_leads_into_one(checkout: Path, tmp_path: Path) -> None:
    check_ignored_folder("--draw", tmp_path / "elsewhere")
    (tmp_path / "inside").symlink_to(checkout / "reports")
    with pytest.raises(InputError, match="git does not ignore this folder"):
        check_ignored_folder("--draw", tmp_path / "inside" / "new")


def test_what_git_cannot_tell_is_refused(checkout: Path) -> None:
    (checkout / ".git" / "config").write_text("[broken")
    with pytest.raises(InputError, match="git cannot tell"):
        check_ignored_folder("--draw", checkout / "out")
