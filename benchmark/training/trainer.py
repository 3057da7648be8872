"""The training loop: one process or many, from any step on, with everything that decides the next step in one file.

A run is a folder: ``run.json`` (what it is), ``last.safetensors`` (from where it goes on), ``best.safetensors`` (weights
alone), ``log.jsonl`` (a line a step, and one an evaluation) and TensorBoard's events; in an ablation also the weights of every
evaluation.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from benchmark.config.recipes import Optimizer, Recipe
from benchmark.config.schedules import learning_rate
from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.evaluation.distributed import broadcast, mean_over_processes, process_rank
from benchmark.models.registry import build_model, import_object
from benchmark.training.checkpoint import load_checkpoint, load_initial_weights, save_checkpoint, save_weights
from benchmark.training.loader import BatchLoader, joint_set
from benchmark.training.log import TrainingLog
from benchmark.training.losses import Targets

TRAINING_VERSION = 1
SAVE_EVERY = 600.0  # seconds, where an epoch takes longer than that

Evaluate = Callable[[nn.Module], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """What is trained, how, and where it is kept. ``accumulate`` micro-batches of each of ``processes`` make one step.
    ``overrides``: what differs from the recipe's text, by name; ``rate``: the factor of its learning rate; ``recipe`` has both
    applied. ``snapshots``: the weights of every evaluation are kept, as ``epoch-N.safetensors``."""

    model: str
    recipe: Recipe
    start: str
    seed: int = 0
    accumulate: int = 1
    processes: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    layout: Literal["channels_last", "contiguous"] = "channels_last"
    compiled: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 1.0
    snapshots: bool = False
    device: torch.device
    folder: Path

    @property
    def parts(self) -> int:
        """Micro-batches in a step."""
        return self.accumulate * self.processes

    @property
    def micro_batch(self) -> int:
        """Persons in one."""
        return self.recipe.batch // self.parts

    def identity(self) -> dict[str, Any]:
        """What another run in the same folder must agree in to go on with this one. The number of processes may change: what
        a step sees does not depend on it."""
        return {
            "model": self.model,
            "recipe": self.recipe.name,
            "digest": self.recipe.digest(),
            "start": self.start,
            "seed": self.seed,
            "micro_batch": self.micro_batch,
            "precision": self.precision,
            "version": TRAINING_VERSION,
        }


def build_training(run: TrainingRun) -> tuple[nn.Module, torch.optim.Optimizer]:
    """The network as it starts, and its optimizer.

    Raises:
        InputError: weights to start from that do not fit, or are not there.
    """
    torch.manual_seed(run.seed)
    network = build_model(run.model, joints=JOINT_COUNTS[joint_set(run.recipe)])
    if run.start in run.recipe.starts:
        import_object(run.recipe.starts[run.start])(network)
    elif run.start != "scratch":
        load_initial_weights(network, Path(run.start), run.model)
    network = network.to(run.device)
    if run.layout == "channels_last":
        network = network.to(memory_format=torch.channels_last)
    return network.train(), build_optimizer(network, run.recipe.optimizer)


def build_optimizer(network: nn.Module, chosen: Optimizer, *, fused: bool = True) -> torch.optim.Optimizer:
    """The recipe's optimizer over all parameters that learn. Its rate is set anew each step.

    Args:
        fused: one kernel a step. SGD's wants a momentum of every parameter or of none.
    """
    learned = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate, decay = chosen.lr or 0.0, chosen.weight_decay
    if chosen.name == "sgd":
        return torch.optim.SGD(learned, rate, momentum=chosen.momentum, weight_decay=decay, fused=fused)
    return torch.optim.Adam(learned, rate, chosen.betas, weight_decay=decay, amsgrad=chosen.amsgrad, fused=fused)


def train_network(
    run: TrainingRun, feed: BatchLoader, evaluate: Evaluate | None = None, *, metric: str = "", tensorboard: bool = True
) -> nn.Module:
    """Train to the end, going on with what lies in the run's folder; the network as it then is.

    Args:
        evaluate: the network's figures on the test persons; called in every process, figures count in the first.
        metric: which of them is to be highest in ``best.safetensors``.

    Raises:
        InputError: the folder holds another run, its checkpoint is damaged, or the loss is no longer finite.
    """
    cv2.setNumThreads(1)  # one thread prepares batches; more would take the cores from the network
    network, optimizer = build_training(run)
    progress = open_run(run, network, optimizer)
    recipe, last = run.recipe, run.recipe.epochs * feed.steps_per_epoch
    rank = process_rank()
    with ExitStack() as stack:
        log = stack.enter_context(TrainingLog(run.folder, progress["step"], tensorboard=tensorboard)) if rank == 0 else None
        stepper = TrainingStep(run, network, optimizer, feed)
        batches = stack.enter_context(prefetch_batches(feed, progress["step"], last, run, rank))
        bar = stack.enter_context(
            tqdm(
                total=last * recipe.batch,
                initial=progress["step"] * recipe.batch,
                unit=" images",
                unit_scale=True,
                desc=run.model,
                disable=None if rank == 0 else True,
            )
        )
        saved = time.monotonic()
        for step in range(progress["step"], last):
            loss, rate = stepper(step, next(batches))
            if log:
                log.step(step, step // feed.steps_per_epoch, loss, rate)
            bar.update(recipe.batch)
            epoch, rest = divmod(step + 1, feed.steps_per_epoch)
            ends = rest == 0
            if not ends and time.monotonic() - saved < SAVE_EVERY:
                continue
            if log:
                bar.set_postfix(loss=f"{log.flush():.3g}", lr=f"{rate:.2g}")
            progress["step"] = step + 1
            if ends and evaluate and (epoch % recipe.evaluate_every == 0 or step + 1 == last):
                figures = evaluate(network)
                network.train()
                if log:
                    log.figures(step, epoch, figures)
                    if run.snapshots:
                        save_weights(run.folder / f"epoch-{epoch}.safetensors", network, weights_metadata(run, epoch))
                    if figures[metric] > progress["best"]:
                        progress |= {"best": figures[metric], "best_epoch": epoch}
                        save_weights(run.folder / "best.safetensors", network, weights_metadata(run, epoch))
            if log:
                save_checkpoint(run.folder / "last.safetensors", network, optimizer, progress)
            saved = time.monotonic()
    return network


class TrainingStep:
    """One step of the optimizer, whatever the number of processes and micro-batches that share it."""

    def __init__(self, run: TrainingRun, network: nn.Module, optimizer: torch.optim.Optimizer, feed: BatchLoader) -> None:
        self.run, self.optimizer, self.steps_per_epoch = run, optimizer, feed.steps_per_epoch
        self.forward: Any = network
        if run.processes > 1:
            self.forward = DistributedDataParallel(network, gradient_as_bucket_view=True)
        if run.compiled:
            self.forward.compile()
        self.loss = import_object(run.recipe.loss)
        self.autocast: Callable[[], AbstractContextManager[object]] = lambda: torch.autocast(
            run.device.type, torch.bfloat16, enabled=run.precision == "bfloat16"
        )

    def __call__(self, step: int, parts: list[tuple[Tensor, Targets]]) -> tuple[Tensor, float]:
        """The whole batch's loss before the step, still on the device, and the step's learning rate."""
        rate = learning_rate(self.run.recipe, step, self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.run.device)
        for number, (images, truth) in enumerate(parts):
            waits = self.run.processes > 1 and number + 1 < len(parts)
            with self.forward.no_sync() if waits else nullcontext():
                with self.autocast():
                    outputs = self.forward(images)
                loss = self.loss(_to_float32(outputs), truth, **self.run.recipe.loss_options) / len(parts)
                loss.backward()
            total += loss.detach()
        self.optimizer.step()
        return mean_over_processes(total), rate


def _to_float32(outputs: Any) -> Any:
    """Half-precision maps as float32, whatever they are packed in: a squared error of small numbers needs the digits."""
    if isinstance(outputs, Tensor):
        return outputs.float()
    made = (_to_float32(part) for part in outputs)
    return type(outputs)(*made) if hasattr(outputs, "_fields") else type(outputs)(made)


@contextmanager
def prefetch_batches(
    feed: BatchLoader, step: int, last: int, run: TrainingRun, rank: int = 0
) -> Iterator[Iterator[list[tuple[Tensor, Targets]]]]:
    """The micro-batches of each step from ``step`` on, the next step's being prepared while one is computed."""
    mine = range(rank * run.accumulate, (rank + 1) * run.accumulate)

    def load(number: int) -> list[tuple[Tensor, Targets]]:
        return [feed.load(number, part, run.parts) for part in mine]

    def ahead(pool: Executor) -> Iterator[list[tuple[Tensor, Targets]]]:
        waiting: Future[list[tuple[Tensor, Targets]]] | None = pool.submit(load, step) if step < last else None
        for number in range(step + 1, last + 1):
            assert waiting is not None
            ready = waiting.result()
            waiting = pool.submit(load, number) if number < last else None
            yield ready

    with ThreadPoolExecutor(1) as pool:
        try:
            yield ahead(pool)
        finally:
            pool.shutdown(cancel_futures=True)


