"""Lookup tables: what each part of an architecture costs, operations or seconds, and how well their sum predicts the whole.

Seconds are measured in this process, all parts warm and taking turns, so that whatever drifts hits them alike: one thread and
one image on the processor, 32 images on a GPU, as in EfficientPose-NAS (section 4.3).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from benchmark.config.latency import MAX_RELATIVE_IQR
from benchmark.config.searches import CostKind
from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write
from benchmark.cost.counters import count_operations
from benchmark.cost.trace import trace_network
from benchmark.latency.clocks import Timer, device_name, time_on_cpu, time_on_cuda, warm_up

LOOKUP_VERSION = 1
LOOKUP_CONVENTION = "hrnet"  # by which operations are counted
LOOKUP_BATCH: Mapping[CostKind, int] = {"flops": 1, "cpu": 1, "cuda": 32}
COST_UNITS: Mapping[CostKind, str] = {"flops": "MFLOPs (hrnet)", "cpu": "ms", "cuda": "ms"}
LOOKUP_ROUNDS = 20
BURST, MOST = 0.002, 50  # seconds and calls that a part's turn aims at
PATIENCE = 5.0  # seconds after which a part is as warm as it gets


class Component(NamedTuple):
    """Something that an architecture can contain, and the ``[channels, height, width]`` of what it is given."""

    build: Callable[[], nn.Module]
    shape: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class LookupTable:
    """What each part costs: operations as CONVENTION counts them, or seconds a batch. ``spread``: of the timed ones, the
    quartiles' distance as a share of the median."""

    cost: CostKind
    costs: Mapping[str, float]
    input: str
    joints: int
    device: str = ""
    spread: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    version: int = LOOKUP_VERSION

    def predict(self, parts: Sequence[str]) -> float:
        """What an architecture of these parts costs."""
        return sum(self.costs[part] for part in parts)

    @property
    def noisy(self) -> bool:
        """Whether the quartiles of most parts' times lie further apart than a tenth of the median."""
        return bool(self.spread) and median(self.spread.values()) > MAX_RELATIVE_IQR

    def shown(self, value: float) -> float:
        """A cost in the unit of :data:`UNITS`."""
        return value / 2**30 * 1000 if self.cost == "flops" else 1000 * value

    def digest(self) -> str:
        """Eight hexadecimal digits that change with any figure."""
        told = [self.cost, self.input, self.joints, sorted(self.costs.items())]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]


def measure_table(
    parts: Mapping[str, Component],
    cost_of: CostKind,
    *,
    input: str,
    joints: int,
    rounds: int = LOOKUP_ROUNDS,
    show: bool = False,
) -> LookupTable:
    """The table of all parts.

    Raises:
        InputError: seconds on a GPU are asked for, and there is none.
    """
    if cost_of == "flops":
        return LookupTable(
            cost=cost_of, costs={name: count_component(part) for name, part in parts.items()}, input=input, joints=joints
        )
    found = time_components(parts, cost_of, rounds=rounds, show=show)
    low, middle, high = np.percentile(found, [25, 50, 75], axis=0)
    return LookupTable(
        cost=cost_of,
        costs=dict(zip(parts, middle.tolist(), strict=True)),
        input=input,
        joints=joints,
        device=device_name(cost_of),
        spread=dict(zip(parts, ((high - low) / middle).round(4).tolist(), strict=True)),
        environment={"torch": torch.__version__, "threads": 1, "batch": LOOKUP_BATCH[cost_of], "processors": os.cpu_count()},
    )


def count_component(part: Component) -> float:
    """What CONVENTION counts for one image."""
    channels, height, width = part.shape
    return float(count_operations(trace_network(part.build(), height, width, channels=channels).ops)[LOOKUP_CONVENTION])


