"""Any path may be given for results: one that cannot be written is one line that names it, and the work done is not lost.

A file-size limit stands for a full disk: the system refuses the same calls, and root is not exempt from it.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.__main__ import COMMANDS
from benchmark.ablate import ablate_command
from benchmark.ablation.arguments import AblateArguments
from benchmark.compare.arguments import CompareArguments
from benchmark.compare.run import compare_networks
from benchmark.core.errors import InputError
from benchmark.core.files import (
    atomic_write,
    check_output_file,
    check_output_folder,
    hold_folder,
    lock_file,
    write_file,
)
from benchmark.core.keypoints import MPII_JOINTS
from benchmark.core.records import RECORDS, Record, append_record, check_store, load_records
from benchmark.data import load_people
from benchmark.data.fetch import fetch_all
from benchmark.data.synthetic.write import write_datasets
from benchmark.evaluation.arguments import EvaluateArguments
from benchmark.evaluation.run import check_places
from benchmark.evaluation.visualize import draw_predictions
from benchmark.measure.agreement import AgreementCommand
from benchmark.measure.cost import CostCommand
from benchmark.measure.latency import LatencyCommand
from benchmark.measure.reference import ReferenceCommand
from benchmark.metrics.score_files import ScoreArguments
from benchmark.nas.arguments import LookupArguments, SearchArguments
from benchmark.report.build import write_files
from benchmark.score import score_published_command
from benchmark.search import lookup_command, search_command
from benchmark.train import train_command
from benchmark.training.arguments import TrainArguments
from tests.full_disk import file_size_limit

NET = """
from torch import nn

def build(joints=16):
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, joints, 1))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    write_datasets(folder, 24, seed=3, validation=8, size=96)
    (folder / "mine.py").write_text(NET)
    return folder


# --- places that cannot be written -------------------------------------------------------------------------------------------


def train(root: Path, **options: Any) -> None:
    settings = {"model": f"{root / 'mine.py'}:build", "dataset": "synthetic-mpii", "root": root, "device": "cpu"}
    places = {"out": root / "run", "cache": root / "cache"}
    train_command(TrainArguments(**settings | places | options), root / "records")  # type: ignore[arg-type]


def evaluate(root: Path, **options: Any) -> None:
    check_places(EvaluateArguments(dataset="synthetic-mpii", **{"work": root / "work"} | options), root / "records")


def compare(root: Path, out: Path) -> None:
    compare_networks(CompareArguments(model=f"{root / 'mine.py'}:build", input="64x64", latency=False, against=(), out=out))


def ablate(root: Path, **options: Any) -> None:
    settings = {"names": ("sic",), "protocol": "synthetic", "root": root, "work": root / "work", "cache": root / "cache"}
    ablate_command(AblateArguments(**settings | options), root / "records")  # type: ignore[arg-type]


def search(root: Path, **options: Any) -> None:
    settings = {"package": "efficientpose_nas", "scale": "tiny", "root": root, "cache": root / "cache", "out": root / "search"}
    search_command(SearchArguments(**settings | options), root / "records")  # type: ignore[arg-type]


def look_up(table: Path, records: Path = RECORDS, **options: Any) -> None:
    lookup_command(LookupArguments(package="efficientpose_nas", scale="tiny", table=table, **options), records)


FOLDERS: dict[str, Callable[[Path, Path], object]] = {
    "train --out": lambda root, place: train(root, out=place),
    "train --cache": lambda root, place: train(root, cache=place),
    "evaluate --work": lambda root, place: evaluate(root, work=place),
    "evaluate --draw": lambda root, place: evaluate(root, draw=place),
    "compare --out": lambda root, place: compare(root, place),
    "ablate --work": lambda root, place: ablate(root, work=place),
    "ablate --cache": lambda root, place: ablate(root, cache=place),
    "search --out": lambda root, place: search(root, out=place),
    "search --cache": lambda root, place: search(root, cache=place),
    "report --out": lambda root, place: write_files({"page.md": b"a page"}, place),
    "data synthetic --out": lambda root, place: write_datasets(place, 4, 0),
    "data fetch --root": lambda root, place: list(fetch_all("coco-annotations", place)),
    "records": lambda root, place: check_output_folder(place),
}
STORES: dict[str, Callable[[Path], object]] = {
    "train": train,
    "train --find-lr": lambda root: train(root, find_lr=True),
    "evaluate": evaluate,
    "ablate": ablate,
    "search": search,
    "search lookup": lambda root: look_up(root / "table.json", root / "records", keep=True),
    "measure cost": lambda root: CostCommand(models=("efficientpose_nas/A",), keep=True)(),
    "measure cost --all": lambda root: CostCommand(models=(), all=True)(),
    "measure latency": lambda root: LatencyCommand(models=("efficientpose_nas/A",), keep=True)(),
    "measure agreement": lambda root: ReferenceCommand(model="efficientpose_nas/A", reference="", repository="", keep=True)(),
    "measure pipeline": lambda root: AgreementCommand(keep=True)(),
    "score --published": lambda root: score_published_command(ScoreArguments(dataset="lsp", published=True, keep=True)),
}
FILES: dict[str, Callable[[Path, Path], object]] = {
    "evaluate --submission": lambda root, place: evaluate(root, submission=place),
    "search lookup --table": lambda root, place: look_up(place),
    "any file": lambda root, place: write_file(place, b"content"),
}


