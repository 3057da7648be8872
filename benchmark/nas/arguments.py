"""The arguments of ``python -m benchmark.search`` and ``search lookup``, read without importing what a search needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from benchmark.config.searches import LOOKUP_ROUNDS, CostKind
from benchmark.training.arguments import CROP_CACHE


@dataclass(frozen=True, kw_only=True)
class SearchArguments:
    """Arguments of ``python -m benchmark.search``."""

    package: Annotated[str, tyro.conf.Positional]
    """The paper whose search is run, as in efficientpose_nas."""
    dataset: str | None = None
    """Dataset whose joints the networks learn; default: the config's."""
    scale: str = "small"
    """Size of the search: a name in the package's search_configs.py."""
    cost: CostKind = "flops"
    """The cost to reduce: operations, or the latency that a lookup table measured on this machine predicts, cpu or cuda."""
    seed: int = 0
    """Seed of the initial weights, the order of people, the augmentation and all samples."""
    random: bool = True
    """Also run a random search at equal cost."""
    dry_run: bool = False
    """Print the plan and an estimate of its duration, and stop."""
    noisy: bool = False
    """Accept a lookup table whose times vary too much."""
    table: Path | None = None
    """File of the lookup table, which is measured if the file does not exist; default:
    out/lookup/<package>-<scale>-<cost>.json."""
    root: Path | None = None
    """The data root; default: POSE_DATA."""
    out: Path | None = None
    """Folder of the search; default: out/search/<package>-<scale>-<cost>-s<seed>."""
    cache: Path = CROP_CACHE
    """Folder in which person crops are cached between runs."""
    device: str | None = None
    """A device as PyTorch names it; default: a GPU if there is one."""
    keep: bool = True
    """Keep the results as records under reports/records."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print the results as JSON."""


@dataclass(frozen=True, kw_only=True)
class LookupArguments:
    """Measure the cost of each operation of a search space on this machine, and how well sums of them predict whole networks.

    Example: python -m benchmark.search lookup efficientpose_nas --cost cpu --validate 20
    """

    package: Annotated[str, tyro.conf.Positional]
    """The paper whose search space it is, as in efficientpose_nas."""
    scale: str = "small"
    """A name in the package's search_configs.py, which determines the skeleton, the input size and the joints."""
    input: str | None = None
    """Height x width of the image in pixels instead of the config's; such a table is for inspection only."""
    cost: CostKind = "flops"
    """Operations, or seconds on the processor or a GPU."""
    validate: int | None = None
    """Compare the table with this number of random networks, each measured as a whole."""
    rounds: int = LOOKUP_ROUNDS
    """Number of interleaved rounds."""
    noisy: bool = False
    """Accept a table whose times vary too much."""
    table: Path | None = None
    """File of the table; default: out/lookup/<package>-<scale>-<cost>.json."""
    keep: bool = False
    """Keep the comparison as a record under reports/records, and also measure all architectures found with this config."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON."""
