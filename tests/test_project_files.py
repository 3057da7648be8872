"""Licence, citation and hooks agree with the project."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark.papers.tables import load_papers

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def citation() -> Any:
    """CITATION.cff, parsed."""
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_licence_is_apaches_to_the_byte() -> None:
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert PROJECT["license"] == "Apache-2.0"


def test_the_citation_is_of_this_version(citation: Any) -> None:
    assert citation["title"] == "Efficient human pose estimation, reproduced value by value"
    assert citation["authors"] == [{"name": "The authors of the suite"}]
    assert (str(citation["version"]), citation["license"]) == (PROJECT["version"], PROJECT["license"])
    changes = re.findall(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert changes[:2] == ["Unreleased", PROJECT["version"]]


def test_the_citation_refers_to_the_papers_as_their_tables_do(citation: Any) -> None:
    references = {reference["title"]: reference for reference in citation["references"]}
    for paper in load_papers().values():
        reference = references[paper.title]
        names = [f"{author['given-names']} {author['family-names']}" for author in reference["authors"]]
        assert ", ".join(names) == paper.authors
        assert (reference["year"], reference["notes"]) == (paper.year, paper.reference)
        assert reference["url"].removeprefix("https://arxiv.org/abs/") in paper.reference


def test_hooks_run_what_make_lint_and_make_types_run() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    commands = {hook["id"]: hook["entry"] for repository in hooks for hook in repository["hooks"]}
    assert list(commands) == ["ruff-check", "ruff-format", "lint-imports", "mypy", "report"]
    assert all(repository["repo"] == "local" for repository in hooks)
    assert all(command.startswith(".venv/bin/") for command in commands.values())
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in ("lint-imports", "mypy", "report"):
        assert commands[name].replace(".venv/bin", "$(BIN)") in makefile