@pytest.mark.parametrize("below", ["", "below/deeper"], ids=["a file", "below a file"])
@pytest.mark.parametrize("command", FOLDERS)
def test_a_file_in_a_folders_place_is_named_before_any_work(root: Path, tmp_path: Path, command: str, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=rf"^{tmp_path}/file.*: cannot be written: {tmp_path}/file is a file, not a folder$"):
        FOLDERS[command](root, tmp_path / "file" / below)
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("command", FILES)
def test_a_folder_in_a_files_place_is_named_before_any_work(root: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=rf"^{tmp_path}/folder: cannot be written: it is a folder, not a file$"):
        FILES[command](root, tmp_path / "folder")
    assert not list((tmp_path / "folder").iterdir())


@pytest.mark.parametrize("fault", ["a line", "a kind", "the store"])
@pytest.mark.parametrize("command", STORES)
def test_a_store_that_takes_no_records_is_named_before_any_work(
    root: Path, monkeypatch: pytest.MonkeyPatch, command: str, fault: str
) -> None:
    store = root / "records"
    for name in ("cost", "latency", "agreement", "reference"):
        monkeypatch.setattr(f"benchmark.measure.{name}.check_store", lambda: check_store(store))
    monkeypatch.setattr("benchmark.score.RECORDS", store)
    if fault == "the store":
        store.write_text("mine")
    elif fault == "a kind":
        (store / "accuracy.jsonl").mkdir(parents=True)
    else:
        store.mkdir()
        (store / "accuracy.jsonl").write_text("{}\n")
    try:
        with pytest.raises(
            InputError, match=rf"^{store}(/accuracy.jsonl:1: not a record|/accuracy.jsonl: not a file|: cannot be)"
        ):
            STORES[command](root)
    finally:
        shutil.rmtree(store) if store.is_dir() else store.unlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only folder")
@pytest.mark.parametrize("command", FOLDERS)
def test_a_read_only_folder_is_named(root: Path, tmp_path: Path, command: str) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match=rf"^{tmp_path}.*: cannot be written: Permission denied$"):
            FOLDERS[command](root, tmp_path / "new")
    finally:
        tmp_path.chmod(0o700)


def test_a_parent_that_is_missing_is_created_and_a_check_leaves_nothing(tmp_path: Path) -> None:
    check_output_folder(tmp_path / "a" / "b")
    check_output_file(tmp_path / "a" / "b.json")
    assert not list(tmp_path.iterdir())
    assert write_file(tmp_path / "a" / "b.json", b"{}").read_bytes() == b"{}"


@pytest.mark.parametrize("name", ["n" * 300, "n" * 300 + "/out"])
def test_a_name_that_is_too_long_is_one_line(tmp_path: Path, name: str) -> None:
    for check in (check_output_folder, check_output_file, lambda path: write_file(path, b"")):
        with pytest.raises(InputError, match="cannot be written: File name too long"):
            check(tmp_path / name)


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, Path("/dev/full")):
        with pytest.raises(InputError, match=f"{path}: cannot be written: it is a device, not a file"), atomic_write(path):
            pass
    assert fifo.is_fifo()
    assert Path("/dev/full").is_char_device()


# --- no space ----------------------------------------------------------------------------------------------------------------


