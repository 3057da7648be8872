"""``python -m benchmark.compare``: one's own network beside the papers'."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm import tqdm

from benchmark.compare.accuracy import (
    Accuracy,
    Dataset,
    Estimate,
    Trial,
    accuracy_from_predictions,
    accuracy_from_weights,
    validation_annotations,
)
from benchmark.compare.cost import Candidate, count_candidate, default_baselines
from benchmark.compare.output import Comparison, comparison_report, format_comparison
from benchmark.compare.table_row import build_row, find_table_named, save_text, table_lines, write_row_files
from benchmark.config.latency import Setting
from benchmark.core.errors import InputError, run_command
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS
from benchmark.core.records import RECORDS, Record, load_records
from benchmark.latency.timer import measure_latency
from benchmark.models.external import resolve_model
from benchmark.papers.tables import Table, load_papers

ROUNDS = 6  # a first look; a latency that is kept takes more
DESCRIPTION = """How a network compares with the papers': cost, latency and accuracy, each counted as that table counted.

The network: an id of this project, my_net.py:build, package.module:build, torchvision:NAME, timm:NAME, an architecture or .onnx
file. What was not measured stays empty.

examples:
  python -m benchmark.compare benchmark/compare/example_net.py:build --table efficientpose_nas/table2
  python -m benchmark.compare mine.py:build --weights mine.safetensors --dataset lsp --against efficientpose/RT@RT.h5
  python -m benchmark.compare mine.onnx --predictions mine.mat --annotations gt_valid.mat --table efficientpose/table3
"""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to compare with what."""

    subject: Annotated[str, tyro.conf.Positional]
    """The network."""
    table: str | None = None
    """A printed table, as efficientpose_nas/table2: the network becomes a row of it."""
    input: str | None = None
    """Height x width of the image in pixels; default: the table's, or else 256x256."""
    joints: int | None = None
    """Keypoints that the network predicts; default: those of the table's or of the given dataset, or else 16."""
    name: str | None = None
    """What to call the network."""
    against: tuple[str, ...] | None = None
    """Baselines, named like the network; MODEL@FILE adds its weights, or with --predictions its predictions, for paired
    differences. Default: the table's rows nearest in cost."""
    weights: Path | None = None
    """Trained weights: .safetensors, .pth, or what this project reads for its own; without any, as the function built it."""
    dataset: Dataset | None = None
    """With weights: on whose photographs to test. With predictions: mpii or coco."""
    split: str | None = None
    """Default: test of LSP, val of MPII and COCO; sample stands for a few annotated images."""
    root: Path | None = None
    """The data root, or the dataset's own folder; default: POSE_DATA."""
    detections: Path | None = None
    """COCO: boxes of a detector instead of annotated ones."""
    protocol: str | None = None
    """How to crop, average and decode, as in benchmark.evaluate; default: the dataset's usual one."""
    predictions: Path | None = None
    """A file of predicted joints, as in benchmark.score."""
    annotations: Path | None = None
    """The ground truth of --predictions; default: the dataset's below the data root."""
    latency: bool = True
    """Time the networks, taking turns."""
    threads: int = 1
    """Processors that each may use."""
    rounds: int = ROUNDS
    """How often they take turns."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where networks are timed and tested."""
    out: Path = Path("out/compare")
    """Where row.md, row.tex, row.csv, table.md and pareto.svg are written."""
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False
    """Print JSON; benchmark/schemas/compare.schema.json describes it."""


def compare(arguments: Arguments, folder: Path = RECORDS) -> Comparison:
    """Count, time and score; write the files.

    Raises:
        InputError: a network, file or option is not what it should be.
    """
    paper, table = find_table_named(arguments.table) if arguments.table else (None, None)
    check(arguments)
    joints = _joints(arguments, table)
    size = arguments.input or (table.input if table else "") or "256x256"
    parse_size(size)
    subject = resolve_model(arguments.subject)
    known = load_records(folder)
    yours = Candidate(subject=subject, name=arguments.name or subject.name, input=size, file=arguments.weights)
    count_candidate(yours, joints)
    if yours.unfit and (arguments.dataset or arguments.predictions):
        raise InputError(f"{yours.unfit}: cost and latency can be compared, accuracy cannot")
    others = list(named(arguments, size) if arguments.against is not None else default_baselines(yours, table, joints, known))
    for other in others:
        count_candidate(other, joints)
    found = Comparison(yours=yours, others=others, joints=joints)
    found.notes += [f"{c.name}: not counted where empty: {c.why}" for c in found.all if c.why]
    found.notes += [f"{c.unfit}: no pose network, so only its cost and latency are compared" for c in found.all if c.unfit]
    found.accuracy = measure_accuracy(arguments, found)
    if arguments.latency:
        time_all(arguments, found)
    if table and paper:
        found.row = build_row(paper, table, yours.name, size, yours.counts, found.accuracy)
        found.rows = table_lines(table, found.row, yours.gmacs, known)
        reasons = found.row.why
        for reason in dict.fromkeys(reasons.values()):
            empty = [table.columns[key].header for key, why in reasons.items() if why == reason]
            found.notes.append(f"empty: {', '.join(empty)}: {reason}")
        if table.input and size != table.input:
            found.notes.append(f"{yours.name} was counted at {size}, the table is of {table.input}")
        found.files += write_row_files(arguments.out, found.row, found.rows, found.notes)
    if (dataset := _plotted(joints, table)) and yours.gmacs is not None and not yours.unfit:
        found.files.append(plot(arguments.out, dataset, found, known))
    return found


