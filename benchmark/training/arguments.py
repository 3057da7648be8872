"""The arguments of ``python -m benchmark.train``, which are read without importing what a training needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from benchmark.models.external import MODEL_SPECS

CROP_CACHE = Path("out/cache")


@dataclass(frozen=True, kw_only=True)
class TrainArguments:
    """Arguments of ``python -m benchmark.train``."""

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help=f"The network: {MODEL_SPECS}.")]
    dataset: Literal["lsp", "mpii", "coco", "synthetic-mpii", "synthetic-coco"]
    """Dataset whose joints the network learns."""
    recipe: str | None = None
    """Name of a recipe; default: the first of the model's package for the dataset. A network of your own is trained by a
    general recipe, or by that of a model of this project, as in --recipe efficientpose_nas/A."""
    start: str | None = None
    """scratch, one of the recipe's named starts, or a weight file, as for benchmark.evaluate; default: the recipe's."""
    seed: int = 0
    """Seed of the initial weights, the order of people and the augmentation."""
    epochs: int | None = None
    """Number of epochs instead of the recipe's; the schedule's milestones scale with it."""
    batch: int | None = None
    """Effective batch size instead of the recipe's."""
    lr: float | None = None
    """Largest learning rate instead of the recipe's."""
    accumulate: int = 1
    """Number of micro-batches over which each process accumulates gradients before a step."""
    micro_batch: int | None = None
    """People in a micro-batch; default: the recipe's batch / (accumulate x processes)."""
    precision: Literal["float32", "bfloat16"] | None = None
    """bfloat16: mixed precision by autocast."""
    layout: Literal["channels_last", "contiguous"] = "channels_last"
    """Memory layout of images and weights."""
    compile: bool = False
    """Compile the network first: some minutes more at the start, less time for each step."""
    find_lr: bool = False
    """Find the largest learning rate with which the first cycle does not diverge, by halving; record it, and stop."""
    dry_run: bool = False
    """Print the plan and an estimate of its duration, and stop."""
    root: Path | None = None
    """The data root; default: POSE_DATA."""
    out: Path | None = None
    """Folder of the run; default: out/train/<model>-<recipe>-<start>-s<seed>."""
    cache: Path = CROP_CACHE
    """Folder in which person crops are cached between runs."""
    device: str | None = None
    """A device as PyTorch names it; default: a GPU if there is one."""
    keep: bool = True
    """Keep the results as records under reports/records."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print the results as JSON."""
