"""Measure lookup tables: the cost of each component of an architecture, in operations or seconds.

The sum over its components predicts the cost of an architecture. Seconds are measured in this process, in interleaved rounds
of all components, so that drift affects them equally: one thread and one image on the processor, 32 images on a GPU, as in
EfficientPose-NAS (section 4.3).
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
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from benchmark.config.conventions import LOOKUP_CONVENTION
from benchmark.config.latency import MAX_RELATIVE_IQR
from benchmark.config.searches import LOOKUP_ROUNDS, CostKind
from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write
from benchmark.core.versions import VERSIONS
from benchmark.cost.counters import count_operations, find_uncounted
from benchmark.cost.ops import Op
from benchmark.cost.trace import trace_network
from benchmark.latency.clocks import Timer, device_name, time_on_cpu, time_on_cuda, warm_up

LOOKUP_BATCH: Mapping[CostKind, int] = {"flops": 1, "cpu": 1, "cuda": 32}
COST_UNITS: Mapping[CostKind, str] = {"flops": "MFLOPs (hrnet)", "cpu": "ms", "cuda": "ms"}
BURST_SECONDS, MAX_BURST_CALLS = 0.002, 50  # how long a component is called without a pause
WARM_UP_PATIENCE = 5.0  # seconds after which a component counts as warm


class Component(NamedTuple):
    """A building block of architectures, and the ``[channels, height, width]`` of its input."""

    build: Callable[[], nn.Module]
    shape: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class LookupTable:
    """The cost of each component.

    Attributes:
        cost: The kind of cost: operations, or seconds on a device.
        costs: Operations as :data:`LOOKUP_CONVENTION` counts them, or seconds for a batch, by the component's name.
        input: The networks' input, ``<height>x<width>``.
        joints: The number of joints that the networks predict.
        device: The name of the device that was measured; empty for operations.
        spread: The distance between the quartiles of each component's times, as a share of their median.
        environment: The versions and settings that times were measured with.
        not_counted: The operators that counts of operations leave out, with the number of calls in all components together.
    """

    cost: CostKind
    costs: Mapping[str, float]
    input: str
    joints: int
    device: str = ""
    spread: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    not_counted: Mapping[str, int] = field(default_factory=dict)
    version: int = VERSIONS["lookup_table"]

    def predict(self, components: Sequence[str]) -> float:
        """Predict the cost of an architecture from its components."""
        return sum(self.costs[component] for component in components)

    @property
    def noisy(self) -> bool:
        """Return whether for most components the quartiles of the times lie more than a tenth of the median apart."""
        return bool(self.spread) and median(self.spread.values()) > MAX_RELATIVE_IQR

    def shown(self, value: float) -> float:
        """Convert a cost to the unit in :data:`COST_UNITS`."""
        return value / 2**30 * 1000 if self.cost == "flops" else 1000 * value

    def digest(self) -> str:
        """Return eight hexadecimal digits that change with any cost."""
        fields = [self.cost, self.input, self.joints, sorted(self.costs.items())]
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:8]


def measure_table(
    components: Mapping[str, Component],
    cost: CostKind,
    *,
    input: str,
    joints: int,
    rounds: int = LOOKUP_ROUNDS,
    show: bool = False,
) -> LookupTable:
    """Count or measure the costs of all components.

    Raises:
        InputError: Seconds on a GPU are asked for, and there is none.
    """
    if cost == "flops":
        ops = {name: trace_component(component) for name, component in components.items()}
        costs = {name: count_lookup_cost(of_component) for name, of_component in ops.items()}
        not_counted = find_uncounted(chain.from_iterable(ops.values()))
        return LookupTable(cost=cost, costs=costs, input=input, joints=joints, not_counted=not_counted)
    seconds = time_components(components, cost, rounds=rounds, show=show)
    low, middle, high = np.percentile(seconds, [25, 50, 75], axis=0)
    return LookupTable(
        cost=cost,
        costs=dict(zip(components, middle.tolist(), strict=True)),
        input=input,
        joints=joints,
        device=device_name(cost),
        spread=dict(zip(components, ((high - low) / middle).round(4).tolist(), strict=True)),
        environment={"torch": torch.__version__, "threads": 1, "batch": LOOKUP_BATCH[cost], "processors": os.cpu_count()},
    )


def trace_component(component: Component) -> Sequence[Op]:
    """Return the operators of a component that is given one image."""
    channels, height, width = component.shape
    return trace_network(component.build(), height, width, channels=channels).ops


def count_lookup_cost(ops: Sequence[Op]) -> float:
    """Count operations by :data:`LOOKUP_CONVENTION`."""
    return float(count_operations(ops)[LOOKUP_CONVENTION])


def time_components(
    components: Mapping[str, Component], device: CostKind, *, rounds: int = LOOKUP_ROUNDS, show: bool = False
) -> np.ndarray:
    """Measure the seconds of a batch, ``[rounds, components]``.

    Rounds are interleaved, ``A B C C B A``; each turn of a component is a short burst of calls.

    Raises:
        InputError: There is no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--cost cuda: PyTorch finds no GPU here")
    timed = time_on_cuda if device == "cuda" else time_on_cpu
    total = (1 + 2 * rounds) * len(components)
    with _steady_timing(), torch.inference_mode(), tqdm(total=total, unit=" turns", desc="lookup", disable=not show) as bar:
        calls = [_prepare_call(component, device) for component in components.values()]
        # Warm up each component, and choose how many calls of it make a burst.
        bursts = []
        for call in calls:
            usual, _ = warm_up(partial(_seconds, timed, call, 1), patience=WARM_UP_PATIENCE)
            bursts.append(min(MAX_BURST_CALLS, max(1, math.ceil(BURST_SECONDS / usual))))
            bar.update()
        # Time all components forwards and then backwards, so that linear drift cancels in the mean of the two.
        seconds = np.zeros((2 * rounds, len(calls)))
        for turn in range(2 * rounds):
            order = range(len(calls)) if turn % 2 == 0 else reversed(range(len(calls)))
            for index in order:
                seconds[turn, index] = _seconds(timed, calls[index], bursts[index])
                bar.update()
    return seconds.reshape(rounds, 2, len(calls)).mean(1)