def check(arguments: Arguments) -> None:
    """Refuse options that do not go together, before anything is built.

    Raises:
        InputError: they are named.
    """
    if arguments.joints is not None and arguments.joints < 1:
        raise InputError(f"--joints {arguments.joints}: at least one keypoint is needed")
    if arguments.annotations and not arguments.predictions:
        raise InputError("--annotations are for --predictions")
    if arguments.predictions and not (arguments.annotations or arguments.dataset):
        raise InputError("--predictions: give --annotations, or --dataset to find them below the data root")
    if arguments.predictions and arguments.weights:
        raise InputError("accuracy comes from --weights or from --predictions, not from both")
    if arguments.predictions and arguments.dataset not in (None, "mpii", "coco"):
        raise InputError(f"--dataset {arguments.dataset}: predictions are scored on mpii or coco")
    if arguments.weights and not arguments.dataset:
        raise InputError("--weights: say with --dataset on which photographs to test")
    if arguments.rounds < 2:
        raise InputError(f"--rounds {arguments.rounds}: at least two are needed")


def _joints(arguments: Arguments, table: Table | None) -> int:
    kind = (arguments.dataset or "").removeprefix("synthetic-")
    return arguments.joints or JOINT_COUNTS.get(table.dataset if table else kind) or JOINT_COUNTS.get(kind) or 16


def named(arguments: Arguments, size: str) -> list[Candidate]:
    """The baselines that the user names.

    Raises:
        InputError: one is unknown, or stands twice.
    """
    found: list[Candidate] = []
    for text in arguments.against or ():
        spec, at, file = text.partition("@")
        subject = resolve_model(spec)
        if subject.name in [other.name for other in found]:
            raise InputError(f"--against: {subject.name} stands twice")
        found.append(Candidate(subject=subject, name=subject.name, input=size, file=Path(file) if at else None))
    return found


def measure_accuracy(arguments: Arguments, found: Comparison) -> Accuracy | None:
    """The accuracy asked for; None where none was."""
    with_files = {other.name: other.file for other in found.others if other.file is not None}
    if arguments.predictions:
        dataset: Literal["mpii", "coco"] = "coco" if arguments.dataset == "coco" else "mpii"
        annotations = arguments.annotations or validation_annotations(dataset, arguments.root)
        return accuracy_from_predictions(dataset, annotations, arguments.predictions, with_files)
    if arguments.dataset is None:
        if with_files:
            raise InputError("--against MODEL@FILE: files are compared with --predictions, or with --dataset and weights")
        return None
    trial = Trial.on(
        arguments.dataset,
        split=arguments.split,
        root=arguments.root,
        detections=arguments.detections,
        protocol=arguments.protocol,
        input_hw=parse_size(found.yours.input),
        joints=found.joints,
        device=arguments.device,
    )
    tested = [(other.subject, other.file) for other in found.others if other.file is not None]
    with tqdm(total=len(trial.people) * (1 + len(tested)), unit=" persons", disable=None) as bar:
        return accuracy_from_weights(trial, found.yours.subject, arguments.weights, tested, bar.update)


def time_all(arguments: Arguments, found: Comparison) -> None:
    """Let the networks take turns; an ONNX file among them makes all of them run in onnxruntime."""
    exported = any(contender.subject.onnx for contender in found.all)
    cells = [
        Setting(
            model=contender.subject.spec,
            input=contender.input,
            joints=found.joints,
            threads=arguments.threads,
            device=arguments.device,
            backend="onnxruntime" if exported else "eager",
        )
        for contender in found.all
    ]
    if exported and len(cells) > 1:
        found.notes.append("an ONNX file runs in onnxruntime, so the other networks were exported and timed there too")
    with tqdm(total=1, unit=" turns", desc="latency", disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        timings = measure_latency(cells, rounds=arguments.rounds, progress=progress)
    for contender, timing in zip(found.all, timings, strict=True):
        contender.timing = timing
    if noisy := [contender.name for contender in found.all if contender.timing and contender.timing.unstable]:
        found.notes.append(f"the machine was not quiet: times of {', '.join(noisy)} spread by more than a tenth")


def _plotted(joints: int, table: Table | None) -> str:
    """The dataset whose figure the network belongs in, if any."""
    dataset = table.dataset if table else {v: k for k, v in JOINT_COUNTS.items()}.get(joints, "")
    return dataset if dataset in ("mpii", "coco") else ""


def plot(out: Path, dataset: str, found: Comparison, known: dict[str, Record]) -> Path:
    """Write ``pareto.svg``."""
    from benchmark.compare.pareto import pareto_figure  # needs matplotlib

    assert found.yours.gmacs is not None
    metric, scale = {"mpii": ("pckh@0.5 (hrnet)", 1), "coco": ("AP", 100)}[dataset]
    accuracy, estimate = found.accuracy, None
    if accuracy and (accuracy.dataset, accuracy.split, accuracy.apart) == (dataset, "val", ""):
        value, ci95, _ = accuracy.figures[metric]
        estimate = Estimate(scale * value, (scale * ci95[0], scale * ci95[1]) if ci95 else None)
    picture = pareto_figure(load_papers(), known, dataset, found.yours.name, found.yours.gmacs, estimate)
    return save_text(out / "pareto.svg", picture)


def compare_command(arguments: Arguments) -> None:
    """Compare and print.

    Raises:
        InputError: see :func:`compare`.
    """
    found = compare(arguments)
    print(json.dumps(comparison_report(found), allow_nan=False) if arguments.as_json else format_comparison(found))


def main(args: Sequence[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=args, description=DESCRIPTION, prog="python -m benchmark.compare")
    run_command(lambda: compare_command(arguments))


if __name__ == "__main__":
    main()
