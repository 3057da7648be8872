"""Commands in the README and in docs/ are accepted by their parsers, and what they name of this project exists."""

from __future__ import annotations

import functools
import inspect
import re
import runpy
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import tyro

from benchmark.config.ablations import known_ablations
from benchmark.config.packages import declarations
from benchmark.models.registry import find_entry
from benchmark.papers.tables import load_papers

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def fenced_lines() -> list[str]:
    """Return the lines in code blocks, without comments, once each."""
    lines = [
        re.split(r"\s#\s", line)[0].strip()
        for page in PAGES
        for block in FENCED.findall(page.read_text())
        for line in block.splitlines()
    ]
    return list(dict.fromkeys(line for line in lines if line))


COMMANDS = [line for line in fenced_lines() if line.startswith("python -m benchmark.")]


class ParsedError(Exception):
    """The arguments were accepted; the command is not run."""


@pytest.fixture
def parse(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that parses a command line as the command itself does, and stops there."""
    real, real_commands = tyro.cli, tyro.extras.subcommand_cli_from_dict

    def cli(target: Any, **options: Any) -> None:
        @functools.wraps(target)
        def stop(*_: object, **__: object) -> None:
            raise ParsedError

        real(stop if inspect.isfunction(target) else target, **options)
        raise ParsedError

    def commands(*arguments: Any, **options: Any) -> None:
        real_commands(*arguments, **options)
        raise ParsedError

    monkeypatch.setattr(tyro, "cli", cli)
    monkeypatch.setattr(tyro.extras, "subcommand_cli_from_dict", commands)

    def run(line: str) -> None:
        _, _, module, *arguments = shlex.split(line)
        monkeypatch.setattr(sys, "argv", [module, *arguments])
        runpy.run_module(module, run_name="__main__", alter_sys=True)

    return run


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_accepted_by_its_parser(line: str, parse: Any) -> None:
    with pytest.raises(ParsedError):
        parse(line)


def test_a_misspelt_option_is_noticed(parse: Any) -> None:
    for line in (
        "python -m benchmark.ablate sic --protocl lsp",
        "python -m benchmark.report --papers autopose",
        "python -m benchmark.measure csot",
    ):
        with pytest.raises(SystemExit):
            parse(line)


def test_networks_tables_files_and_ablations_in_commands_exist() -> None:
    networks = re.compile(rf"(?:{'|'.join(declarations())})/[\w+=-]+")
    for line in COMMANDS:
        _, _, module, *words = shlex.split(line)
        for before, word in zip(["", *words], words, strict=False):
            if before == "--table":
                paper, _, table = word.partition("/")
                assert table in load_papers()[paper].tables
            elif networks.fullmatch(word):
                find_entry(word)
            elif ".py:" in word:
                assert (ROOT / word.partition(":")[0]).is_file(), word
        if module == "benchmark.ablate":
            assert set(words[: words.index("--protocol")]) <= {"all", *known_ablations()}


def test_make_targets_in_commands_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {word for line in fenced_lines() if line.startswith("make") for word in line.split()[1:] if "=" not in word}
    assert used
    assert used <= targets


def test_tests_in_commands_exist() -> None:
    paths = [line.split()[1] for line in fenced_lines() if line.startswith("pytest ")]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_links_lead_somewhere() -> None:
    broken = [
        f"{page.name}: {link}" for page in PAGES for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()
    ]
    assert broken == []
