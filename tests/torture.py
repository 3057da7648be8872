"""Kill commands at random moments, fill their disk, run two of them in one folder, and let the clock jump.

After each fault the same command is run again, undisturbed. Nothing that was on record may be lost or doubled, no file may be
half-written, and the figures have to be those of a run without a fault. Every run is a fork of this process, which has imported
PyTorch already. ``make torture`` runs it; it writes how many faults were survived as JSON: see :class:`Report`.
"""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypedDict

import cv2
import torch
import torch._dynamo  # every step of an optimizer imports it, and forks should not do so again
import tyro
from safetensors.torch import load_file
from tqdm import tqdm

from benchmark.ablate import ablate_command
from benchmark.ablation.arguments import AblateArguments
from benchmark.core import records as store
from benchmark.core.errors import run_command
from benchmark.core.files import write_file
from benchmark.core.records import append_record, load_records, provenance
from benchmark.data.download import download_file
from benchmark.data.synthetic.write import write_datasets
from benchmark.evaluation import inference
from benchmark.evaluation.arguments import EvaluateArguments
from benchmark.evaluation.run import evaluate_model
from benchmark.models.registry import build_model
from benchmark.nas.arguments import SearchArguments
from benchmark.report.build import build_report, write_files
from benchmark.search import search_command
from benchmark.train import train_command
from benchmark.training import trainer
from benchmark.training.arguments import TrainArguments
from benchmark.training.checkpoint import save_weights
from tests.core.test_records import record
from tests.served import serve_folder

Fault = Literal["SIGKILL", "SIGTERM", "full disk", "two writers", "clock"]
FAULTS: tuple[Fault, ...] = ("SIGKILL", "SIGTERM", "full disk", "two writers", "clock")
TIMED = ("training", "search")  # kinds of records that hold the seconds that a run took
COPIED = (".md", ".svg", ".csv", ".dat")  # files that are the same in every run, to the byte
MODEL = "efficientpose_nas/A"


class Result(TypedDict):
    """The runs of a task with a fault.

    Attributes:
        runs: Number of runs that were disturbed.
        hits: Number of those that the fault reached before they had ended.
        failures: What was wrong, one line a run.
    """

    task: str
    fault: str
    runs: int
    hits: int
    failures: list[str]


class Report(TypedDict):
    """The file that this program writes.

    Attributes:
        seed: Of the moments and sizes that were drawn.
        seconds: The time that all runs took.
    """

    schema: Literal[1]
    commit: str
    time: str
    seed: int
    seconds: float
    results: list[Result]


@dataclass(frozen=True)
class Task:
    """A command that writes into a folder, in which records are under ``records``."""

    name: str
    run: Callable[[Path], object]


# --- the tasks ---------------------------------------------------------------------------------------------------------------


def build_tasks(root: Path, address: str, weights: Path) -> list[Task]:
    """Return the tasks.

    Args:
        root: Data root with Synthetic people.
        address: Where ``file.dat`` is served.
        weights: Weights of the network.
    """
    pages = {name.removeprefix("../"): content for name, content in build_report().items()}

    def places(folder: Path) -> dict[str, Any]:
        return {"root": root, "cache": folder / "cache", "device": "cpu"}

    def train(folder: Path) -> None:
        options = TrainArguments(model=MODEL, dataset="synthetic-mpii", out=folder / "run", **places(folder))
        train_command(options, folder / "records")

    def search(folder: Path) -> None:
        scale, table = {"package": "efficientpose_nas", "scale": "tiny", "random": False}, folder / "table.json"
        search_command(SearchArguments(**scale, out=folder / "run", table=table, **places(folder)), folder / "records")

    def ablate(folder: Path) -> None:
        options = AblateArguments(names=("sic",), protocol="synthetic", work=folder / "work", **places(folder))
        ablate_command(options, folder / "records")

    def evaluate(folder: Path) -> None:
        options = {"model": MODEL, "weights": weights, "dataset": "synthetic-mpii", "root": root, "device": "cpu"}
        evaluate_model(EvaluateArguments(**options, work=folder / "work"), folder / "records")

    def append(folder: Path) -> None:
        for number in range(300):
            append_record(record(f"{number}/net"), folder / "records")

    return [
        Task("training", train),
        Task("search", search),
        Task("ablation", ablate),
        Task("evaluation", evaluate),
        Task("fetching", lambda folder: download_file(f"{address}/file.dat", folder / "file.dat")),
        Task("records", append),
        Task("report", lambda folder: write_files(pages, folder)),
    ]


