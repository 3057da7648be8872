"""Train a network, alone or in several processes, from any step on; and the loop that architecture searches share.

A run is a folder: ``run.json`` (what it is), ``last.pt`` (the checkpoint that it is resumed from), ``best.safetensors``
(weights alone), ``log.jsonl`` (a line for each step and each evaluation) and TensorBoard's events; in an ablation also the
weights of every evaluation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from benchmark.config.packages import layouts_of
from benchmark.config.recipes import Optimizer, Recipe, without_average
from benchmark.config.schedules import learning_rate
from benchmark.core.errors import InputError, print_note
from benchmark.core.files import sha256_of_file
from benchmark.core.keypoints import JOINT_COUNTS, joint_set_of
from benchmark.core.text import printable
from benchmark.core.versions import VERSIONS
from benchmark.data.people import People, content_digest
from benchmark.evaluation.distributed import broadcast, mean_over_processes, process_rank
from benchmark.models.external import identify_external
from benchmark.models.registry import build_model, import_object
from benchmark.models.weights import locate_weights
from benchmark.training.checkpoint import (
    CHECKPOINT,
    Stateful,
    claim_folder,
    load_initial_weights,
    open_run,
    save_checkpoint,
    save_weights,
)
from benchmark.training.loader import BatchLoader
from benchmark.training.log import TrainingLog
from benchmark.training.losses import Targets

SAVE_EVERY = 60.0  # seconds between checkpoints where an epoch takes longer
SAVE_SHARE = 0.02  # of the time at most is spent on writing them: of a large network to a slow disk, they are further apart

Batch = tuple[Tensor, Targets]
Evaluate = Callable[[nn.Module], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """One training: its model, recipe and seed, how a step is computed, and where the run is saved.

    Attributes:
        model: The model's id.
        start: ``scratch``, the name of one of the recipe's starts, or a file of weights.
        accumulate: Micro-batches whose gradients each process accumulates for one step.
        processes: Processes that share each step.
        overrides: What differs from the recipe's text, by name; ``recipe`` has it applied.
        rate: The factor of the recipe's learning rate; ``recipe`` has it applied.
        weights_of: A model whose initial weights, drawn with the same seed, replace those of the same name and shape.
        snapshots: Save the weights of every evaluation, as ``epoch-N.safetensors``.
    """

    model: str
    recipe: Recipe
    start: str
    seed: int = 0
    accumulate: int = 1
    processes: int = 1
    layout: Literal["channels_last", "contiguous"] = "channels_last"
    compiled: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 1.0
    weights_of: str = ""
    snapshots: bool = False
    device: torch.device
    folder: Path

    @property
    def parts(self) -> int:
        """Return the number of micro-batches in a step, over all processes."""
        return self.accumulate * self.processes

    @property
    def micro_batch(self) -> int:
        """Return the number of people in a micro-batch."""
        return self.recipe.batch // self.parts

    @property
    def start_label(self) -> str:
        """Return the start by name; of a file of weights, its name and the beginning of its hash."""
        if self.start == "scratch" or self.start in self.recipe.starts:
            return self.start
        path = locate_weights(Path(self.start))
        return f"{path.name} {sha256_of_file(path)[:8]}"

    def identity(self) -> dict[str, Any]:
        """Return the fields that must match for a run to be resumed.

        The number of processes may change: the people and views of a step do not depend on it.
        """
        return {
            "model": self.model,
            "recipe": self.recipe.name,
            "digest": self.recipe.digest(),
            "start": self.start_label,
            **({"weights_of": self.weights_of} if self.weights_of else {}),
            "seed": self.seed,
            "micro_batch": self.micro_batch,
            "precision": self.recipe.precision,
            "version": VERSIONS["training"],
            **identify_external(self.model),
        }


def build_training(run: TrainingRun) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Build the network with its initial weights, and its optimizer.

    Raises:
        InputError: The weights to start from do not exist or do not fit.
    """
    network = initial_network(run, run.model)
    if run.weights_of:
        drawn, shared = network.state_dict(), initial_network(run, run.weights_of).state_dict()
        same = {name for name in drawn.keys() & shared.keys() if drawn[name].shape == shared[name].shape}
        network.load_state_dict(drawn | {name: shared[name] for name in same})
    network = network.to(run.device)
    if run.layout == "channels_last":
        network = network.to(memory_format=torch.channels_last)
    return network.train(), build_optimizer(network, run.recipe.optimizer)


