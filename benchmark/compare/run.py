"""Compare a user's network with the papers': count, time and score it, and write the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from benchmark.compare.accuracy import (
    Accuracy,
    Estimate,
    Trial,
    accuracy_from_predictions,
    accuracy_from_weights,
)
from benchmark.compare.arguments import CompareArguments
from benchmark.compare.cost import Candidate, count_candidates, default_baselines
from benchmark.compare.output import Comparison
from benchmark.compare.table_row import build_row, find_table_named, table_lines, write_row_files
from benchmark.config.identities import load_current
from benchmark.config.latency import Setting
from benchmark.core.errors import InputError
from benchmark.core.file_content import missing_reason
from benchmark.core.files import check_output_folder, hold_folder, write_file
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS, joint_set_of
from benchmark.core.records import RECORDS, Record
from benchmark.core.text import printable
from benchmark.data import find_annotations
from benchmark.latency.timer import measure_latency, show_progress
from benchmark.models.external import distinct_names, resolve_models
from benchmark.models.weights import locate_weights
from benchmark.papers.tables import Paper, Table, load_papers


def compare_networks(arguments: CompareArguments, folder: Path = RECORDS) -> Comparison:
    """Count, time and score the network and its baselines, and write the files.

    Args:
        folder: Records of the costs of printed networks.

    Raises:
        InputError: a network, file or option is wrong.
    """
    paper, table = find_table_named(arguments.table) if arguments.table else (None, None)
    check_arguments(arguments)
    with hold_folder(arguments.out):
        return _compare(arguments, paper, table, folder)


def _compare(arguments: CompareArguments, paper: Paper | None, table: Table | None, folder: Path) -> Comparison:
    """Compare as :func:`compare_networks` says, with the folder of the results at hand."""
    check_output_folder(arguments.out)
    joints = choose_joints(arguments, table)
    size = arguments.input or (table.input if table else "") or "256x256"
    parse_size(size)
    network, *baselines = resolve_candidates(arguments, size)
    records = load_current(folder)

    # Cost. It also shows whether the network predicts heatmaps, and which rows of the table are the nearest baselines.
    count_candidates([network, *baselines], joints)
    with_accuracy = arguments.dataset or arguments.predictions
    if network.no_heatmaps_reason and with_accuracy:
        raise InputError(f"{network.no_heatmaps_reason}: cost and latency can be compared, accuracy cannot")
    if not (network.counts.get("flops") or arguments.latency or with_accuracy):
        raise InputError(network.missing_reason)
    if arguments.against is None:
        baselines = list(default_baselines(network, table, joints, records))
        count_candidates(baselines, joints)
    check_name(network, baselines, table)
    comparison = Comparison(new_network=network, baselines=baselines, joints=joints)
    for candidate in comparison.networks:
        if candidate.missing_reason:
            comparison.notes.append(f"{candidate.name}: empty cells were not counted: {candidate.missing_reason}")
        if candidate.count_note:
            comparison.notes.append(f"{candidate.name}: {candidate.count_note}")
        if candidate.not_counted:
            comparison.notes.append(f"{candidate.name}: {candidate.not_counted}")
    for candidate in comparison.networks:
        if candidate.no_heatmaps_reason:
            comparison.notes.append(f"{candidate.no_heatmaps_reason}, so only its cost and latency are compared")

    # Accuracy and latency.
    comparison.accuracy = measure_accuracy(arguments, comparison)
    if arguments.latency:
        time_networks(arguments, comparison)
    if not (network.counts.get("flops") or network.timing or comparison.accuracy):
        raise InputError(network.missing_reason)

    # The row of the printed table, and the plot.
    if table and paper:
        row = build_row(paper, table, network.name, size, network.counts, comparison.accuracy)
        comparison.row, comparison.rows = row, table_lines(table, row, network.gmacs, records)
        for reason in dict.fromkeys(row.missing_reasons.values()):
            empty = [table.columns[key].header for key, cell_reason in row.missing_reasons.items() if cell_reason == reason]
            comparison.notes.append(f"empty: {', '.join(empty)}: {reason}")
        if table.input and size != table.input:
            comparison.notes.append(f"{network.name} was counted at {size}, the table's input size is {table.input}")
        comparison.files += write_row_files(arguments.out, row, comparison.rows, comparison.notes, network.remarks)
    dataset = plotted_dataset(joints, table)
    if dataset and network.gmacs is not None and not network.no_heatmaps_reason:
        comparison.files.append(write_pareto_plot(arguments.out, dataset, comparison, records))
    return comparison


def check_arguments(arguments: CompareArguments) -> None:
    """Check that the options fit together and that their files exist, before anything is built.

    Raises:
        InputError: they do not; they are named.
    """
    if arguments.joints is not None and arguments.joints < 1:
        raise InputError(f"--joints {arguments.joints}: at least one keypoint is needed")
    if arguments.annotations and not arguments.predictions:
        raise InputError("--annotations are for --predictions")
    if arguments.predictions and not (arguments.annotations or arguments.dataset):
        raise InputError("--predictions: give --annotations, or --dataset to find them below the data root")
    if arguments.predictions and arguments.weights:
        raise InputError("give either --weights or --predictions, not both")
    if arguments.predictions and arguments.dataset not in (None, "mpii", "coco"):
        raise InputError(f"--dataset {arguments.dataset}: predictions are scored on mpii or coco")
    if arguments.weights and not arguments.dataset:
        raise InputError("--weights: give --dataset, the images to test on")
    if arguments.rounds < 2:
        raise InputError(f"--rounds {arguments.rounds}: at least two are needed")
    files = [Path(file) for _, _, file in (text.partition("@") for text in arguments.against or ()) if file]
    if files and not (arguments.predictions or arguments.dataset):
        raise InputError("--against MODEL@FILE needs --predictions or --dataset")
    if arguments.predictions:
        for path in (arguments.predictions, predicted_annotations(arguments), *files):
            if not path.is_file():
                raise InputError(f"{path}: {missing_reason(path)}")
    else:
        for weights in (arguments.weights, *files):
            if weights is not None:
                locate_weights(weights)


def predicted_annotations(arguments: CompareArguments) -> Path:
    """Return the ground truth of the predictions: as given, or that of the dataset below the data root."""
    return arguments.annotations or find_annotations("coco" if arguments.dataset == "coco" else "mpii", arguments.root)


def choose_joints(arguments: CompareArguments, table: Table | None) -> int:
    """Return the number of joints: as given, or else that of the table's dataset, of the given dataset, or 16."""
    kind = joint_set_of(arguments.dataset or "")
    return arguments.joints or JOINT_COUNTS.get(table.dataset if table else kind) or JOINT_COUNTS.get(kind) or 16