def _prepare_call(component: Component, device: CostKind) -> Callable[[], object]:
    torch.manual_seed(0)
    network = component.build().eval().to(device)
    images = torch.rand(LOOKUP_BATCH[device], *component.shape, device=device)
    return lambda: network(images)


def _seconds(timed: Timer, call: Callable[[], object], times: int) -> float:
    """Measure the seconds of one call: the mean of a number of calls without a pause."""

    def run() -> Iterator[str]:
        for _ in range(times):
            call()
        yield "calls"

    return timed(run)["calls"] / times


@contextmanager
def _steady_timing() -> Iterator[None]:
    """Use one thread and the GPU's fastest kernels, and restore all settings and random numbers afterwards."""
    threads, state, tuned = torch.get_num_threads(), torch.get_rng_state(), torch.backends.cudnn.benchmark
    torch.set_num_threads(1)
    # Signals in untrained components may fade to denormal numbers, with which processors are slow.
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
    """Agreement between predictions and the measured costs of whole networks.

    Attributes:
        rank: Spearman's rank correlation.
        bias: The mean of predicted over measured cost, minus one.
        error: The mean absolute deviation from the measured cost after the bias is removed, as a share of that cost.
    """

    rank: float
    bias: float
    error: float


def compare_predictions(predicted: Sequence[float], measured: Sequence[float]) -> TableValidation:
    """Compare predicted with measured costs.

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
    """Load a table from its file.

    Raises:
        InputError: The file is not a lookup table, or one of another version.
    """
    try:
        table = LookupTable(**json.loads(path.read_text()))
        usable = all(isinstance(value, float | int) and value >= 0 for value in table.costs.values())
    except (OSError, ValueError, TypeError, AttributeError) as problem:
        raise InputError(f"{path}: not a lookup table: {problem}") from None
    if table.version != VERSIONS["lookup_table"] or not usable:
        raise InputError(
            f"{path}: not a lookup table of version {VERSIONS['lookup_table']}; "
            "remove the file, and the table is measured again"
        )
    return table