def initial_network(run: TrainingRun, model: str) -> nn.Module:
    """Build a model with the initial weights that the run's seed and start give it."""
    torch.manual_seed(run.seed)
    network = build_model(model, joints=JOINT_COUNTS[joint_set_of(run.recipe.dataset)])
    if run.start in run.recipe.starts:
        import_object(run.recipe.starts[run.start])(network)
    elif run.start != "scratch":
        load_initial_weights(network, locate_weights(Path(run.start)), model, layouts_of(model))
    return network


def build_optimizer(network: nn.Module, settings: Optimizer, *, fused: bool = True) -> torch.optim.Optimizer:
    """Build a recipe's optimizer for all trainable parameters; the loop sets its learning rate before each step.

    Args:
        fused: Update all parameters in one kernel. Fused SGD needs a momentum for every parameter or for none.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not parameters:
        raise InputError(f"{type(network).__name__} has no parameters to train")
    rate, decay = settings.lr or 0.0, settings.weight_decay
    if settings.name == "sgd":
        return torch.optim.SGD(parameters, rate, momentum=settings.momentum, weight_decay=decay, fused=fused)
    return torch.optim.Adam(parameters, rate, settings.betas, weight_decay=decay, amsgrad=settings.amsgrad, fused=fused)


def train_network(
    run: TrainingRun,
    loader: BatchLoader,
    evaluate: Evaluate | None = None,
    *,
    metric: str = "",
    tested_on: People | None = None,
    tensorboard: bool = True,
) -> nn.Module:
    """Train to the end, resuming the run in the folder if there is one, and return the network after the last step.

    With ``Recipe.average`` the network that is tested, saved and returned has the moving average of the weights, and the
    values of the last evaluation are also logged for the last weights themselves, under
    :func:`benchmark.config.recipes.without_average`.

    Args:
        evaluate: Computes the network's metrics on the test people. Every process calls it; the first one's result counts.
        metric: The metric that is highest in ``best.safetensors``.
        tested_on: The test people, who must be the same where the run is resumed.

    Raises:
        InputError: The folder holds another run, its checkpoint is damaged, or the loss is no longer finite.
    """
    network, optimizer = build_training(run)
    averaged = average_weights(network, run.recipe.average) if run.recipe.average else None
    tested = averaged.module if averaged else network
    optimizers: dict[str, Stateful] = {"network": optimizer} | ({"average": averaged} if averaged else {})

    def end_epoch(epoch: int) -> Mapping[str, float]:
        """Evaluate the network where the recipe says so, and save its weights."""
        if not evaluate or (epoch % run.recipe.evaluate_every and epoch != run.recipe.epochs):
            return {}
        values = evaluate(tested)
        if process_rank() == 0:
            metadata = weights_metadata(run, epoch)
            if run.snapshots:
                save_weights(run.folder / f"epoch-{epoch}.safetensors", tested, metadata)
            if values[metric] > progress["best"]:
                progress.update(best=float(values[metric]), best_epoch=epoch)
                save_weights(run.folder / "best.safetensors", tested, metadata)
        if averaged and epoch == run.recipe.epochs:
            values = {**values, **{without_average(name): value for name, value in evaluate(network).items()}}
        network.train()
        return values

    with claim_folder(run.folder):
        # Resume from last.pt if there is one: the weights, the optimizer's state, the random numbers, and the step.
        identity = run.identity() | data_identity([loader], tested_on)
        progress = {"best": -1.0, "best_epoch": 0} | open_run(run.folder, identity, network, optimizers)
        take_step = TrainingStep(run, network, optimizer, loader, averaged)
        run_loop(run, loader, network, optimizers, progress, take_step, end_epoch, tensorboard=tensorboard)
    return tested


def data_identity(trained_on: Iterable[BatchLoader], tested_on: People | None = None) -> dict[str, str]:
    """Return the fields that must match for a run to be resumed on the photographs and annotations that it began with."""
    identity = {"training data (photographs, annotations)": " ".join(loader.digest() for loader in trained_on)}
    if tested_on is not None:
        digest = content_digest(tested_on) if process_rank() == 0 else ""
        identity["test data (photographs, annotations)"] = broadcast(digest)
    return identity


def average_weights(network: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of a network's weights and batch statistics, which starts at the first step's."""
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


