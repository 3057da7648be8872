"""Evaluate a model with given weights under one or several protocols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmark.config.packages import default_protocol, find_protocol, package_of
from benchmark.config.protocols import PROTOCOLS, Protocol, joint_mapping
from benchmark.core.errors import InputError
from benchmark.core.files import check_output_file, check_output_folder
from benchmark.core.input_size import parse_size
from benchmark.core.keypoints import JOINT_COUNTS, JOINT_NAMES
from benchmark.core.records import RECORDS, Record, check_store
from benchmark.data import find_dataset, load_people
from benchmark.data.coco import load_coco
from benchmark.data.mpii import load_mpii
from benchmark.data.people import People
from benchmark.evaluation.arguments import EvaluateArguments
from benchmark.evaluation.backends import load_external
from benchmark.evaluation.distributed import broadcast, choose_device, gather_parts, process_group
from benchmark.evaluation.inference import Predictions, assemble_chunks, count_people_of_shard, predict_people
from benchmark.evaluation.records import Evaluation
from benchmark.evaluation.scoring import score_predictions, to_coco_detections
from benchmark.evaluation.submission import release_file, write_coco, write_mpii
from benchmark.evaluation.visualize import check_ignored_folder, draw_predictions
from benchmark.models.external import check_heatmaps, register_external, resolve_model
from benchmark.models.registry import find_entry
from benchmark.models.weights import locate_weights

EVALUATION_SPLITS = {"lsp": "test", "mpii": "val", "coco": "val"}
HIDDEN_SPLITS = {"mpii": ("test",), "coco": ("test-dev",)}  # only the servers know their labels


def evaluate_model(arguments: EvaluateArguments, folder: Path = RECORDS) -> tuple[Evaluation, list[Record]]:
    """Evaluate a model under one or several protocols; return the evaluation and its records.

    Results that ``folder`` holds already are read from there. Of several processes, only the first returns records.

    Raises:
        InputError: the model, weights, data, protocol or options do not fit together.
    """
    path = arguments.weights
    assert path is not None
    external = resolve_model(arguments.model)
    arguments = replace(arguments, model=external.model or register_external(external))
    protocols = choose_protocols(arguments)
    joints = JOINT_COUNTS[arguments.head or arguments.kind]
    input_hw = parse_size(arguments.input or find_entry(arguments.model).inputs[0])
    if not external.model:
        check_heatmaps(external, joints, input_hw)
    check_places(arguments, folder)
    with process_group() as (rank, world_size):
        # Load the people, the weights and the network.
        people, dataset_folder = load_test_people(arguments)
        weights, device = locate_weights(path), choose_device(arguments.device)
        backend = load_external(external, weights, joints=joints, input_hw=input_hw, device=device)
        to_dataset_joints = joint_mapping(backend.joints, JOINT_NAMES[arguments.kind])
        evaluation = Evaluation.of(arguments.model, weights, backend, people, tuple(protocols), arguments.detections)

        # Return stored results, unless something needs the predictions themselves.
        record_results = arguments.keep and arguments.limit is None
        needs_predictions = arguments.submission is not None or arguments.draw is not None
        if record_results and not needs_predictions and (stored := broadcast(evaluation.on_record(folder))):
            return evaluation, stored if rank == 0 else []

        # Predict this process's share, and gather all shares in the first process.
        shard = (rank, world_size)
        total = count_people_of_shard(len(people), shard)
        with tqdm(total=total, unit=" people", disable=None if rank == 0 else True) as bar:
            chunks = predict_people(
                people,
                backend,
                protocols,
                arguments.work / arguments.model.replace("/", "-"),
                device=device,
                broken=arguments.broken,
                shard=shard,
                progress=bar.update,
            )
        parts = gather_parts(chunks)
    if rank != 0:
        return evaluation, []
    predictions = assemble_chunks(parts, len(people))

    # Leave out people whose image could not be read, and bring the joints into the dataset's order.
    readable = next(iter(predictions.values())).readable()
    if not readable.any():
        raise InputError(f"{arguments.dataset}: none of the images of {len(people)} people could be read")
    people = people.select(readable)
    predictions = {
        name: Predictions(p.joints[readable][:, to_dataset_joints], p.scores[readable][:, to_dataset_joints])
        for name, p in predictions.items()
    }

    if arguments.submission:
        write_submission(arguments, people, protocols, predictions, dataset_folder, backend.input_hw)
    if arguments.draw:
        draw_predictions(arguments.draw, people, next(iter(predictions.values())).joints, JOINT_NAMES[arguments.kind])
    if arguments.split in HIDDEN_SPLITS.get(arguments.kind, ()):
        return evaluation, []

    results = score_predictions(people, predictions, protocols, dataset_folder, backend.input_hw)
    records = evaluation.records(predictions, results, len(people))
    if record_results and readable.all():
        evaluation.keep(records, folder)
    return evaluation, records


def check_places(arguments: EvaluateArguments, folder: Path) -> None:
    """Check that everything that an evaluation writes can be written, before the network is run.

    Args:
        folder: Folder of the records.

    Raises:
        InputError: a place cannot be written; it is named.
    """
    if arguments.submission:
        check_output_file(arguments.submission)
    for place in (arguments.work, arguments.draw):
        if place:
            check_output_folder(place)
    if arguments.keep:
        check_store(folder)


def choose_protocols(arguments: EvaluateArguments) -> dict[str, Protocol]:
    """Return the protocols by name: those of ``--protocol``, or the model's default for the dataset.

    Raises:
        InputError: the model or a protocol is unknown, or options exclude each other.
    """
    names = arguments.protocol or (
        default_protocol(arguments.model, arguments.dataset, detected=arguments.detections is not None),
    )
    if names == ("all",):
        names = tuple(package_of(arguments.model).protocols or PROTOCOLS)
    if len(set(names)) != len(names):
        raise InputError(f"--protocol {' '.join(names)}: a protocol is named twice")
    if arguments.limit is not None and arguments.limit < 1:
        raise InputError(f"--limit {arguments.limit}: the number of people must be at least 1")
    if arguments.submission and (len(names) > 1 or arguments.kind == "lsp"):
        raise InputError("--submission needs a single protocol, and MPII or COCO as the dataset: LSP has no server")
    if arguments.split in HIDDEN_SPLITS.get(arguments.kind, ()) and not arguments.submission:
        raise InputError(
            f"the labels of {arguments.kind} {arguments.split} are hidden; write a file for its server with --submission"
        )
    if arguments.detections and arguments.kind != "coco":
        raise InputError("--detections: only COCO has detected boxes")
    if arguments.draw:
        check_ignored_folder("--draw", arguments.draw)
    return {name: find_protocol(arguments.model, name) for name in names}


def load_test_people(arguments: EvaluateArguments) -> tuple[People, Path]:
    """Load the people to test on; return them and the dataset's folder.

    Raises:
        InputError: the annotations are missing, malformed, or of another dataset.
    """
    _, folder = find_dataset(arguments.dataset, arguments.root)
    split = arguments.split or EVALUATION_SPLITS[arguments.kind]
    if arguments.kind == "coco":
        people = load_coco(folder, split, detections=arguments.detections)
    elif arguments.kind == "mpii" and arguments.submission:
        people = load_mpii(folder, split, annotations=release_file(folder))
    else:
        people = load_people(arguments.dataset, split, arguments.root)
    if people.dataset != arguments.dataset:
        raise InputError(f"{folder} holds {people.dataset}, not {arguments.dataset}")
    if not len(people):
        raise InputError(f"{folder}: the split {split} has no people")
    if arguments.limit is None:
        return people, folder
    selected = np.arange(len(people)) < arguments.limit
    if arguments.kind == "coco":  # average precision is defined on whole images
        selected = np.isin(people.image_ids, people.image_ids[selected])
    return replace(people.select(selected), split=f"{split}[:{arguments.limit}]"), folder


def write_submission(
    arguments: EvaluateArguments,
    people: People,
    protocols: Mapping[str, Protocol],
    predictions: Mapping[str, Predictions],
    folder: Path,
    input_hw: tuple[int, int],
) -> None:
    """Write the file for the benchmark's server; see :mod:`benchmark.evaluation.submission`."""
    assert arguments.submission is not None
    [protocol], [predicted] = protocols.values(), predictions.values()
    if arguments.kind == "coco":
        write_coco(arguments.submission, to_coco_detections(people, predicted, protocol, input_hw))
    else:
        write_mpii(arguments.submission, people, predicted.joints, folder)
