"""Measure the processor time of a command in units of importing torch, which do not depend on the speed of the machine."""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import cache


def processor_seconds(*arguments: str, status: int = 0) -> float:
    """Return the processor time of ``python ARGUMENTS`` in seconds; it has to exit with ``status``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run.returncode == status, run.stdout + run.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@cache
def torch_seconds() -> float:
    """Return the processor time of importing torch in seconds: the smaller of two, as other programs only add."""
    return min(processor_seconds("-c", "import torch") for _ in range(2))