def outcome(folder: Path) -> dict[str, Any]:
    """Return what must not depend on faults: recorded values, losses, weights, and files that are the same in every run."""
    found: dict[str, Any] = {}
    for id_, item in load_records(folder / "records").items():
        found[f"record {id_}"] = None if item.kind in TIMED else (item.value, item.interval, item.n)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name == "log.jsonl":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [(line["step"], line.get("loss"), line.get("figures")) for line in lines]
        elif path.suffix == ".safetensors":
            found[name] = {key: tensor.tolist() for key, tensor in load_file(path).items()}
        elif path.suffix in COPIED:
            found[name] = path.read_bytes()
    return found


def check_whole(folder: Path, expected: dict[str, Any]) -> None:
    """Check that no file is half-written, whatever has just ended the command.

    Raises:
        Exception: a file cannot be read, or is not the one of an undisturbed run.
    """
    load_records(folder / "records")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith("."):
            continue
        if path.suffix == ".pt":
            torch.load(path, weights_only=True)
        elif path.suffix == ".safetensors":
            load_file(path)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix in COPIED:
            assert path.read_bytes() == expected[name], f"{name} is not whole"


# --- runs --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A command in a process of its own."""

    process: int
    errors: Path

    def wait(self) -> tuple[int, str]:
        """Return the exit status, negative for a signal, and what was printed on stderr."""
        _, status = os.waitpid(self.process, 0)
        text = self.errors.read_text() if self.errors.exists() else ""  # it may end before it has begun
        return os.waitstatus_to_exitcode(status), text