def resolve_candidates(arguments: CompareArguments, size: str) -> list[Candidate]:
    """Resolve the new network, and the baselines that the user gives as MODEL or MODEL@FILE; no two have the same name.

    Raises:
        InputError: a model is unknown, or is given twice.
    """
    specs, files = [arguments.model], [arguments.weights]
    for text in arguments.against or ():
        spec, _, weights = text.partition("@")
        specs.append(spec)
        files.append(Path(weights) if weights else None)
    models = resolve_models(specs)
    paths = [f"{model.spec}@{file.resolve()}" if file else model.spec for model, file in zip(models, files, strict=True)]
    candidates: list[Candidate] = []
    for model, file, path in zip(models, files, paths, strict=True):
        if paths.index(path) < len(candidates):
            raise InputError(f"{model.name} is given twice")
        if file and model.name in [candidate.name for candidate in candidates]:  # the same network with other weights
            same = [other for other in paths if other.startswith(f"{model.spec}@")]
            end = distinct_names(same, [1] * len(same))[same.index(path)]
            model = replace(model, name=f"{model.name}@{end}")
        candidates.append(Candidate(external=model, name=model.name, input=size, file=file))
    if arguments.name:
        if printable(arguments.name) != arguments.name:
            raise InputError(f"--name {arguments.name!r}: give a name of one line, of characters that can be seen")
        candidates[0].name = arguments.name
    return candidates


