"""A copy of the project, and the recipes of CONTRIBUTING.md to follow in it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COPIED = ("benchmark", "reproductions", "paper_tables", "ablations", "reports", "docs", "README.md", "pyproject.toml")
BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<target>[^\n]+))?\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Recipe:
    """One section of CONTRIBUTING.md.

    Attributes:
        files: New files by path.
        entries: Lines that are added to a mapping, by ``path: NAME``.
        commands: The shell commands in their order, without comments.
    """

    files: dict[str, str]
    entries: dict[str, str]
    commands: list[str]


def read_recipe(heading: str) -> Recipe:
    """Read the code blocks of the section with that heading."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert section, f"CONTRIBUTING.md has no section {heading!r}"
    blocks = [match.groupdict() for match in BLOCK.finditer(section)]
    targets = {block["target"]: block["text"] for block in blocks if block["target"]}
    lines = [line for block in blocks if not block["target"] for line in block["text"].splitlines()]
    return Recipe(
        files={target: text for target, text in targets.items() if ": " not in target},
        entries={target: text for target, text in targets.items() if ": " in target},
        commands=[line.partition(" #")[0].strip() for line in lines],
    )


class Copy:
    """A copy of the project without tests, data or version control, in which recipes are followed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.site = root / "out" / "site"  # where pip installs to, instead of this environment
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, root / name)

    def follow(self, recipe: Recipe) -> None:
        """Write the files of a recipe, which must be new, and add its entries at the end of their mappings."""
        for path, text in recipe.files.items():
            assert not (self.root / path).exists(), f"{path} exists already"
            self.write(path, text)
        for target, text in recipe.entries.items():
            path, _, name = target.partition(": ")
            module = (self.root / path).read_text(encoding="utf-8")
            mapping = re.search(rf"^{name}: .*?^(?=}}$)", module, re.DOTALL | re.MULTILINE)
            assert mapping, f"{path} has no mapping {name}"
            self.write(path, module[: mapping.end()] + text + module[mapping.end() :])

    def write(self, path: str, text: str) -> None:
        """Write a file below the copy's root."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def read(self, path: str) -> str:
        """Read a file below the copy's root."""
        return (self.root / path).read_text(encoding="utf-8")

    def attempt(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the copy, with records of its own; what ``pip`` installs is visible to the copy alone."""
        arguments = shlex.split(command)
        assert arguments[0] == "python", command
        if arguments[1:4] == ["-m", "pip", "install"]:
            arguments += ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(self.site)]
        environment = os.environ | {"PYTHONPATH": str(self.site)}
        environment.pop("POSE_RECORDS", None)
        command_line = [sys.executable, *arguments[1:]]
        return subprocess.run(command_line, cwd=self.root, env=environment, capture_output=True, text=True)

    def run(self, command: str) -> str:
        """Run a command that must succeed in the copy, and return what it prints."""
        done = self.attempt(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Add a paper, a model and two ablations to one copy as written, count what is new, and build its report once.

    The model is added as its recipe says in brackets: the two Python files, and nothing to install. The second ablation
    compares its networks.
    """
    project = Copy(tmp_path_factory.mktemp("extended") / "project")
    paper, model, ablation = (read_recipe(f"Add {what}") for what in ("a paper", "a model", "an ablation"))
    files = {path: text for path, text in model.files.items() if path.endswith(".py")}
    moved = {path.replace("my_nets/my_nets/", "reproductions/my_nets/"): text for path, text in files.items()}
    plan = ablation.files["ablations/second_stack.py"].replace("second_stack", "own_width")
    plan = plan.replace("baselines/hourglass-2", "my_nets/tiny+width=32").replace("baselines/hourglass-1", "my_nets/tiny")
    own = Recipe({"ablations/own_width.py": plan.replace("A second stack", "A width")}, {}, [])
    for recipe in (paper, replace(model, files=moved), ablation, own):
        project.follow(recipe)
    commands = dict.fromkeys(
        line for recipe in (paper, model, ablation) for line in recipe.commands if "pip install" not in line
    )
    *counts, report = sorted(commands, key=lambda line: line.endswith("benchmark.report"))
    assert report == "python -m benchmark.report"
    for command in (*counts, report):
        project.run(command)
    return project


@pytest.fixture
def project(tmp_path: Path) -> Copy:
    """Copy the project."""
    return Copy(tmp_path / "project")
