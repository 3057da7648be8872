"""Log a run's curves: one line of JSON for each step and each evaluation, and the same as TensorBoard's events."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.core.errors import InputError, print_note
from benchmark.core.files import write_file, writing

FLUSH_EVERY = 50  # steps whose losses stay on the device until they are written together


class TrainingLog:
    """The run's curves, in ``log.jsonl`` and for TensorBoard.

    Args:
        step: The first step that will be logged. Lines from it on are dropped: a resumed run repeats the steps after its last
            checkpoint.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool) -> None:
        self.path = folder / "log.jsonl"
        self.waiting: list[tuple[int, int, Tensor, float]] = []
        self.writer: Any = None
        self.last, self.since = math.nan, time.monotonic()
        lines = self.path.read_text(errors="replace").splitlines() if self.path.exists() else []
        earlier_lines = [line for line in lines if _step_of(line) < step]
        if not step and lines:
            print_note(f"{folder}: no checkpoint was written: begins at step 0 again, and the lines of its log are dropped")
        write_file(self.path, "".join(line + "\n" for line in earlier_lines).encode())
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            threading.excepthook = _report_thread_error
            with writing(folder):
                self.writer = SummaryWriter(str(folder), purge_step=step)

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, *_: object) -> None:
        with writing(self.path.parent), ExitStack() as stack:
            if self.writer:
                stack.callback(self.writer.close)
            if self.waiting:
                self.flush(check=False)

    def step(self, step: int, epoch: int, loss: Tensor, rate: float) -> None:
        """Log a step; its loss is read from the device later, together with others."""
        self.waiting.append((step, epoch, loss, rate))
        if len(self.waiting) == FLUSH_EVERY:
            self.flush()

    def flush(self, *, check: bool = True) -> float:
        """Write the steps that wait, and return their mean loss.

        Raises:
            InputError: A loss is not finite.
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
        self._write(lines)
        with writing(self.path.parent):
            for line in lines if self.writer else ():
                self.writer.add_scalar("loss", line["loss"] or math.nan, line["step"])
                self.writer.add_scalar("lr", line["lr"], line["step"])
        self.waiting.clear()
        self.last, self.since = sum(losses) / len(losses), time.monotonic()
        if check and not math.isfinite(self.last):
            raise InputError(f"the loss is no longer finite at step {lines[-1]['step']}; lower the learning rate with --lr")
        return self.last

    def evaluation(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Log the values of an evaluation."""
        self._write([{"step": step, "epoch": epoch, "figures": dict(values)}])
        with writing(self.path.parent):
            for name, value in values.items() if self.writer else ():
                self.writer.add_scalar(name, value, step)
        self.since = time.monotonic()

    def _write(self, lines: list[dict[str, Any]]) -> None:
        with writing(self.path), open(self.path, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)


def _report_thread_error(error: threading.ExceptHookArgs) -> None:
    """Report an error of a thread as Python does, except one that TensorBoard's writer failed by: the next call raises it."""
    if not (isinstance(error.exc_value, OSError) and type(error.thread).__name__ == "_AsyncWriterThread"):
        threading.__excepthook__(error)


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # half a line, from when the run was killed
        return math.inf


def read_log(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read the lines of a run's steps, and those of its evaluations.

    Raises:
        InputError: The log is damaged, or a step is missing.
    """
    path = folder / "log.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        steps, evaluations = ([line for line in lines if key in line] for key in ("loss", "figures"))
        complete = bool(steps) and [line["step"] for line in steps] == list(range(len(steps)))
    except (OSError, ValueError, KeyError, TypeError):
        complete = False
    if not complete:
        raise InputError(f"{path}: damaged; remove the folder and train again, as a run is recorded with its curves")
    return steps, evaluations