class TrainingStep:
    """A step of the optimizer, however many processes and micro-batches share its batch."""

    def __init__(
        self,
        run: TrainingRun,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        loader: BatchLoader,
        averaged: AveragedModel | None = None,
    ) -> None:
        self.run, self.optimizer, self.steps_per_epoch = run, optimizer, loader.steps_per_epoch
        self.network, self.averaged = network, averaged
        self.forward: Any = network
        if run.processes > 1:
            self.forward = DistributedDataParallel(network, gradient_as_bucket_view=True)
        if run.compiled:
            self.forward.compile()
        self.loss = import_object(run.recipe.loss)
        self.autocast: Callable[[], AbstractContextManager[object]] = lambda: torch.autocast(
            run.device.type, torch.bfloat16, enabled=run.recipe.precision == "bfloat16"
        )

    def __call__(self, step: int, parts: list[Batch]) -> tuple[Tensor, float]:
        """Take a step; return the loss of the whole batch before it, still on the device, and the learning rate.

        Args:
            parts: This process's micro-batches.
        """
        rate = learning_rate(self.run.recipe, step, self.steps_per_epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.run.device)
        # Gradient accumulation: processes exchange their gradients once, with the last micro-batch.
        for number, (images, targets) in enumerate(parts):
            waits = self.run.processes > 1 and number + 1 < len(parts)
            with self.forward.no_sync() if waits else nullcontext():
                with self.autocast():
                    outputs = self.forward(images)
                # In float32 even after autocast: a squared error of small numbers needs the digits.
                loss = self.loss(_to_float32(outputs), targets, **self.run.recipe.loss_options) / len(parts)
                loss.backward()
            total += loss.detach()
        self.optimizer.step()
        if self.averaged:
            self.averaged.update_parameters(self.network)
        return mean_over_processes(total), rate


def _to_float32(outputs: Any) -> Any:
    """Convert a tensor, or every tensor in nested tuples and lists, to float32."""
    if isinstance(outputs, Tensor):
        return outputs.float()
    converted = (_to_float32(part) for part in outputs)
    return type(outputs)(*converted) if hasattr(outputs, "_fields") else type(outputs)(converted)


# --- the loop of trainings and searches --------------------------------------------------------------------------------------


class StepPlan(Protocol):
    """The steps of a run in order, and the batch of each: a :class:`BatchLoader`, or a search's plan."""

    @property
    def steps(self) -> int:
        """Return the number of steps in the whole run."""
        ...

    def epoch_of(self, step: int) -> tuple[int, bool]:
        """Return the epoch of a step, from 0, and whether the step is the epoch's last."""
        ...

    def load(self, step: int, part: int = 0, parts: int = 1) -> Batch:
        """Load one of the equal parts of a step's batch."""
        ...


