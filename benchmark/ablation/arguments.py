"""The arguments of ``python -m benchmark.ablate``, which are read and checked without importing what a training needs."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from benchmark.config.ablations import BUDGETS, Ablation, BudgetName, variant_recipe
from benchmark.core.errors import InputError
from benchmark.training.arguments import CROP_CACHE


@dataclass(frozen=True, kw_only=True)
class AblateArguments:
    """Arguments of ``python -m benchmark.ablate``."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Ablations: names of files under ablations/, or all."""
    protocol: BudgetName = "lsp"
    """Dataset, input size and length of the training, which all variants share."""
    seeds: int | None = None
    """Number of seeds, which start at 0; default: the protocol's number."""
    trials_only: bool = False
    """Only find the learning rates and check the lengths of the trainings, on people who are held out."""
    budget: str | None = None
    """Time that may be used, as in 28m or 3h: runs the jobs that end in time, for the most uncertain comparisons first."""
    jobs: int = 1
    """Number of jobs that run at the same time, each in a process of its own; they share the GPU if there is one."""
    engine: Literal["here", "ray"] = "here"
    """here: run one job after another locally. ray: run the jobs on a Ray cluster (pip install '.[cluster]')."""
    address: str | None = None
    """Address of a running Ray cluster; default: one is started on this machine."""
    gpus: float = 0.0
    """Ray: number of GPUs for each job, which may be a fraction."""
    cpus: float = 1.0
    """Ray: number of processors for each job."""
    dry_run: bool = False
    """Print the jobs, an estimate of their duration and the smallest difference that they can detect, and stop."""
    root: Path | None = None
    """The data root; default: POSE_DATA."""
    work: Path = Path("out/ablate")
    """Folder of the runs and locks. If several machines work on one ablation, they must share it and the folder of records."""
    cache: Path = CROP_CACHE
    """Folder in which person crops are cached between runs."""
    device: str | None = None
    """A device as PyTorch names it; default: a GPU if there is one."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print the effects as JSON."""


def check_plan(ablation: Ablation, arguments: AblateArguments) -> None:
    """Check that an ablation can be run.

    Raises:
        InputError: the ablation does not have the protocol, or an argument cannot be meant.
    """
    for option, number in (("seeds", arguments.seeds), ("jobs", arguments.jobs)):
        if number is not None and number < 1:
            raise InputError(f"--{option} {number}: at least one is needed")
    if arguments.engine == "ray" and (arguments.budget or arguments.jobs > 1):
        raise InputError("--engine ray: a cluster has its own number of jobs and no --budget; leave --jobs and --budget out")
    parse_budget(arguments.budget)
    for variant in ablation.variants:
        variant_recipe(ablation, variant, arguments.protocol)  # refuses a protocol that the ablation does not have
    if arguments.trials_only and not BUDGETS[arguments.protocol].held_out:
        raise InputError(f"--trials-only: nothing is chosen under {arguments.protocol}")


def parse_budget(text: str | None) -> float:
    """Return the seconds of a duration such as ``28m``; infinity for None.

    Raises:
        InputError: It is not a positive number followed by s, m or h.
    """
    if text is None:
        return math.inf
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not match or not float(match[1]):
        raise InputError(f"--budget {text}: give a number and a unit, as in 90s, 28m or 3h")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