def time_components(
    parts: Mapping[str, Component], device: CostKind, *, rounds: int = LOOKUP_ROUNDS, show: bool = False
) -> np.ndarray:
    """Seconds of a batch, ``[rounds, parts]``: parts take turns in rounds ``A B C C B A``, a short burst of calls a turn.

    Raises:
        InputError: there is no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--cost cuda: PyTorch finds no GPU here")
    timed = time_on_cuda if device == "cuda" else time_on_cpu
    total = (1 + 2 * rounds) * len(parts)
    with _steady(), torch.inference_mode(), tqdm(total=total, unit=" turns", desc="lookup", disable=not show) as bar:
        calls = [_call(part, device) for part in parts.values()]
        bursts = []
        for call in calls:
            usual, _ = warm_up(partial(_seconds, timed, call, 1), patience=PATIENCE)
            bursts.append(min(MOST, max(1, math.ceil(BURST / usual))))
            bar.update()
        found = np.zeros((2 * rounds, len(calls)))
        for turn in range(2 * rounds):
            order = range(len(calls)) if turn % 2 == 0 else reversed(range(len(calls)))
            for place in order:
                found[turn, place] = _seconds(timed, calls[place], bursts[place])
                bar.update()
    return found.reshape(rounds, 2, len(calls)).mean(1)


def _call(part: Component, device: CostKind) -> Callable[[], object]:
    torch.manual_seed(0)
    network = part.build().eval().to(device)
    images = torch.rand(LOOKUP_BATCH[device], *part.shape, device=device)
    return lambda: network(images)


def _seconds(timed: Timer, call: Callable[[], object], times: int) -> float:
    """Of one call, from so many without a pause."""

    def run() -> Iterator[str]:
        for _ in range(times):
            call()
        yield "calls"

    return timed(run)["calls"] / times


@contextmanager
def _steady() -> Iterator[None]:
    """One thread, the GPU's fastest kernels, and no denormal numbers, to which signals of untrained parts may fade and with
    which processors are slow. All is as it was afterwards, the random numbers too."""
    threads, state, tuned = torch.get_num_threads(), torch.get_rng_state(), torch.backends.cudnn.benchmark
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)
        torch.backends.cudnn.benchmark = tuned
        torch.set_rng_state(state)


# --- how well it predicts ----------------------------------------------------------------------------------------------------


class TableValidation(NamedTuple):
    """Predictions against whole networks. ``rank`` is Spearman's correlation; ``bias`` the mean of predicted over measured,
    less one; ``error`` the mean deviation from the measured cost once that bias is taken out, as a share of it."""

    rank: float
    bias: float
    error: float


def compare_predictions(predicted: Sequence[float], measured: Sequence[float]) -> TableValidation:
    """How well predictions match.

    Raises:
        InputError: fewer than three networks.
    """
    if len(predicted) < 3:
        raise InputError(f"--validate {len(predicted)}: at least three networks are needed")
    from scipy.stats import spearmanr

    rank = float(spearmanr(predicted, measured).statistic)
    ratio = np.array(predicted) / np.array(measured)
    return TableValidation(rank, float(ratio.mean() - 1), float(np.abs(ratio / ratio.mean() - 1).mean()))


# --- files -------------------------------------------------------------------------------------------------------------------


def save_table(table: LookupTable, path: Path) -> None:
    """Write a table as JSON, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(asdict(table), indent=1) + "\n")


def load_table(path: Path) -> LookupTable:
    """A table from its file.

    Raises:
        InputError: it is none, or of another version.
    """
    try:
        table = LookupTable(**json.loads(path.read_text()))
        usable = all(isinstance(value, float | int) and value >= 0 for value in table.costs.values())
    except (OSError, ValueError, TypeError, AttributeError) as problem:
        raise InputError(f"{path}: no lookup table: {problem}") from None
    if table.version != LOOKUP_VERSION or not usable:
        raise InputError(f"{path}: no lookup table of version {LOOKUP_VERSION}; remove it, and it is made anew")
    return table