def run_loop(
    run: TrainingRun,
    plan: StepPlan,
    network: nn.Module,
    optimizers: Mapping[str, Stateful],
    progress: dict[str, Any],
    take_step: Callable[[int, list[Batch]], tuple[Tensor, float]],
    end_epoch: Callable[[int], Mapping[str, float]],
    state: Callable[[], Mapping[str, Any]] = dict,
    *,
    tensorboard: bool = True,
) -> None:
    """Take the remaining steps of a training or a search: step, log, evaluate after epochs, and save.

    A run that is stopped at any moment can be resumed from its last checkpoint, and then takes the same steps.

    Args:
        progress: From :func:`benchmark.training.checkpoint.open_run`; updated here and saved in checkpoints. ``step`` counts
            the steps taken, ``seconds`` the time that they and the evaluations took.
        take_step: Takes a step, given its number and this process's micro-batches. Returns the loss, still on the device, and
            the learning rate.
        end_epoch: Called in every process after an epoch, with the number of epochs done. Returns the values to log; none
            where nothing is evaluated.
        state: Returns what else the next step depends on, to be saved in ``progress``.

    Raises:
        InputError: The loss is no longer finite.
    """
    cv2.setNumThreads(1)  # batches are prepared in one thread; more would take the processor's cores from the network
    rank, first, batch_size = process_rank(), progress["step"], run.recipe.batch
    if first > plan.steps:
        raise InputError(f"{run.folder / CHECKPOINT}: after step {first} of a run of {plan.steps}; remove the folder")
    with ExitStack() as stack:
        # Only the first process logs, shows a progress bar and saves.
        log = stack.enter_context(TrainingLog(run.folder, first, tensorboard=tensorboard)) if rank == 0 else None
        batches = stack.enter_context(prefetch_batches(plan, first, plan.steps, run, rank))
        bar = stack.enter_context(
            tqdm(
                total=plan.steps * batch_size,
                initial=first * batch_size,
                unit=" images",
                unit_scale=True,
                desc=printable(run.model),
                disable=None if rank == 0 else True,
            )
        )
        if rank == 0 and first:
            print_note(f"{run.folder}: resumed at step {first:,} of {plan.steps:,}")
        saved, saving = time.monotonic(), 0.0
        for step in range(first, plan.steps):
            # Take the step. A thread prepares the next batch meanwhile.
            loss, rate = take_step(step, next(batches))
            epoch, ends_epoch = plan.epoch_of(step)
            if log:
                log.step(step, epoch, loss, rate)
            bar.update(batch_size)
            if not ends_epoch and time.monotonic() - saved < max(SAVE_EVERY, saving / SAVE_SHARE):
                continue

            # Write the log up to this step. A loss that is not finite stops the run here, and the last checkpoint stays.
            if log:
                bar.set_postfix(loss=f"{log.flush():.3g}", lr=f"{rate:.2g}")

            # Evaluate after an epoch, in all processes.
            if ends_epoch:
                values = end_epoch(epoch + 1)
                if log and values:
                    log.evaluation(step, epoch + 1, values)

            # Save everything that the next step depends on.
            now = time.monotonic()
            progress.update(state(), step=step + 1, seconds=progress["seconds"] + now - saved)
            if log:
                save_checkpoint(run.folder / CHECKPOINT, network, optimizers, progress)
                saving = time.monotonic() - now
            saved = now


@contextmanager
def prefetch_batches(plan: StepPlan, first: int, last: int, run: TrainingRun, rank: int = 0) -> Iterator[Iterator[list[Batch]]]:
    """Iterate over this process's micro-batches of the steps from ``first`` to before ``last``, one step ahead in a thread."""
    mine = range(rank * run.accumulate, (rank + 1) * run.accumulate)

    def load(step: int) -> list[Batch]:
        return [plan.load(step, part, run.parts) for part in mine]

    def load_ahead(pool: Executor) -> Iterator[list[Batch]]:
        waiting: Future[list[Batch]] | None = pool.submit(load, first) if first < last else None
        for step in range(first + 1, last + 1):
            assert waiting is not None
            ready = waiting.result()
            waiting = pool.submit(load, step) if step < last else None
            yield ready

    with ThreadPoolExecutor(1) as pool:
        try:
            yield load_ahead(pool)
        finally:
            pool.shutdown(cancel_futures=True)


def weights_metadata(run: TrainingRun, epoch: int) -> dict[str, str]:
    """Return the metadata of a file of weights: the run and the epoch that it comes from."""
    identity = {key: str(value) for key, value in run.identity().items()}
    return {**identity, "epoch": str(epoch), "joints": joint_set_of(run.recipe.dataset)}


def time_steps(run: TrainingRun, loader: BatchLoader, steps: int = 3) -> float:
    """Measure the seconds of a training step on this machine: the median of a few, with a network that is then discarded."""
    network, optimizer = build_training(run)
    take_step = TrainingStep(run, network, optimizer, loader)
    with prefetch_batches(loader, 0, steps + 1, run, process_rank()) as batches:
        return median_step_seconds(lambda batch: take_step(*batch), enumerate(batches), run.device)


def median_step_seconds(take_step: Callable[[Any], object], batches: Iterable[Any], device: torch.device) -> float:
    """Measure the median seconds of a step over batches, without loading them; the first step warms up and is not counted."""
    times = []
    hidden = True if process_rank() else None  # else where there is no terminal
    for batch in tqdm(batches, desc="timing steps", unit=" steps", delay=1, leave=False, disable=hidden):
        begun = time.perf_counter()
        take_step(batch)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begun)
    return sorted(times[1:])[len(times[1:]) // 2]