def open_run(run: TrainingRun, network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Where the run in the folder is: a new one begins, a known one goes on.

    Raises:
        InputError: the folder holds another run.
    """
    described, last = run.folder / "run.json", run.folder / "last.safetensors"
    identity = run.identity()
    if broadcast(described.exists()):
        try:
            found = json.loads(described.read_text())
        except ValueError:
            raise InputError(f"{described}: not a description of a run; train into another folder with --out") from None
        if differing := [key for key, value in identity.items() if found.get(key) != value]:
            key = differing[0]
            raise InputError(
                f"{run.folder} holds another run: {key} is {found.get(key)} there, {identity[key]} here; "
                "remove it or train into another folder with --out"
            )
    elif process_rank() == 0:
        with atomic_write(described) as temporary:
            temporary.write_text(json.dumps(identity, indent=1) + "\n")
    if broadcast(last.exists()):
        return load_checkpoint(last, network, optimizer)
    return {"step": 0, "best": -1.0, "best_epoch": 0}


def weights_metadata(run: TrainingRun, epoch: int) -> dict[str, str]:
    """What a weight file says of its origin."""
    told = {key: str(value) for key, value in run.identity().items()}
    return {**told, "epoch": str(epoch), "joints": joint_set(run.recipe)}


def time_steps(run: TrainingRun, feed: BatchLoader, steps: int = 3) -> float:
    """Seconds that a step takes here, from a few of them by a network that is thrown away."""
    network, optimizer = build_training(run)
    stepper = TrainingStep(run, network, optimizer, feed)
    times = []
    with prefetch_batches(feed, 0, steps + 1, run, process_rank()) as batches:
        for step, parts in enumerate(batches):
            begun = time.perf_counter()
            stepper(step, parts)
            if run.device.type == "cuda":
                torch.cuda.synchronize(run.device)
            times.append(time.perf_counter() - begun)
    return sorted(times[1:])[len(times[1:]) // 2]