def check_name(network: Candidate, baselines: Sequence[Candidate], table: Table | None) -> None:
    """Check that no other row has the new network's name.

    Raises:
        InputError: a baseline or a printed row has it.
    """
    first_column = next(iter(table.columns)) if table else ""
    printed = [table.printed.get((row, first_column)) for row in table.rows] if table else []
    if network.name in [*(baseline.name for baseline in baselines), *printed]:
        raise InputError(f"--name {network.name}: another row has this name")


def measure_accuracy(arguments: CompareArguments, comparison: Comparison) -> Accuracy | None:
    """Measure the accuracy from weights or predictions; return None if neither is asked for."""
    files = {baseline.name: baseline.file for baseline in comparison.baselines if baseline.file is not None}
    if arguments.predictions:
        dataset: Literal["mpii", "coco"] = "coco" if arguments.dataset == "coco" else "mpii"
        return accuracy_from_predictions(dataset, predicted_annotations(arguments), arguments.predictions, files)
    if arguments.dataset is None:
        return None
    trial = Trial.load(
        arguments.dataset,
        split=arguments.split,
        root=arguments.root,
        detections=arguments.detections,
        protocol=arguments.protocol,
        input_hw=parse_size(comparison.new_network.input),
        joints=comparison.joints,
        device=arguments.device,
    )
    baselines = [(baseline.external, baseline.file) for baseline in comparison.baselines if baseline.file is not None]
    with tqdm(total=len(trial.people) * (1 + len(baselines)), unit=" people", disable=None) as bar:
        return accuracy_from_weights(trial, comparison.new_network.external, arguments.weights, baselines, bar.update)


def time_networks(arguments: CompareArguments, comparison: Comparison) -> None:
    """Time all networks in interleaved rounds; if one is an ONNX file, all of them run in onnxruntime.

    A network that cannot be timed is left out, with a note.
    """
    exported = any(candidate.external.onnx for candidate in comparison.networks)
    settings = [
        Setting(
            model=candidate.external.spec,
            input=candidate.input,
            joints=comparison.joints,
            threads=arguments.threads,
            device=arguments.device,
            backend="onnxruntime" if exported else "eager",
        )
        for candidate in comparison.networks
    ]
    if exported and len(settings) > 1:
        comparison.notes.append("an ONNX file runs in onnxruntime, so the other networks were exported and timed there too")

    def leave_out(number: int, problem: InputError) -> None:
        candidate = comparison.networks[number]
        candidate.not_timed_reason = str(problem)
        comparison.notes.append(f"{candidate.name}: not timed: {problem}")

    with tqdm(total=1, unit=" runs", desc="latency", disable=None) as bar:
        timings = measure_latency(settings, rounds=arguments.rounds, progress=show_progress(bar), failed=leave_out)
    timed = [candidate for candidate in comparison.networks if not candidate.not_timed_reason]
    for candidate, timing in zip(timed, timings, strict=True):
        candidate.timing = timing


def plotted_dataset(joints: int, table: Table | None) -> str:
    """Return the dataset whose Pareto plot the network belongs in; an empty string if there is no such plot."""
    dataset = table.dataset if table else {count: name for name, count in JOINT_COUNTS.items()}.get(joints, "")
    return dataset if dataset in ("mpii", "coco") else ""


def write_pareto_plot(out: Path, dataset: str, comparison: Comparison, records: Mapping[str, Record]) -> Path:
    """Write ``pareto.svg``: the accuracy and cost of the network and of all printed ones."""
    from benchmark.compare.pareto import pareto_figure  # imports matplotlib, which is slow

    network, accuracy = comparison.new_network, comparison.accuracy
    assert network.gmacs is not None
    metric, scale = {"mpii": ("pckh@0.5 (hrnet)", 1), "coco": ("AP", 100)}[dataset]
    estimate = None
    if accuracy and (accuracy.dataset, accuracy.split, accuracy.not_comparable_reason) == (dataset, "val", ""):
        value, ci95, _ = accuracy.estimates[metric]
        estimate = Estimate(scale * value, (scale * ci95[0], scale * ci95[1]) if ci95 else None)
    figure = pareto_figure(load_papers(), records, dataset, network.name, network.gmacs, estimate, network.not_counted)
    return write_file(out / "pareto.svg", figure)