def start(task: Task, folder: Path, errors: Path, *, limit: int | None = None, shift: float = 0.0) -> Run:
    """Start a task.

    Args:
        limit: Largest number of bytes of a file; it stands for a full disk.
        shift: Seconds by which the clock is wrong.
    """
    sys.stdout.flush()
    # A signal that comes early must find the system's handler: this process's would leave two of it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if process := os.fork():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        return Run(process, errors)
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        trainer.SAVE_EVERY, inference.CHUNK = 0.05, 2  # small enough to be stopped in between
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        if shift:
            move_clock(shift)
        run_command(lambda: task.run(folder))
        status = 0
    except SystemExit as stop:
        status = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def move_clock(shift: float) -> None:
    """Let the clock of this process be wrong."""
    true_time, seconds = time.time, timedelta(seconds=shift)

    class Moved(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + seconds

    time.time = lambda: true_time() + shift
    store.datetime = Moved  # type: ignore[misc]


def disturb(task: Task, fault: Fault, folder: Path, seconds: float, largest: int, chance: random.Random) -> bool:
    """Run a task with a fault; return whether the fault reached it.

    Args:
        seconds: The time that the task takes without a fault.
        largest: Bytes of the largest file that it writes.
    """
    errors = folder.with_suffix(".stderr")
    if fault == "two writers":
        runs = [start(task, folder, errors.with_suffix(f".{number}")) for number in range(2)]
        ends = [run.wait() for run in runs]
        for status, text in ends:
            assert status == 0 or (status == 2 and "another" in text), text
        return True
    if fault == "full disk":
        status, text = start(task, folder, errors, limit=chance.randrange(largest)).wait()
        lines = [line for line in text.splitlines() if line.startswith("error: ")]
        assert status == 0 or (status == 2 and len(lines) == 1 and os.strerror(errno.EFBIG) in lines[0]), text
        assert "Traceback" not in text, text
        return status != 0
    run = start(task, folder, errors, shift=chance.choice((-1, 1)) * 86400.0 * (fault == "clock"))
    time.sleep(chance.uniform(0, seconds))
    number = signal.SIGTERM if fault == "SIGTERM" else signal.SIGKILL
    os.kill(run.process, number)
    status, text = run.wait()
    if status == 128 + signal.SIGTERM:
        assert text.count("stopped by SIGTERM") == 1, text
        assert "Traceback" not in text, text
    else:  # ended before the signal, or by SIGKILL, or by SIGTERM before the command began
        assert status in (0, -number), text
    if fault == "clock":  # what was written seems to be of another day
        for path in folder.rglob("*"):
            with suppress(FileNotFoundError):
                os.utime(path, (moved := path.stat().st_mtime + chance.uniform(-2, 2) * 86400, moved))
    return status != 0


def survive(task: Task, fault: Fault, times: int, chance: random.Random, workplace: Path, show: Callable[[], object]) -> Result:
    """Disturb a task a number of times, each in a folder of its own, and let it finish."""
    result: Result = {"task": task.name, "fault": fault, "runs": times, "hits": 0, "failures": []}
    expected, seconds, largest = undisturbed(task, workplace)
    for number in range(times):
        folder = workplace / f"{task.name}-{fault.replace(' ', '-')}-{number}"
        folder.mkdir()
        try:
            result["hits"] += disturb(task, fault, folder, seconds, largest, chance)
            check_whole(folder, expected)
            before = {id_: asdict(item) for id_, item in load_records(folder / "records").items()}
            status, text = start(task, folder, folder.with_suffix(".stderr")).wait()
            assert status == 0, text
            after = load_records(folder / "records")
            lost = [id_ for id_, item in before.items() if id_ not in after or asdict(after[id_]) != item]
            assert not lost, f"lost or changed: {lost}"
            now = outcome(folder)
            differing = sorted(name for name in expected.keys() | now.keys() if expected.get(name) != now.get(name))
            assert not differing, f"not as without a fault: {differing[:3]}"
            assert not (partial := sorted(folder.rglob("*.part"))), f"left behind: {partial}"
        except Exception as problem:
            result["failures"].append(f"run {number}: {type(problem).__name__}: {' '.join(str(problem).split())[-400:]}")
        show()
    return result


@cache
def undisturbed(task: Task, workplace: Path) -> tuple[dict[str, Any], float, int]:
    """Return the outcome of a task without a fault, its seconds, and the bytes of its largest file."""
    folder, begun = workplace / f"{task.name}-undisturbed", time.monotonic()
    status, text = start(task, folder, folder.with_suffix(".stderr")).wait()
    seconds = time.monotonic() - begun
    assert status == 0, text
    return outcome(folder), seconds, max(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# --- all of them -------------------------------------------------------------------------------------------------------------


@contextmanager
def prepared(workplace: Path) -> Any:
    """Draw people, train weights and serve a file; yield the tasks."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    root, served = workplace / "root", workplace / "served"
    write_datasets(root, 72, seed=3, validation=8, size=96)
    write_file(served / "file.dat", random.Random(0).randbytes(4 << 20))
    reader, writer = os.pipe()
    if not (server := os.fork()):  # in a process of its own: one that forks should have no threads
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # of every client that was killed it prints a traceback
        with serve_folder(served) as address:
            os.write(writer, address.encode() + b"\n")
            signal.pause()
    try:
        address = os.read(reader, 100).decode().strip()
        weights = workplace / "weights.safetensors"
        save_weights(weights, build_model(MODEL, joints=16), {})
        yield build_tasks(root, address, weights)
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)


def torture(
    times: int = 50,
    seed: int = 0,
    out: Path = Path("out/torture.json"),
    task: tuple[str, ...] = (),
    fault: tuple[Fault, ...] = FAULTS,
) -> Report:
    """Disturb every task by every fault, and write the counts.

    Args:
        times: Runs of each task that each fault disturbs.
        seed: Of the moments and sizes that are drawn.
        out: The file to write.
        task: Tasks; by default all.
        fault: Faults; by default all.
    """
    begun, chance = time.monotonic(), random.Random(seed)
    with ExitStack() as stack:
        workplace = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tasks = [item for item in stack.enter_context(prepared(workplace)) if not task or item.name in task]
        bar = stack.enter_context(tqdm(total=len(tasks) * len(fault) * times, unit=" runs", disable=None))
        results = [survive(item, kind, times, chance, workplace, bar.update) for item in tasks for kind in fault]
    made = provenance("python -m tests.torture")
    report: Report = {
        "schema": 1,
        "commit": made["commit"],
        "time": made["time"],
        "seed": seed,
        "seconds": round(time.monotonic() - begun, 1),
        "results": results,
    }
    write_file(out, (json.dumps(report, indent=1) + "\n").encode())
    for result in results:
        counts = f"{result['runs']:4} runs, {result['hits']:4} hit, {len(result['failures']):4} failed"
        print(f"{result['task']:12}{result['fault']:14}{counts}", *result["failures"], sep="\n    ")
    return report


def main() -> None:
    """Run the program; exit with status 1 if a fault was not survived."""
    report = tyro.cli(torture, prog="python -m tests.torture", description=__doc__)
    if any(result["failures"] for result in report["results"]):
        raise SystemExit(1)


if __name__ == "__main__":
    run_command(main)