def run_limited(command: list[str], limit: int | None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the suite that can write no more than ``limit`` bytes to a file."""

    def set_limit() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    variables = {**os.environ, **environment}
    line = [sys.executable, "-m", "benchmark", *command]
    return subprocess.run(line, env=variables, capture_output=True, text=True, preexec_fn=set_limit)


def assert_one_line(run: subprocess.CompletedProcess[str], path: Path) -> None:
    errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    assert len(errors) == 1
    assert re.fullmatch(rf"error: {path}.*: cannot be written: File too large", errors[0])


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(2_000, id="the first block", marks=pytest.mark.slow),
        pytest.param(5_000, id="the weights", marks=pytest.mark.slow),
        pytest.param(12_000, id="the checkpoint", marks=pytest.mark.slow),
    ],
)
def test_a_training_without_space_goes_on_when_there_is_some(root: Path, tmp_path: Path, limit: int) -> None:
    places = ["--root", str(root), "--cache", str(root / "cache"), "--device", "cpu", "--no-keep"]
    command = ["train", f"{root / 'mine.py'}:build", "--dataset", "synthetic-mpii", *places]
    if not (root / "whole").exists():
        assert run_limited([*command, "--out", str(root / "whole")], None).returncode == 0
    assert_one_line(run_limited([*command, "--out", str(tmp_path / "run")], limit), tmp_path / "run")
    assert not leftovers(tmp_path)
    assert run_limited([*command, "--out", str(tmp_path / "run")], None).returncode == 0
    for name in ("last.pt", "best.safetensors", "final.safetensors"):
        assert (tmp_path / "run" / name).stat().st_size == (root / "whole" / name).stat().st_size
    losses = [re.findall(r'"loss": [^,]*', (folder / "log.jsonl").read_text()) for folder in (root / "whole", tmp_path / "run")]
    assert losses[0] == losses[1]


@pytest.mark.usefixtures("same_process")
def test_crops_without_space_are_completed_later(root: Path, tmp_path: Path) -> None:
    places = {"cache": tmp_path / "cache", "out": tmp_path / "run"}
    with file_size_limit(50_000), pytest.raises(InputError, match=rf"^{tmp_path}/cache/.*: cannot be written: File too large$"):
        train(root, **places)
    assert not (tmp_path / "run").exists()
    train(root, **places, keep=False)
    assert (tmp_path / "run" / "final.safetensors").exists()


def test_drawing_people_without_space_is_one_line_and_can_be_repeated(tmp_path: Path) -> None:
    command = ["data", "synthetic", "--out", str(tmp_path / "people"), "--people", "4", "--size", "96"]
    assert_one_line(run_limited(command, 4_096), tmp_path / "people")
    assert run_limited(command, None).returncode == 0


def test_a_page_without_space_leaves_the_old_one(tmp_path: Path) -> None:
    command = ["report", "--paper", "fasterpose", "--out", str(tmp_path)]
    (tmp_path / "fasterpose.md").write_text("the old page")
    assert_one_line(run_limited(command, 4_096), tmp_path)
    assert (tmp_path / "fasterpose.md").read_text() == "the old page"
    assert [path.name for path in tmp_path.iterdir()] == ["fasterpose.md"]


def test_a_report_on_a_full_disk_is_one_line_and_leaves_whole_pages_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {f"{number}.md": b"new" for number in range(3)}
    (tmp_path / "2.md").write_bytes(b"old")
    (tmp_path / ".0.md.0123.part").write_bytes(b"what a report that was killed left")
    write, full = Path.write_bytes, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_a_part(path: Path, content: bytes) -> int:
        written = write(path, content[:1])
        if path.name.startswith(".2.md"):
            raise full
        return written + write(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_a_part)
    with pytest.raises(InputError, match=rf"^{tmp_path}/2.md: cannot be written: No space left on device$"):
        write_files(pages, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"0.md": b"new", "1.md": b"new", "2.md": b"old"}


def test_a_record_without_space_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    def record(subject: str, command: str = "") -> Record:
        setting, value = {"input": "64x64"}, {"params": {}, "flops": {}, "scopes": {}}
        return Record(kind="cost", subject=subject, metric="counts", setting=setting, versions={}, value=value, command=command)

    append_record(record("first"), tmp_path)
    before = (tmp_path / "cost.jsonl").read_bytes()
    error = rf"^{tmp_path}/cost.jsonl: cannot be written: File too large$"
    with file_size_limit(len(before) + 100), pytest.raises(InputError, match=error):
        append_record(record("second", "long " * 100), tmp_path)
    assert (tmp_path / "cost.jsonl").read_bytes() == before
    assert append_record(record("second"), tmp_path)
    assert len(load_records(tmp_path)) == 2


def test_a_full_device_behind_standard_output_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "benchmark", "measure", "models"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (run.returncode, run.stderr) == (2, "error: standard output: No space left on device\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_for_a_full_device_or_a_reader_that_has_gone_is_no_traceback(command: str) -> None:
    line = [sys.executable, "-m", "benchmark", command, "--help"]
    with open("/dev/full", "w") as full:
        run = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (run.returncode, run.stderr) == (2, "error: standard output: No space left on device\n")
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:
        run = subprocess.run(line, stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert (run.returncode, run.stderr) == (0, "")


# --- two processes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["compare --out", "report --out", "data synthetic --out"])
def test_the_second_of_two_processes_gets_one_line(root: Path, tmp_path: Path, command: str) -> None:
    with hold_folder(tmp_path / "out"):
        with pytest.raises(InputError, match=f"{tmp_path}/out: another process is writing to this folder"):
            FOLDERS[command](root, tmp_path / "out")
        assert not list((tmp_path / "out").iterdir())
    with hold_folder(tmp_path / "out"):
        pass  # released


def test_the_second_of_two_processes_that_draw_gets_one_line(root: Path, tmp_path: Path) -> None:
    people = load_people("synthetic-mpii", "val", root)
    with hold_folder(tmp_path / "out"), pytest.raises(InputError, match="another process is writing to this folder"):
        draw_predictions(tmp_path / "out", people, people.joints, MPII_JOINTS)
    assert not list((tmp_path / "out").iterdir())
    draw_predictions(tmp_path / "out", people, people.joints, MPII_JOINTS)
    assert len(list((tmp_path / "out").iterdir())) == len(people)


@pytest.mark.usefixtures("same_process")
def test_the_second_of_two_trainings_gets_one_line(root: Path, tmp_path: Path) -> None:
    with (
        lock_file(tmp_path / "run" / "run.lock", wait=False),
        pytest.raises(InputError, match=f"{tmp_path}/run: another run is using this folder"),
    ):
        train(root, out=tmp_path / "run")
