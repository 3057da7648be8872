"""Every command reads its arguments before it imports what its work needs, so that help and refusals come at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmark.__main__ import COMMANDS
from tests.processor_time import processor_seconds, torch_seconds

SLOW = {"torch", "torchvision", "pandas", "matplotlib", "scipy"}
SUBCOMMANDS = {
    "measure": ("cost", "latency", "agreement", "routes"),
    "data": ("check", "fetch", "synthetic"),
    "search": ("lookup",),
}
HELP = [[name, "--help"] for name in COMMANDS] + [[name, sub, "--help"] for name, subs in SUBCOMMANDS.items() for sub in subs]
REFUSED = [
    ["train", "efficientpose_nas/A", "--dataset", "imagenet"],
    ["train", "efficientpose_nas/Z", "--dataset", "lsp"],
    ["evaluate", "efficientpose_nas/Z", "--weights", "a.pth", "--dataset", "lsp"],
    ["evaluate", "efficientpose_nas/A", "--dataset", "lsp"],
    ["compare", "efficientpose_nas/Z"],
    ["search", "efficientpose_nas", "--scale", "enormous"],
    ["ablate", "nothing"],
    ["ablate", "sic", "--seeds", "0"],
    ["score", "--dataset", "imagenet"],
    ["report", "--papers"],
]


def slow_imports(*command: str) -> tuple[int, set[str]]:
    """Run a command, and return its exit status and which of the slow packages it imports."""
    run = subprocess.run([sys.executable, "-X", "importtime", "-m", "benchmark", *command], capture_output=True, text=True)
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines() if line.startswith("import time:")}
    assert "tyro" in imported  # the lines are read
    return run.returncode, imported & SLOW


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_help_imports_nothing_slow(command: list[str]) -> None:
    assert slow_imports(*command) == (0, set())


@pytest.mark.parametrize("command", REFUSED, ids=" ".join)
def test_arguments_are_refused_before_anything_slow_is_imported(command: list[str]) -> None:
    assert slow_imports(*command) == (2, set())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_takes_less_than_half_the_processor_time_of_importing_torch(command: str) -> None:
    """It takes a fifth to a quarter: 0.3 seconds where torch takes 1.3."""
    assert processor_seconds("-m", "benchmark", command, "--help") < torch_seconds() / 2
