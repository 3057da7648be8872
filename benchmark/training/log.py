"""A run's curves: one JSON line a step and an evaluation, and TensorBoard's events of the same."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.core.errors import InputError
from benchmark.core.files import atomic_write

FLUSH_EVERY = 50  # losses stay on the device until so many wait


class TrainingLog:
    """The run's curves, as JSON lines and for TensorBoard. What was logged after the last checkpoint is dropped when the run
    goes on, because those steps are then done again."""

    def __init__(self, folder: Path, step: int, *, tensorboard: bool) -> None:
        self.path = folder / "log.jsonl"
        self.waiting: list[tuple[int, int, Tensor, float]] = []
        self.writer: Any = None
        self.last, self.since = math.nan, time.monotonic()
        kept = [line for line in self.path.read_text().splitlines() if _step(line) < step] if self.path.exists() else []
        with atomic_write(self.path) as temporary:
            temporary.write_text("".join(line + "\n" for line in kept))
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder), purge_step=step)

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self.waiting:
            self.flush(check=False)
        if self.writer:
            self.writer.close()

    def step(self, step: int, epoch: int, loss: Tensor, rate: float) -> None:
        """Keep a step's loss; it is read from the device only once in a while."""
        self.waiting.append((step, epoch, loss, rate))
        if len(self.waiting) == FLUSH_EVERY:
            self.flush()

    def flush(self, *, check: bool = True) -> float:
        """Write what is waiting; the mean loss of it.

        Raises:
            InputError: a loss is not finite.
        """
        if not self.waiting:
            return self.last
        losses = torch.stack([loss for _, _, loss, _ in self.waiting]).tolist()
        seconds = time.monotonic() - self.since
        per_step = seconds / len(losses)
        lines = [
            {
                "step": step,
                "epoch": epoch,
                "loss": loss if math.isfinite(loss) else None,
                "lr": rate,
                "seconds": round(per_step, 4),
            }
            for (step, epoch, _, rate), loss in zip(self.waiting, losses, strict=True)
        ]
        if self.writer:
            for line in lines:
                self.writer.add_scalar("loss", line["loss"] or math.nan, line["step"])
                self.writer.add_scalar("lr", line["lr"], line["step"])
        self._write(lines)
        self.waiting.clear()
        self.last, self.since = sum(losses) / len(losses), time.monotonic()
        if check and not math.isfinite(self.last):
            raise InputError(f"the loss is no longer finite at step {lines[-1]['step']}: the learning rate is too large")
        return self.last

    def figures(self, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        """An evaluation."""
        self._write([{"step": step, "epoch": epoch, "figures": dict(figures)}])
        if self.writer:
            for name, value in figures.items():
                self.writer.add_scalar(name, value, step)
        self.since = time.monotonic()

    def _write(self, lines: list[dict[str, Any]]) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


def _step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):  # torn when the run was killed
        return math.inf


def read_log(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Steps and evaluations of a run."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if "loss" in line], [line for line in lines if "figures" in line]
